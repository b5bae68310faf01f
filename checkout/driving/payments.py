"""Driving an order from its payment to its end, by a request, by news or by the settling loop."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import structlog

from checkout.driving.attempt import Attempt
from checkout.driving.leased import BATCH_MAX, LEASE, RETRY, drive_idle, within_lease
from checkout.driving.refunds import Refunds
from checkout.gateway.gateway import (
    GATEWAY_TIMEOUT_S,
    NO_ANSWER,
    NOT_SENT,
    Gateway,
    Payment,
    PaymentState,
    answer_of,
)
from checkout.order import CLOSED, MOVING, Order, OrderState
from checkout.order_store import OrderStore
from inventory.kit.language.language import phrase
from inventory.kit.problem import Busy

log = structlog.get_logger()

# Authorizing, voiding, returning, refunded: no order takes more steps than this in one go.
STEPS_MAX = 6
# An order whose database is away or busy is tried again after this pause, within its lease.
ENGINE_PAUSE_S = 1.0

_MONEY = {PaymentState.AUTHORIZED, PaymentState.CAPTURED}
_NO_MONEY = {PaymentState.DECLINED, PaymentState.VOIDED}

# One sentence for all reasons: telling them apart would tell a thief which stolen card is good.
_DECLINED = phrase(
    "The payment was declined. You have not been charged. Try another card, or ask your bank."
)
_CANCELLED = "The payment was cancelled."
_TOO_LONG = "The payment took too long and was cancelled."
_NOT_HANDED_OVER = "The bank approved the payment but did not hand over the money."
_UNKNOWN = "The shop could not find out what became of this payment, and ended it."
_NOT_CHARGED = "You have not been charged."


class Payments:
    """Take orders as far as they will go.

    Every step may be repeated: the gateway knows the order's id as its key, and an order changes
    state only from the state that was read. So a request, news from the gateway and the settling
    loop may drive the same order at the same time, and a process may die anywhere.
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
        self._turns, self._driven = refunds.turns, refunds.driven
        self._has_warned = False

    def require_room(self) -> None:
        """Raise `Busy` where a payment that begins now would not get its turn at the gateway."""
        self._turns.require_room()

    async def take(self, order_id: UUID) -> bool:
        """Lease an order that is still moving, unless it has a driver."""
        return await self._store.take_one(order_id, lease_s=LEASE.length_s)

    async def drive_leased(self, order_id: UUID, *, begun: bool) -> None:
        """Drive an order that is leased to this process, for as long as the lease lasts.

        While the database is away, or keeps the order's rows locked, the order is tried again. An
        order that has to wait for the gateway is left to the settling loop, which takes it up soon.
        """
        with self._driven.drives(order_id):
            await self._drive_leased(order_id, begun=begun)

    async def _drive_leased(self, order_id: UUID, *, begun: bool) -> None:
        started = time.monotonic()
        while True:
            try:
                driving = self._drive(order_id, begun=begun)
                if not await within_lease(driving, started=started):
                    await self._store.put_off(order_id, wait_s=RETRY.waits_s[0])
            except TimeoutError:
                log.info("driven_on_later", order=str(order_id))
                await self._store.put_off(order_id, wait_s=RETRY.waits_s[0])
            except Busy:
                if LEASE.left_s(started=started, now=time.monotonic()) <= ENGINE_PAUSE_S:
                    raise
                await asyncio.sleep(ENGINE_PAUSE_S)
                begun = True
                continue
            return

    async def drive(self, order_id: UUID, *, begun: bool = False) -> Order:
        """Move the order on until it is settled or has to wait for the gateway.

        With `begun` the payment was probably sent before, so the gateway is asked for it first.
        """
        await self._drive(order_id, begun=begun)
        return await self._store.read(order_id)

    async def hear(self, order_id: UUID) -> None:
        """Act on the gateway's news of an order's payment: ask the gateway, and go by its answer.

        News may come twice, late and in any order: what counts is what the gateway says now.
        Raises `UnknownOrder` for a payment of another shop.
        """
        await self.look_for_late_money(order_id)
        await self._drive(order_id, begun=True)
        await self._refunds.drive_all(order_id)

    async def look_for_late_money(self, order_id: UUID) -> bool:
        """Say whether money came for an order that was closed; then the order is taken on."""
        attempt = await self._store.attempt(order_id)
        if attempt.state not in CLOSED or attempt.gateway != self._gateway.name:
            return False
        payment = await self._ask(self._gateway.look_up(str(order_id)), attempt)
        if payment.state not in _MONEY:
            return False
        await self._store.take_late(attempt, payment)
        return True

    async def settle_idle(self) -> int:
        """Drive orders that have no driver; return how many were taken."""
        await self._end_unknown()
        return await drive_idle(
            self._store,
            self._drive_on,
            driven=self._driven,
            gateway=self._gateway.name,
            kind="order",
        )

    async def sweep(self, _: int) -> int:
        """Settle what is idle, as a sweep that rests between its rounds."""
        await self._warn_of_others()
        await self.settle_idle()
        return 0

    async def _warn_of_others(self) -> None:
        """Say once what a change of the gateway has left behind."""
        if self._has_warned:
            return
        left = await self._store.elsewhere(gateway=self._gateway.name)
        self._has_warned = True
        for gateway, (orders, refunds) in left.items():
            hint = "set this gateway again until they are settled, or settle them by hand"
            log.warning(
                "money_at_another_gateway",
                gateway=gateway,
                orders=orders,
                refunds=refunds,
                hint=hint,
            )

    async def _end_unknown(self) -> None:
        """Free the holds of payments whose gateway is not asked any more.

        The money may have been taken there, so the order waits for an answer without its units.
        """
        found = await self._store.unknown(gateway=self._gateway.name, limit=BATCH_MAX)
        for order_id, gateway in found:
            state = await self._store.end_unknown(order_id, detail=_UNKNOWN)
            hint = "look there whether it was paid, and note what you give back as by hand"
            log.error(
                "payment_not_known", order=str(order_id), gateway=gateway, state=state, hint=hint
            )

    async def _drive_on(self, order_id: UUID) -> bool:
        return await self._drive(order_id, begun=True)

    async def _drive(self, order_id: UUID, *, begun: bool) -> bool:
        """Take steps while there are any; say whether the order has come to rest."""
        attempt = await self._store.attempt(order_id)
        for _ in range(STEPS_MAX):
            if attempt.gateway != self._gateway.name or not await self._step(attempt, begun=begun):
                break
            attempt = await self._store.attempt(order_id)
        return attempt.state not in MOVING

    async def _step(self, attempt: Attempt, *, begun: bool) -> bool:
        """Try one step and say whether the order may have moved."""
        match attempt.state:
            case OrderState.AUTHORIZING if attempt.overdue:
                # Cancel it at the gateway first; only then may the units go.
                await self._store.settle(attempt, OrderState.VOIDING)
                return True
            case OrderState.AUTHORIZING:
                return await self._authorize(attempt, begun=begun)
            case OrderState.AUTHORIZED:
                return await self._capture(attempt)
            case OrderState.VOIDING:
                return await self._void(attempt)
            case OrderState.RETURNING:
                return await self._return(attempt)
            case _:
                return False

    async def _authorize(self, attempt: Attempt, *, begun: bool) -> bool:
        key, payment = str(attempt.order_id), NO_ANSWER
        if begun:
            payment = await self._ask(self._gateway.look_up(key), attempt)
        if payment.state in {PaymentState.UNANSWERED, PaymentState.UNKNOWN}:
            asked = self._gateway.authorize(
                key,
                amount_minor=attempt.amount_minor,
                currency=attempt.currency,
                token=attempt.payment_token,
            )
            payment = await self._ask(asked, attempt)
        if payment.state is PaymentState.UNANSWERED:
            # The answer was lost, and perhaps nothing else.
            payment = await self._ask(self._gateway.look_up(key), attempt)
        if payment.state in _MONEY:
            # Confirming the hold is part of this change: the units are sold from here on.
            await self._store.settle(attempt, OrderState.AUTHORIZED, payment)
        elif payment.state in _NO_MONEY:
            why = _DECLINED if payment.state is PaymentState.DECLINED else _CANCELLED
            await self._store.settle(attempt, OrderState.DECLINED, payment, detail=why)
        else:
            return await self._wait(attempt, payment)
        return True

    async def _capture(self, attempt: Attempt) -> bool:
        payment = await self._ask(self._gateway.capture(str(attempt.order_id)), attempt)
        if payment.state is PaymentState.CAPTURED:
            await self._store.settle(attempt, OrderState.PAID, payment)
        elif payment.state in _NO_MONEY | {PaymentState.UNKNOWN}:
            # Nothing will come of it: the units go back on the shelf with this change.
            await self._store.settle(
                attempt, OrderState.RETURNING, payment, detail=_NOT_HANDED_OVER
            )
        else:
            return await self._wait(attempt, payment)
        return True

    async def _void(self, attempt: Attempt) -> bool:
        payment = await self._ask(self._gateway.void(str(attempt.order_id)), attempt)
        if payment.state in _NO_MONEY:
            why = attempt.detail if attempt.called_off else _TOO_LONG
            await self._store.settle(
                attempt, OrderState.CANCELLED, payment, detail=f"{why} {_NOT_CHARGED}"
            )
        elif payment.state is PaymentState.CAPTURED:
            # The money was there after all, and the hold has waited for this answer. If the order
            # was called off, even just now, the money goes back instead.
            await self._store.settle(attempt, OrderState.AUTHORIZED, payment)
        else:
            return await self._wait(attempt, payment)
        return True

    async def _return(self, attempt: Attempt) -> bool:
        payment = await self._ask(self._gateway.void(str(attempt.order_id)), attempt)
        if payment.state is PaymentState.CAPTURED:
            await self._store.note(attempt.order_id, payment)
            return await self._refunds.give_back(attempt.order_id)
        if payment.state not in _NO_MONEY:
            return await self._wait(attempt, payment)
        detail = f"{attempt.detail} {_NOT_CHARGED}"
        await self._store.settle(attempt, OrderState.CANCELLED, payment, detail=detail)
        return True

    async def _wait(self, attempt: Attempt, payment: Payment) -> bool:
        """Note an answer after which the order stays where it is; of nothing sent there is none."""
        if payment.state is not PaymentState.UNSENT:
            await self._store.note(attempt.order_id, payment)
        return False

    async def _ask(self, call: Coroutine[Any, Any, Payment], attempt: Attempt) -> Payment:
        key = str(attempt.order_id)
        payment = await answer_of(
            call,
            turns=self._turns,
            timeout_s=self._timeout_s,
            key=key,
            otherwise=NO_ANSWER,
            unsent=NOT_SENT,
        )
        if payment.captured_minor not in {0, attempt.amount_minor}:
            log.error("another_amount_was_captured", order=key, captured=payment.captured_minor)
        return payment
