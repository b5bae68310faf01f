"""One side of the comparison: the stores, what they are asked, and answers without ids."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from checkout.gateway.gateway import Payment, PaymentState, Refunded, RefundState
from checkout.order import OrderState
from checkout.order_store import OrderStore
from checkout.refund import RefundStage, RefundWish
from checkout.refund_store import RefundStore
from inventory.hold import HoldRequest, body_hash
from inventory.hold_store import HoldStore, Placed
from inventory.kit.database import Pool, Shares
from inventory.kit.problem import Refusal
from simulation.books import Books, ask
from simulation.books.tables import EPOCH
from simulation.postgres import NAMES, Record
from waitroom.line.policy import Call, Decision
from waitroom.line.ticket import Ticket
from waitroom.store.line_store import JoinKeys, KeyHasNumber, LineStore
from waitroom.store.office_store import OfficeStore

# A real database takes time for each step.
SLACK_S = 15.0
# No sum of the steps of the clock comes near one of these times.
CLOCK_STEP_S = 50.0
RULES = {
    "claim_window_s": 70,
    "session_s": 330,
    "hold_s": 120,
    "payment_window_s": 170,
    "grace_s": 480,
    "pay_after_s": 0,
    "order_units_max": 4,
}
STOCK = {"mug": 7, "vase": 3}
LIMIT = 3
HOLDER = UUID(int=5)


class DirectPool(Pool):
    """A pool whose statements reach the books at once."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self.shares = Shares(4)

    @asynccontextmanager
    async def acquire(  # type: ignore[override]
        self, **_: Any
    ) -> AsyncIterator["DirectPool"]:
        yield self

    async def fetch(self, sql: str, *values: Any, **_: Any) -> list[Record]:
        return [Record(row) for row in ask(self._books, NAMES[sql], values)]

    async def fetchrow(self, sql: str, *values: Any, **_: Any) -> Record | None:
        rows = await self.fetch(sql, *values)
        return rows[0] if rows else None

    async def fetchval(self, sql: str, *values: Any, **_: Any) -> Any:
        rows = await self.fetch(sql, *values)
        return rows[0][0] if rows else None

    async def execute(self, sql: str, *values: Any, **_: Any) -> str:
        await self.fetch(sql, *values)
        return ""


@dataclass(slots=True)
class Side:
    """The stores on one of the two, and its ids."""

    pool: Pool
    room_id: int
    line_id: int
    term: int = 0
    gate: int = 0
    # The sessions of numbers.
    sessions: dict[int, int] = field(default_factory=dict)
    orders: dict[int, UUID] = field(default_factory=dict)
    refunds: dict[int, UUID] = field(default_factory=dict)
    is_real: bool = False

    def __post_init__(self) -> None:
        pool = self.pool
        self.lines, self.office = LineStore(pool), OfficeStore(pool)
        self.holds, self.orders_store = HoldStore(pool), OrderStore(pool, holder=HOLDER)
        self.refund_store = RefundStore(pool, holder=HOLDER)

    lines: LineStore = field(init=False)
    office: OfficeStore = field(init=False)
    holds: HoldStore = field(init=False)
    orders_store: OrderStore = field(init=False)
    refund_store: RefundStore = field(init=False)

    def ticket(self, number: int, of: int) -> Ticket:
        return Ticket(line_id=self.line_id, number=number, ticket_id=_id(of))

    # Each step returns what can be compared.

    async def beat(self) -> Any:
        leader, self.term = await self.office.beat("me", self.term, lease_s=5.0)
        return leader, self.term

    async def join(self, keys: Sequence[int | None], ids: Sequence[int], root: int) -> Any:
        own = _own(keys, ids)
        try:
            joined = await self.lines.join(self.line_id, len(ids), _id(root) * 2, own=own)
        except KeyHasNumber:
            return "has number"
        told = (joined.first, joined.called, joined.gate, joined.tail, joined.refusal)
        return *told, joined.entered, joined.claim_seconds

    async def key_places(self, keys: Sequence[int]) -> Any:
        found = await self.lines.key_places(self.line_id, [_id(key) for key in keys])
        return {key: (ticket.number, ticket.ticket_id) for key, ticket in sorted(found.items())}

    async def lose(self, keys: Sequence[int | None], ids: Sequence[int], root: int) -> Any:
        return await self.lines.lose(self.line_id, _id(root) * 2, _own(keys, ids))

    async def claim(self, tickets: Sequence[tuple[int, int]]) -> Any:
        claimed = await self.lines.claim([self.ticket(*one) for one in tickets])
        for (number, _), one in zip(tickets, claimed, strict=True):
            if one.verdict == "claimed":
                self.sessions[number] = one.session_id
        return [(c.verdict, c.fresh, c.seconds_left) for c in claimed]

    async def look(self, tickets: Sequence[tuple[int, int]]) -> Any:
        found = await self.lines.places_on_file([self.ticket(*one) for one in tickets])
        return [
            (
                *(p.state, p.ticket_id, p.came_back, p.passed, p.in_grace, p.promised),
                *(p.gate, p.tail, p.claim_seconds),
            )
            for p in found
        ]

    async def leave(self, number: int, of: int) -> Any:
        return await self.lines.leave(self.ticket(number, of))

    async def call(self, ahead: int, *, stale: bool) -> Any:
        room = await self.office.snapshot(self.room_id)
        assert room is not None
        (line,) = room.lines
        decision = Decision(gate=line.head + ahead, again=line.came_back, reason="seats")
        call = Call(
            line_id=self.line_id,
            gate_read=line.gate + stale,
            decision=decision,
            heard_by=datetime(2020, 1, 1, tzinfo=UTC)
            if self.is_real
            else EPOCH - timedelta(days=9),
        )
        made = await self.office.call(call, term=self.term)
        stock = room.stock
        assert stock is not None
        seen = (line.gate, line.tail, len(line.came_back), room.seats_taken, room.sold_out)
        units = (stock.on_hand, stock.held, stock.sold, stock.promised)
        return made.verdict, made.gate, made.tail, made.called, made.called_again, seen, units

    async def hold(self, requests: Sequence[tuple[int, int, dict[str, int]]]) -> Any:
        """Place holds: each of a number's session, under a key, of these units."""
        wished = [
            HoldRequest(
                session_id=self.sessions[number],
                key=UUID(int=key),
                body_hash=body_hash(units),
                quantities=units,
                hold_id=UUID(int=1000 + key),
            )
            for number, key, units in requests
        ]
        answers = await self.holds.place(wished)
        if self.is_real:
            # The books know no wishes.
            for request in wished:
                await self.holds.drop_wishes(request.session_id)
        return [_hold_told(answer) for answer in answers]

    async def release(self, number: int, key: int) -> Any:
        return await self._told(self.holds.release(self.sessions[number], UUID(int=1000 + key)))

    async def read_hold(self, number: int, key: int) -> Any:
        try:
            hold = await self.holds.read(self.sessions[number], UUID(int=1000 + key))
        except Refusal as refusal:
            return refusal.code
        return hold.state, hold.paying, hold.total_minor, hold.seconds_left

    async def expire(self) -> Any:
        await self.office.end_due(100, rooms=[self.room_id])
        return await self.holds.expire(100, rooms=[self.room_id])

    async def sold_out(self) -> Any:
        return await self.office.note_sold_out(self.room_id)

    async def pay(self, number: int, key: int, order: int) -> Any:
        try:
            self.orders[order], is_new = await self.orders_store.start(
                self.sessions[number],
                hold_id=UUID(int=1000 + key),
                key=UUID(int=5000 + order),
                body_hash=bytes([key % 256]),
                gateway="test",
                token="tok",
            )
        except Refusal as refusal:
            return refusal.code
        return is_new

    async def settle(self, order: int, to: OrderState) -> Any:
        if order not in self.orders:
            return None
        attempt = await self.orders_store.attempt(self.orders[order])
        told = (attempt.state, attempt.overdue, attempt.amount_minor, attempt.skus)
        if to not in SETTLES.get(attempt.state, ()):
            return told
        state = PaymentState.CAPTURED if to is OrderState.PAID else PaymentState.PROCESSING
        said = Payment(state=state, captured_minor=attempt.amount_minor * (to is OrderState.PAID))
        after = await self.orders_store.settle(attempt, to, said, detail="why")
        read = await self.orders_store.read(self.orders[order])
        return told, after, read.state, read.total_minor, read.paid_at is None

    async def take(self, order: int) -> Any:
        if order not in self.orders:
            return None
        await self.orders_store.put_off(self.orders[order], wait_s=-1.0)
        taken = await self.orders_store.take_one(self.orders[order], lease_s=600.0)
        again = await self.orders_store.take_one(self.orders[order], lease_s=600.0)
        return taken, again

    async def refund(self, order: int, key: int, wish: RefundWish) -> Any:
        if order not in self.orders:
            return None
        try:
            self.refunds[key] = await self.refund_store.ask(
                self.orders[order], wish, key=UUID(int=9000 + key), who="operator"
            )
        except Refusal as refusal:
            return refusal.code, refusal.fields
        return await self._refund_told(order, key)

    async def finish(self, order: int, key: int, to: RefundStage) -> Any:
        if key not in self.refunds or order not in self.orders:
            return None
        refund = await self.refund_store.read(self.refunds[key])
        if refund.order_id != self.orders[order]:
            return None
        said = Refunded(state=RefundState(to.value), detail="why")
        after = await self.refund_store.finish(refund, to, said)
        return after, await self._refund_told(order, key)

    async def _refund_told(self, order: int, key: int) -> Any:
        refund = await self.refund_store.read(self.refunds[key])
        read = await self.orders_store.read(self.orders[order])
        items = [(item.sku, item.quantity) for item in refund.items]
        told = (refund.stage, refund.amount_minor, refund.restock, items, refund.detail)
        room = await self.office.snapshot(self.room_id)
        assert room is not None
        assert room.stock is not None
        return *told, read.state, read.refunded_minor, read.refunding_minor, room.stock.sold

    async def end(self, number: int) -> Any:
        return await self._told(self.orders_store.leave(self.sessions[number]))

    async def _told(self, act: Any) -> Any:
        try:
            return await act
        except Refusal as refusal:
            return refusal.code


SETTLES = {
    OrderState.AUTHORIZING: (OrderState.AUTHORIZED, OrderState.DECLINED, OrderState.VOIDING),
    OrderState.AUTHORIZED: (OrderState.PAID,),
    OrderState.VOIDING: (OrderState.CANCELLED,),
}


def _own(keys: Sequence[int | None], ids: Sequence[int]) -> JoinKeys:
    given = [None if key is None else _id(key) for key in keys]
    return JoinKeys(keys=given, ids=[_id(one) for one in ids])


def _id(number: int) -> bytes:
    return number.to_bytes(16, "big")


def _hold_told(answer: Placed | Refusal) -> Any:
    if isinstance(answer, Refusal):
        return answer.code, {k: v for k, v in answer.fields.items() if k in {"sku", "available"}}
    return answer.replay, [(line.sku, line.quantity) for line in answer.lines], answer.seconds_left


def same(one: Any, other: Any) -> bool:
    """Say whether two answers agree, seconds to within the slack."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) < SLACK_S
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(same(*pair) for pair in pairs)
    return bool(one == other)
