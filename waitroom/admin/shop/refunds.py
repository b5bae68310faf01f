"""The operators' API for refunds and cancellations."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

from aiohttp import web

from checkout.driving.payments import Payments
from checkout.driving.refunds import Refunds
from checkout.order import MOVING, operator_body
from checkout.order_store import OrderStore
from checkout.refund import (
    Cancellation,
    OperatorRefund,
    RefundStage,
    RefundWish,
    operator_refund_body,
)
from checkout.refund_store import RefundStore
from checkout.refusals import (
    NotCancellable,
    NotRefundable,
    RefundTooLarge,
    SkuNotOrdered,
    TooManyUnits,
    UnknownOrder,
)
from inventory.hold import idempotency_uuid
from inventory.kit.doors.decoding import decoder
from inventory.kit.doors.described import KEY, RETRY_AFTER, Answer, described
from inventory.kit.http import idempotency_key, json_response, read_body
from inventory.kit.problem import AuditTooLong, IdempotencyKeyReused
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.shop.answers import Breaches, OrderWithRefunds
from waitroom.refusals import RefundFailed

# After this long the answer is 202, and the settling loop goes on with the gateway.
WAIT_S = 8.0
RETRY_AFTER_S = "2"

_WISH = decoder(RefundWish)
_CANCELLATION = decoder(Cancellation)


class RefundsAdmin:
    def __init__(
        self,
        guard: Guard,
        *,
        orders: OrderStore,
        store: RefundStore,
        payments: Payments,
        refunds: Refunds,
        wait_s: float = WAIT_S,
    ) -> None:
        self._guard = guard
        self._orders = orders
        self._store = store
        self._payments = payments
        self._refunds = refunds
        self._wait_s = wait_s

    def routes(self) -> list[web.RouteDef]:
        as_role = self._guard.as_role
        refunds = "/admin/orders/{order_id}/refunds"
        return [
            web.get(refunds, as_role("viewer", self.list_refunds, scope="orders")),
            web.post(refunds, as_role("operator", self.refund, scope="orders", fresh=True)),
            web.post(
                "/admin/orders/{order_id}/cancel",
                as_role("operator", self.cancel, scope="orders", fresh=True),
            ),
            web.get("/admin/breaches/orders", as_role("viewer", self.breaches, scope="orders")),
        ]

    @described(answer=OrderWithRefunds, refusals=(UnknownOrder,))
    async def list_refunds(self, request: web.Request, operator: Operator) -> web.Response:
        """Return an order with its refunds."""
        body, _ = await self._read(_order_id(request))
        return json_response(body)

    @described(
        headers=(KEY,),
        body=RefundWish,
        answer=OperatorRefund,
        status=201,
        also=(
            Answer(
                status=202,
                body=OperatorRefund,
                text="The gateway has not decided yet.",
                headers=(RETRY_AFTER,),
            ),
        ),
        refusals=(
            UnknownOrder,
            NotRefundable,
            RefundTooLarge,
            TooManyUnits,
            SkuNotOrdered,
            RefundFailed,
            IdempotencyKeyReused,
        ),
    )
    async def refund(self, request: web.Request, operator: Operator) -> web.Response:
        """Give money of an order back: all of it, the price of units, or an amount."""
        order_id = _order_id(request)
        key = idempotency_key(request)
        assert key is not None
        wish = await read_body(request, _WISH)
        refund_id = await self._store.ask(
            order_id,
            wish,
            key=idempotency_uuid(key, account=operator.operator_id),
            who=operator.name,
        )
        await self._in_time(self._refunds.drive(refund_id))
        refund = await self._store.read(refund_id)
        if refund.stage is RefundStage.FAILED:
            raise RefundFailed(refund.detail, refund_id=str(refund_id))
        if refund.stage is RefundStage.ASKED:
            return _pending(operator_refund_body(refund))
        return json_response(operator_refund_body(refund), status=201)

    @described(
        body=Cancellation,
        answer=OrderWithRefunds,
        also=(
            Answer(
                status=202,
                body=OrderWithRefunds,
                text="The gateway has not decided yet.",
                headers=(RETRY_AFTER,),
            ),
        ),
        refusals=(UnknownOrder, NotCancellable, NotRefundable),
    )
    async def cancel(self, request: web.Request, operator: Operator) -> web.Response:
        """Call an order off: a payment under way is voided, and what was paid goes back."""
        order_id = _order_id(request)
        wish = await read_body(request, _CANCELLATION)
        await self._store.call_off(
            order_id, restock=wish.restock, who=operator.name, reason=wish.reason
        )
        await self._in_time(self._payments.hear(order_id))
        body, moving = await self._read(order_id)
        return _pending(body) if moving else json_response(body)

    @described(answer=Breaches, refusals=(AuditTooLong,))
    async def breaches(self, request: web.Request, operator: Operator) -> web.Response:
        """Check the books of the money."""
        return json_response(Breaches(breaches=await self._orders.breaches()))

    async def _in_time(self, driving: Coroutine[Any, Any, object]) -> None:
        """Wait a while for the gateway. Every step can be cancelled and is resumed later."""
        try:
            async with asyncio.timeout(self._wait_s):
                await driving
        except TimeoutError:
            return

    async def _read(self, order_id: UUID) -> tuple[OrderWithRefunds, bool]:
        """Return an order with its refunds, and whether the gateway still has work to do."""
        order = await self._orders.read(order_id)
        refunds = await self._store.of_order(order_id)
        body = OrderWithRefunds(
            order=operator_body(order), refunds=[operator_refund_body(r) for r in refunds]
        )
        moving = order.state in MOVING or any(r.stage is RefundStage.ASKED for r in refunds)
        return body, moving


def _order_id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["order_id"])
    except ValueError as error:
        raise UnknownOrder from error


def _pending(body: OrderWithRefunds | OperatorRefund) -> web.Response:
    return json_response(body, status=202, headers={"Retry-After": RETRY_AFTER_S})
