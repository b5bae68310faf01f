"""The checkout as pages: what the API does, for browsers, also without JavaScript."""

import re
from typing import Any
from uuid import UUID, uuid4

import msgspec
from aiohttp import web

from checkout.api import (
    Checkout,
    find_order,
    hold_body,
    order_answer,
    order_body,
    session_body,
)
from checkout.order import UNSETTLED, OrderState
from checkout.session import Session
from inventory.api import Catalogue
from inventory.hold import (
    Basket,
    HoldRequest,
    SessionOver,
    UnknownHold,
    body_hash,
    idempotency_uuid,
)
from inventory.kit.http import KEY_LENGTH_MAX, json_response, read_form, wants_html
from inventory.kit.pages import Pages
from inventory.kit.problem import BadRequest, IdempotencyKeyMissing, Refusal, Unprocessable

SKUS_SHOWN_MAX = 200
_FIELD = "quantity-"
# A field that is empty or 0 asks for nothing.
_WHOLE = re.compile(r"[1-9][0-9]{0,3}")


class CheckoutPages:
    def __init__(self, checkout: Checkout, *, catalogue: Catalogue, pages: Pages) -> None:
        self._checkout = checkout
        self._catalogue = catalogue
        self._pages = pages

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/checkout", self.show),
            web.post("/checkout/hold", self.hold),
            web.post("/checkout/release", self.release),
            web.post("/checkout/extend", self.extend),
            web.post("/checkout/pay", self.pay),
            web.post("/checkout/leave", self.leave),
            web.get("/checkout/orders/{order_id}", self.show_order),
        ]

    async def show(self, request: web.Request) -> web.Response:
        return await self._show(request)

    async def _show(self, request: web.Request, problem: Refusal | None = None) -> web.Response:
        try:
            session = self._checkout.session_of(request)
            view = await self._checkout.live_session(session)
        except SessionOver as refusal:
            return self._over(refusal)
        holds = await self._checkout.holds.read_all(session.session_id)
        wishes = await self._checkout.holds.wishes(session.session_id)
        held = [hold_body(hold) for hold in holds if hold.state == "held"]
        orders = await self._checkout.orders.of_session(session.session_id)
        running = [order_body(order) for order in orders if order.state in UNSETTLED]
        skus = await self._catalogue.page(room=view.room, limit=SKUS_SHOWN_MAX, private=True)
        context: dict[str, Any] = {
            "session": session_body(view, holds, wishes),
            "skus": [sku.public() for sku in skus],
            "hold": held[0] if held else None,
            "order": running[0] if running else None,
            "problem": problem and problem.body(),
            "gateway": "test",
            "form_key": str(uuid4()),
        }
        return self._pages.render(
            "checkout.html",
            context,
            title="Checkout",
            status=problem.status if problem else 200,
        )

    def _over(self, refusal: SessionOver) -> web.Response:
        context = {"reason": refusal.detail, "room": refusal.fields.get("room")}
        return self._pages.render(
            "session_over.html", context, title="Your session has ended", status=401
        )

    async def hold(self, request: web.Request) -> web.Response:
        session = self._checkout.session_of(request)
        form = await read_form(request)
        try:
            quantities, key = _basket(form), _key(form)
            await self._checkout.hold_batcher.submit(
                HoldRequest(
                    session_id=session.session_id,
                    key=idempotency_uuid(key),
                    body_hash=body_hash(quantities),
                    quantities=quantities,
                    hold_id=uuid4(),
                )
            )
        except SessionOver as refusal:
            return self._over(refusal)
        except Refusal as refusal:
            return await self._show(request, refusal)
        raise web.HTTPSeeOther("/checkout")

    async def release(self, request: web.Request) -> web.Response:
        return await self._change(request, self._checkout.holds.release)

    async def extend(self, request: web.Request) -> web.Response:
        return await self._change(request, self._checkout.holds.extend)

    async def _change(self, request: web.Request, change: Any) -> web.Response:
        session, hold_id = await self._named(request)
        try:
            await change(session.session_id, hold_id)
        except Refusal as refusal:
            return await self._show(request, refusal)
        raise web.HTTPSeeOther("/checkout")

    async def pay(self, request: web.Request) -> web.Response:
        session, hold_id = await self._named(request)
        form = await read_form(request)
        try:
            order = await self._checkout.pay(
                session,
                hold_id=hold_id,
                key=_key(form),
                token=form.get("token", "")[:200],
            )
            order_answer(order)
        except Refusal as refusal:
            return await self._show(request, refusal)
        raise web.HTTPSeeOther(f"/checkout/orders/{order.order_id}")

    async def leave(self, request: web.Request) -> web.Response:
        session = self._checkout.session_of(request)
        await self._checkout.orders.leave(session.session_id)
        response = web.HTTPSeeOther("/")
        response.del_cookie(self._checkout.cookie, secure=self._checkout.secure)
        raise response

    async def _named(self, request: web.Request) -> tuple[Session, UUID]:
        session = self._checkout.session_of(request)
        form = await read_form(request)
        try:
            return session, UUID(form.get("hold_id", ""))
        except ValueError as error:
            raise UnknownHold from error

    async def show_order(self, request: web.Request) -> web.Response:
        order = await find_order(self._checkout, request)
        body = order_body(order)
        if not wants_html(request):
            status = 202 if order.state in UNSETTLED else 200
            return json_response(body, status=status)
        titles = {OrderState.PAID: "Your order", OrderState.DECLINED: "Payment declined"}
        return self._pages.render(
            "order.html", {"order": body}, title=titles.get(order.state, "Your order")
        )


def _basket(form: dict[str, str]) -> dict[str, int]:
    """Return what a form asks for, checked like the body of the API."""
    items = [
        {"sku": name.removeprefix(_FIELD), "quantity": int(value)}
        for name, value in form.items()
        if name.startswith(_FIELD) and _WHOLE.fullmatch(value)
    ]
    if not items:
        raise BadRequest("Choose at least one item.")
    try:
        return msgspec.convert({"items": items}, Basket).quantities()
    except msgspec.ValidationError as error:
        raise Unprocessable(f"{error}.") from error


def _key(form: dict[str, str]) -> str:
    key = form.get("key", "")
    if not key or len(key) > KEY_LENGTH_MAX:
        raise IdempotencyKeyMissing("This form has lost its key; please load the page again.")
    return key
