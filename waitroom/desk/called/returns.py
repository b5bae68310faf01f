"""Staying in line for returns: units that come back go first to shoppers who stayed, by number."""

import msgspec

from inventory.kit.language.language import phrase
from inventory.kit.problem import Busy, Refusal, Unprocessable
from waitroom.desk.board import RoomView
from waitroom.desk.standing import TicketStanding
from waitroom.desk.tickets import Tickets
from waitroom.line.address import is_address
from waitroom.line.ticket import Ticket
from waitroom.refusals import (
    AlreadyBought,
    MailNotOffered,
    NotDrawnYet,
    OtherTicket,
    PlaceChangedTooOften,
    RoomEnded,
    TicketLeft,
    UnitsFree,
)
from waitroom.store.line_store import LineStore

# The statuses in which a ticket's page offers to stay. A called ticket has its turn now.
OFFERED_TO = frozenset({"waiting", "missed", "over", "sold_out"})
SELLING = frozenset({"open", "paused", "sold_out"})

_REFUSALS: dict[str, type[Refusal]] = {
    "bought": AlreadyBought,
    "units_free": UnitsFree,
    "left": TicketLeft,
    "other_ticket": OtherTicket,
    "room_ended": RoomEnded,
    "too_many_changes": PlaceChangedTooOften,
}


class Stayed(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket that stays in line for returns, with the address for a message, if it has one."""

    in_line: bool
    email: str | None


class ReturnsStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket's part in the line for returns, and the terms of that line.

    `mail_offered` says whether the service sends mail; `window_s` is the claim window of a call for
    returned units.
    """

    in_line: bool
    email: str | None
    mail_offered: bool
    window_s: int


class Returns:
    """A ticket's part in the line for returns; the API, its forms and the pages stand on it."""

    def __init__(self, tickets: Tickets, *, store: LineStore, mail_offered: bool) -> None:
        self._tickets = tickets
        self._store = store
        self._mail_offered = mail_offered

    async def stay(
        self, view: RoomView, ticket: Ticket, email: str | None, *, language: str = ""
    ) -> Stayed:
        """Keep a ticket in line for returns; the address replaces the one before, "" too.

        The address is written to in the language with this tag.
        """
        address = self._checked((email or "").strip())
        if view.rules.status == "ended":
            raise RoomEnded
        if ticket.entered:
            # The number of an entry is another shopper's in the line.
            raise NotDrawnYet
        verdict = await self._store.stay_for_returns(ticket, email=address, language=language)
        if verdict in _REFUSALS:
            raise _REFUSALS[verdict]
        return Stayed(in_line=True, email=address or None)

    def _checked(self, address: str) -> str:
        if address and not self._mail_offered:
            raise MailNotOffered
        if address and not is_address(address):
            raise Unprocessable(phrase("That cannot be an e-mail address."))
        return address

    async def leave(self, ticket: Ticket) -> None:
        """Take a ticket out of the line for returns."""
        if not ticket.entered:
            await self._store.leave_returns(ticket)

    async def read(self, view: RoomView, ticket: Ticket) -> ReturnsStanding:
        """Return whether a ticket stays, and what staying means in this room."""
        email = (await self._tickets.place_on_file(ticket)).returns_email
        return ReturnsStanding(
            in_line=email is not None,
            email=email or None,
            mail_offered=self._mail_offered,
            window_s=view.rules.returns_window_s,
        )

    async def offered_inside(self, view: RoomView, ticket: Ticket) -> ReturnsStanding | None:
        """Return what the checkout's page offers, None where there is nothing to stay for."""
        found = await self.read(view, ticket)
        return found if found.in_line or none_free(view) else None

    async def offered_in_line(
        self, view: RoomView, ticket: Ticket, standing: TicketStanding
    ) -> ReturnsStanding | None:
        """Return what the waiting page offers, None where there is nothing to stay for.

        The page shows the place from memory; an engine that is away must not fail it for an offer.
        """
        if standing.status not in OFFERED_TO or not none_free(view):
            return None
        try:
            return await self.read(view, ticket)
        except Busy:
            return None


def none_free(view: RoomView) -> bool:
    """Say whether this room sells things of which none is free now, but some may come back."""
    state = view.state
    return bool(state and state.has_stock and state.status in SELLING and not state.available)
