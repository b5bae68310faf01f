"""The waiting page, also without JavaScript."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from urllib.parse import urlencode

from aiohttp import web

from checkout.order import Order
from inventory.api import Catalogue
from inventory.kit.doors.client import client_network
from inventory.kit.doors.described import Answer, described
from inventory.kit.http import json_response, read_form, read_query, wants_html
from inventory.kit.language.asked import language_of
from inventory.kit.limits.classes import CLAIMS, CODES, JOINS, MAILS, limited_as
from inventory.kit.pages import Look, Pages
from inventory.kit.problem import Busy, Refusal
from waitroom.desk.board import RoomView
from waitroom.desk.called.messages import Messages, MessageStanding
from waitroom.desk.called.returns import Returns, ReturnsStanding
from waitroom.desk.entrance import Entrance
from waitroom.desk.places import Places
from waitroom.desk.proving.refusals import CheckNeeded, ProofNeeded
from waitroom.desk.standing import TicketStanding
from waitroom.desk.tickets import Tickets
from waitroom.line.address import ADDRESS_LENGTH_MAX
from waitroom.line.ticket import Ticket
from waitroom.refusals import (
    InvitationInvalid,
    NoTicket,
    NotYetCalled,
    OtherTicket,
    ReturnAddressRefused,
    StateNotKnown,
    TicketBound,
    TicketMoved,
)
from waitroom.web.answers import RoomWithSkus, room_with_skus
from waitroom.web.credentials import NOT_HERE, Credentials
from waitroom.web.gate.onward import Onward
from waitroom.web.gate.returning import Returning
from waitroom.web.places_api import move_here
from waitroom.web.shop_pages import PRODUCTS_SHOWN_MAX
from waitroom.web.waiting.early import EARLY_CSP, EARLY_SCRIPT
from waitroom.web.waiting.leaving import form_of
from waitroom.web.waiting.proving import Proving
from waitroom.web.waiting.shown import (
    ShownProduct,
    asks,
    joins_alone,
    refresh_s,
    shown_goods,
    shown_room,
    shown_skus,
    words_of,
)
from waitroom.web.waiting.view import BEFORE_THE_DRAW, view_of
from waitroom.web.waiting.wanted import wanted_by

SKUS_SHOWN_MAX = 60

# Gives what a browser bought in a room when it was last let in. The checkout answers.
Purchases = Callable[[web.Request, str], Awaitable[list[Order]]]
# The status that the page shows, the ticket's standing, and what returns offer.
Looked = tuple[str, TicketStanding | None, ReturnsStanding | None]
# Refusals of a claim that the waiting page itself says in words.
_SAID_BY_THE_PAGE = frozenset(
    {"missed", "ticket_moved", "ticket_bound", "stepped_aside", "other_ticket"}
)
# The views that offer to take a place.
_WITHOUT_PLACE = frozenset({"none", "left", "over", "moved", "elsewhere", "sold_out"})


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
        messages: Messages,
        places: Places,
        onward: Onward,
        returning: Returning,
        purchases: Purchases,
        sign_in_url: str,
    ) -> None:
        self._proving = Proving(proofs=tickets.proofs, credentials=credentials)
        self._tickets = tickets
        self._credentials = credentials
        self._entrance = entrance
        self._places = places
        self._onward = onward
        self._returning = returning
        self._returns = returns
        self._messages = messages
        self._catalogue = catalogue
        self._pages = pages
        self._purchases = purchases
        self._sign_in_url = sign_in_url

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/rooms/{room}", self.waiting),
            web.post("/rooms/{room}/join", self.join),
            web.post("/rooms/{room}/enter", self.enter),
            web.post("/rooms/{room}/aside", self.step_aside),
            web.post("/rooms/{room}/back", self.step_back),
            web.post("/rooms/{room}/more-time", self.more_time),
            web.post("/rooms/{room}/choose", self.choose),
            web.post("/rooms/{room}/mail", self.ask_for_mail),
            web.post("/rooms/{room}/no-mail", self.stop_mail),
            web.post("/rooms/{room}/code", self.show_code),
            web.post("/rooms/{room}/bring", self.bring),
        ]

    @described(
        answer=RoomWithSkus,
        also=(Answer(body=str, content_type="text/html"),),
        refusals=(InvitationInvalid, ReturnAddressRefused),
    )
    async def waiting(self, request: web.Request) -> web.Response:
        """Return a room with what it sells; a browser gets its waiting page."""
        view = await self._credentials.room_of(request)
        try:
            await self._open_address(request, view)
        except (InvitationInvalid, ReturnAddressRefused) as refusal:
            if not wants_html(request):
                raise
            return self._pages.problem(request, refusal, f"/rooms/{view.room}")
        if not wants_html(request):
            skus = await self._catalogue.page(room=view.room, limit=SKUS_SHOWN_MAX, private=True)
            return json_response(room_with_skus(view, skus))
        return await self.page(request, view)

    async def _open_address(self, request: web.Request, view: RoomView) -> None:
        """Keep what the address brings, and lead on to the address without it.

        That is an invitation, and where the shopper wants to go. Looking at the page alone changes
        nothing, so a mail program may look first. Raises `InvitationInvalid` and
        `ReturnAddressRefused`.
        """
        query, back = read_query(request), self._returning.asked(request, view.room)
        token = query.get("invitation")
        if token is None and back is None:
            return
        if token is not None:
            await self._entrance.check(view, token)
        sku = query.get("sku")
        page = f"/rooms/{view.room}" + (f"?{urlencode({'sku': sku})}" if sku else "")
        response = web.HTTPSeeOther(page, headers={"Cache-Control": "no-store"})
        if token is not None:
            self._credentials.keep_invitation(request, response, view, token)
        if back is not None:
            self._credentials.keep_return(response, view, back)
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
        language, query = language_of(request), read_query(request)
        chosen = query.get("sku") or self._credentials.choice_of(request, standing)
        wanted = await wanted_by(chosen, standing, view.room, self._catalogue)
        # The answer to a form cannot be loaded again, and a code on it would be gone.
        still = "still" in query or request.method != "GET"
        shown = view_of(status, view.state)
        brought = self._credentials.brought(request, view, invitation="", customer_token="")
        asked, invited = asks(view, status, brought), bool(brought.invitations_kept)
        stamp_wait_s = self._proving.wait_s(request, view) if shown in _WITHOUT_PLACE else None
        joins = joins_alone(view.state, shown, asked, looked, invited)
        response = self._pages.render(
            "waiting.html",
            {
                "room": shown_room(view),
                "ticket": standing,
                "view": shown,
                "state": view.state,
                "words": words_of(view, view.state, standing, language, wanted),
                "skus": shown_skus(view.state, standing, language),
                "wanted": wanted,
                "goods": await self._goods(view),
                "asks": asked,
                "joins": joins,
                "invited": invited,
                "early_script": EARLY_SCRIPT,
                "sign_in": self._sign_in(view),
                "profiles": await self._places.profiles(view),
                "returns": returns,
                "mail": await self._mail(request, view),
                "bought": await self._purchases(request, view.room),
                "notice": said.told(language) if said else "",
                "code": code,
                "onward": self._returning.link_on(request, view),
                "site": self._returning.site(request, view),
                "sample": looked is not None,
                "stamp_wait_s": stamp_wait_s,
                "needs_script": isinstance(said, CheckNeeded),
                "still": still,
                "refresh_s": None if still else stamp_wait_s or refresh_s(standing, returns),
            },
            title=view.rules.name,
            status=said.status if said else 200,
            request=request,
            look=look,
            keep=standing is None and looked is None,
        )
        self._proving.open_for_check(response, view, EARLY_CSP if joins else None)
        if said is not None and "WWW-Authenticate" in said.headers:
            response.headers["WWW-Authenticate"] = said.headers["WWW-Authenticate"]
        self._credentials.keep_visitor(request, response)
        if asked and wanted is not None:
            self._credentials.keep_choice(response, view, wanted.sku)
        if standing is not None:
            self._credentials.keep_seen(request, response, view, standing.version)
        return response

    def _sign_in(self, view: RoomView) -> str:
        """Return where customers sign in, with the room to lead back to; "" where none is set."""
        url = self._sign_in_url
        return f"{url}{'&' if '?' in url else '?'}room={view.room}" if url else ""

    async def _goods(self, view: RoomView) -> list[ShownProduct]:
        """Return what will be on sale. The catalogue's cache costs a query a second for all."""
        state = view.state
        if state is None or state.status not in BEFORE_THE_DRAW or not view.rules.public:
            return []
        products = await self._catalogue.products(room=view.room, limit=PRODUCTS_SHOWN_MAX)
        return shown_goods(products.found)

    async def _mail(self, request: web.Request, view: RoomView) -> MessageStanding:
        """Return whether messages are offered, and the address that this browser has left."""
        asked = self._credentials.asked_for_mail(request)
        ticket, good = self._credentials.former_ticket(request, view) if asked else (None, False)
        return await self._messages.shown(ticket if good else None)

    async def _look(self, request: web.Request, view: RoomView) -> Looked:
        """Return the status that the page shows, the ticket's standing, and what returns offer."""
        try:
            ticket = self._credentials.ticket_of(request, view)
            seen = self._credentials.seen_on_page(request)
            standing = await self._tickets.standing(view, ticket, seen=seen)
        except NoTicket:
            return "none", None, None
        except TicketBound:
            return "elsewhere", None, None
        except (TicketMoved, OtherTicket):
            return "moved", None, None
        offered = await self._returns.offered_in_line(view, ticket, standing)
        return standing.status, standing, offered

    @limited_as(JOINS)
    async def join(self, request: web.Request) -> web.Response:
        view = await self._credentials.room_of(request)
        form = await form_of(request)
        try:
            ticket = await self._joined(request, view, form)
        except Busy:
            raise
        except ProofNeeded as refusal:
            if not wants_html(request) or not refusal.stamp:
                raise
            waiting = web.HTTPSeeOther(f"/rooms/{view.room}")
            self._proving.keep(waiting, view, refusal, sku=form.get("sku", ""))
            raise waiting from refusal
        except Refusal as refusal:
            if view.state is None or not wants_html(request):
                raise
            # The form may be older than the state of the room, and the page has what is left to do.
            return await self.page(request, view, said=refusal)
        response = web.HTTPSeeOther(f"/rooms/{view.room}")
        if ticket is not None:
            self._credentials.give_ticket(request, response, view, ticket)
            self._proving.used(request, response, view)
        raise response

    async def _joined(
        self, request: web.Request, view: RoomView, form: dict[str, str]
    ) -> Ticket | None:
        """Return the ticket of the place that a form took, None for a browser that has a place."""
        ticket, good = self._credentials.former_ticket(request, view)
        if ticket is not None and good and await self._tickets.still_good(ticket):
            return None
        self._credentials.require_cookies(request)
        place = await self._tickets.join(
            view,
            self._credentials.brought(
                request,
                view,
                invitation=form.get("invitation", ""),
                customer_token=form.get("customer_token", ""),
                proof=form.get("proof", "") or self._credentials.stamp_of(request),
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
        return place.ticket

    @limited_as(CLAIMS)
    async def enter(self, request: web.Request) -> web.Response:
        view = await self._credentials.room_of(request)
        try:
            ticket = self._credentials.ticket_of(request, view)
            there = self._returning.way_on(request, view)
            session = await self._tickets.claim(view, ticket, network=client_network(request))
        except (NoTicket, NotYetCalled) as refusal:
            raise web.HTTPSeeOther(f"/rooms/{view.room}") from refusal
        except Refusal as refusal:
            if refusal.code in _SAID_BY_THE_PAGE:
                raise web.HTTPSeeOther(f"/rooms/{view.room}") from refusal
            raise
        let_in = await self._onward.let_in(request, view, session, there)
        response = web.HTTPSeeOther(let_in.address)
        self._onward.keep(request, response, view, let_in)
        raise response

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

    @limited_as(MAILS)
    async def ask_for_mail(self, request: web.Request) -> web.Response:
        email = (await read_form(request)).get("email", "")[: ADDRESS_LENGTH_MAX + 1]
        language = language_of(request).tag
        act = partial(self._messages.ask, email=email, language=language)
        try:
            return await self._did(request, act)
        except web.HTTPSeeOther as done:
            self._credentials.keep_mailed(done, await self._credentials.room_of(request))
            raise

    async def stop_mail(self, request: web.Request) -> web.Response:
        return await self._did(request, self._messages.stop)

    async def _did(
        self, request: web.Request, act: Callable[[RoomView, Ticket], Awaitable[object]]
    ) -> web.Response:
        """Do what a form asks for and show the page again; a refusal stands on it in words."""
        view = await self._credentials.room_of(request)
        try:
            await act(view, self._credentials.ticket_of(request, view))
        except NOT_HERE as refusal:
            raise web.HTTPSeeOther(f"/rooms/{view.room}") from refusal
        except Refusal as refusal:
            return await self.page(request, view, said=refusal)
        raise web.HTTPSeeOther(f"/rooms/{view.room}")

    @limited_as(CODES)
    async def show_code(self, request: web.Request) -> web.Response:
        view = await self._credentials.room_of(request)
        try:
            ticket = self._credentials.ticket_of(request, view)
            made = await self._places.code(ticket, room=view.room)
        except NOT_HERE as refusal:
            raise web.HTTPSeeOther(f"/rooms/{view.room}") from refusal
        except Refusal as refusal:
            return await self.page(request, view, said=refusal)
        return await self.page(request, view, code=made.code)

    @limited_as(CODES)
    async def bring(self, request: web.Request) -> web.Response:
        view = await self._credentials.room_of(request)
        code = (await read_form(request)).get("code", "")
        try:
            ticket = await move_here(self._places, self._credentials, request, view, code)
        except Refusal as refusal:
            return await self.page(request, view, said=refusal)
        response = web.HTTPSeeOther(f"/rooms/{view.room}")
        self._credentials.give_ticket(request, response, view, ticket)
        raise response
