"""The sender of mail: queues the messages of a turn, and hands what is due to the relay."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from email.headerregistry import Address
from email.message import EmailMessage

import aiosmtplib
import structlog
from prometheus_client import Counter, Gauge

from waitroom.line.address import parse_address
from waitroom.line.forecast.near import near_lines
from waitroom.outgoing.loop import SendingLoop
from waitroom.outgoing.mail.attempt import LEASE, RelayAnswer, judge
from waitroom.outgoing.mail.mail_store import STATES, Mail, MailStore
from waitroom.outgoing.mail.message import write_message
from waitroom.outgoing.mail.relay import Relay
from waitroom.outgoing.outcome import Fate, Outcome

log = structlog.get_logger()

# Connections to the relay at once; each carries one message.
IN_FLIGHT_MAX = 8
# The whole dialogue with the relay, less than the lease allows, so that its end can be told.
DIALOGUE_S = 20.0
# Messages of a turn that one look queues, and how often it is looked whose turn is near.
WRITTEN_MAX = 500
NEAR_EVERY_S = 5.0

# A relay without SMTPUTF8 takes no local part outside of ASCII; the code is RFC 6531's for that.
NO_SMTPUTF8 = RelayAnswer(what="the relay lacks SMTPUTF8", code=553, refused=True)

COUNT_EVERY_S = 15.0

MAILS = Counter("waitroom_mails_total", "Messages handed to the relay, by outcome.", ["outcome"])
DUE = Gauge(
    "waitroom_mails_due",
    "Messages that are due for an attempt.",
    multiprocess_mode="mostrecent",
)


class MailSender(SendingLoop[Mail, RelayAnswer, Outcome]):
    """Sends from `sender` through `relay`, with links that begin with `base_url`."""

    name = "mail"
    lease = LEASE
    look_every_s = 1.0

    def __init__(
        self,
        mails: MailStore,
        *,
        relay: Relay,
        sender: Address,
        base_url: str,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__()
        self._mails = mails
        self._relay = relay
        self._sender = sender
        self._base_url = base_url
        self._tls_context = tls_context
        self._near_at = self._count_at = 0.0

    async def prepare(self) -> bool:
        written = await self._mails.write_called(WRITTEN_MAX)
        if time.monotonic() >= self._near_at:
            self._near_at = time.monotonic() + NEAR_EVERY_S
            for room_id, state in await self._mails.nearing():
                if lines := near_lines(state):
                    await self._mails.write_near(room_id, lines, WRITTEN_MAX)
        if time.monotonic() >= self._count_at:
            self._count_at = time.monotonic() + COUNT_EVERY_S
            DUE.set(await self._mails.due())
        return written == WRITTEN_MAX

    async def take(self) -> Sequence[Mail]:
        free = IN_FLIGHT_MAX - len(self.in_flight)
        return await self._mails.lease_due(free, lease_s=LEASE.length_s) if free > 0 else []

    async def send(self, item: Mail) -> RelayAnswer:
        message = write_message(
            mail_id=item.mail_id,
            created_at=item.created_at,
            kind=item.kind,
            facts=item.facts,
            to=item.address,
            sender=self._sender,
            base_url=self._base_url,
            now=item.now,
        )
        return await self._hand_over(message, str(parse_address(item.address)))

    def broken(self, error: Exception) -> RelayAnswer:
        return RelayAnswer(what=f"broke: {type(error).__name__}")

    def judge(self, item: Mail, reply: RelayAnswer, *, chance: float) -> Outcome:
        return judge(reply, attempts=item.attempts, chance=chance)

    async def note(self, item: Mail, reply: RelayAnswer, outcome: Outcome) -> None:
        label = "retried" if outcome.fate is Fate.AGAIN else STATES[outcome.fate]
        MAILS.labels(label).inc()
        if not reply.sent:
            log.warning("mail_not_sent", mail=item.mail_id, what=reply.what, attempts=item.attempts)
        await self._mails.note(item, reply.what, outcome)

    async def _hand_over(self, message: EmailMessage, to: str) -> RelayAnswer:
        """Give one message to the relay; a failure on the way is an answer too."""
        relay = self._relay
        client = aiosmtplib.SMTP(
            hostname=relay.host,
            port=relay.port,
            use_tls=relay.tls,
            start_tls=relay.start_tls,
            username=relay.username or None,
            password=relay.password or None,
            tls_context=self._tls_context,
            # By default the name of this machine would be looked up.
            local_hostname=self._sender.domain,
            timeout=DIALOGUE_S,
        )
        taken = False
        try:
            async with asyncio.timeout(DIALOGUE_S):
                await client.connect()
                try:
                    spec = self._sender.addr_spec
                    await client.send_message(message, sender=spec, recipients=[to])
                except aiosmtplib.SMTPNotSupported:
                    # Only an address outside of ASCII needs an extension of the relay.
                    return NO_SMTPUTF8
                taken = True
                await client.quit()
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            # An error after the relay has taken the message changes nothing.
            if not taken:
                return explain(error)
        finally:
            # Leaving the client as a context would say goodbye to a relay that does not answer.
            client.close()
        return RelayAnswer(what="sent", sent=True)


def explain(error: Exception) -> RelayAnswer:
    """Say in our own words what went wrong: the relay's words may repeat the address."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused) and error.recipients:
        code = error.recipients[0].code
        return RelayAnswer(what=f"address refused: {code}", code=code, refused=True)
    if isinstance(error, aiosmtplib.SMTPDataError):
        return RelayAnswer(what=f"message refused: {error.code}", code=error.code, refused=True)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        kind = type(error).__name__.removeprefix("SMTP")
        return RelayAnswer(what=f"{kind}: {error.code}", code=error.code)
    return RelayAnswer(what=type(error).__name__)
