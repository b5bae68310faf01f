"""Driving an order from payment to its end, whoever gets to it: a request or the settling loop."""

from collections.abc import Coroutine
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from checkout.gateway.gateway import (
    GATEWAY_TIMEOUT_S,
    IDLE_S,
    Gateway,
    Payment,
    PaymentState,
    answer_of,
)
from checkout.idle import settle_idle
from checkout.order import CLOSED, Order, OrderState
from checkout.order_store import OrderStore
from checkout.refunds import Refunds

log = structlog.get_logger()

# Authorizing, voiding, returning, refunded: no order takes more steps than this in one go.
STEPS_MAX = 6

_MONEY = {PaymentState.AUTHORIZED, PaymentState.CAPTURED}
_NO_MONEY = {PaymentState.DECLINED, PaymentState.VOIDED}

_CANCELLED = "The payment was cancelled."
_TOO_LONG = "The payment took too long and was cancelled."
_NOT_HANDED_OVER = "The bank approved the payment but did not hand over the money."
_NOT_CHARGED = "You have not been charged."


class Payments:
    """Take orders as far as they will go.

    Every step may be repeated: the gateway knows the order's id as its key, and an order changes
    state only from the state that was read. So a request, a retry, news from the gateway and the
    settling loop may drive the same order at the same time, and a process may die anywhere.
    """

    def __init__(
        self,
        store: OrderStore,
        gateway: Gateway,
        *,
        refunds: Refunds,
        timeout_s: float = GATEWAY_TIMEOUT_S,
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._refunds = refunds
        self._timeout_s = timeout_s

    async def drive(self, order_id: UUID, *, begun: bool = False) -> Order:
        """Move the order on until it is settled or has to wait for the gateway.

        With `begun` the payment was probably sent before, so the gateway is asked for it first.
        """
        order = await self._store.read(order_id)
        if order.gateway != self._gateway.name:
            return order
        for _ in range(STEPS_MAX):
            if not await self._step(order, begun=begun):
                return order
            order = await self._store.read(order_id)
        return order

    async def hear(self, order_id: UUID) -> None:
        """Take note that the gateway has news of an order's payment: ask it, and act on that.

        News may come twice, late and in any order: what counts is what the gateway says now.
        Raises `UnknownOrder` for a payment that is none of ours.
        """
        order = await self._store.read(order_id)
        if order.state in CLOSED and order.gateway == self._gateway.name:
            payment = await self._ask(self._gateway.look_up(str(order_id)), order)
            if payment is not None and payment.state in _MONEY:
                await self._store.take_late(order, gateway_ref=payment.gateway_ref)
        await self.drive(order_id, begun=True)
        await self._refunds.drive_all(order_id)

    async def _step(self, order: Order, *, begun: bool) -> bool:
        """Try one step and say whether the order may have moved."""
        match order.state:
            case OrderState.AUTHORIZING if order.overdue:
                # It took too long. Cancel there first; only then may the units go.
                await self._store.settle(order, OrderState.VOIDING)
                return True
            case OrderState.AUTHORIZING:
                return await self._authorize(order, begun=begun)
            case OrderState.AUTHORIZED:
                return await self._capture(order)
            case OrderState.VOIDING:
                return await self._void(order)
            case OrderState.RETURNING:
                return await self._return(order)
            case _:
                return False

    async def _authorize(self, order: Order, *, begun: bool) -> bool:
        key, payment = str(order.order_id), None
        if begun:
            payment = await self._ask(self._gateway.look_up(key), order)
        if payment is None or payment.state is PaymentState.UNKNOWN:
            asked = self._gateway.authorize(
                key,
                amount_minor=order.total_minor,
                currency=order.currency,
                token=order.payment_token,
            )
            payment = await self._ask(asked, order)
        if payment is None:
            # The answer was lost, and perhaps nothing else.
            payment = await self._ask(self._gateway.look_up(key), order)
        if payment is None or payment.state not in _MONEY | _NO_MONEY:
            return False
        if payment.state in _MONEY:
            # Confirming the hold is part of this change: the units are sold from here on.
            await self._settle(order, OrderState.AUTHORIZED, payment)
        else:
            await self._settle(order, OrderState.DECLINED, payment, payment.detail or _CANCELLED)
        return True

    async def _capture(self, order: Order) -> bool:
        payment = await self._ask(self._gateway.capture(str(order.order_id)), order)
        if payment is None:
            return False
        if payment.state is PaymentState.CAPTURED:
            await self._settle(order, OrderState.PAID, payment)
            return True
        if payment.state in _NO_MONEY | {PaymentState.UNKNOWN}:
            # Nothing will come of it: the units go back on the shelf with this change.
            await self._settle(order, OrderState.RETURNING, payment, _NOT_HANDED_OVER)
            return True
        return False

    async def _void(self, order: Order) -> bool:
        payment = await self._ask(self._gateway.void(str(order.order_id)), order)
        if payment is None or payment.state not in _NO_MONEY | {PaymentState.CAPTURED}:
            return False
        if payment.state in _NO_MONEY:
            why = order.detail if order.called_off else _TOO_LONG
            await self._settle(order, OrderState.CANCELLED, payment, f"{why} {_NOT_CHARGED}")
        else:
            # The money was there after all, and the hold has waited for this answer. If the order
            # was called off, also just now, the money goes back instead.
            await self._settle(order, OrderState.AUTHORIZED, payment)
        return True

    async def _return(self, order: Order) -> bool:
        payment = await self._ask(self._gateway.void(str(order.order_id)), order)
        if payment is not None and payment.state is PaymentState.CAPTURED:
            return await self._refunds.give_back(order.order_id)
        if payment is None or payment.state not in _NO_MONEY:
            return False
        detail = f"{order.detail} {_NOT_CHARGED}"
        await self._settle(order, OrderState.CANCELLED, payment, detail)
        return True

    async def _settle(
        self, order: Order, to: OrderState, payment: Payment, detail: str = ""
    ) -> None:
        await self._store.settle(order, to, gateway_ref=payment.gateway_ref, detail=detail)

    async def _ask(self, call: Coroutine[Any, Any, Payment], order: Order) -> Payment | None:
        return await answer_of(call, timeout_s=self._timeout_s, key=str(order.order_id))

    async def sweep(self, _: int) -> int:
        """Settle what is idle, as a sweep that is never in a hurry: what was tried rests first."""
        await self.settle_idle()
        return 0

    async def settle_idle(self, *, idle_s: float = IDLE_S) -> int:
        """Drive orders that nobody has moved for a while; return how many were looked at."""
        drive = partial(self.drive, begun=True)
        return await settle_idle(
            self._store, drive, gateway=self._gateway.name, idle_s=idle_s, kind="order"
        )
