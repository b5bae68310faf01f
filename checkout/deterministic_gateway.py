"""The gateway for tests and demonstrations: the token decides what happens.

It keeps books of its own, as a company elsewhere would, so a worker that dies after a charge finds
the charge again. It moves no money.
"""

import asyncio

from checkout.payment import GatewayError, Payment, PaymentState
from inventory.kit.database import Pool, connection
from inventory.kit.queries import load_queries

SQL = load_queries("checkout")

APPROVE = "tok_approve"
DECLINE = "tok_decline"
SLOW = "tok_slow"
FAIL_AFTER_CHARGE = "tok_fail_after_charge"

# How long the slow payment is undecided, and how long its caller is kept waiting meanwhile.
SLOW_DECIDES_S = 12.0
SLOW_ANSWER_S = 15.0

_DECLINED = "The card was declined. You have not been charged."


class DeterministicGateway:
    name = "test"

    def __init__(self, pool: Pool, *, slow_decides_s: float = SLOW_DECIDES_S) -> None:
        self._pool = pool
        self._slow_decides_s = slow_decides_s

    async def authorize(
        self, payment_key: str, *, amount_minor: int, currency: str, token: str
    ) -> Payment:
        outcome = {APPROVE: "authorized", FAIL_AFTER_CHARGE: "authorized", SLOW: "processing"}
        payment = await self._write(
            "gateway_authorize",
            payment_key,
            outcome.get(token, "declined"),
            amount_minor,
            currency,
            self._slow_decides_s if token == SLOW else 0.0,
        )
        if token == SLOW and payment.state is PaymentState.PROCESSING:
            await asyncio.sleep(min(self._slow_decides_s, SLOW_ANSWER_S))
            return await self.look_up(payment_key)
        if token == FAIL_AFTER_CHARGE:
            raise GatewayError("the connection broke after the charge")
        return payment

    async def capture(self, payment_key: str) -> Payment:
        return await self._write("gateway_capture", payment_key)

    async def void(self, payment_key: str) -> Payment:
        return await self._write("gateway_void", payment_key)

    async def look_up(self, payment_key: str) -> Payment:
        return await self._write("gateway_look_up", payment_key)

    async def _write(self, query: str, *values: object) -> Payment:
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL[query], *values)
        if row is None:
            return Payment(state=PaymentState.UNKNOWN)
        state = PaymentState(row["state"])
        return Payment(
            state=state,
            gateway_ref=row["gateway_ref"],
            detail=_DECLINED if state is PaymentState.DECLINED else "",
        )
