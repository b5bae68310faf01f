"""Driving an order from payment to its end, whoever gets to it: a request or the settling loop."""

import asyncio
from uuid import UUID

import structlog

from checkout.order import Order, OrderState
from checkout.order_store import OrderStore
from checkout.payment import Gateway, GatewayError, Payment, PaymentState
from inventory.kit.problem import Refusal

log = structlog.get_logger()

# Authorizing, authorized, paid: no order takes more steps than this in one go.
STEPS_MAX = 5
GATEWAY_TIMEOUT_S = 30.0
# Longer than a request drives its own order, so that the two seldom meet.
IDLE_S = GATEWAY_TIMEOUT_S + 5.0
SETTLE_BATCH_MAX = 50


class Payments:
    """Take orders as far as they will go.

    Every step may be repeated: the gateway knows the order's id as its key, and an order changes
    state only from the state that was read. So a request, a retry and the settling loop may
    drive the same order at the same time, and a process may die anywhere.
    """

    def __init__(
        self, store: OrderStore, gateway: Gateway, *, timeout_s: float = GATEWAY_TIMEOUT_S
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._timeout_s = timeout_s

    async def drive(self, order_id: UUID) -> Order:
        """Move the order on until it is settled or has to wait for the gateway."""
        order = await self._store.read(order_id)
        for _ in range(STEPS_MAX):
            if not await self._step(order):
                return order
            order = await self._store.read(order_id)
        return order

    async def hear(self, order_id: UUID) -> None:
        """Take note that the gateway has news of an order's payment: ask it, and act on that.

        News may come twice, late and in any order: what counts is what the gateway says now.
        Raises `UnknownOrder` for a payment that is none of ours.
        """
        await self.drive(order_id)

    async def _step(self, order: Order) -> bool:
        """Try one step and say whether the order may have moved."""
        match order.state:
            case OrderState.AUTHORIZING if order.overdue:
                # It took too long. Cancel there first; only then may the units go.
                await self._store.settle(order, OrderState.VOIDING)
                return True
            case OrderState.AUTHORIZING:
                return await self._authorize(order)
            case OrderState.AUTHORIZED:
                payment = await self._ask(self._gateway.capture, order)
                if payment.state is not PaymentState.CAPTURED:
                    return False
                await self._store.settle(order, OrderState.PAID)
                return True
            case OrderState.VOIDING:
                return await self._void(order)
            case _:
                return False

    async def _authorize(self, order: Order) -> bool:
        try:
            async with asyncio.timeout(self._timeout_s):
                payment = await self._gateway.authorize(
                    str(order.order_id),
                    amount_minor=order.total_minor,
                    currency=order.currency,
                    token=order.payment_token,
                )
        except (GatewayError, TimeoutError, Refusal) as error:
            log.warning("gateway_gave_no_answer", order=str(order.order_id), error=repr(error))
            payment = await self._ask(self._gateway.look_up, order)
        if payment.state in {PaymentState.AUTHORIZED, PaymentState.CAPTURED}:
            # Confirming the hold is part of this change: the units are sold from here on.
            await self._store.settle(order, OrderState.AUTHORIZED, gateway_ref=payment.gateway_ref)
            return True
        if payment.state in {PaymentState.DECLINED, PaymentState.VOIDED}:
            await self._store.settle(
                order,
                OrderState.DECLINED,
                gateway_ref=payment.gateway_ref,
                detail=payment.detail or "The payment was cancelled.",
            )
            return True
        return False

    async def _void(self, order: Order) -> bool:
        payment = await self._ask(self._gateway.void, order)
        if payment.state is PaymentState.CAPTURED:
            # The money was there after all, and the hold has waited for this answer.
            await self._store.settle(order, OrderState.AUTHORIZED, gateway_ref=payment.gateway_ref)
            return True
        if payment.state in {PaymentState.VOIDED, PaymentState.DECLINED}:
            await self._store.settle(
                order,
                OrderState.CANCELLED,
                gateway_ref=payment.gateway_ref,
                detail="The payment took too long and was cancelled. You have not been charged.",
            )
            return True
        return False

    async def _ask(self, call: object, order: Order) -> Payment:
        """Ask the gateway; no answer means that nothing is known yet."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await call(str(order.order_id))  # type: ignore[operator, no-any-return]
        except (GatewayError, TimeoutError, Refusal) as error:
            log.warning("gateway_gave_no_answer", order=str(order.order_id), error=repr(error))
            return Payment(state=PaymentState.UNKNOWN)

    async def settle_idle(self, *, idle_s: float = IDLE_S) -> int:
        """Drive orders that nobody has moved for a while; return how many were looked at."""
        idle = await self._store.unsettled(idle_s=idle_s, limit=SETTLE_BATCH_MAX)
        for order_id in idle:
            # Touched first, so that another sweeper passes over it meanwhile.
            await self._store.touch(order_id)
        if idle:
            ends = await asyncio.gather(
                *(self.drive(order_id) for order_id in idle), return_exceptions=True
            )
            for order_id, end in zip(idle, ends, strict=True):
                if isinstance(end, Exception):
                    log.warning("order_not_settled", order=str(order_id), error=repr(end))
        return len(idle)
