"""Tickets: the signed right to a place in line. Pure."""

import re
from base64 import urlsafe_b64decode
from collections.abc import Sequence

import msgspec

from inventory.kit.holders.marks import Shows, bound, no_one, unbound
from inventory.kit.signing import Seal, url_safe
from waitroom.refusals import NoTicket, TicketBound

PURPOSE = "waitroom.ticket.1"
TICKET_ID_BYTES = 16
# A line's id is unique among all rooms, so a ticket is worthless in any other line.
# The last of the 22 letters has four spare bits; only the spelling with zeros there is ours.
_PLACE = r"([1-9][0-9]{0,9})\.(e?)([1-9][0-9]{0,17})\.([A-Za-z0-9_-]{21}[AQgw])"
_FORM = re.compile(_PLACE + r"(?:\.([A-Za-z0-9][A-Za-z0-9._-]{0,62}))?")


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A place: the number in a line, and 128 random bits that make the ticket its holder's own.

    With `entered` the number is that of an entry, until the draw gives the place its number. `sku`
    is the SKU that the shopper named as they joined, "" for none; it is no part of the right.
    One is made for each request, and a struct is made ten times as fast as a dataclass.
    """

    line_id: int
    number: int
    ticket_id: bytes
    entered: bool = False
    sku: str = ""

    def text(self) -> str:
        """Return the canonical form: one ticket, one spelling."""
        return f"{self.place_text()}.{self.sku}" if self.sku else self.place_text()

    def place_text(self) -> str:
        """Return the form without what the shopper came for."""
        return f"{self.place}.{encode_id(self.ticket_id)}"

    @property
    def place(self) -> str:
        """The place alone, whoever holds it."""
        return f"{self.line_id}.{'e' if self.entered else ''}{self.number}"


def encode_id(ticket_id: bytes) -> str:
    return url_safe(ticket_id)


def parse_ticket(text: str) -> Ticket | None:
    """Read the canonical form back; None for anything else."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    return Ticket(
        line_id=int(match[1]),
        number=int(match[3]),
        ticket_id=urlsafe_b64decode(match[4] + "=="),
        entered=bool(match[2]),
        sku=match[5] or "",
    )


class TicketSeal:
    """Sign tickets and read them back, by HMAC-SHA256 with the keys of the room's service."""

    def __init__(self, secret_keys: Sequence[bytes]) -> None:
        self._seal = Seal(secret_keys, PURPOSE)

    def sign(self, ticket: Ticket, mark: str = "") -> str:
        """Return a token for the holder of this mark, or for any bearer without one."""
        return self._seal.sign(bound(ticket.text(), mark))

    def open(self, token: str, shows: Shows = no_one) -> Ticket:
        """Return the ticket; `shows` says whether its bearer is the one that it is bound to.

        Raises `NoTicket` for a token that this service did not sign, and `TicketBound`.
        """
        text, mark = unbound(self._seal.open(token) or "")
        ticket = parse_ticket(text)
        if ticket is None:
            raise NoTicket
        if mark and not shows(mark):
            raise TicketBound
        return ticket
