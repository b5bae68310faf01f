"""Messages at one's turn: the address that a shopper leaves, and the links in the messages."""

from contextlib import suppress

import msgspec

from inventory.kit.language.language import phrase
from inventory.kit.problem import Busy, Refusal, Unprocessable
from inventory.kit.signing import Seal
from waitroom.desk.board import RoomView
from waitroom.desk.standing import row_for
from waitroom.desk.tickets import Tickets
from waitroom.line.address import is_address, parse_address
from waitroom.line.forecast.near import is_near
from waitroom.line.ticket import Ticket
from waitroom.refusals import (
    AlreadyCalled,
    AlreadyInside,
    MailNotOffered,
    PlaceChangedTooOften,
    RoomEnded,
    TicketMoved,
    TicketOver,
)
from waitroom.store.memory import Memory
from waitroom.store.place_store import MailedPlace, PlaceStore

PURPOSE = "waitroom.mail.1"
# One place may leave an address this often in all, and this often in a minute.
TIMES_ASKED_MAX = 5
ASKED_PER_MINUTE = 6

_REFUSALS: dict[str, type[Refusal]] = {
    "called": AlreadyCalled,
    "inside": AlreadyInside,
    "over": TicketOver,
    "other_ticket": TicketMoved,
    "drawn": Busy,
    "room_ended": RoomEnded,
    "too_many_changes": PlaceChangedTooOften,
}


class MessageStanding(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the service sends mail, and the address that a place has left, if it has."""

    mail_offered: bool
    email: str | None = None


class Messages:
    """The messages of a place; the API, the forms and the links in mail stand on it."""

    def __init__(
        self,
        tickets: Tickets,
        *,
        store: PlaceStore,
        memory: Memory,
        mailboxes: Seal,
        offered: bool,
    ) -> None:
        self._tickets = tickets
        self._store = store
        self._memory = memory
        self._seal = mailboxes
        self.offered = offered

    async def ask(
        self, view: RoomView, ticket: Ticket, email: str, *, language: str
    ) -> MessageStanding:
        """Leave an address, in place of the one before; it is written to in this language."""
        address = self._checked(email.strip())
        await self._memory.limit(f"mail:{ticket.place}", per_minute=ASKED_PER_MINUTE)

        async def ask(place: Ticket) -> str:
            return await self._store.ask_for_mail(
                place,
                email=address,
                address_key=self._key_of(address),
                language=language,
                near=self._is_near(view, place),
                times_max=TIMES_ASKED_MAX,
            )

        verdict, _ = await self._tickets.decided(view, ticket, ask)
        if verdict in _REFUSALS:
            raise _REFUSALS[verdict]
        return MessageStanding(mail_offered=True, email=address)

    def _checked(self, address: str) -> str:
        if not self.offered:
            raise MailNotOffered
        if not is_address(address):
            raise Unprocessable(phrase("That cannot be an e-mail address."))
        return address

    def _key_of(self, address: str) -> str:
        """Return a fingerprint of an address, by which messages to one mailbox are counted.

        The part behind a plus is the mailbox's own label. Without our keys no address can be tried
        against the fingerprint.
        """
        found = parse_address(address)
        mailbox = f"{found.local.partition('+')[0]}@{found.domain}".casefold()
        return self._seal.sign(mailbox).rpartition("~")[2]

    @staticmethod
    def _is_near(view: RoomView, ticket: Ticket) -> bool:
        """Say whether a message that the turn is near would say nothing new."""
        line = view.line_of(ticket)
        if ticket.entered or line is None:
            return False
        place = ticket.number - line.head
        return place <= 0 or is_near(row_for(view, ticket, place).wait_low_s)

    async def stop(self, view: RoomView, ticket: Ticket) -> None:
        """Write to a place no more, and forget its address; earlier links are worth nothing."""
        await self._tickets.decided(view, ticket, self._store.stop_mail)

    async def read(self, ticket: Ticket) -> MessageStanding:
        """Return the address that a place has left."""
        email = await self._store.mail_of(ticket) if self.offered else None
        return MessageStanding(mail_offered=self.offered, email=email or None)

    async def shown(self, ticket: Ticket | None) -> MessageStanding:
        """Return what a page shows; it has no ticket for a browser that has left no address.

        Most have not, and no page asks the database for them. An engine that is away must not fail
        a page for an offer.
        """
        with suppress(Busy):
            if ticket is not None:
                return await self.read(ticket)
        return MessageStanding(mail_offered=self.offered)

    async def mailed(self, view: RoomView, key: str) -> Ticket:
        """Return the place that a link in a message opens; raises `TicketOver`."""
        found = await self._store.mailed_place(view.room, key)
        if found is None or found.line_id not in view.lines:
            raise TicketOver
        return _ticket_of(found)

    async def stop_by_link(self, view: RoomView, key: str) -> None:
        """Write no more to the place that a link opens; raises `TicketOver`."""
        if not await self._store.stop_mail_by_key(view.room, key):
            raise TicketOver


def _ticket_of(found: MailedPlace) -> Ticket:
    return Ticket(
        line_id=found.line_id,
        number=found.number,
        ticket_id=found.ticket_id,
        entered=found.entered,
    )
