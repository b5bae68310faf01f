"""The checkout API: sessions, holds and orders for admitted shoppers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from checkout.driving.payments import Payments
from checkout.order import UNSETTLED, Order, OrderBody, shopper_body
from checkout.order_link import OrderLinks
from checkout.order_mail_store import OrderMail
from checkout.order_store import OrderStore, SessionView
from checkout.refusals import (
    ContentChanged,
    PaidTooSoon,
    PaymentDeclined,
    UnknownOrder,
)
from checkout.session import Session
from checkout.sessions import Sessions
from inventory.hold import (
    HoldRequest,
    body_hash,
    idempotency_uuid,
)
from inventory.hold_store import HoldStore, Placed
from inventory.kit.batcher import BatcherByRoom
from inventory.kit.http import json_response
from inventory.kit.language.language import phrase
from inventory.kit.problem import EngineDown
from inventory.refusals import (
    AlreadyPaid,
    SessionOver,
)

log = structlog.get_logger()

RETRY_AFTER_S = "2"
# A request of a page is held open for this long at most until its hold can be paid.
PAY_WAIT_MAX_S = 5


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

    def order_body(self, order: Order) -> OrderBody:
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
                items=hold.lines, total_minor=hold.total_minor, content=hold.content
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

    async def pay_when_due(
        self, session: Session, *, hold_id: UUID, key: str, **shown: Any
    ) -> Order:
        """Pay, after the seconds that are left until the room lets this shopper pay.

        A browser without a script cannot wait by itself. A long wait is told instead.
        """
        pay = partial(self.pay, session, hold_id=hold_id, key=key, **shown)
        try:
            return await pay()
        except PaidTooSoon as refusal:
            if refusal.seconds_left > PAY_WAIT_MAX_S:
                raise
            await asyncio.sleep(refusal.seconds_left)
        return await pay()

    async def _begin(self, session_id: int, *, key: UUID, **asked: Any) -> tuple[UUID, bool]:
        """Begin a payment, and once more where that got no reply.

        It may have begun all the same, leased to this process, which does not drive what it does
        not know. So the lease is ended first. If that fails too, it is soon found forgotten
        (`LeaseHolder`), and the settling loop drives the order.
        """
        begin = partial(self.orders.start, session_id, key=key, **asked)
        try:
            return await begin()
        except EngineDown:
            await self.orders.let_go(session_id, key)
        return await begin()

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
        await asyncio.gather(self.hold_batchers.close(), self.sessions.close())
        driving = set(self._driving.values())
        if driving:
            await asyncio.wait(driving, timeout=self._payment_wait_s)
        for task in driving:
            task.cancel()


_END_REASONS = {
    "left": phrase("You have left this session."),
    "ordered": phrase("Your order is placed, and this session has ended with it."),
    "expired": phrase("The time of this session is over."),
}


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
