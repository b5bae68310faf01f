"""Staying in line for returns over HTTP: the API, and the forms of two pages."""

import msgspec
from aiohttp import web

from checkout.session import checkout_url
from inventory.kit.doors.described import Caller, described
from inventory.kit.http import json_response, read_body, read_form
from inventory.kit.language.asked import language_of
from waitroom.desk.board import Board, RoomView
from waitroom.desk.called.returns import Returns, ReturnsStanding, Stayed
from waitroom.line.address import ADDRESS_LENGTH_MAX
from waitroom.line.ticket import Ticket
from waitroom.refusals import (
    AlreadyBought,
    AlreadyCalled,
    MailNotOffered,
    NotDrawnYet,
    OtherTicket,
    PlaceRevoked,
    RoomEnded,
    TicketLeft,
    TicketOver,
    UnitsFree,
)
from waitroom.web.credentials import NOT_HERE, Credentials


class StayBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The optional body of PUT: the address for a message when the ticket is called again."""

    email: str | None = None


_STAY = msgspec.json.Decoder(StayBody)


class ReturnsApi:
    def __init__(self, returns: Returns, credentials: Credentials, *, board: Board) -> None:
        self._returns = returns
        self._credentials = credentials
        self._board = board

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/rooms/{room}/returns", self.read),
            web.put("/rooms/{room}/returns", self.stay),
            web.delete("/rooms/{room}/returns", self.leave),
            web.post("/rooms/{room}/returns", self.stay_by_form),
            web.post("/rooms/{room}/no-returns", self.leave_by_form),
        ]

    @described(caller=Caller.TICKET, answer=ReturnsStanding, refusals=(OtherTicket,))
    async def read(self, request: web.Request) -> web.Response:
        """Say whether the place stays in line for returned units, and what that means here."""
        return json_response(await self._returns.read(*await self._ticket(request)))

    @described(
        caller=Caller.TICKET,
        body=StayBody,
        body_required=False,
        answer=Stayed,
        refusals=(
            MailNotOffered,
            RoomEnded,
            NotDrawnYet,
            UnitsFree,
            AlreadyBought,
            AlreadyCalled,
            OtherTicket,
            PlaceRevoked,
            TicketLeft,
            TicketOver,
        ),
    )
    async def stay(self, request: web.Request) -> web.Response:
        """Stay in line for units that come back after everything was sold."""
        view, ticket = await self._ticket(request)
        body = await read_body(request, _STAY) if request.can_read_body else StayBody()
        language = language_of(request).tag
        return json_response(await self._returns.stay(view, ticket, body.email, language=language))

    @described(caller=Caller.TICKET, status=204)
    async def leave(self, request: web.Request) -> web.Response:
        """Stay no longer in line for returned units."""
        _, ticket = await self._ticket(request)
        await self._returns.leave(ticket)
        return web.Response(status=204)

    async def stay_by_form(self, request: web.Request) -> web.Response:
        view, ticket = await self._ticket_of_form(request)
        form = await read_form(request)
        email = form.get("email", "")[: ADDRESS_LENGTH_MAX + 1]
        await self._returns.stay(view, ticket, email, language=language_of(request).tag)
        raise _back(view, form)

    async def leave_by_form(self, request: web.Request) -> web.Response:
        view, ticket = await self._ticket_of_form(request)
        form = await read_form(request)
        await self._returns.leave(ticket)
        raise _back(view, form)

    async def at_checkout(self, request: web.Request, room: str) -> ReturnsStanding | None:
        """Return what the checkout's page offers, None for a browser without a ticket."""
        view = self._board.rooms.get(room)
        if view is None:
            return None
        try:
            ticket = self._credentials.ticket_of(request, view)
        except NOT_HERE:
            return None
        return await self._returns.offered_inside(view, ticket)

    async def _ticket_of_form(self, request: web.Request) -> tuple[RoomView, Ticket]:
        """Return the ticket of a form; a form without one leads on to the room."""
        view = await self._credentials.room_of(request)
        try:
            return view, self._credentials.ticket_of(request, view)
        except NOT_HERE as refusal:
            raise web.HTTPSeeOther(f"/rooms/{view.room}") from refusal

    async def _ticket(self, request: web.Request) -> tuple[RoomView, Ticket]:
        view = await self._credentials.room_of(request)
        return view, self._credentials.ticket_of(request, view)


def _back(view: RoomView, form: dict[str, str]) -> web.HTTPSeeOther:
    at_checkout = form.get("from") == "checkout"
    return web.HTTPSeeOther(checkout_url(view.room) if at_checkout else f"/rooms/{view.room}")
