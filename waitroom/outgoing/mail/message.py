"""The text of a message: plain text and nothing else, with no word from a stranger. Pure."""

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import msgspec

from inventory.kit.language.catalogues import english, language, tags
from inventory.kit.language.language import Language
from waitroom.line.address import parse_address

CALLED_FOR_RETURNS = "called_for_returns"
NAME_LENGTH_MAX = 80


class Called(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a call for returns, as `tell_returns` writes them."""

    room: str
    name: str
    number: int
    claim_until: datetime
    language: str = ""


_CALLED = msgspec.json.Decoder(Called)


def write_message(
    *,
    mail_id: int,
    created_at: datetime,
    kind: str,
    facts: str,
    to: str,
    sender: Address,
    base_url: str,
    now: datetime,
) -> EmailMessage:
    """Return the message; raises `ValueError` for an unknown kind and for no address.

    The same message always has the same Message-ID, so that a copy can be told from a new message.
    """
    if kind != CALLED_FOR_RETURNS:
        raise ValueError(f"there is no text for mail of the kind {kind!r}")
    call = _CALLED.decode(facts)
    name = one_line(call.name)
    # The policy refuses a header with a line break in it.
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    address = parse_address(to)
    message["To"] = Address(username=address.local, domain=address.domain)
    tongue = language(call.language) if call.language in tags() else english()
    message["Subject"] = tongue.say("It is your turn: {name}", name=name)
    message["Date"] = format_datetime(now.astimezone(UTC))
    message["Message-ID"] = f"<mail-{mail_id}-{created_at.timestamp():.6f}@{sender.domain}>"
    # RFC 3834: out-of-office notes do not answer such a message.
    message["Auto-Submitted"] = "auto-generated"
    text = _text(call, name, f"{base_url}/rooms/{call.room}", tongue)
    # Every relay takes seven bits, and some take no more.
    message.set_content(text, cte=None if text.isascii() else "quoted-printable")
    return message


def _text(call: Called, name: str, url: str, tongue: Language) -> str:
    number = tongue.say("Your number: {number}", number=call.number)
    until = tongue.say("Come before: {moment}", moment=spell_moment(call.claim_until, tongue))
    parts = (
        tongue.say("Something came back in {name}, and it is your turn.", name=name),
        f"{number}\n{until}",
        url,
        tongue.say(
            "Open this address in the browser in which you took your number: your ticket is kept "
            "there. If you do not come in time, the turn goes to the next in line."
        ),
        tongue.say(
            "This address was left in line for returns. If that was not you, you need not do "
            "anything. This is the only message: the address is deleted now that it is sent."
        ),
    )
    return "\n\n".join(parts) + "\n"


def one_line(text: str) -> str:
    """Return a name as it may stand in a subject: printable, on one line, not too long."""
    printable = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(printable.split())[:NAME_LENGTH_MAX]


def spell_moment(moment: datetime, tongue: Language) -> str:
    """Write a moment in UTC, rounded down to the minute: Oct 3, 2026, 14:05 UTC."""
    return tongue.moment(moment.isoformat())
