"""The text of a message: plain text and nothing else, with no word from a stranger. Pure."""

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import msgspec

from inventory.kit.language.catalogues import english, language, tags
from inventory.kit.language.language import Language
from inventory.money import format_amount
from waitroom.line.address import parse_address

CALLED_FOR_RETURNS, BOUGHT = "called_for_returns", "bought"
CALLED, NEARLY = "called", "nearly"
NAME_LENGTH_MAX = 80


class Called(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a call for returns, as `tell_returns` writes them."""

    room: str
    name: str
    number: int
    claim_until: datetime
    language: str = ""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a turn that has come, or is near, as `queue_call_mails` writes them.

    `key` opens the place in any browser, and stops the messages.
    """

    room: str
    name: str
    number: int
    key: str
    # None while the turn is only near.
    claim_until: datetime | None
    language: str = ""

    def url(self, base_url: str, path: str = "mailed") -> str:
        return f"{base_url}/rooms/{self.room}/{path}?key={self.key}"


class BoughtItem(msgspec.Struct, frozen=True, kw_only=True):
    """Units of one SKU as they were ordered."""

    name: str
    quantity: int


class Bought(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a paid order, as `mail_order` writes them; `path` reads it without a session."""

    room: str
    name: str
    number: str
    items: list[BoughtItem]
    total_minor: int
    currency: str
    path: str
    language: str = ""


Facts = Called | Turn | Bought
_FORMS: dict[str, type[Called] | type[Turn] | type[Bought]] = {
    CALLED_FOR_RETURNS: Called,
    CALLED: Turn,
    NEARLY: Turn,
    BOUGHT: Bought,
}


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
    if kind not in _FORMS:
        raise ValueError(f"there is no text for mail of the kind {kind!r}")
    told: Facts = msgspec.json.decode(facts, type=_FORMS[kind])
    name = one_line(told.name)
    tongue = language(told.language) if told.language in tags() else english()
    # The policy refuses a header with a line break in it.
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    address = parse_address(to)
    message["To"] = Address(username=address.local, domain=address.domain)
    subject, text = _written(told, name, base_url, tongue)
    message["Subject"] = subject
    message["Date"] = format_datetime(now.astimezone(UTC))
    message["Message-ID"] = f"<mail-{mail_id}-{created_at.timestamp():.6f}@{sender.domain}>"
    # RFC 3834: out-of-office notes do not answer such a message.
    message["Auto-Submitted"] = "auto-generated"
    if isinstance(told, Turn):
        # RFC 8058: mail programs offer to stop the messages by one press.
        message["List-Unsubscribe"] = f"<{told.url(base_url, 'mailed/stop')}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    # Every relay takes seven bits, and some take no more.
    message.set_content(text, cte=None if text.isascii() else "quoted-printable")
    return message


def _written(told: Facts, name: str, base_url: str, tongue: Language) -> tuple[str, str]:
    """Return the subject and the text."""
    say = tongue.say
    if isinstance(told, Bought):
        subject = say("Your order {number}: {name}", number=told.number, name=name)
        return subject, _thanks(told, name, f"{base_url}{told.path}", tongue)
    if isinstance(told, Called):
        subject = say("It is your turn: {name}", name=name)
        return subject, _text(told, name, f"{base_url}/rooms/{told.room}", tongue)
    if told.claim_until is None:
        return say("Almost your turn: {name}", name=name), _nearly(told, name, base_url, tongue)
    subject = say("It is your turn: {name}", name=name)
    return subject, _turn(told, told.claim_until, name, base_url, tongue)


def _nearly(turn: Turn, name: str, base_url: str, tongue: Language) -> str:
    say = tongue.say
    parts = (
        say("It is almost your turn in {name}. It may come within a few minutes.", name=name),
        say("Your number: {number}", number=turn.number),
        turn.url(base_url),
        _opens(tongue),
        say("One more message follows, when it is your turn. To stop it, open this address:")
        + "\n"
        + turn.url(base_url, "mailed/stop"),
    )
    return "\n\n".join(parts) + "\n"


def _turn(turn: Turn, until: datetime, name: str, base_url: str, tongue: Language) -> str:
    say = tongue.say
    number = say("Your number: {number}", number=turn.number)
    come = say("Come before: {moment}", moment=spell_moment(until, tongue))
    parts = (
        say("It is your turn in {name}.", name=name),
        f"{number}\n{come}",
        turn.url(base_url),
        _opens(tongue),
        say(
            "If you do not come in time, the turn goes to the next person, and you can still come "
            "back."
        ),
        say(
            "You asked for this message on the waiting page. It is the last one: the address is "
            "deleted now that it is sent."
        ),
    )
    return "\n\n".join(parts) + "\n"


def _opens(tongue: Language) -> str:
    return tongue.say(
        "This address opens your place, and can bring it to the device on which you open it. Keep "
        "it to yourself: anyone who has it can take the place."
    )


def _thanks(order: Bought, name: str, url: str, tongue: Language) -> str:
    items = "\n".join(f"{item.quantity} \u00d7 {one_line(item.name)}" for item in order.items)
    amount = format_amount(order.total_minor, order.currency, tongue.locale)
    parts = (
        tongue.say("Thank you. You bought in {name}:", name=name),
        items,
        tongue.say("Total: {amount}", amount=amount)
        + "\n"
        + tongue.say("Order: {number}", number=order.number),
        url,
        tongue.say(
            "This address shows your order and its receipt. Keep it to yourself: it opens the "
            "order for anyone who has it."
        ),
        tongue.say(
            "Your e-mail address was given with the payment. This is the only message: the address "
            "is deleted now that it is sent."
        ),
    )
    return "\n\n".join(parts) + "\n"


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
