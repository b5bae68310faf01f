"""The checkout as pages: what the API does, for browsers, also without JavaScript."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web

from checkout.api import Checkout
from checkout.order import UNSETTLED, shopper_body
from checkout.refusals import RoomNeeded
from checkout.session import Session, checkout_url
from checkout.sessions import session_body
from checkout.shelf.form import (
    CONTENT_FIELD,
    KEEP_FIELD,
    address_sought,
    basket,
    carried,
    chosen,
    form_key,
    partial_offered,
    shown_total,
    sought,
)
from checkout.shelf.refused import explained
from checkout.shelf.shelf import Shelf, preselected
from checkout.shelf.shelf_pages import Shelves
from inventory.api import Catalogue
from inventory.catalogue import Sku
from inventory.hold import Hold, HoldRequest, Wish, body_hash, hold_body, idempotency_uuid
from inventory.kit.doors.decoding import Json
from inventory.kit.http import read_form, read_query
from inventory.kit.language.asked import ROOM_LANGUAGE, language_of
from inventory.kit.limits.classes import HOLDS, PAYMENTS, limited_as
from inventory.kit.pages import CSP, PERMISSIONS, Pages
from inventory.kit.problem import Refusal
from inventory.refusals import PaymentRunning, SessionBound, SessionOver, UnknownHold

# Stripe's script, which may come from Stripe alone, draws its fields in frames, and so do banks at
# which a shopper confirms.
STRIPE_CSP = (
    CSP.replace("script-src 'self'", "script-src 'self' https://js.stripe.com").replace(
        "connect-src 'self'", "connect-src 'self' https://api.stripe.com"
    )
    + "; frame-src https://js.stripe.com https://hooks.stripe.com"
)
# Apple Pay and Google Pay open by the browser's own sheet, for Stripe's frame.
STRIPE_PERMISSIONS = PERMISSIONS.replace("payment=()", 'payment=(self "https://js.stripe.com")')
# Gives the template what a room offers a browser for staying in line for returns, or None. The line
# answers: nothing here knows of tickets.
ReturnsOffer = Callable[[web.Request, str], Awaitable[object]]


class CheckoutPages:
    """The checkout offers the test payment, or cards with `stripe_key`, Stripe's key for pages."""

    def __init__(
        self,
        checkout: Checkout,
        *,
        catalogue: Catalogue,
        pages: Pages,
        returns: ReturnsOffer,
        stripe_key: str = "",
    ) -> None:
        self._checkout = checkout
        self._shelves = Shelves(catalogue)
        self._pages = pages
        self._returns = returns
        self._stripe_key = stripe_key

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/checkout", self.show),
            web.post("/checkout/find", self.find),
            web.post("/checkout/hold", self.hold),
            web.post("/checkout/change", self.change),
            web.post("/checkout/release", self.release),
            web.post("/checkout/extend", self.extend),
            web.post("/checkout/pay", self.pay),
            web.post("/checkout/unwish", self.unwish),
            web.get("/checkout/leave", self.ask_to_leave),
            web.post("/checkout/leave", self.leave),
        ]

    async def show(self, request: web.Request) -> web.Response:
        return await self._show(request)

    async def _show(
        self,
        request: web.Request,
        problem: Refusal | None = None,
        asked: Mapping[str, int] | None = None,
        *,
        at_pay: bool = False,
    ) -> web.Response:
        """Render the checkout; `asked` is the basket that `problem` stood in the way of.

        With `at_pay` the problem is said beside the button that pays.
        """
        try:
            session = await self._checkout.sessions.of(request)
        except SessionOver as refusal:
            return await self._over(request, refusal)
        except RoomNeeded as refusal:
            return await self._choice(request, refusal)
        try:
            view = await self._checkout.live_session(session)
        except SessionOver as refusal:
            return await self._over(request, refusal, session)
        request[ROOM_LANGUAGE] = view.language
        query = read_query(request)
        asked = carried(query) if asked is None else asked
        holds = await self._checkout.holds.held(session.session_id)
        wishes = await self._checkout.holds.wishes(session.session_id)
        orders = await self._checkout.orders.of_session(session.session_id)
        running = [shopper_body(order) for order in orders if order.state in UNSETTLED]
        named = await self._shelves.named(
            view.room, {session.sku, *(wish.sku for wish in wishes), *asked} - {""}
        )
        opens = not (holds or wishes or running or asked or "q" in query)
        shelf = await self._shelf(request, view.room, named, asked, session.sku if opens else "")
        context: Json = {
            "session": session_body(view, holds, wishes),
            "shelf": shelf.body(),
            # The ticket named something that the room does not sell any more.
            "gone": bool(opens and session.sku and session.sku not in named),
            "holds": [hold_body(hold) for hold in holds],
            "waiting_for": _waiting_for(wishes, named, holds),
            "asked": preselected(shelf, asked),
            "partial_offered": partial_offered(problem, asked),
            "returns": await self._returns(request, view.room),
            "order": running[0] if running else None,
            "problem": problem and _explained(request, problem, named, wishes),
            "at_pay": at_pay,
            "stripe_key": self._stripe_key,
            "mail_offered": self._checkout.mail.offered,
            "form_key": str(uuid4()),
            "still": "still" in query,
        }
        response = self._pages.render(
            # A room without stock of its own lets shoppers through, and sells nothing here.
            "checkout.html" if shelf.sells or holds or wishes or running else "through.html",
            context,
            title="Checkout",
            status=problem.status if problem else 200,
            request=request,
            room=view.room,
        )
        if self._stripe_key:
            response.headers["Content-Security-Policy"] = STRIPE_CSP
            response.headers["Permissions-Policy"] = STRIPE_PERMISSIONS
        return response

    async def _choice(self, request: web.Request, refusal: RoomNeeded) -> web.Response:
        """Render the rooms that a browser is in the checkout of, when its address names none."""
        rooms = [
            await self._checkout.orders.session(session.session_id)
            for session in self._checkout.sessions.carried(request)
            if session.room in refusal.fields["rooms"]
        ]
        context = {"rooms": sorted(rooms, key=lambda view: view.room_name)}
        return self._pages.render(
            "choose_room.html", context, title="Which checkout?", request=request
        )

    async def _over(
        self, request: web.Request, refusal: SessionOver, session: Session | None = None
    ) -> web.Response:
        """Render how a session ended and what it bought, or how to get one."""
        view = None
        if session is not None:
            # One that is archived is as good as none.
            with suppress(SessionOver):
                view = await self._checkout.orders.session(session.session_id)
                request[ROOM_LANGUAGE] = view.language
        has_left = view is not None and view.end_reason == "left"
        context = {
            "reason": refusal.told(language_of(request)),
            "room": session.room if session else refusal.fields.get("room"),
            "view": view,
            "elsewhere": isinstance(refusal, SessionBound),
            "sells": view is None or await self._shelves.sells(view.room),
            "bought": await self._checkout.orders.bought(session.session_id) if session else [],
        }
        return self._pages.render(
            "session_over.html",
            context,
            title="Your session has ended",
            # A page that tells an outcome is what was asked for.
            status=200 if context["bought"] or has_left else refusal.status,
            request=request,
            room=view.room if view else None,
        )

    async def _shelf(
        self,
        request: web.Request,
        room: str,
        named: Mapping[str, Sku],
        asked: Collection[str],
        came_for: str,
    ) -> Shelf:
        """Return the goods that the page shows, beginning with what the shopper came for."""
        return await self._shelves.shelf(
            room,
            sought(read_query(request)),
            wanted=named.get(came_for),
            chosen=[named[sku] for sku in asked if sku in named],
        )

    async def find(self, request: web.Request) -> web.Response:
        """Lead to what a search finds, or to another page of the goods, with all that is chosen."""
        session = await self._checkout.sessions.of(request)
        raise web.HTTPSeeOther(address_sought(await read_form(request), session.room))

    @limited_as(HOLDS)
    async def hold(self, request: web.Request) -> web.Response:
        session = await self._checkout.sessions.of(request)
        form = await read_form(request)
        quantities: dict[str, int] = {}
        partial = bool(form.get("partial"))
        try:
            quantities, key = basket(form), form_key(form)
            await self._checkout.hold_batchers.of(session.room).submit(
                HoldRequest(
                    session_id=session.session_id,
                    key=idempotency_uuid(key),
                    body_hash=body_hash(quantities, partial=partial),
                    quantities=quantities,
                    hold_id=uuid4(),
                    partial=partial,
                )
            )
        except SessionOver as refusal:
            return await self._over(request, refusal, session)
        except Refusal as refusal:
            return await self._show(request, refusal, quantities)
        raise web.HTTPSeeOther(checkout_url(session.room))

    @limited_as(HOLDS)
    async def change(self, request: web.Request) -> web.Response:
        """Keep these quantities of a hold; keeping nothing is putting everything back."""
        form = await read_form(request)

        async def keep(session_id: int, hold_id: UUID) -> None:
            if chosen(form, field=KEEP_FIELD):
                kept = basket(form, field=KEEP_FIELD)
                await self._checkout.holds.change(session_id, hold_id, kept)
            else:
                await self._checkout.holds.release(session_id, hold_id)

        return await self._change(request, keep)

    async def unwish(self, request: web.Request) -> web.Response:
        session = await self._checkout.sessions.of(request)
        await self._checkout.holds.drop_wishes(session.session_id)
        raise web.HTTPSeeOther(checkout_url(session.room))

    async def release(self, request: web.Request) -> web.Response:
        return await self._change(request, self._checkout.holds.release)

    @limited_as(HOLDS)
    async def extend(self, request: web.Request) -> web.Response:
        """Move a hold's deadline, once for each page that offers it: a second click is a repeat."""
        form = await read_form(request)

        async def extend(session_id: int, hold_id: UUID) -> None:
            key = idempotency_uuid(f"{form_key(form)} {hold_id}")
            await self._checkout.holds.extend(session_id, hold_id, key=key)

        return await self._change(request, extend)

    async def _change(self, request: web.Request, change: Any) -> web.Response:
        session, hold_id = await self._named(request)
        try:
            async with self._checkout.changing(session.session_id, hold_id):
                await change(session.session_id, hold_id)
        except Refusal as refusal:
            return await self._show(request, refusal)
        raise web.HTTPSeeOther(checkout_url(session.room))

    @limited_as(PAYMENTS)
    async def pay(self, request: web.Request) -> web.Response:
        session, hold_id = await self._named(request)
        form = await read_form(request)
        try:
            address = self._checkout.mail.checked(form.get("email", ""))
            order = await self._checkout.pay_when_due(
                session,
                hold_id=hold_id,
                # One page has one key and a button for each hold.
                key=f"{form_key(form)} {hold_id}",
                token=form.get("token", "")[:200],
                shown_minor=shown_total(form, hold_id),
                shown_content=form.get(f"{CONTENT_FIELD}{hold_id}"),
            )
            await self._checkout.mail.queue(order, address, language=language_of(request).tag)
            self._checkout.order_answer(order)
        except Refusal as refusal:
            return await self._show(request, refusal, at_pay=True)
        raise web.HTTPSeeOther(f"/checkout/orders/{order.order_id}")

    async def ask_to_leave(self, request: web.Request) -> web.Response:
        """Ask before anything is lost, and name it."""
        try:
            session = await self._checkout.sessions.of(request)
            view = await self._checkout.live_session(session)
        except (SessionOver, RoomNeeded):
            return await self._show(request)
        request[ROOM_LANGUAGE] = view.language
        holds = await self._checkout.holds.held(session.session_id)
        context: Json = {
            "view": view,
            "holds": [hold_body(hold) for hold in holds],
            "wishes": await self._checkout.holds.wishes(session.session_id),
            "sells": await self._shelves.sells(view.room),
        }
        return self._pages.render(
            "leave_checkout.html",
            context,
            title="Leave the checkout?",
            request=request,
            room=view.room,
        )

    async def leave(self, request: web.Request) -> web.Response:
        """End the session; its cookie stays, and the checkout's address tells that it was left."""
        session = await self._checkout.sessions.of(request)
        try:
            await self._checkout.orders.leave(session.session_id)
        except PaymentRunning as refusal:
            return await self._show(request, refusal)
        raise web.HTTPSeeOther(checkout_url(session.room))

    async def _named(self, request: web.Request) -> tuple[Session, UUID]:
        carried = self._checkout.sessions.carried(request)
        form = await read_form(request)
        try:
            hold_id = UUID(form.get("hold_id", ""))
        except ValueError as error:
            raise UnknownHold from error
        return await self._checkout.sessions.meant(carried, hold_id=hold_id), hold_id


@dataclass(frozen=True, slots=True, kw_only=True)
class _WaitingFor:
    """Units of a SKU that a session waits for, and those in other people's baskets."""

    sku: str
    name: str
    quantity: int
    in_baskets: int


def _explained(
    request: web.Request, problem: Refusal, named: Mapping[str, Sku], wishes: list[Wish]
) -> str:
    return explained(
        problem,
        language_of(request),
        names={code: sku.name for code, sku in named.items()},
        in_line=problem.fields.get("sku") in {wish.sku for wish in wishes},
    )


def _waiting_for(
    wishes: list[Wish], named: Mapping[str, Sku], holds: list[Hold]
) -> list[_WaitingFor]:
    held = {sku.sku: sku.held for sku in named.values()}
    own = Counter[str]()
    for hold in holds:
        own.update({line.sku: line.quantity for line in hold.lines})
    return [
        _WaitingFor(
            sku=wish.sku,
            name=wish.name,
            quantity=wish.quantity,
            in_baskets=max(held.get(wish.sku, 0) - own[wish.sku], 0),
        )
        for wish in wishes
    ]
