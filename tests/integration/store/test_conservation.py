"""A seeded walk through everything that shoppers, operators and time can do, in any order.

After each step the books agree, promises are covered, no unit is sold twice and no number is
called that should not be. A failure names its seed; the same seed takes the same steps.
"""

import os
import random
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from paying import settle_idle
from support import execute, log_is_whole, open_room, shift_clock, size, tick

from checkout.gateway.deterministic_gateway import APPROVE, DECLINE, FAIL_AFTER_CHARGE
from inventory.hold import HoldRequest, body_hash
from inventory.hold_store import Placed
from inventory.kit.problem import Refusal
from waitroom.line.ticket import Ticket
from waitroom.run.app import Service

STEPS = 150
SKUS = ("mug", "vase")

# What must hold of the whole database at any moment; each query returns what breaks it.
INVARIANTS = {
    "promises are covered": """
        SELECT * FROM room_stock WHERE held + sold + promised > on_hand""",
    "no SKU is oversold": "SELECT * FROM stock WHERE held + sold > on_hand",
    "only seats carry promises": """
        SELECT * FROM admission WHERE promised > 0 AND state NOT IN ('called', 'claimed')""",
    "nobody stands called beyond the head": """
        SELECT a.number FROM admission a JOIN line l USING (line_id)
        WHERE a.state <> 'left' AND a.number > LEAST(l.gate, l.tail)""",
    "everybody up to the head was called or has left": """
        SELECT l.line_id FROM line l WHERE LEAST(l.gate, l.tail) <>
            (SELECT count(*) FROM admission a
             WHERE a.line_id = l.line_id AND a.number <= LEAST(l.gate, l.tail))""",
    "a number is called again only after it was missed": """
        SELECT * FROM admission WHERE times_called > 1 AND claim_until IS NULL""",
    "a line's deadline is its hold's while the clock may end it": """
        SELECT h.hold_id FROM hold h JOIN hold_line l USING (hold_id)
        WHERE l.due_at IS DISTINCT FROM
            CASE WHEN h.state = 'held' AND NOT h.paying THEN h.expires_at END""",
    "a hold stands in a claimed session": """
        SELECT h.hold_id FROM hold h JOIN admission a ON a.admission_id = h.session_id
        WHERE h.state = 'held' AND a.state <> 'claimed'""",
    "nobody has more than the limit": """
        SELECT h.session_id, l.sku_id FROM hold h JOIN hold_line l USING (hold_id)
        JOIN sku k USING (sku_id) WHERE h.state IN ('held', 'confirmed')
        GROUP BY h.session_id, l.sku_id, k.limit_per_session
        HAVING sum(l.quantity) - COALESCE((
            SELECT sum(z.returned) FROM purchase p JOIN purchase_line z USING (order_id)
            WHERE p.session_id = h.session_id AND z.sku_id = l.sku_id), 0) > k.limit_per_session""",
    "a hold is being paid by one living order": """
        SELECT h.hold_id FROM hold h WHERE h.paying <> EXISTS (
            SELECT FROM purchase p WHERE p.hold_id = h.hold_id
                AND p.state IN ('authorizing', 'voiding'))""",
    "whoever is charged has the units": """
        SELECT p.order_id FROM purchase p JOIN hold h USING (hold_id)
        LEFT JOIN test_gateway.payment g ON g.payment_key = p.order_id::text
        WHERE (COALESCE(g.state = 'captured', false)) <> (p.state = 'paid')
            OR (p.state IN ('authorized', 'paid')) AND h.state <> 'confirmed'""",
}


class Walk:
    """The shoppers of one room, and the dice that decide what they do next."""

    def __init__(self, service: Service, seed: int) -> None:
        self.service = service
        self.dice = random.Random(seed)
        self.tickets: list[Ticket] = []
        self.sessions: set[int] = set()
        self.holds: list[tuple[int, UUID]] = []
        self.orders: list[UUID] = []
        self.head = 0
        self.done: list[str] = []

    def steps(self) -> list[Callable[[], Awaitable[Any]]]:
        # What is named more than once happens more often.
        return [
            self.join, self.join, self.tick, self.tick, self.tick, self.claim, self.claim,
            self.claim, self.place, self.place, self.place, self.change, self.extend,
            self.release, self.pay, self.pay, self.start_paying, self.settle, self.leave,
            self.leave_session, self.expire, self.end_due, self.pass_time, self.restock,
            self.correct, self.steer, self.outage,
        ]  # fmt: skip

    async def step(self) -> None:
        chosen = self.dice.choice(self.steps())
        self.done.append(chosen.__name__)
        try:
            await chosen()
        except Refusal:
            # A refusal is an answer; what matters is that it has changed nothing by halves.
            self.done[-1] += " (refused)"

    async def join(self) -> None:
        line_id, count = self.service.board.room("drop").line_id, self.dice.randint(1, 4)
        joined = await self.service.lines.join(line_id, count, os.urandom(32))
        if joined.refusal is None:
            assert joined.first == len(self.tickets) + 1
            self.tickets += [
                Ticket(line_id=line_id, number=joined.first + i, ticket_id=os.urandom(16))
                for i in range(count)
            ]

    async def tick(self) -> None:
        await tick(self.service)

    async def claim(self) -> None:
        if not self.tickets:
            return
        chosen = self.dice.choices(self.tickets[-12:], k=3)
        for claimed in await self.service.lines.claim(chosen):
            if claimed.verdict == "claimed":
                self.sessions.add(claimed.session_id)

    def _session(self) -> int:
        return self.dice.choice(sorted(self.sessions)[-6:]) if self.sessions else 1

    def _basket(self) -> dict[str, int]:
        chosen = self.dice.sample(SKUS, self.dice.randint(1, len(SKUS)))
        return {sku: self.dice.randint(1, 2) for sku in chosen}

    async def place(self) -> None:
        wishes = []
        for _ in range(self.dice.randint(1, 3)):
            basket = self._basket()
            wishes.append(
                HoldRequest(
                    session_id=self._session(),
                    key=uuid4(),
                    body_hash=body_hash(basket),
                    quantities=basket,
                    hold_id=uuid4(),
                )
            )
        for wish, answer in zip(wishes, await self.service.holds.place(wishes), strict=True):
            if isinstance(answer, Placed):
                self.holds.append((wish.session_id, answer.hold_id))

    def _hold(self) -> tuple[int, UUID]:
        return self.dice.choice(self.holds[-4:]) if self.holds else (1, uuid4())

    async def change(self) -> None:
        await self.service.holds.change(*self._hold(), self._basket())

    async def extend(self) -> None:
        await self.service.holds.extend(*self._hold())

    async def release(self) -> None:
        await self.service.holds.release(*self._hold())

    async def start_paying(self) -> None:
        session, held = self._hold()
        order_id, _ = await self.service.orders.start(
            session,
            hold_id=held,
            key=uuid4(),
            body_hash=b"b",
            gateway="test",
            token=self.dice.choice([APPROVE, APPROVE, DECLINE, FAIL_AFTER_CHARGE]),
        )
        self.orders.append(order_id)

    async def pay(self) -> None:
        await self.start_paying()
        await self.service.payments.drive(self.orders[-1])

    async def settle(self) -> None:
        await settle_idle(self.service, self.service.payments)

    async def leave(self) -> None:
        if self.tickets:
            await self.service.lines.leave(self.dice.choice(self.tickets))

    async def leave_session(self) -> None:
        await self.service.orders.leave(self._session())

    async def expire(self) -> None:
        await self.service.holds.expire(self.dice.randint(1, 5))

    async def end_due(self) -> None:
        await self.service.office.end_due(self.dice.randint(1, 5))

    async def pass_time(self) -> None:
        await shift_clock(self.service, self.dice.choice([5, 30, 61, 130]))

    async def restock(self) -> None:
        await self._move("received", self.dice.randint(1, 6))

    async def correct(self) -> None:
        await self._move("adjusted", -self.dice.randint(1, 3))

    async def _move(self, kind: str, quantity: int) -> None:
        sku = self.dice.choice(SKUS)
        await self.service.ledger.move(sku, kind=kind, quantity=quantity, who="test", reason="t")

    async def steer(self) -> None:
        rooms, dice = self.service.rooms, self.dice
        if dice.random() < 0.5:
            await rooms.set_status("drop", dice.choice(["open", "open", "paused"]), who="test")
            return
        change = dice.choice(
            [
                '{"seats_max": 3}',
                '{"seats_max": 12}',
                '{"units_promised": 2}',
                '{"units_promised": 1}',
                '{"policy": "rate"}',
                '{"policy": "guaranteed"}',
                '{"calls_per_minute": 30}',
                '{"calls_per_minute": null}',
            ]
        )
        await rooms.change("drop", change, who="test")

    async def outage(self) -> None:
        """Let the leader be away for a while, and another take its office."""
        seconds = self.dice.choice([2, 20])
        await execute(
            self.service,
            "UPDATE office SET beat_at = beat_at - make_interval(secs => $1), "
            "leader = CASE WHEN $1 > 5 THEN 'somebody' ELSE leader END",
            float(seconds),
        )

    async def check(self) -> None:
        story = f"after {self.done[-12:]}"
        assert await self.service.ledger.breaches() == [], story
        for name, sql in INVARIANTS.items():
            assert await execute(self.service, sql) == [], f"{name}: {story}"
        row = (await execute(self.service, "SELECT LEAST(gate, tail) AS head, tail FROM line"))[0]
        assert row["head"] >= self.head, f"the head fell: {story}"
        assert row["tail"] == len(self.tickets), story
        self.head = row["head"]


@pytest.mark.parametrize("seed", range(size("SEEDS", 1)))
@pytest.mark.parametrize("policy", ["guaranteed", "rate"])
async def test_the_books_agree_whatever_happens(service: Service, policy: str, seed: int) -> None:
    await open_room(
        service,
        skus={"mug": 8, "vase": 5},
        policy=policy,
        seats_max=8,
        claim_window_s=60,
        session_s=120,
        hold_s=60,
        payment_window_s=60,
        grace_s=200,
    )
    walk = Walk(service, seed)

    for _ in range(STEPS):
        await walk.step()
        await walk.check()

    assert await log_is_whole(service)


async def test_once_all_time_is_over_nothing_is_held_or_promised(service: Service) -> None:
    await open_room(service, skus={"mug": 8, "vase": 5}, claim_window_s=60, hold_s=60)
    walk = Walk(service, seed=99)
    for _ in range(60):
        await walk.step()

    for _ in range(3):
        await shift_clock(service, 10_000)
        await settle_idle(service, service.payments)
        await service.holds.expire(1000)
        await service.office.end_due(1000)

    await walk.check()
    row = (await execute(service, "SELECT held, promised, sold FROM room_stock"))[0]
    assert (row["held"], row["promised"]) == (0, 0)
    seated = "SELECT 1 FROM admission WHERE state IN ('called', 'claimed')"
    assert await execute(service, seated) == []
