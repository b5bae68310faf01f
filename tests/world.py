"""One sale as a world of small steps: shoppers, operators, the gateway, time and crashes.

Every step takes plain numbers, so that Hypothesis can choose and shrink them and a seed can repeat
them. A crash is a step that does the first half of something and forgets it.
"""

import os
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID, uuid4

import msgspec
from paying import settle_idle
from shop import wish
from support import execute, open_room, shift_clock, tick

from checkout.gateway.deterministic_gateway import (
    APPROVE,
    CAPTURE_REFUSED,
    DECLINE,
    FAIL_AFTER_CHARGE,
    LATE,
    REFUND_FAILS,
    DeterministicGateway,
)
from checkout.gateway.gateway import GatewayError, PaymentState
from checkout.order import OrderState
from checkout.refund import RefundWish
from inventory.hold_store import Placed
from inventory.kit.problem import Refusal
from waitroom.line.ticket import Ticket
from waitroom.run.app import Service

Thing = TypeVar("Thing")

RECENT = 8
SKUS = ("mug", "vase", "lamp")
TOKENS = (
    APPROVE,
    APPROVE,
    FAIL_AFTER_CHARGE,
    DECLINE,
    LATE,
    CAPTURE_REFUSED,
    REFUND_FAILS,
)
ROOM = {"seats_max": 40, "session_s": 1500, "hold_s": 60, "payment_window_s": 90, "batch_max": 40}

# What must hold of the whole database at any moment; each query returns what breaks it.
INVARIANTS = {
    "promises are covered": """
        SELECT * FROM room_stock WHERE held + sold + promised > on_hand""",
    "no SKU is oversold": "SELECT * FROM stock WHERE held + sold > on_hand",
    "nobody has more than the limit": """
        SELECT h.session_id, l.sku_id FROM hold h JOIN hold_line l USING (hold_id)
        JOIN sku k USING (sku_id) WHERE h.state IN ('held', 'confirmed')
        GROUP BY h.session_id, l.sku_id, k.limit_per_session
        HAVING sum(l.quantity) - COALESCE((
            SELECT sum(z.returned) FROM purchase p JOIN purchase_line z USING (order_id)
            WHERE p.session_id = h.session_id AND z.sku_id = l.sku_id), 0) > k.limit_per_session""",
    "money is noted as taken only when it was": """
        SELECT p.order_id FROM purchase p
        LEFT JOIN test_gateway.payment g ON g.payment_key = p.order_id::text
        WHERE p.state = 'paid' AND g.state IS DISTINCT FROM 'captured'""",
    "no more is given back than was taken": """
        SELECT order_id FROM purchase WHERE refunded_minor + refunding_minor > total_minor""",
    "whoever is refused does not have what they wait for": """
        SELECT w.session_id FROM wish w JOIN hold h USING (session_id)
        JOIN hold_line l ON l.hold_id = h.hold_id AND l.sku_id = w.sku_id
        WHERE h.state = 'held' AND h.placed_at > w.asked_at""",
}


def _recent(things: Sequence[Thing], which: int) -> Thing:
    """Return one of the last few: what is older is mostly over."""
    return things[-1 - which % min(len(things), RECENT)]


class World:
    """A room with scarce stock, and what its shoppers have in hand."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.gateway = DeterministicGateway(service.pool, slow_decides_s=0.0)
        self.sessions: list[int] = []
        self.holds: list[tuple[int, UUID]] = []
        self.orders: list[UUID] = []
        self.story: Counter[str] = Counter()

    async def open(self) -> None:
        skus = {"mug": 3, "vase": 4, "lamp": 2}
        await open_room(self.service, skus=skus, limit=3, policy="rate", **ROOM)

    # Shoppers.

    async def arrive(self, count: int) -> None:
        await tick(self.service)
        line_id = self.service.board.room("drop").line_id
        joined = await self.service.lines.join(line_id, count, os.urandom(32))
        if joined.refusal is not None:
            return
        tickets = [
            Ticket(line_id=line_id, number=joined.first + i, ticket_id=os.urandom(16))
            for i in range(count)
        ]
        for claimed in await self.service.lines.claim(tickets):
            if claimed.verdict == "claimed":
                self.sessions.append(claimed.session_id)

    async def place(self, who: int, quantities: dict[str, int], *, partial: bool) -> None:
        if not self.sessions:
            return
        session = _recent(self.sessions, who)
        (answer,) = await self.service.holds.place([wish(session, partial=partial, **quantities)])
        if isinstance(answer, Placed):
            self.holds.append((session, answer.hold_id))
        self.story[type(answer).__name__] += 1

    async def change(self, which: int, quantities: dict[str, int]) -> None:
        if self.holds:
            session, hold_id = _recent(self.holds, which)
            await self._try(self.service.holds.change(session, hold_id, quantities))

    async def extend(self, which: int) -> None:
        if self.holds:
            await self._try(self.service.holds.extend(*_recent(self.holds, which)))

    async def release(self, which: int) -> None:
        if self.holds:
            await self._try(self.service.holds.release(*_recent(self.holds, which)))

    async def leave(self, who: int) -> None:
        if self.sessions:
            session = _recent(self.sessions, who)
            await self._try(self.service.orders.leave(session))

    async def start(self, which: int, token: int) -> UUID | None:
        """Begin a payment and crash: the order is written, and nobody drives it."""
        if not self.holds:
            return None
        session, hold_id = _recent(self.holds, which)
        try:
            order_id, _ = await self.service.orders.start(
                session,
                hold_id=hold_id,
                key=uuid4(),
                body_hash=b"",
                gateway="test",
                token=TOKENS[token % len(TOKENS)],
            )
        except Refusal:
            return None
        self.orders.append(order_id)
        return order_id

    async def pay(self, which: int, token: int) -> None:
        order_id = await self.start(which, token)
        if order_id is not None:
            order = await self.service.payments.drive(order_id)
            self.story[f"order {order.state}"] += 1

    # The gateway, and processes that die between two steps.

    def _order(self, which: int) -> UUID | None:
        return _recent(self.orders, which) if self.orders else None

    async def gateway_acts_and_we_die(self, which: int) -> None:
        """Let the gateway do the next thing an order needs, and lose its answer."""
        order_id = self._order(which)
        if order_id is None:
            return
        attempt = await self.service.orders.attempt(order_id)
        key = str(order_id)
        try:
            match attempt.state:
                case OrderState.AUTHORIZING:
                    await self.gateway.authorize(
                        key,
                        amount_minor=attempt.amount_minor,
                        currency=attempt.currency,
                        token=attempt.payment_token,
                    )
                case OrderState.AUTHORIZED:
                    await self.gateway.capture(key)
                case OrderState.VOIDING:
                    await self.gateway.void(key)
                case _:
                    return
        except GatewayError:
            pass
        self.story["crash"] += 1

    async def we_note_and_die(self, which: int) -> None:
        """Note what the gateway says of an authorizing order, and go no further."""
        order_id = self._order(which)
        if order_id is None:
            return
        attempt = await self.service.orders.attempt(order_id)
        payment = await self.gateway.look_up(str(order_id))
        if attempt.state is OrderState.AUTHORIZING and payment.state is PaymentState.AUTHORIZED:
            await self.service.orders.settle(attempt, OrderState.AUTHORIZED, payment)
            self.story["crash"] += 1

    async def hear(self, which: int, times: int) -> None:
        """Bring news of a payment, so many times."""
        order_id = self._order(which)
        if order_id is not None:
            for _ in range(times):
                await self.service.payments.hear(order_id)

    async def gateway_time(self, seconds: int) -> None:
        """Let the gateway's clock go forward: what it decides late is decided."""
        sql = """UPDATE test_gateway.payment
                 SET decides_at = decides_at - make_interval(secs => $1)"""
        await execute(self.service, sql, float(seconds))

    async def settle(self) -> None:
        await settle_idle(self.service, self.service.payments)
        await settle_idle(self.service, self.service.refunds)

    # Operators.

    async def refund(self, which: int, amount: int, *, restock: bool, driven: bool) -> None:
        """Refund everything (amount 0), one unit of a SKU (1 to 3) or a little money."""
        order_id = self._order(which)
        if order_id is None:
            return
        if amount == 0:
            asked = RefundWish(reason="test", full=True, restock=restock)
        elif amount <= len(SKUS):
            items = [{"sku": SKUS[amount - 1], "quantity": 1}]
            asked = msgspec.convert(
                {"reason": "test", "items": items, "restock": restock}, RefundWish
            )
        else:
            asked = RefundWish(reason="test", amount_minor=amount)
        try:
            refund_id = await self.service.refund_store.ask(
                order_id, asked, key=uuid4(), who="test"
            )
        except Refusal:
            return
        self.story["refund asked"] += 1
        if driven:
            await self.service.refunds.drive(refund_id)

    async def cancel(self, which: int, *, restock: bool) -> None:
        order_id = self._order(which)
        if order_id is not None:
            call_off = self.service.refund_store.call_off(
                order_id, restock=restock, who="test", reason="test"
            )
            await self._try(call_off)
            await self.service.payments.drive(order_id)

    async def receive(self, sku: int, units: int) -> None:
        code = SKUS[sku % len(SKUS)]
        await self.service.ledger.move(code, kind="received", quantity=units, who="test")

    async def correct(self, sku: int, units: int) -> None:
        code = SKUS[sku % len(SKUS)]
        move = self.service.ledger.move(
            code, kind="adjusted", quantity=-units, who="test", reason="counted"
        )
        await self._try(move)

    # Time.

    async def pass_time(self, seconds: int) -> None:
        await shift_clock(self.service, float(seconds))

    async def sweep(self, batch: int) -> None:
        await self.service.holds.expire(batch)
        self.story["served"] += await self.service.holds.serve(batch)
        await self.service.office.end_due(batch)
        await self._find_served()

    async def _find_served(self) -> None:
        """Take note of holds that were placed for those who waited."""
        known = {hold_id for _, hold_id in self.holds}
        for row in await execute(self.service, "SELECT session_id, hold_id FROM hold"):
            if row["hold_id"] not in known:
                self.holds.append((row["session_id"], row["hold_id"]))

    # What must hold.

    async def check(self) -> None:
        assert await self.service.ledger.breaches() == []
        assert await self.service.orders.breaches() == []
        for name, sql in INVARIANTS.items():
            assert await execute(self.service, sql) == [], name

    async def end(self) -> None:
        """Let everything come to rest; then our books and the gateway's agree to the last cent."""
        await self.gateway_time(1000)
        for _ in range(3):
            for order_id in self.orders:
                await self.service.payments.hear(order_id)
            await self.settle()
        await self.pass_time(10_000)
        for _ in range(4):
            await self.settle()
            await self.sweep(1000)
        await self.check()
        assert await execute(self.service, MONEY_DISAGREES) == []
        assert await execute(self.service, "SELECT FROM stock WHERE held <> 0") == []

    async def _try(self, step: object) -> None:
        try:
            await step  # type: ignore[misc]
        except Refusal as refusal:
            # A refusal is an answer; what matters is that it has changed nothing by halves.
            self.story[refusal.code] += 1


# At rest: an order is paid by as much as the gateway took and did not give back, and by nothing
# else. A refund that the card does not take leaves an order whose money an operator must return.
MONEY_DISAGREES = """
    SELECT p.order_id, p.state, g.state AS at_gateway, p.refunded_minor, r.given_back
    FROM purchase p LEFT JOIN test_gateway.payment g ON g.payment_key = p.order_id::text
    LEFT JOIN (SELECT payment_key, sum(amount_minor) AS given_back FROM test_gateway.refund
               WHERE state = 'done' GROUP BY payment_key) r USING (payment_key)
    WHERE (p.state IN ('paid', 'refunded', 'returning') AND p.paid_at IS NOT NULL)
              <> COALESCE(g.state = 'captured' AND p.state <> 'cancelled', false)
       OR p.refunded_minor <> COALESCE(r.given_back, 0)
       OR p.state IN ('authorizing', 'authorized', 'voiding')"""
