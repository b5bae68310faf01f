"""The waiting page, also without JavaScript."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Literal

import msgspec
from aiohttp import web
from msgspec import UnsetType

from checkout.order import Order
from checkout.session import checkout_url
from inventory.api import Catalogue
from inventory.kit.http import json_response, read_form, wants_html
from inventory.kit.language.asked import language_of
from inventory.kit.language.language import Language, phrase
from inventory.kit.pages import Look, Pages
from inventory.kit.problem import Busy, Refusal
from waitroom.desk.board import RoomView
from waitroom.desk.entrance import Entrance
from waitroom.desk.places import Places
from waitroom.desk.returns import Returns, ReturnsStanding
from waitroom.desk.standing import TicketStanding
from waitroom.desk.tickets import Tickets
from waitroom.line.forecast.skus import chance_of
from waitroom.line.state import RoomState
from waitroom.line.ticket import Ticket
from waitroom.refusals import NoTicket, NotYetCalled, OtherTicket, StateNotKnown, TicketMoved
from waitroom.web.answers import RoomBody, room_fields
from waitroom.web.credentials import Credentials
from waitroom.web.places_api import move_here
from waitroom.web.view import band, choice, odds, sku_line, stock, view_of, why

SKUS_SHOWN_MAX = 60
REFRESH_MIN_S = 5
# A page on which a shopper may be typing, or can miss nothing, reloads less often.
REFRESH_CALMLY_S = 20
# The tickets for which something may change while their shopper does nothing.
_REFRESHED = frozenset({"waiting", "entered", "aside"})

_PROMISES = {
    "expected": phrase(
        "We call as many people as the stock can serve, judging by what earlier shoppers bought. "
        "It is rare to be called and find nothing."
    ),
    "guaranteed": phrase(
        "When you are called, at least one unit of something is set aside for you until you come."
    ),
    "rate": phrase(
        "Being called means that it is your turn to look. Nothing is set aside for you."
    ),
}


# Gives what a browser bought in a room when it was last let in. The checkout answers.
Purchases = Callable[[web.Request, str], Awaitable[list[Order]]]
# The status that the page shows, the ticket's standing, and what returns offer.
Looked = tuple[str, TicketStanding | None, ReturnsStanding | None]
# Refusals of a claim that the waiting page itself says in words.
_SAID_BY_THE_PAGE = frozenset({"missed", "ticket_moved", "stepped_aside", "other_ticket"})


class ShownSku(msgspec.Struct, frozen=True, kw_only=True):
    """One SKU as the page lists it, with the sentence about it."""

    sku: str
    name: str
    line: str


class WaitingRoom(RoomBody, frozen=True, kw_only=True):
    """The room as the waiting page shows it, besides the state document."""

    message: str
    message_at: datetime | None
    claim_window_s: int
    session_s: int
    returns_window_s: int
    grace_s: int
    order_by: Literal["first_come", "draw"]
    public_value_source: str | None
    doors_at: datetime | None
    log_public: Literal["live", "after"]
    checkout_promise: str


class WaitingPages:
    def __init__(
        self,
        tickets: Tickets,
        credentials: Credentials,
        *,
        entrance: Entrance,
        catalogue: Catalogue,
        pages: Pages,
        returns: Returns,
        places: Places,
        purchases: Purchases,
    ) -> None:
        self._tickets = tickets
        self._credentials = credentials
        self._entrance = entrance
        self._places = places
        self._returns = returns
        self._catalogue = catalogue
        self._pages = pages
        self._purchases = purchases

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/rooms/{room}", self.waiting),
            web.post("/rooms/{room}/join", self.join),
            web.post("/rooms/{room}/enter", self.enter),
            web.post("/rooms/{room}/leave", self.leave),
            web.post("/rooms/{room}/aside", self.step_aside),
            web.post("/rooms/{room}/back", self.step_back),
            web.post("/rooms/{room}/more-time", self.more_time),
            web.post("/rooms/{room}/choose", self.choose),
            web.post("/rooms/{room}/code", self.show_code),
            web.post("/rooms/{room}/bring", self.bring),
        ]

    async def waiting(self, request: web.Request) -> web.Response:
        view = await self._credentials.room_of(request)
        await self._open_invitation(request, view)
        if not wants_html(request):
            skus = await self._catalogue.page(room=view.room, limit=SKUS_SHOWN_MAX, private=True)
            return json_response({**room_fields(view), "skus": [sku.public_body() for sku in skus]})
        return await self.page(request, view)

    async def _open_invitation(self, request: web.Request, view: RoomView) -> None:
        """Keep an invitation from the address, and lead on to the address without it.

        Looking at the page alone changes nothing, so a mail program may look first. Raises
        `InvitationInvalid`.
        """
        token = request.query.get("invitation")
        if token is None:
            return
        await self._entrance.check(view, token)
        response = web.HTTPSeeOther(f"/rooms/{view.room}", headers={"Cache-Control": "no-store"})
        self._credentials.keep_invitation(request, response, view, token)
        raise response

    async def page(
        self,
        request: web.Request,
        view: RoomView,
        *,
        said: Refusal | None = None,
        code: str = "",
        looked: Looked | None = None,
        look: Look | None = None,
    ) -> web.Response:
        """Render the page, with a refusal or a code; a preview has `looked` and a `look`."""
        if view.state is None:
            raise StateNotKnown
        status, standing, returns = looked or await self._look(request, view)
        # The answer to a form cannot be loaded again, and a code on it would be gone.
        still = "still" in request.query or request.method != "GET"
        response = self._pages.render(
            "waiting.html",
            {
                "room": _room(view),
                "ticket": standing,
                "view": view_of(status, view.state),
                "state": view.state,
                "words": _words(view.state, standing, language_of(request)),
                "skus": _skus(view.state, standing, language_of(request)),
                "profiles": await self._places.profiles(view),
                "returns": returns,
                "bought": await self._purchases(request, view.room),
                "notice": said.told(language_of(request)) if said else "",
                "code": code,
                "sample": looked is not None,
                "still": still,
                "refresh_s": None if still else _refresh_s(standing, returns),
            },
            title=view.rules.name,
            status=said.status if said else 200,
            request=request,
            look=look,
        )
        if said is not None and "WWW-Authenticate" in said.headers:
            response.headers["WWW-Authenticate"] = said.headers["WWW-Authenticate"]
        self._credentials.keep_visitor(request, response)
        if standing is not None:
            self._credentials.keep_seen(request, response, view, standing.version)
        return response

    async def _look(self, request: web.Request, view: RoomView) -> Looked:
        """Return the status that the page shows, the ticket's standing, and what returns offer."""
        try:
            ticket = self._credentials.ticket_of(request, view)
            seen = self._credentials.seen_on_page(request)
            standing = await self._tickets.standing(view, ticket, seen=seen)
        except NoTicket:
            return "none", None, None
        except (TicketMoved, OtherTicket):
            return "moved", None, None
        offered = await self._returns.offered_in_line(view, ticket, standing)
        return standing.status, standing, offered

    async def join(self, request: web.Request) -> web.Response:
        view = await self._credentials.room_of(request)
        try:
            token = await self._joined(request, view)
        except Busy:
            raise
        except Refusal as refusal:
            if view.state is None or not wants_html(request):
                raise
            # The form may be older than the state of the room, and the page has what is left to do.
            return await self.page(request, view, said=refusal)
        response = web.HTTPSeeOther(f"/rooms/{view.room}")
        if token is not None:
            self._credentials.keep_ticket(request, response, view, token)
        raise response

    async def _joined(self, request: web.Request, view: RoomView) -> str | None:
        """Return the token of the place that a form took, None for a browser that has a place."""
        ticket, good = self._credentials.former_ticket(request, view)
        if ticket is not None and good and await self._tickets.still_good(ticket):
            return None
        self._credentials.require_cookies(request)
        form = await _form_of(request)
        place = await self._tickets.join(
            view,
            self._credentials.brought(
                request,
                view,
                invitation=form.get("invitation", ""),
                customer_token=form.get("customer_token", ""),
            ),
            key=self._credentials.join_key(request, view, former=ticket),
            former=ticket,
            for_returns="returns" in form,
            sku=form.get("sku", ""),
        )
        if "returns" in form and place.fresh:
            # They hear more of it on the page; the place is theirs whatever becomes of this.
            with suppress(Refusal):
                await self._returns.stay(view, place.ticket, None)
        return place.token

    async def enter(self, request: web.Request) -> web.Response:
        view = await self._credentials.room_of(request)
        try:
            ticket = self._credentials.ticket_of(request, view)
            session = await self._tickets.claim(view, ticket)
        except (NoTicket, NotYetCalled) as refusal:
            raise web.HTTPSeeOther(f"/rooms/{view.room}") from refusal
        except Refusal as refusal:
            if refusal.code in _SAID_BY_THE_PAGE:
                raise web.HTTPSeeOther(f"/rooms/{view.room}") from refusal
            raise
        response = web.HTTPSeeOther(checkout_url(view.room))
        self._credentials.keep_session(request, response, view, session.token)
        raise response

    async def leave(self, request: web.Request) -> web.Response:
        """Ask first, and give the place up once the shopper is sure. A script asks by itself."""
        view = await self._credentials.room_of(request)
        ticket, good = self._credentials.former_ticket(request, view)
        if ticket is not None and good:
            if "sure" not in await _form_of(request):
                return self._leaving(request, view, ticket)
            await self._tickets.leave(view, ticket)
        response = self._leaving(request, view, None)
        self._credentials.forget_ticket(response, view)
        return response

    def _leaving(self, request: web.Request, view: RoomView, ticket: Ticket | None) -> web.Response:
        """Ask whether to leave, or tell that the place is given up."""
        title = view.rules.name
        number = ticket.number if ticket is not None and not ticket.entered else None
        context = {"room": view.room, "name": title, "asks": ticket is not None, "number": number}
        return self._pages.render("leave_line.html", context, title=title, request=request)

    async def step_aside(self, request: web.Request) -> web.Response:
        return await self._did(request, self._places.step_aside)

    async def step_back(self, request: web.Request) -> web.Response:
        return await self._did(request, self._places.step_back)

    async def more_time(self, request: web.Request) -> web.Response:
        profile = (await read_form(request)).get("profile", "")
        return await self._did(request, partial(self._places.give_profile, profile=profile))

    async def choose(self, request: web.Request) -> web.Response:
        sku = (await read_form(request)).get("sku", "") or None
        return await self._did(request, partial(self._places.choose, sku=sku))

    async def _did(
        self, request: web.Request, act: Callable[[RoomView, Ticket], Awaitable[object]]
    ) -> web.Response:
        """Do what a form asks for and show the page again; a refusal stands on it in words."""
        view = await self._credentials.room_of(request)
        try:
            await act(view, self._credentials.ticket_of(request, view))
        except (NoTicket, TicketMoved) as refusal:
            raise web.HTTPSeeOther(f"/rooms/{view.room}") from refusal
        except Refusal as refusal:
            return await self.page(request, view, said=refusal)
        raise web.HTTPSeeOther(f"/rooms/{view.room}")

    async def show_code(self, request: web.Request) -> web.Response:
        view = await self._credentials.room_of(request)
        try:
            ticket = self._credentials.ticket_of(request, view)
            made = await self._places.code(ticket, room=view.room)
        except (NoTicket, TicketMoved) as refusal:
            raise web.HTTPSeeOther(f"/rooms/{view.room}") from refusal
        except Refusal as refusal:
            return await self.page(request, view, said=refusal)
        return await self.page(request, view, code=made.code)

    async def bring(self, request: web.Request) -> web.Response:
        view = await self._credentials.room_of(request)
        code = (await read_form(request)).get("code", "")
        try:
            ticket = await move_here(self._places, self._credentials, request, view, code)
        except Refusal as refusal:
            return await self.page(request, view, said=refusal)
        response = web.HTTPSeeOther(f"/rooms/{view.room}")
        self._credentials.keep_ticket(request, response, view, self._tickets.token_of(ticket))
        raise response


async def _form_of(request: web.Request) -> dict[str, str]:
    """Return the fields of a form, none for a request that carries no form."""
    if request.can_read_body and request.content_type == "application/x-www-form-urlencoded":
        return await read_form(request)
    return {}


def _room(view: RoomView) -> WaitingRoom:
    rules = view.rules
    return WaitingRoom(
        **room_fields(view),
        message=rules.message,
        message_at=rules.message_at,
        claim_window_s=rules.claim_window_s,
        session_s=rules.session_s,
        returns_window_s=rules.returns_window_s,
        grace_s=rules.grace_s,
        order_by=rules.order_by,
        public_value_source=rules.public_value_source,
        doors_at=rules.doors_at,
        log_public=rules.log_public,
        checkout_promise=_PROMISES[rules.policy],
    )


def _refresh_s(standing: TicketStanding | None, returns: ReturnsStanding | None) -> int | None:
    """Return how often the page reloads without JavaScript, None for not at all."""
    if standing is None:
        return None
    stays = returns is not None and returns.in_line
    if standing.status not in _REFRESHED and not stays:
        return None
    if returns is not None or standing.status == "aside":
        return REFRESH_CALMLY_S
    return max(REFRESH_MIN_S, round(standing.poll_s))


def _words(state: RoomState, standing: TicketStanding | None, language: Language) -> dict[str, str]:
    """Return the sentences of the page that depend on figures."""
    shown = standing if standing and standing.status in {"waiting", "aside"} else None
    return {
        "stock": stock(state, language),
        "why": why(state),
        "wait": band(shown.wait_low_s, shown.wait_high_s, language) if shown else "",
        "odds": odds(shown.chance, language) if shown else "",
        "choice": _choice(state, shown, language),
    }


def _choice(state: RoomState, shown: TicketStanding | None, language: Language) -> str:
    if shown is None or isinstance(shown.sku, UnsetType):
        return ""
    chance = None if isinstance(shown.sku_chance, UnsetType) else shown.sku_chance
    return choice(state, shown.sku, chance, language)


def _skus(state: RoomState, standing: TicketStanding | None, language: Language) -> list[ShownSku]:
    """Return the SKUs of which the document tells, as the page lists them."""
    shown = standing if standing and standing.status in {"waiting", "aside"} else None
    line = next((one for one in state.lines if shown and one.line == shown.line), None)
    place = max(shown.place or 1, 1) if shown else 1
    return [
        ShownSku(
            sku=sku.sku,
            name=sku.name,
            line=sku_line(sku, chance_of(line.skus, sku.sku, place) if line else None, language),
        )
        for sku in state.skus
    ]
