"""Leaving a line, also without JavaScript."""

from aiohttp import web

from inventory.kit.http import read_form
from inventory.kit.pages import Pages
from waitroom.desk.board import RoomView
from waitroom.desk.tickets import Tickets
from waitroom.line.ticket import Ticket
from waitroom.web.credentials import Credentials
from waitroom.web.waiting.view import BEFORE_THE_DRAW


class LeavingPages:
    def __init__(self, tickets: Tickets, credentials: Credentials, *, pages: Pages) -> None:
        self._tickets = tickets
        self._credentials = credentials
        self._pages = pages

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/rooms/{room}/leave", self.ask_to_leave),
            web.post("/rooms/{room}/leave", self.leave),
        ]

    async def ask_to_leave(self, request: web.Request) -> web.Response:
        """Ask whether to leave; looking at the page changes nothing."""
        view = await self._credentials.room_of(request)
        ticket, good = self._credentials.former_ticket(request, view)
        return self._leaving(request, view, ticket if good else None)

    async def leave(self, request: web.Request) -> web.Response:
        """Ask first, and give the place up once the shopper is sure. A script asks by itself."""
        view = await self._credentials.room_of(request)
        ticket, good = self._credentials.former_ticket(request, view)
        if ticket is not None and good:
            if "sure" not in await form_of(request):
                return self._leaving(request, view, ticket)
            await self._tickets.leave(view, ticket)
        response = self._leaving(request, view, None)
        self._credentials.forget_ticket(response, view)
        return response

    def _leaving(self, request: web.Request, view: RoomView, ticket: Ticket | None) -> web.Response:
        """Ask whether to leave, or tell that the place is given up."""
        title = view.rules.name
        number = ticket.number if ticket is not None and not ticket.entered else None
        before = view.state is not None and view.state.status in BEFORE_THE_DRAW
        context = {
            "room": view.room,
            "name": title,
            "asks": ticket is not None,
            "number": number,
            "draws": before and view.rules.order_by == "draw",
        }
        return self._pages.render("leave_line.html", context, title=title, request=request)


async def form_of(request: web.Request) -> dict[str, str]:
    """Return the fields of a form, none for a request that carries no form."""
    if request.can_read_body and request.content_type == "application/x-www-form-urlencoded":
        return await read_form(request)
    return {}
