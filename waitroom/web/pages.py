"""The waiting page, also without JavaScript."""

import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web

from inventory.api import Catalogue
from inventory.kit.http import json_response, read_form, wants_html
from inventory.kit.pages import Pages
from inventory.kit.problem import Refusal
from waitroom.desk.board import RoomView
from waitroom.desk.returns import Returns
from waitroom.line.ticket import Ticket
from waitroom.refusals import NoTicket, NotYetCalled, OtherTicket, StateNotKnown, TicketMoved
from waitroom.web.places_api import Places, move_here
from waitroom.web.tickets_api import Line, room_body
from waitroom.web.view import band, odds, stock, view_of, why

SKUS_SHOWN_MAX = 60
REFRESH_MIN_S = 5
# Where something may be being typed, or nothing can be missed, the page is not taken away so often.
REFRESH_CALMLY_S = 20
# Who is waited for by the room, or waits for it, finds news here.
_REFRESHED = frozenset({"waiting", "entered", "aside"})

_PROMISES = {
    "expected": "As many are called as the stock will do for, as far as can be told from what "
    "those before you did; hardly anybody is called and finds nothing.",
    "guaranteed": "Whoever is called finds at least one unit of something: it is set aside "
    "until you come.",
    "rate": "Being called means that it is your turn to look; it does not set anything aside.",
}


class LinePages:
    def __init__(
        self, line: Line, *, catalogue: Catalogue, pages: Pages, returns: Returns, places: Places
    ) -> None:
        self._line = line
        self._places = places
        self._returns = returns
        self._catalogue = catalogue
        self._pages = pages

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/rooms/{room}", self.waiting),
            web.post("/rooms/{room}/join", self.join),
            web.post("/rooms/{room}/enter", self.enter),
            web.post("/rooms/{room}/leave", self.leave),
            web.post("/rooms/{room}/aside", self.step_aside),
            web.post("/rooms/{room}/back", self.step_back),
            web.post("/rooms/{room}/more-time", self.take_more_time),
            web.post("/rooms/{room}/code", self.show_code),
            web.post("/rooms/{room}/bring", self.bring),
        ]

    async def waiting(self, request: web.Request) -> web.Response:
        view = self._line.board.room(request.match_info["room"])
        await self._line.open_invitation(view, request)
        if not wants_html(request):
            skus = await self._catalogue.page(room=view.room, limit=SKUS_SHOWN_MAX, private=True)
            return json_response({**room_body(view), "skus": [sku.public() for sku in skus]})
        return await self._page(request, view)

    async def _page(
        self, request: web.Request, view: RoomView, *, said: Refusal | None = None, code: str = ""
    ) -> web.Response:
        """Render the page, with a refusal in words or with a code that moves the place."""
        if view.state is None:
            raise StateNotKnown
        status, ticket = await self._standing(request, view)
        returns = await self._returns.in_line(request, view, ticket)
        # An address that a form was sent to cannot be looked at again, and a code would be gone.
        still = "still" in request.query or request.method != "GET"
        response = self._pages.render(
            "waiting.html",
            {
                "room": self._room(view),
                "ticket": ticket,
                "view": view_of(status, view.state),
                "state": view.state,
                "words": _words(view, ticket),
                "profiles": await self._places.profiles(view),
                "returns": returns,
                "notice": said.detail if said else "",
                "code": code,
                "still": still,
                "refresh_s": None if still else _refresh_s(ticket, returns),
            },
            title=view.rules.name,
            status=said.status if said else 200,
        )
        if self._line.visitor_cookie not in request.cookies:
            # Set with the page, so that a first tab and its twin join once.
            self._line.set_cookie(response, self._line.visitor_cookie, secrets.token_hex(16))
        return response

    async def _standing(
        self, request: web.Request, view: RoomView
    ) -> tuple[str, dict[str, Any] | None]:
        try:
            standing = await self._line.standing(view, self._line.ticket_of(request, view))
        except NoTicket:
            return "none", None
        except (TicketMoved, OtherTicket):
            return "moved", None
        return standing["status"], standing

    async def join(self, request: web.Request) -> web.Response:
        view = self._line.board.room(request.match_info["room"])
        response = web.HTTPSeeOther(f"/rooms/{view.room}")
        ticket, good = self._former_ticket(request, view)
        if ticket is None or not good or not await self._line.still_good(ticket):
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
            if refusal.code in {"missed", "ticket_moved", "stepped_aside", "other_ticket"}:
                # The page says it in words.
                raise web.HTTPSeeOther(f"/rooms/{view.room}") from refusal
            raise
        response = web.HTTPSeeOther("/checkout")
        self._line.set_cookie(response, self._line.session_cookie, token)
        raise response

    async def leave(self, request: web.Request) -> web.Response:
        view = self._line.board.room(request.match_info["room"])
        ticket, good = self._former_ticket(request, view)
        if ticket is not None and good:
            await self._line.leave(view, ticket)
        response = web.HTTPSeeOther("/")
        response.del_cookie(self._line.ticket_cookie(view.room), secure=self._line.secure)
        raise response

    async def step_aside(self, request: web.Request) -> web.Response:
        return await self._did(request, self._places.step_aside)

    async def step_back(self, request: web.Request) -> web.Response:
        return await self._did(request, self._places.step_back)

    async def take_more_time(self, request: web.Request) -> web.Response:
        profile = (await read_form(request)).get("profile", "")
        return await self._did(request, partial(self._places.take_profile, profile=profile))

    async def _did(
        self, request: web.Request, act: Callable[[RoomView, Ticket], Awaitable[Any]]
    ) -> web.Response:
        """Do what a form asks for, and show the page again, with a refusal in words."""
        view = self._line.board.room(request.match_info["room"])
        try:
            await act(view, self._line.ticket_of(request, view))
        except (NoTicket, TicketMoved) as refusal:
            raise web.HTTPSeeOther(f"/rooms/{view.room}") from refusal
        except Refusal as refusal:
            return await self._page(request, view, said=refusal)
        raise web.HTTPSeeOther(f"/rooms/{view.room}")

    async def show_code(self, request: web.Request) -> web.Response:
        view = self._line.board.room(request.match_info["room"])
        try:
            ticket = self._line.ticket_of(request, view)
            made = await self._places.code(ticket, room=view.room)
        except (NoTicket, TicketMoved) as refusal:
            raise web.HTTPSeeOther(f"/rooms/{view.room}") from refusal
        except Refusal as refusal:
            return await self._page(request, view, said=refusal)
        return await self._page(request, view, code=made["code"])

    async def bring(self, request: web.Request) -> web.Response:
        view = self._line.board.room(request.match_info["room"])
        code = (await read_form(request)).get("code", "")
        try:
            ticket = await move_here(self._places, request, view, code)
        except Refusal as refusal:
            return await self._page(request, view, said=refusal)
        response = web.HTTPSeeOther(f"/rooms/{view.room}")
        token = self._line.board.seal.sign(ticket)
        self._line.set_cookie(response, self._line.ticket_cookie(view.room), token)
        raise response

    def _former_ticket(self, request: web.Request, view: RoomView) -> tuple[Ticket | None, bool]:
        """Return this browser's ticket, also one whose place has moved away, and if it is good."""
        try:
            return self._line.ticket_of(request, view), True
        except TicketMoved:
            token = request.cookies.get(self._line.ticket_cookie(view.room))
            return (self._line.board.seal.open(token) if token else None), False
        except NoTicket:
            return None, False

    def _room(self, view: RoomView) -> dict[str, Any]:
        rules = view.rules
        return {
            **room_body(view),
            "message": rules.message,
            "message_at": rules.message_at,
            "claim_window_s": rules.claim_window_s,
            "session_s": rules.session_s,
            "returns_window_s": rules.returns_window_s,
            "grace_s": rules.grace_s,
            "order_by": rules.order_by,
            "public_value_source": rules.public_value_source,
            "doors_at": rules.doors_at,
            "log_public": rules.log_public,
            "checkout_promise": _PROMISES[rules.policy],
        }


def _refresh_s(ticket: dict[str, Any] | None, returns: dict[str, Any] | None) -> int | None:
    """Return how often the page looks again without JavaScript, or None for not at all."""
    status = ticket["status"] if ticket else "none"
    stays = returns is not None and returns["in_line"]
    if ticket is None or not (status in _REFRESHED or stays):
        return None
    if returns is not None or status == "aside":
        return REFRESH_CALMLY_S
    poll_s: float = ticket["poll_s"]
    return max(REFRESH_MIN_S, round(poll_s))


def _words(view: RoomView, ticket: dict[str, Any] | None) -> dict[str, str]:
    """Return what the page says in words of its own about figures."""
    assert view.state is not None, "there is no page without a state"
    waits = ticket is not None and ticket["status"] in {"waiting", "aside"}
    return {
        "stock": stock(view.state),
        "why": why(view.state),
        "wait": band(ticket["wait_low_s"], ticket["wait_high_s"]) if ticket and waits else "",
        "odds": odds(ticket["chance"]) if ticket and waits else "",
    }
