"""The checkout as pages: what the API does, for browsers, also without JavaScript."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import msgspec
from aiohttp import web

from checkout.api import (
    Checkout,
    hold_body,
    session_body,
)
from checkout.order import UNSETTLED, shopper_body
from checkout.refusals import RoomNeeded
from checkout.session import Session, checkout_url
from inventory.api import Catalogue
from inventory.catalogue import Sku
from inventory.hold import Basket, Hold, HoldRequest, Wish, body_hash, idempotency_uuid
from inventory.kit.doors.decoding import Json, words_of
from inventory.kit.http import KEY_LENGTH_MAX, read_form
from inventory.kit.language.asked import ROOM_LANGUAGE, language_of
from inventory.kit.language.language import phrase
from inventory.kit.pages import CSP, PAGE, Pages
from inventory.kit.problem import BadRequest, IdempotencyKeyMissing, Refusal, Unprocessable
from inventory.money import UnreadableAmount, parse_minor
from inventory.refusals import OutOfStock, PaymentRunning, SessionOver, UnknownHold

SKUS_SHOWN_MAX = 200
# Stripe's script, which may come from Stripe alone, draws its fields in frames, and so do banks at
# which a shopper confirms.
STRIPE_CSP = (
    CSP.replace("script-src 'self'", "script-src 'self' https://js.stripe.com").replace(
        "connect-src 'self'", "connect-src 'self' https://api.stripe.com"
    )
    + "; frame-src https://js.stripe.com https://hooks.stripe.com"
)
# Apple Pay and Google Pay open by the browser's own sheet, for Stripe's frame.
STRIPE_PERMISSIONS = PAGE["Permissions-Policy"].replace(
    "payment=()", 'payment=(self "https://js.stripe.com")'
)
_FIELD = "quantity-"
_KEEP_FIELD = "keep-"
_TOTAL_FIELD = "total-"
_CONTENT_FIELD = "content-"
# Gives the template what a room offers a browser for staying in line for returns, or None. The line
# answers: nothing here knows of tickets.
ReturnsOffer = Callable[[web.Request, str], Awaitable[object]]
# A field that is empty or 0 asks for nothing.
_WHOLE = re.compile(r"[1-9][0-9]{0,3}")


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
        self._catalogue = catalogue
        self._pages = pages
        self._returns = returns
        self._stripe_key = stripe_key

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/checkout", self.show),
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
            return self._choice(request, refusal)
        try:
            view = await self._checkout.live_session(session)
        except SessionOver as refusal:
            return await self._over(request, refusal, session)
        request[ROOM_LANGUAGE] = view.language
        holds = await self._checkout.holds.held(session.session_id)
        wishes = await self._checkout.holds.wishes(session.session_id)
        orders = await self._checkout.orders.of_session(session.session_id)
        running = [shopper_body(order) for order in orders if order.state in UNSETTLED]
        skus = await self._catalogue.page(room=view.room, limit=SKUS_SHOWN_MAX, private=True)
        context: Json = {
            "session": session_body(view, holds, wishes),
            "skus": [sku.public_body() for sku in skus],
            "holds": [hold_body(hold) for hold in holds],
            "waiting_for": _waiting_for(wishes, skus, holds),
            "asked": asked or {},
            "partial_offered": _partial_offered(problem, asked or {}),
            "returns": await self._returns(request, view.room),
            "order": running[0] if running else None,
            "problem": problem and problem.body(language_of(request)),
            "at_pay": at_pay,
            "stripe_key": self._stripe_key,
            "mail_offered": self._checkout.mail.offered,
            "form_key": str(uuid4()),
        }
        response = self._pages.render(
            # A room without stock of its own lets shoppers through, and sells nothing here.
            "checkout.html" if skus or holds or wishes or running else "through.html",
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

    def _choice(self, request: web.Request, refusal: RoomNeeded) -> web.Response:
        """Render the rooms that a browser is in the checkout of, when its address names none."""
        context = {"rooms": refusal.fields["rooms"]}
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
        context = {
            "reason": refusal.told(language_of(request)),
            "room": session.room if session else refusal.fields.get("room"),
            "view": view,
            "bought": await self._checkout.orders.bought(session.session_id) if session else [],
        }
        return self._pages.render(
            "session_over.html",
            context,
            title="Your session has ended",
            # A page that tells an outcome is what was asked for.
            status=200 if context["bought"] or (view and view.end_reason == "left") else 401,
            request=request,
            room=view.room if view else None,
        )

    async def hold(self, request: web.Request) -> web.Response:
        session = await self._checkout.sessions.of(request)
        form = await read_form(request)
        quantities: dict[str, int] = {}
        partial = bool(form.get("partial"))
        try:
            quantities, key = _basket(form), _key(form)
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

    async def change(self, request: web.Request) -> web.Response:
        """Keep these quantities of a hold; keeping nothing is putting everything back."""
        form = await read_form(request)

        async def keep(session_id: int, hold_id: UUID) -> None:
            if any(_WHOLE.fullmatch(v) for k, v in form.items() if k.startswith(_KEEP_FIELD)):
                kept = _basket(form, field=_KEEP_FIELD)
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

    async def extend(self, request: web.Request) -> web.Response:
        return await self._change(request, self._checkout.holds.extend)

    async def _change(self, request: web.Request, change: Any) -> web.Response:
        session, hold_id = await self._named(request)
        try:
            async with self._checkout.changing(session.session_id, hold_id):
                await change(session.session_id, hold_id)
        except Refusal as refusal:
            return await self._show(request, refusal)
        raise web.HTTPSeeOther(checkout_url(session.room))

    async def pay(self, request: web.Request) -> web.Response:
        session, hold_id = await self._named(request)
        form = await read_form(request)
        try:
            address = self._checkout.mail.checked(form.get("email", ""))
            order = await self._checkout.pay(
                session,
                hold_id=hold_id,
                # One page has one key and a button for each hold.
                key=f"{_key(form)} {hold_id}",
                token=form.get("token", "")[:200],
                shown_minor=_shown(form, hold_id),
                shown_content=form.get(f"{_CONTENT_FIELD}{hold_id}"),
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


def _waiting_for(wishes: list[Wish], skus: list[Sku], holds: list[Hold]) -> list[_WaitingFor]:
    held = {sku.sku: sku.held for sku in skus}
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


def _partial_offered(problem: Refusal | None, asked: Mapping[str, int]) -> bool:
    """Say whether some of a refused basket may be had: some units, or some other SKU of it."""
    if not isinstance(problem, OutOfStock):
        return False
    return len(asked) > 1 or problem.fields.get("available", 0) > 0


def _basket(form: dict[str, str], *, field: str = _FIELD) -> dict[str, int]:
    """Return what a form asks for, checked like the body of the API."""
    items = [
        {"sku": name.removeprefix(field), "quantity": int(value)}
        for name, value in form.items()
        if name.startswith(field) and _WHOLE.fullmatch(value)
    ]
    if not items:
        raise BadRequest(phrase("Choose at least one item."))
    try:
        return msgspec.convert({"items": items}, Basket).quantities()
    except msgspec.ValidationError as error:
        raise Unprocessable(f"{words_of(error)}.") from error


def _shown(form: dict[str, str], hold_id: UUID) -> int | None:
    """Return the total that the page showed for a hold; raises `Unprocessable`."""
    text = form.get(f"{_TOTAL_FIELD}{hold_id}")
    try:
        return None if text is None else parse_minor(text)
    except UnreadableAmount as error:
        raise Unprocessable(f"The total is {error}.") from error


def _key(form: dict[str, str]) -> str:
    key = form.get("key", "")
    if not key or len(key) > KEY_LENGTH_MAX:
        raise IdempotencyKeyMissing(
            phrase("This form has lost its key; please load the page again.")
        )
    return key
