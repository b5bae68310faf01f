"""The checkout API: sessions, holds and orders for admitted shoppers."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import msgspec
import structlog
from aiohttp import web

from checkout.driving.payments import Payments
from checkout.order import UNSETTLED, Order, OrderRequest, shopper_body
from checkout.order_link import OrderLinks
from checkout.order_mail_store import OrderMail
from checkout.order_store import OrderStore, SessionView
from checkout.refusals import ContentChanged, PaymentDeclined, UnknownOrder
from checkout.session import Session
from checkout.sessions import Sessions
from inventory.hold import (
    Basket,
    Hold,
    HoldLine,
    HoldRequest,
    Item,
    Wish,
    body_hash,
    content_of,
    idempotency_uuid,
)
from inventory.hold_store import HoldStore, Placed
from inventory.kit.batcher import BatcherByRoom
from inventory.kit.doors.decoding import Json
from inventory.kit.http import idempotency_key, json_response, read_body
from inventory.kit.language.asked import language_of
from inventory.kit.language.language import phrase
from inventory.kit.problem import EngineDown, Unprocessable
from inventory.refusals import AlreadyPaid, SessionOver, UnknownHold

log = structlog.get_logger()

RETRY_AFTER_S = "2"
# After so long the lease itself is over.
LET_GO_EVERY_S, LET_GO_TRIES = 1.0, 35


class HoldChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of PATCH: new quantities, or a later deadline."""

    items: list[Item] | None = None
    extend: bool = False


_BASKET = msgspec.json.Decoder(Basket)
_CHANGE = msgspec.json.Decoder(HoldChange)
_ORDER = msgspec.json.Decoder(OrderRequest)


class Checkout:
    """The acts of an admitted shopper, which the API and the pages share."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        links: OrderLinks,
        holds: HoldStore,
        orders: OrderStore,
        payments: Payments,
        gateway_name: str,
        payment_wait_s: float,
        mail: OrderMail,
    ) -> None:
        self.mail = mail
        self.sessions = sessions
        self.links = links
        self.holds = holds
        self.orders = orders
        self.hold_batchers: BatcherByRoom[HoldRequest, Placed] = BatcherByRoom("holds", holds.place)
        self._payments = payments
        self._gateway_name = gateway_name
        self._payment_wait_s = payment_wait_s
        self._driving: dict[UUID, asyncio.Task[None]] = {}
        # The leases of payments whose beginning got no reply, by their keys.
        self._letting_go: dict[UUID, asyncio.Task[None]] = {}

    def order_body(self, order: Order) -> Json:
        """Return what a shopper is told of their order, with the link that reads it later."""
        return {**shopper_body(order), "order_url": self.links.url_of(order.order_id)}

    def order_answer(self, order: Order) -> web.Response:
        """Return 201 for an order that is settled, 202 while the gateway decides, 402 if declined.

        The last raises `PaymentDeclined`.
        """
        headers, status = {"Location": f"/checkout/orders/{order.order_id}"}, 201
        if order.failed:
            raise PaymentDeclined(order.detail, order_id=str(order.order_id))
        if order.state in UNSETTLED:
            headers["Retry-After"], status = RETRY_AFTER_S, 202
        return json_response(self.order_body(order), status=status, headers=headers)

    async def live_session(self, session: Session) -> SessionView:
        """Return a session that has not ended; raises `SessionOver` otherwise."""
        view = await self.orders.session(session.session_id)
        if view.state != "claimed":
            raise SessionOver(_END_REASONS.get(view.end_reason or "", ""), room=view.room)
        return view

    async def pay(
        self,
        session: Session,
        *,
        hold_id: UUID,
        key: str,
        token: str,
        shown_minor: int | None = None,
        shown_content: str | None = None,
    ) -> Order:
        """Start paying, or find the payment that this key started, and wait for it a while.

        One driver asks the gateway: a repeat joins the drive of this process, and takes over from a
        process that died once the lease is over. Raises `Busy` where the gateway manages no more.
        """
        self._payments.require_room()
        try:
            order_id, is_new = await self._begin(
                session.session_id,
                hold_id=hold_id,
                key=idempotency_uuid(key),
                body_hash=body_hash({str(hold_id): 1, token: 1}),
                gateway=self._gateway_name,
                token=token,
                shown_minor=shown_minor,
                shown_content=shown_content,
            )
        except ContentChanged as error:
            hold = await self.holds.read(session.session_id, hold_id)
            raise ContentChanged(
                items=_items(hold.lines), total_minor=hold.total_minor, content=hold.content
            ) from error
        task = self._driving.get(order_id)
        if task is None and (is_new or await self._payments.take(order_id)):
            # The payment goes on when the shopper hangs up, so it is a task of its own.
            driving = self._payments.drive_leased(order_id, begun=not is_new)
            task = asyncio.create_task(driving, name=f"pay-{order_id}")
            self._driving[order_id] = task
            task.add_done_callback(partial(self._end_drive, order_id))
        if task is not None:
            done, _ = await asyncio.wait({task}, timeout=self._payment_wait_s)
            if done:
                task.result()
        return await self.orders.read(order_id)

    async def _begin(self, session_id: int, *, key: UUID, **asked: Any) -> tuple[UUID, bool]:
        """Begin a payment, and once more where that got no reply.

        It may have begun all the same, leased to this process, which does not drive what it does
        not know. So the lease is ended first, now or when the database is there again.
        """
        begin = partial(self.orders.start, session_id, key=key, **asked)
        try:
            return await begin()
        except EngineDown:
            try:
                await self.orders.let_go(session_id, key)
            except EngineDown:
                if key not in self._letting_go:
                    task = asyncio.create_task(self._let_go(session_id, key), name=f"let-go-{key}")
                    self._letting_go[key] = task
                raise
        return await begin()

    async def _let_go(self, session_id: int, key: UUID) -> None:
        """End a lease as soon as the database is there again, or leave it to run out."""
        try:
            for _ in range(LET_GO_TRIES):
                await asyncio.sleep(LET_GO_EVERY_S)
                with suppress(EngineDown):
                    await self.orders.let_go(session_id, key)
                    return
        finally:
            del self._letting_go[key]

    @asynccontextmanager
    async def changing(self, session_id: int, hold_id: UUID) -> AsyncIterator[HoldStore]:
        """Lend the holds for a change of one; a refusal of one that was sold names its order."""
        try:
            yield self.holds
        except AlreadyPaid as error:
            raise await self.orders.why_sold(session_id, hold_id) from error

    def _end_drive(self, order_id: UUID, task: asyncio.Task[None]) -> None:
        del self._driving[order_id]
        if not task.cancelled() and (error := task.exception()):
            # The requests that waited for it may have gone.
            log.warning("payment_not_driven", order=str(order_id), error=repr(error))

    async def close(self) -> None:
        """Finish what has begun; what takes longer is left to the settling loop."""
        await self.hold_batchers.close()
        driving = set(self._driving.values())
        if driving:
            await asyncio.wait(driving, timeout=self._payment_wait_s)
        for task in (*driving, *self._letting_go.values()):
            task.cancel()


_END_REASONS = {
    "left": phrase("You have left this session."),
    "ordered": phrase("Your order is placed, and this session has ended with it."),
    "expired": phrase("The time of this session is over."),
}


class CheckoutApi:
    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/checkout/session", self.read_session),
            web.delete("/checkout/session", self.leave),
            web.delete("/checkout/wishes", self.drop_wishes),
            web.post("/checkout/holds", self.place_hold),
            web.get("/checkout/holds/{hold_id}", self.read_hold),
            web.patch("/checkout/holds/{hold_id}", self.change_hold),
            web.delete("/checkout/holds/{hold_id}", self.release_hold),
            web.post("/checkout/orders", self.place_order),
        ]

    async def read_session(self, request: web.Request) -> web.Response:
        session = await self._checkout.sessions.of(request)
        view = await self._checkout.live_session(session)
        holds = await self._checkout.holds.held(session.session_id)
        wishes = await self._checkout.holds.wishes(session.session_id)
        return json_response(session_body(view, holds, wishes))

    async def leave(self, request: web.Request) -> web.Response:
        session = await self._checkout.sessions.of(request)
        await self._checkout.orders.leave(session.session_id)
        response = web.Response(status=204)
        self._checkout.sessions.forget(response, session)
        return response

    async def drop_wishes(self, request: web.Request) -> web.Response:
        session = await self._checkout.sessions.of(request)
        await self._checkout.holds.drop_wishes(session.session_id)
        return web.Response(status=204)

    async def place_hold(self, request: web.Request) -> web.Response:
        carried = self._checkout.sessions.carried(request)
        key = idempotency_key(request)
        assert key is not None
        basket = await read_body(request, _BASKET)
        quantities = basket.quantities()
        session = await self._checkout.sessions.meant(carried, skus=quantities)
        wish = HoldRequest(
            session_id=session.session_id,
            key=idempotency_uuid(key),
            body_hash=body_hash(quantities, partial=basket.partial),
            quantities=quantities,
            hold_id=uuid4(),
            partial=basket.partial,
        )
        placed = await self._checkout.hold_batchers.of(session.room).submit(wish)
        if placed.replay:
            hold = await self._checkout.holds.replayed(session.session_id, wish.key)
            return json_response(hold_body(hold), status=201)
        return json_response(_placed_body(placed), status=201)

    async def change_hold(self, request: web.Request) -> web.Response:
        session, hold_id = await self._named_hold(request)
        change = await read_body(request, _CHANGE)
        if (change.items is None) == (not change.extend):
            raise Unprocessable('Say either {"items": […]} or {"extend": true}.')
        if change.items is not None:
            if not change.items:
                raise Unprocessable("A hold has at least one item; to give it up, delete it.")
            quantities = Basket(change.items).quantities()
            async with self._checkout.changing(session.session_id, hold_id) as holds:
                await holds.change(session.session_id, hold_id, quantities)
        else:
            key = idempotency_key(request, required=False)
            again = idempotency_uuid(key) if key else None
            async with self._checkout.changing(session.session_id, hold_id) as holds:
                await holds.extend(session.session_id, hold_id, key=again)
        return await self.read_hold(request)

    async def release_hold(self, request: web.Request) -> web.Response:
        session, hold_id = await self._named_hold(request)
        async with self._checkout.changing(session.session_id, hold_id) as holds:
            await holds.release(session.session_id, hold_id)
        return web.Response(status=204)

    async def place_order(self, request: web.Request) -> web.Response:
        carried = self._checkout.sessions.carried(request)
        key = idempotency_key(request)
        assert key is not None
        wish = await read_body(request, _ORDER)
        address = self._checkout.mail.checked(wish.email)
        session = await self._checkout.sessions.meant(carried, hold_id=wish.hold_id)
        order = await self._checkout.pay(
            session,
            hold_id=wish.hold_id,
            key=key,
            token=wish.payment.token,
            shown_minor=wish.total_minor,
            shown_content=wish.content,
        )
        await self._checkout.mail.queue(order, address, language=language_of(request).tag)
        return self._checkout.order_answer(order)

    async def _named_hold(self, request: web.Request) -> tuple[Session, UUID]:
        carried = self._checkout.sessions.carried(request)
        try:
            hold_id = UUID(request.match_info["hold_id"])
        except ValueError as error:
            raise UnknownHold from error
        return await self._checkout.sessions.meant(carried, hold_id=hold_id), hold_id

    async def read_hold(self, request: web.Request) -> web.Response:
        session, hold_id = await self._named_hold(request)
        return json_response(
            hold_body(await self._checkout.holds.read(session.session_id, hold_id))
        )


def order_in_path(request: web.Request) -> UUID:
    """Return the id of the order in the path; raises `UnknownOrder` for a text that is none."""
    try:
        return UUID(request.match_info["order_id"])
    except ValueError as error:
        raise UnknownOrder from error


async def find_order(checkout: Checkout, request: web.Request) -> Order:
    """Return the order in the path if it belongs to the request's session."""
    carried = checkout.sessions.carried(request)
    order_id = order_in_path(request)
    session = await checkout.sessions.meant(carried, order_id=order_id)
    found = await checkout.orders.of_session(session.session_id, order_id)
    if not found:
        raise UnknownOrder
    return found[0]


def _items(lines: Iterable[HoldLine]) -> list[Json]:
    return [
        {
            "sku": line.sku,
            "name": line.name,
            "quantity": line.quantity,
            "price_minor": line.price_minor,
        }
        for line in lines
    ]


def _placed_body(placed: Placed) -> Json:
    return {
        "hold_id": placed.hold_id,
        "state": "held",
        "items": _items(placed.lines),
        "total_minor": sum(line.quantity * line.price_minor for line in placed.lines),
        "content": content_of(placed.lines),
        "currency": placed.currency,
        "expires_at": placed.expires_at,
        "seconds_left": placed.seconds_left,
    }


def hold_body(hold: Hold) -> Json:
    return {
        "hold_id": hold.hold_id,
        "state": "paying" if hold.paying else hold.state,
        "items": _items(hold.lines),
        "total_minor": hold.total_minor,
        "content": hold.content,
        "currency": hold.currency,
        "expires_at": hold.expires_at,
        "seconds_left": hold.seconds_left,
        "extensions_left": hold.extensions_left,
    }


def session_body(view: SessionView, holds: list[Hold], wishes: list[Wish]) -> Json:
    return {
        "session": str(view.session_id),
        "room": view.room,
        "room_name": view.room_name,
        "expires_at": view.expires_at,
        "seconds_left": max(view.seconds_left, 0.0),
        "customer": {"bound": view.customer_bound, "needed": view.customer_needed},
        "holds": [hold_body(hold) for hold in holds],
        "waiting_for": [asdict(wish) for wish in wishes],
    }
