"""The mail's sender: a loop that takes what is due and hands it to the relay."""

import asyncio
import random
import ssl
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage

import aiosmtplib
import asyncpg
import structlog
from prometheus_client import Counter

from inventory.kit.problem import Refusal
from waitroom.outgoing.mail.attempt import Answer, judge
from waitroom.outgoing.mail.mail_store import Mail, MailStore
from waitroom.outgoing.mail.message import write_message
from waitroom.outgoing.mail.relay import Relay

log = structlog.get_logger()

LOOK_EVERY_S = 1.0
# So many connections to the relay at once; each carries one message.
BATCH_MAX = 8
ATTEMPT_S = 20.0
# Longer than any attempt takes, so that nobody else begins while this one may still arrive.
LEASE_S = 3 * ATTEMPT_S
STOP_WAIT_S = 5.0

MAILS = Counter("waitroom_mails_total", "Messages handed to the relay, by outcome.", ["outcome"])


class MailSender:
    """Sends from `sender` through `relay`, with links that begin with `base_url`."""

    def __init__(
        self,
        mails: MailStore,
        *,
        relay: Relay,
        sender: Address,
        base_url: str,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._mails = mails
        self._relay = relay
        self._sender = sender
        self._base_url = base_url
        self._tls_context = tls_context

    async def run(self, stopping: asyncio.Event) -> None:
        """Send until told to stop; what is under way then has a moment to end.

        What is cut off is sent again by somebody else when its lease is over.
        """
        ender = asyncio.create_task(stopping.wait())
        while not stopping.is_set():
            batch = asyncio.create_task(self.send_due())
            await asyncio.wait({batch, ender}, return_when=asyncio.FIRST_COMPLETED)
            if not batch.done():
                await asyncio.wait({batch}, timeout=STOP_WAIT_S)
                batch.cancel()
            sent = 0
            with suppress(asyncio.CancelledError):
                sent = await batch
            if sent < BATCH_MAX:
                # A relay that took less than it was given is not pressed.
                await asyncio.wait({ender}, timeout=LOOK_EVERY_S)
        ender.cancel()

    async def send_due(self) -> int:
        """Take a batch of what is due, send it, and return how many messages went out."""
        try:
            found = await self._mails.claim(BATCH_MAX, lease_s=LEASE_S)
        except (Refusal, asyncpg.PostgresError) as error:
            log.warning("mail_unread", error=repr(error))
            return 0
        return sum(await asyncio.gather(*(self._attempt(mail) for mail in found)))

    async def _attempt(self, mail: Mail) -> bool:
        try:
            message = write_message(
                mail_id=mail.mail_id,
                created_at=mail.created_at,
                kind=mail.kind,
                facts=mail.facts,
                to=mail.address,
                sender=self._sender,
                base_url=self._base_url,
                now=mail.now,
            )
            answer = await self._hand_over(message, mail.address)
        except Exception as error:  # noqa: BLE001 - one message must not stop the others
            # Not its text, in which the address may stand.
            answer = Answer(what=f"broke: {type(error).__name__}")
            log.error("mail_broke", mail=mail.mail_id, error=type(error).__name__)  # noqa: TRY400 - a traceback may show the address
        chance = random.random()  # noqa: S311 - jitter guards no secret
        outcome = judge(answer, attempts=mail.attempts, chance=chance)
        MAILS.labels(outcome.state if outcome.state != "waiting" else "retried").inc()
        if not answer.sent:
            log.warning(
                "mail_not_sent", mail=mail.mail_id, what=answer.what, attempts=mail.attempts
            )
        try:
            await self._mails.note(mail, answer.what, outcome)
        except (Refusal, asyncpg.PostgresError) as error:
            # What became of it could not be noted. The lease runs out, and it is sent again.
            log.warning("mail_unnoted", mail=mail.mail_id, error=repr(error))
        return answer.sent

    async def _hand_over(self, message: EmailMessage, to: str) -> Answer:
        """Give one message to the relay; whatever goes wrong on the way is an answer too."""
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
            timeout=ATTEMPT_S,
        )
        taken = False
        try:
            async with asyncio.timeout(ATTEMPT_S), client:
                await client.send_message(message, sender=self._sender.addr_spec, recipients=[to])
                taken = True
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            # What comes after the relay has taken it changes nothing.
            if not taken:
                return explain(error)
        return Answer(what="sent", sent=True)


def explain(error: Exception) -> Answer:
    """Say what went wrong in words of ours: the relay's own may repeat the address."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused) and error.recipients:
        code = error.recipients[0].code
        return Answer(what=f"address refused: {code}", code=code, refused=True)
    if isinstance(error, aiosmtplib.SMTPDataError):
        return Answer(what=f"message refused: {error.code}", code=error.code, refused=True)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        kind = type(error).__name__.removeprefix("SMTP")
        return Answer(what=f"{kind}: {error.code}", code=error.code)
    return Answer(what=type(error).__name__)
