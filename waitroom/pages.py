"""The waiting page, also without JavaScript."""

import secrets
from typing import Any

from aiohttp import web

from inventory.api import Catalogue
from inventory.kit.http import json_response, wants_html
from inventory.kit.pages import Pages
from inventory.kit.problem import Refusal
from waitroom.api import Line, NotYetCalled, StateNotKnown, room_body
from waitroom.board import RoomView
from waitroom.returns import Returns
from waitroom.ticket import NoTicket, Ticket

SKUS_SHOWN_MAX = 60
REFRESH_MIN_S = 5
# Where an address may be being typed the page is not taken away so often.
REFRESH_CALMLY_S = 20

_PROMISES = {
    "expected": "As many are called as the stock will do for, as far as can be told from what those "
    "before you did; hardly anybody is called and finds nothing.",
    "guaranteed": "Whoever is called finds at least one unit of something: it is set aside "
    "until you come.",
    "rate": "Being called means that it is your turn to look; it does not set anything aside.",
}


class LinePages:
    def __init__(self, line: Line, *, catalogue: Catalogue, pages: Pages, returns: Returns) -> None:
        self._line = line
        self._returns = returns
        self._catalogue = catalogue
        self._pages = pages

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/rooms/{room}", self.waiting),
            web.post("/rooms/{room}/join", self.join),
            web.post("/rooms/{room}/enter", self.enter),
            web.post("/rooms/{room}/leave", self.leave),
        ]

    async def waiting(self, request: web.Request) -> web.Response:
        view = self._line.board.room(request.match_info["room"])
        await self._line.open_invitation(view, request)
        if not wants_html(request):
            skus = await self._catalogue.page(room=view.room, limit=SKUS_SHOWN_MAX, private=True)
            return json_response({**room_body(view), "skus": [sku.public() for sku in skus]})
        if view.state is None:
            raise StateNotKnown
        ticket = await self._standing(request, view)
        returns = await self._returns.in_line(request, view, ticket)
        response = self._pages.render(
            "waiting.html",
            {
                "room": self._room(view),
                "ticket": ticket,
                "state": view.state,
                "returns": returns,
                "refresh_s": _refresh_s(ticket, returns),
            },
            title=view.rules["name"],
        )
        if self._line.visitor_cookie not in request.cookies:
            # Set with the page, so that a first tab and its twin join once.
            self._line.set_cookie(response, self._line.visitor_cookie, secrets.token_hex(16))
        return response

    async def _standing(self, request: web.Request, view: RoomView) -> dict[str, Any] | None:
        try:
            return await self._line.standing(view, self._line.ticket_of(request, view))
        except NoTicket:
            return None

    async def join(self, request: web.Request) -> web.Response:
        view = self._line.board.room(request.match_info["room"])
        response = web.HTTPSeeOther(f"/rooms/{view.room}")
        ticket = self._ticket_or_none(request, view)
        if ticket is None or not await self._line.still_good(ticket):
            place = await self._line.join(view, request, ticket)
            self._line.set_cookie(response, self._line.ticket_cookie(view.room), place.token)
        raise response

    async def enter(self, request: web.Request) -> web.Response:
        view = self._line.board.room(request.match_info["room"])
        try:
            _, token = await self._line.claim(view, self._line.ticket_of(request, view))
        except (NoTicket, NotYetCalled) as refusal:
            raise web.HTTPSeeOther(f"/rooms/{view.room}") from refusal
        except Refusal as refusal:
            if refusal.code == "missed":
                raise web.HTTPSeeOther(f"/rooms/{view.room}") from refusal
            raise
        response = web.HTTPSeeOther("/checkout")
        self._line.set_cookie(response, self._line.session_cookie, token)
        raise response

    async def leave(self, request: web.Request) -> web.Response:
        view = self._line.board.room(request.match_info["room"])
        ticket = self._ticket_or_none(request, view)
        if ticket is not None:
            await self._line.leave(view, ticket)
        response = web.HTTPSeeOther("/")
        response.del_cookie(self._line.ticket_cookie(view.room), secure=self._line.secure)
        raise response

    def _ticket_or_none(self, request: web.Request, view: RoomView) -> Ticket | None:
        try:
            return self._line.ticket_of(request, view)
        except NoTicket:
            return None

    def _room(self, view: RoomView) -> dict[str, Any]:
        rules = view.rules
        return {
            **room_body(view),
            "message": rules["message"],
            "message_at": rules["message_at"],
            "claim_window_s": rules["claim_window_s"],
            "session_s": rules["session_s"],
            "returns_window_s": rules["returns_window_s"],
            "checkout_promise": _PROMISES[rules["policy"]],
        }


def _refresh_s(ticket: dict[str, Any] | None, returns: dict[str, Any] | None) -> int | None:
    """Return how often the page looks again without JavaScript, or None for not at all."""
    if ticket is None:
        return None
    if returns is not None:
        awaited = returns["in_line"] or ticket["status"] == "waiting"
        return REFRESH_CALMLY_S if awaited else None
    return max(REFRESH_MIN_S, round(ticket["poll_s"])) if ticket["status"] == "waiting" else None
