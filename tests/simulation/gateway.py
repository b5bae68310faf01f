"""The payment gateway: a company elsewhere with books of its own, slow and far away."""

import asyncio
import random
from dataclasses import dataclass
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
from simulation.network import Cut, Link, Reply, later

APPROVE, DECLINE, REFUSE_CAPTURE = "tok_approve", "tok_decline", "tok_capture_refused"


@dataclass(slots=True)
class Kept:
    """A payment in the gateway's books."""

    state: PaymentState
    amount_minor: int = 0
    token: str = ""


class Gateway:
    """The company. Its answers take between `answers_s` (s)."""

    def __init__(
        self, loop: Clockwork, dice: random.Random, *, answers_s: tuple[float, float]
    ) -> None:
        self.loop, self._dice, self._answers_s = loop, dice, answers_s
        self.payments: dict[str, Kept] = {}

    def serve(self, reply: Reply, act: str, key: str, *values: Any) -> None:
        answer = getattr(self, act)(key, *values)
        later(self.loop, self._dice.uniform(*self._answers_s), reply.say, answer)

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


class GatewayClient:
    """The gateway as one process reaches it."""

    name = "test"

    def __init__(self, company: Gateway, link: Link, pools: list[Any]) -> None:
        self._company, self._link, self._pools = company, link, pools
        # Acts during which a transaction of the same task was open.
        self.under_lock = 0

    async def _ask(self, act: str, key: str, *values: Any) -> Payment:
        task = asyncio.current_task()
        self.under_lock += any(task in pool.in_transaction for pool in self._pools)
        try:
            payment: Payment = await self._link.send(self._company.serve, act, key, *values)
        except Cut as error:
            raise GatewayError("the connection broke") from error
        return payment

    async def authorize(
        self, payment_key: str, *, amount_minor: int, currency: str, token: str
    ) -> Payment:
        return await self._ask("authorize", payment_key, amount_minor, token)

    async def capture(self, payment_key: str) -> Payment:
        return await self._ask("capture", payment_key)

    async def void(self, payment_key: str) -> Payment:
        return await self._ask("void", payment_key)

    async def look_up(self, payment_key: str) -> Payment:
        return await self._ask("look_up", payment_key)

    async def refund(self, payment_key: str, *, refund_key: str, amount_minor: int) -> Refunded:
        return Refunded(state=RefundState.FAILED)

    async def refunds_of(self, payment_key: str) -> list[GatewayRefund]:
        return []
