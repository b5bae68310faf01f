"""The payment gateway: a company elsewhere with books of its own, slow and far away."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

from checkout.gateway.gateway import (
    GatewayError,
    GatewayRefund,
    Payment,
    PaymentState,
    Refunded,
    RefundState,
)
from simulation.clockwork import Clockwork
from simulation.network import Cut, Link, Reply

APPROVE, DECLINE, REFUSE_CAPTURE = "tok_approve", "tok_decline", "tok_capture_refused"


@dataclass(slots=True)
class Kept:
    """A payment in the gateway's books."""

    state: PaymentState
    amount_minor: int = 0
    token: str = ""
    # What went back, by the keys of its refunds.
    refunds: dict[str, int] = field(default_factory=dict)


class Gateway:
    """The company. Its answers take between `answers_s` (s)."""

    def __init__(
        self, loop: Clockwork, dice: random.Random, *, answers_s: tuple[float, float]
    ) -> None:
        self.loop, self._dice, self._answers_s = loop, dice, answers_s
        self.payments: dict[str, Kept] = {}

    def serve(self, reply: Reply, act: str, key: str, *values: Any) -> None:
        answer = getattr(self, act)(key, *values)
        self.loop.later(self._dice.uniform(*self._answers_s), reply.say, answer)

    def authorize(self, key: str, amount_minor: int, token: str) -> Payment:
        if key not in self.payments:
            declined = token == DECLINE
            state = PaymentState.DECLINED if declined else PaymentState.AUTHORIZED
            self.payments[key] = Kept(state, amount_minor, token)
        return self.look_up(key)

    def capture(self, key: str) -> Payment:
        kept = self.payments.get(key)
        if kept is not None and kept.state is PaymentState.AUTHORIZED:
            if kept.token == REFUSE_CAPTURE:
                return Payment(state=PaymentState.DECLINED)
            kept.state = PaymentState.CAPTURED
        return self.look_up(key)

    def void(self, key: str) -> Payment:
        kept = self.payments.setdefault(key, Kept(PaymentState.VOIDED))
        if kept.state is PaymentState.AUTHORIZED:
            kept.state = PaymentState.VOIDED
        return self.look_up(key)

    def look_up(self, key: str) -> Payment:
        kept = self.payments.get(key)
        if kept is None:
            return Payment(state=PaymentState.UNKNOWN)
        taken = kept.amount_minor if kept.state is PaymentState.CAPTURED else 0
        return Payment(state=kept.state, captured_minor=taken)

    def refund(self, key: str, refund_key: str, amount_minor: int) -> Refunded:
        """Give money back, once for each key, and never more than was taken."""
        kept = self.payments.get(key)
        if kept is None or kept.state is not PaymentState.CAPTURED:
            return Refunded(state=RefundState.FAILED, detail="there is no such payment")
        left = kept.amount_minor - sum(kept.refunds.values())
        if refund_key not in kept.refunds:
            if amount_minor > left:
                return Refunded(state=RefundState.FAILED, detail="more than is left")
            kept.refunds[refund_key] = amount_minor
        return Refunded(state=RefundState.DONE)


class GatewayClient:
    """The gateway as one process reaches it."""

    name = "test"

    def __init__(self, company: Gateway, link: Link, pools: list[Any]) -> None:
        self._company, self._link, self._pools = company, link, pools
        # Acts during which a transaction of the same task was open.
        self.under_lock = 0

    async def _ask(self, act: str, key: str, *values: Any) -> Any:
        task = asyncio.current_task()
        self.under_lock += any(task in pool.in_transaction for pool in self._pools)
        try:
            return await self._link.send(self._company.serve, act, key, *values)
        except Cut as error:
            raise GatewayError("the connection broke") from error

    async def authorize(
        self, payment_key: str, *, amount_minor: int, currency: str, token: str
    ) -> Payment:
        payment: Payment = await self._ask("authorize", payment_key, amount_minor, token)
        return payment

    async def capture(self, payment_key: str) -> Payment:
        payment: Payment = await self._ask("capture", payment_key)
        return payment

    async def void(self, payment_key: str) -> Payment:
        payment: Payment = await self._ask("void", payment_key)
        return payment

    async def look_up(self, payment_key: str) -> Payment:
        payment: Payment = await self._ask("look_up", payment_key)
        return payment

    async def refund(self, payment_key: str, *, refund_key: str, amount_minor: int) -> Refunded:
        refunded: Refunded = await self._ask("refund", payment_key, refund_key, amount_minor)
        return refunded

    async def refunds_of(self, payment_key: str) -> list[GatewayRefund]:
        return []
