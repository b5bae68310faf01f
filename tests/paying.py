"""What tests of money share: orders on the way, gateways that misbehave, and books that agree."""

from typing import Any
from uuid import UUID, uuid4

import msgspec
from shop import hold, open_gate, sessions_in
from support import execute

from checkout.driving.payments import Payments
from checkout.driving.refunds import Refunds
from checkout.gateway.deterministic_gateway import APPROVE, LATE, SLOW
from checkout.gateway.gateway import (
    GATEWAY_TIMEOUT_S,
    Gateway,
    GatewayError,
    GatewayRefund,
    Payment,
    PaymentState,
    Refunded,
    RefundState,
)
from checkout.order import Order, OrderState
from checkout.refund import RefundWish
from waitroom.run.app import Service

DASHBOARD = """
    WITH new AS (
        INSERT INTO test_gateway.refund (refund_key, payment_key, gateway_ref, state, amount_minor,
                                         decides_at)
        VALUES ($1, $2, $1, $3, $4, clock_timestamp() + interval '1 hour') RETURNING *)
    UPDATE test_gateway.payment g SET refunded_minor = g.refunded_minor + new.amount_minor
    FROM new
    WHERE g.payment_key = new.payment_key AND new.state <> 'failed' AND $4 <= g.amount_minor"""
# Longer than a loaded machine needs to answer, shorter than a slow payment takes.
IMPATIENT_S = 0.5


async def start(
    service: Service,
    session_id: int,
    hold_id: UUID,
    *,
    token: str = APPROVE,
    key: UUID | None = None,
    body: bytes = b"body",
    gateway: str = "test",
) -> tuple[UUID, bool]:
    return await service.orders.start(
        session_id,
        hold_id=hold_id,
        key=key or uuid4(),
        body_hash=body,
        gateway=gateway,
        token=token,
    )


async def a_hold(service: Service, **rules: Any) -> tuple[int, UUID]:
    """Return a session with two of five mugs in its basket."""
    await open_gate(service, **{"skus": {"mug": 5}, "limit": 5, **rules})
    (session,) = await sessions_in(service, 1)
    return session, await hold(service, session, mug=2)


async def an_order(service: Service, *, token: str = APPROVE, **rules: Any) -> UUID:
    """Return an order for two of five mugs, its payment not yet sent."""
    session, held = await a_hold(service, **rules)
    return (await start(service, session, held, token=token))[0]


async def a_paid_order(service: Service, *, token: str = APPROVE, **rules: Any) -> UUID:
    """Return a paid order for two of five mugs."""
    order_id = await an_order(service, token=token, **rules)
    assert (await service.payments.drive(order_id)).state == "paid"
    return order_id


async def a_basket(service: Service, session_id: int, **quantities: int) -> UUID:
    """Return a paid order of one session for all of these units."""
    held = await hold(service, session_id, **quantities)
    order_id, _ = await start(service, session_id, held)
    assert (await service.payments.drive(order_id)).state == "paid"
    return order_id


async def settle_idle(service: Service, driving: Payments | Refunds) -> int:
    """Let all leases run out, and drive what has no driver; return how much was taken."""
    for table in ("purchase", "refund"):
        await execute(service, f"UPDATE {table} SET driven_until = '2000-01-01'")
    return await driving.settle_idle()


def driven_by(
    service: Service, gateway: Gateway, *, timeout_s: float = GATEWAY_TIMEOUT_S
) -> Payments:
    """Return payments that another gateway decides, in the same books."""
    refunds = Refunds(service.refund_store, gateway, timeout_s=timeout_s)
    return Payments(service.orders, gateway, refunds=refunds, timeout_s=timeout_s)


async def declined(service: Service, session: int, held: UUID) -> UUID:
    """Return a declined order whose money will come late."""
    order_id, _ = await start(service, session, held, token=LATE)
    assert (await service.payments.drive(order_id)).state is OrderState.DECLINED
    return order_id


async def news(service: Service, order_id: UUID) -> Order:
    """Let the money come, and the gateway say so."""
    await gateway_decides(service)
    await service.payments.hear(order_id)
    return await service.orders.read(order_id)


async def captured(service: Service, order_id: UUID) -> None:
    """Let the money of an order be taken at the gateway, whatever it said before."""
    await execute(
        service,
        "UPDATE test_gateway.payment SET state = 'captured' WHERE payment_key = $1",
        str(order_id),
    )


async def sell_out(service: Service, *, leave: int = 0) -> None:
    """Sell what is free of five mugs, but for so many, to somebody else."""
    (other,) = await sessions_in(service, 1)
    free = 5 - sum(await figures(service)) - leave
    if free:
        await a_basket(service, other, mug=free)


async def figures(service: Service, sku: str = "mug") -> tuple[int, int]:
    found = await service.stock.read(sku)
    return found.held, found.sold


async def gateway_says(service: Service, order_id: UUID) -> str | None:
    sql = "SELECT state FROM test_gateway.payment WHERE payment_key = $1"
    rows = await execute(service, sql, str(order_id))
    return rows[0]["state"] if rows else None


async def gateway_gave_back(service: Service, order_id: UUID) -> int:
    sql = "SELECT refunded_minor FROM test_gateway.payment WHERE payment_key = $1"
    return int((await execute(service, sql, str(order_id)))[0]["refunded_minor"])


async def gateway_decides(service: Service) -> None:
    """Let everything that the test gateway has not decided be decided now."""
    for table in ("test_gateway.payment", "test_gateway.refund"):
        await execute(service, f"UPDATE {table} SET decides_at = clock_timestamp()")


async def given_back(
    service: Service, order_id: UUID, amount: int, *, name: str = "re_1", state: str = "done"
) -> None:
    """Give money back on the gateway's own pages."""
    await execute(service, DASHBOARD, name, str(order_id), state, amount)


async def hold_of(service: Service, hold_id: UUID) -> dict[str, Any]:
    return dict((await execute(service, "SELECT * FROM hold WHERE hold_id = $1", hold_id))[0])


async def session_state(service: Service, session_id: int) -> str:
    sql = "SELECT state FROM admission WHERE admission_id = $1"
    return str((await execute(service, sql, session_id))[0]["state"])


async def actions_of(service: Service, *, about: str) -> list[str]:
    """Return what is on the operators' record about an order."""
    sql = "SELECT action FROM operator_action WHERE detail ->> 'order' = $1 ORDER BY action_id"
    return [row["action"] for row in await execute(service, sql, about)]


async def refund(
    service: Service, order_id: UUID, *, key: UUID | None = None, who: str = "night", **wish: Any
) -> UUID:
    """Ask for a refund without driving it."""
    values = {"reason": "broken", **wish}
    return await service.refund_store.ask(
        order_id, msgspec.convert(values, RefundWish), key=key or uuid4(), who=who
    )


async def line_of(service: Service, order_id: UUID, sku: str = "mug") -> tuple[int, int]:
    """Return how many units of an order's line are refunded and how many returned."""
    order: Order = await service.orders.read(order_id)
    (line,) = [line for line in order.items if line.sku == sku]
    return line.refunded, line.returned


# Money in the gateway's books against ours. What is still moving may differ, and says so.
MONEY = {
    "whoever was charged has the units, or the money goes back": """
        SELECT p.order_id, p.state, g.state AS gateway FROM purchase p
        LEFT JOIN test_gateway.payment g ON g.payment_key = p.order_id::text
        WHERE (COALESCE(g.state = 'captured', false)) <> (p.state IN ('paid', 'refunded'))
            AND p.state <> 'returning'""",
    "the gateway gave back what our books say": """
        SELECT p.order_id, g.refunded_minor, r.q FROM purchase p
        JOIN test_gateway.payment g ON g.payment_key = p.order_id::text, LATERAL (
            SELECT COALESCE(sum(r.amount_minor), 0) AS q FROM refund r
            WHERE r.order_id = p.order_id AND r.state = 'done' AND NOT r.by_hand) r
        WHERE g.refunded_minor <> r.q AND NOT EXISTS (
            SELECT FROM refund r WHERE r.order_id = p.order_id AND r.state = 'asked')""",
    "a line's deadline is its hold's while the clock may end it": """
        SELECT h.hold_id FROM hold h JOIN hold_line l USING (hold_id)
        WHERE l.due_at IS DISTINCT FROM CASE WHEN h.state = 'held' AND NOT h.paying
            AND l.quantity > 0 THEN h.expires_at END""",
}


async def all_is_well(service: Service, story: str = "") -> None:
    """Check that stock, orders, refunds and the gateway's books agree."""
    assert await service.ledger.breaches() == [], story
    assert await service.orders.breaches() == [], story
    for name, sql in MONEY.items():
        assert await execute(service, sql) == [], f"{name}: {story}"


class WatchedGateway:
    """The test gateway, noting how our books stand at the moment it is asked to void.

    `away` makes it give no answer, as a broken connection would.
    """

    name = "test"

    def __init__(self, service: Service) -> None:
        self._service = service
        self.when_voided: tuple[str, str, tuple[int, int]] | None = None
        self.away = False

    async def authorize(
        self, payment_key: str, *, amount_minor: int, currency: str, token: str
    ) -> Payment:
        self._answer()
        await execute(
            self._service,
            "INSERT INTO test_gateway.payment (payment_key, gateway_ref, state, amount_minor, "
            "currency) VALUES ($1, $1, $2, $3, $4) ON CONFLICT (payment_key) DO NOTHING",
            payment_key,
            "processing" if token == SLOW else "authorized",
            amount_minor,
            currency,
        )
        return await self.look_up(payment_key)

    async def capture(self, payment_key: str) -> Payment:
        return await self._move(payment_key, "captured")

    async def void(self, payment_key: str) -> Payment:
        order = await self._service.orders.read(UUID(payment_key))
        held = (await hold_of(self._service, order.hold_id))["state"]
        self.when_voided = order.state.value, held, await figures(self._service)
        return await self._move(payment_key, "voided")

    async def look_up(self, payment_key: str) -> Payment:
        self._answer()
        sql = "SELECT state, amount_minor FROM test_gateway.payment WHERE payment_key = $1"
        rows = await execute(self._service, sql, payment_key)
        state = PaymentState(rows[0]["state"] if rows else "unknown")
        captured = rows[0]["amount_minor"] if state is PaymentState.CAPTURED else 0
        return Payment(state=state, captured_minor=captured)

    async def refund(self, payment_key: str, *, refund_key: str, amount_minor: int) -> Refunded:
        self._answer()
        return Refunded(state=RefundState.FAILED)

    async def refunds_of(self, payment_key: str) -> list[GatewayRefund]:
        self._answer()
        return []

    async def _move(self, payment_key: str, state: str) -> Payment:
        self._answer()
        await execute(
            self._service,
            "UPDATE test_gateway.payment SET state = $2 WHERE payment_key = $1",
            payment_key,
            state,
        )
        return await self.look_up(payment_key)

    def _answer(self) -> None:
        if self.away:
            raise GatewayError("no answer")
