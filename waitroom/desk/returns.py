"""Staying in line for returns: what comes back goes first to those who stayed, by number."""

from typing import Any

import msgspec
from aiohttp import web

from inventory.kit.http import json_response, read_body, read_form
from inventory.kit.problem import Busy, Refusal, Unprocessable
from waitroom.desk.board import RoomView
from waitroom.line.address import ADDRESS_LENGTH_MAX, is_address
from waitroom.line.ticket import Ticket
from waitroom.refusals import (
    AlreadyBought,
    MailNotOffered,
    NoTicket,
    OtherTicket,
    RoomEnded,
    TicketLeft,
    UnitsFree,
)
from waitroom.web.tickets_api import Line

# Where a ticket may stand when its page offers to stay. Whoever is called or inside has their turn.
OFFERED_TO = frozenset({"waiting", "missed", "over", "sold_out"})
SELLING = frozenset({"open", "paused", "sold_out"})


class Stay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The optional body of PUT: where to write to when the ticket is called again."""

    email: str | None = None


_STAY = msgspec.json.Decoder(Stay)
_REFUSALS: dict[str, type[Refusal]] = {
    "bought": AlreadyBought,
    "units_free": UnitsFree,
    "left": TicketLeft,
    "other_ticket": OtherTicket,
}


class Returns:
    """What a ticket can do about returns; the API, its forms and the pages stand on it."""

    def __init__(self, line: Line, *, mail_offered: bool) -> None:
        self.line = line
        self._mail_offered = mail_offered

    async def stay(self, view: RoomView, ticket: Ticket, email: str | None) -> dict[str, Any]:
        """Keep a ticket in line for returns; an address given before is replaced, by none too."""
        address = self._checked((email or "").strip())
        if view.rules.status == "ended":
            raise RoomEnded
        verdict = await self.line.store.stay_for_returns(ticket, email=address)
        if verdict in _REFUSALS:
            raise _REFUSALS[verdict]
        return {"in_line": True, "email": address or None}

    def _checked(self, address: str) -> str:
        if address and not self._mail_offered:
            raise MailNotOffered
        if address and not is_address(address):
            raise Unprocessable("That cannot be an e-mail address.")
        return address

    async def leave(self, ticket: Ticket) -> None:
        await self.line.store.leave_returns(ticket)

    async def read(self, view: RoomView, ticket: Ticket) -> dict[str, Any]:
        """Return whether a ticket stays, and what staying means in this room."""
        email = (await self.line.standings.submit(ticket)).returns_email
        return {
            "in_line": email is not None,
            "email": email or None,
            "mail_offered": self._mail_offered,
            "window_s": view.rules.returns_window_s,
        }

    async def at_checkout(self, request: web.Request, room: str) -> dict[str, Any] | None:
        """Return what a checkout's page offers; None where the browser has no ticket."""
        view = self.line.board.rooms.get(room)
        try:
            ticket = self.line.ticket_of(request, view) if view else None
        except NoTicket:
            ticket = None
        if view is None or ticket is None:
            return None
        found = await self.read(view, ticket)
        return found if found["in_line"] or none_free(view) else None

    async def in_line(
        self, request: web.Request, view: RoomView, standing: dict[str, Any] | None
    ) -> dict[str, Any] | None:
        """Return what the waiting page offers; None where there is nothing to stay for.

        The place itself is shown from memory, so a page is not refused for what it only offers.
        """
        if standing is None or standing["status"] not in OFFERED_TO or not none_free(view):
            return None
        try:
            return await self.read(view, self.line.ticket_of(request, view))
        except Busy:
            return None


def none_free(view: RoomView) -> bool:
    """Say whether this room sells things of which none is free now, but some may come back."""
    state = view.state
    return bool(state and state.has_stock and state.status in SELLING and not state.available)


class ReturnsApi:
    def __init__(self, returns: Returns) -> None:
        self._returns = returns
        self._line = returns.line

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/rooms/{room}/returns", self.read),
            web.put("/rooms/{room}/returns", self.stay),
            web.delete("/rooms/{room}/returns", self.leave),
            web.post("/rooms/{room}/returns", self.stay_by_form),
            web.post("/rooms/{room}/no-returns", self.leave_by_form),
        ]

    async def read(self, request: web.Request) -> web.Response:
        return json_response(await self._returns.read(*self._ticket(request)))

    async def stay(self, request: web.Request) -> web.Response:
        view, ticket = self._ticket(request)
        wish = await read_body(request, _STAY) if request.can_read_body else Stay()
        return json_response(await self._returns.stay(view, ticket, wish.email))

    async def leave(self, request: web.Request) -> web.Response:
        _, ticket = self._ticket(request)
        await self._returns.leave(ticket)
        return web.Response(status=204)

    async def stay_by_form(self, request: web.Request) -> web.Response:
        view, ticket = self._ticket(request)
        form = await read_form(request)
        await self._returns.stay(view, ticket, form.get("email", "")[: ADDRESS_LENGTH_MAX + 1])
        raise _back(view, form)

    async def leave_by_form(self, request: web.Request) -> web.Response:
        view, ticket = self._ticket(request)
        form = await read_form(request)
        await self._returns.leave(ticket)
        raise _back(view, form)

    def _ticket(self, request: web.Request) -> tuple[RoomView, Ticket]:
        view = self._line.board.room(request.match_info["room"])
        return view, self._line.ticket_of(request, view)


def _back(view: RoomView, form: dict[str, str]) -> web.HTTPSeeOther:
    at_checkout = form.get("from") == "checkout"
    return web.HTTPSeeOther("/checkout" if at_checkout else f"/rooms/{view.room}")
