"""The gateway for tests and demonstrations: the token decides what happens.

It keeps books of its own, as a company elsewhere would, so a worker that dies after a charge finds
the charge again, and no more is given back than was taken. It moves no money. Its tables stand in
a schema of their own, which it makes when it is opened.
"""

import asyncio
from importlib import resources

import asyncpg

from checkout.gateway.gateway import (
    GatewayError,
    GatewayRefund,
    Payment,
    PaymentState,
    Refunded,
    RefundState,
)
from inventory.kit.database import Pool, ask, connection, load_queries

SQL = load_queries("checkout.gateway")

APPROVE = "tok_approve"
DECLINE = "tok_decline"
SLOW = "tok_slow"
FAIL_AFTER_CHARGE = "tok_fail_after_charge"
# Declined at first, and authorized long afterwards.
LATE = "tok_late"
# Authorized, but capturing is refused.
CAPTURE_REFUSED = "tok_capture_refused"
# Paid, but refunds fail, or take a while.
REFUND_FAILS = "tok_refund_fails"
REFUND_SLOW = "tok_refund_slow"

# How long the slow payment is undecided, and how long its caller is kept waiting meanwhile. Late
# payments and slow refunds take as long.
SLOW_DECIDES_S = 12.0
SLOW_ANSWER_S = 15.0

_AT_FIRST = {SLOW: "processing", DECLINE: "declined", LATE: "declined"}
_APPROVED = {APPROVE, FAIL_AFTER_CHARGE, CAPTURE_REFUSED, REFUND_FAILS, REFUND_SLOW}
_DECLINED = "Declined by its token."


# Processes that start at once make the tables one after the other. The number is arbitrary.
SCHEMA_LOCK = 0x7E57


async def open_test_gateway(pool: Pool) -> "DeterministicGateway":
    """Return the test gateway, with its tables made if they were not there."""
    async with connection(pool) as borrowed:
        if await borrowed.fetchval(SQL["gateway_is_ready"]):
            return DeterministicGateway(pool)
        schema = resources.files("checkout.gateway").joinpath("test_gateway.sql")
        async with borrowed.transaction():
            await borrowed.execute(SQL["lock_gateway_schema"], SCHEMA_LOCK)
            await borrowed.execute(schema.read_text(encoding="utf-8"))
    return DeterministicGateway(pool)


class DeterministicGateway:
    """See `open_test_gateway`, which makes the tables that this class expects."""

    name = "test"

    def __init__(self, pool: Pool, *, slow_decides_s: float = SLOW_DECIDES_S) -> None:
        self._pool = pool
        self._slow_decides_s = slow_decides_s

    async def authorize(
        self, payment_key: str, *, amount_minor: int, currency: str, token: str
    ) -> Payment:
        payment = await self._write(
            "gateway_authorize",
            payment_key,
            "authorized" if token in _APPROVED else _AT_FIRST.get(token, "declined"),
            amount_minor,
            currency,
            self._slow_decides_s if token in _AT_FIRST else 0.0,
            token,
        )
        if token == SLOW and payment.state is PaymentState.PROCESSING:
            await asyncio.sleep(min(self._slow_decides_s, SLOW_ANSWER_S))
            return await self.look_up(payment_key)
        if token == FAIL_AFTER_CHARGE:
            raise GatewayError("the connection broke after the charge")
        return payment

    async def capture(self, payment_key: str) -> Payment:
        payment = await self._write("gateway_capture", payment_key, CAPTURE_REFUSED)
        if payment.state is PaymentState.AUTHORIZED:
            return Payment(state=PaymentState.DECLINED, gateway_ref=payment.gateway_ref)
        return payment

    async def void(self, payment_key: str) -> Payment:
        return await self._write("gateway_void", payment_key)

    async def look_up(self, payment_key: str) -> Payment:
        return await self._write("gateway_look_up", payment_key)

    async def refund(self, payment_key: str, *, refund_key: str, amount_minor: int) -> Refunded:
        values = (payment_key, refund_key, amount_minor)
        outcomes = (REFUND_FAILS, REFUND_SLOW, self._slow_decides_s)
        async with connection(self._pool) as borrowed:
            try:
                await borrowed.execute(SQL["gateway_refund"], *values, *outcomes)
            except asyncpg.CheckViolationError:
                return Refunded(state=RefundState.FAILED, detail="That is more than was taken.")
            row = await borrowed.fetchrow(SQL["gateway_read_refund"], refund_key)
        if row is None:
            return Refunded(state=RefundState.FAILED, detail="That payment was not captured.")
        state = RefundState(row["state"])
        return Refunded(
            state=state,
            gateway_ref=row["gateway_ref"],
            detail="The card takes no refunds." if state is RefundState.FAILED else "",
        )

    async def refunds_of(self, payment_key: str) -> list[GatewayRefund]:
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["gateway_list_refunds"], payment_key)
        return [GatewayRefund(**{**row, "state": RefundState(row["state"])}) for row in rows]

    async def _write(self, query: str, *values: object) -> Payment:
        rows = await ask(self._pool, SQL[query], *values)
        if not rows:
            return Payment(state=PaymentState.UNKNOWN)
        (row,) = rows
        state = PaymentState(row["state"])
        return Payment(
            state=state,
            gateway_ref=row["gateway_ref"],
            detail=_DECLINED if state is PaymentState.DECLINED else "",
            captured_minor=row["amount_minor"] if state is PaymentState.CAPTURED else 0,
        )
