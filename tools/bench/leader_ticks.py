"""The leader's ticks in rooms with crowds inside, beside ticks in an empty room.

Every shopper inside has held twice: one hold was released, one is open. Tables are never analysed,
as in a sale that has just begun. A new leader takes office in each round. It reads every journey
after its first tick, and after each later tick the journeys that changed. Both readings are timed
with the forecast that follows them. In production they run beside the ticks of all rooms, which
wait for what the readings compute in one stretch; the longest of these stretches is measured too.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from contest import run_rounds
from leader_watch import LeaderFailed
from measure import Spread, spread
from outcome import Outcome, Plan
from processes import KEY, run_engines
from rich.console import Console
from rich.table import Table

from inventory.kit.database import connection
from waitroom.leader.health_watch import HealthWatch
from waitroom.leader.measures import FAILURES
from waitroom.leader.room_lead import Parts, RoomLead
from waitroom.run.app import open_service
from waitroom.run.logs import set_up_logs
from waitroom.run.service import Service
from waitroom.run.settings import Secrets, Settings

EMPTY = "empty"
UNITS = 1_000_000
# One statement lets this many in; a pool of the service waits for none for long.
CHUNK = 5_000
# The check of all books walks through every hold.
CHECK_MAX_S = 120.0
# The project's aims for a tick, whatever is inside.
TICK_MAX_MS, TICK_LONGEST_MAX_MS = 100.0, 300.0
# The clock that finds stretches in which nothing else could run looks this often.
LOOK_EVERY_S = 0.002
WAITING = 1000
TICKS = 10
# Shoppers whose holds change between two ticks.
CHANGED = 100
DICE = random.Random(1)

ROOM_IDS = "SELECT m.room_id, l.line_id FROM room m JOIN line l USING (room_id) WHERE m.room = $1"

# The first hold of each shopper is released, the second is open.
ENTER = """
WITH clock AS MATERIALIZED (SELECT shopper_now() AS t),
moved AS (
    UPDATE line SET tail = tail + $2, gate = tail + $2 WHERE line_id = $1 RETURNING tail, room_id),
admitted AS (
    INSERT INTO admission
        (room_id, line_id, number, state, ticket_id, called_at, claimed_at, expires_at)
    SELECT room_id, $1, n, 'claimed', '\\x00', t, t, t + interval '1 day'
    FROM clock, moved, generate_series(tail - $2 + 1, tail) n RETURNING admission_id, room_id),
placed AS (
    INSERT INTO hold (hold_id, session_id, room_id, idempotency_key, body_hash, state, placed_at,
                      expires_at, ended_at)
    SELECT gen_random_uuid(), admission_id, room_id, gen_random_uuid(), '\\x00',
           CASE turn WHEN 1 THEN 'released' ELSE 'held' END, now(), t + interval '1 day',
           CASE turn WHEN 1 THEN now() END
    FROM clock, admitted, generate_series(1, 2) turn RETURNING hold_id, state, expires_at),
lined AS (
    INSERT INTO hold_line (hold_id, sku_id, quantity, price_minor, due_at)
    SELECT hold_id, sku_id, 1, price_minor, CASE placed.state WHEN 'held' THEN expires_at END
    FROM placed, sku WHERE sku = $3),
pooled AS (
    UPDATE room_stock SET held = held + $2, holds = holds + $2
    WHERE room_id = (SELECT room_id FROM moved)),
shelved AS (
    UPDATE stock SET held = held + $2 WHERE sku_id = (SELECT sku_id FROM sku WHERE sku = $3))
SELECT admission_id FROM admitted"""

CHANGE = """
UPDATE hold SET extensions = extensions + 1 WHERE state = 'held' AND session_id = ANY ($1)"""

ANALYSED = """
SELECT count(*) FROM pg_stat_user_tables
WHERE last_analyze IS NOT NULL OR last_autoanalyze IS NOT NULL"""

BREACHES = "SELECT count(*) FROM conservation_breach"


@dataclass(slots=True, kw_only=True)
class Room:
    """A room to lead, and the seconds that its leader took.

    inside: the sessions of the shoppers inside.
    ticks: one list for each round.
    whole_readings: a new leader's first reading, with its forecast, one for each round.
    readings: later readings with their forecasts.
    stretches: of each reading, the longest time in which nothing else could run.
    """

    name: str
    room_id: int
    inside: list[int]
    ticks: list[list[float]] = field(default_factory=list)
    whole_readings: list[float] = field(default_factory=list)
    readings: list[float] = field(default_factory=list)
    stretches: list[float] = field(default_factory=list)

    def forget(self) -> None:
        for times in (self.ticks, self.whole_readings, self.readings, self.stretches):
            times.clear()

    def figures(self) -> dict[str, Any]:
        """Return milliseconds."""
        ticks = [tick for ticks in self.ticks for tick in ticks]
        return {
            "tick_ms": _ms(ticks),
            "tick_longest_ms": max(ticks) * 1000,
            "whole_reading_ms": _ms(self.whole_readings),
            "reading_ms": _ms(self.readings),
            "reading_longest_ms": max(self.readings) * 1000,
            "stretch_longest_ms": max(self.stretches) * 1000,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaders:
    """Leads both rooms by turns."""

    service: Service
    rooms: tuple[Room, ...]

    async def run_round(self, index: int, done: Callable[[], None]) -> None:
        for room in self.rooms[:: -1 if index % 2 else 1]:
            await self._lead(room)
            done()

    async def _lead(self, room: Room) -> None:
        service = self.service
        watch = HealthWatch(service.memory)
        parts = Parts(
            store=service.office,
            series=service.series,
            memory=service.memory,
            drawing=service.drawing,
            watch=watch,
        )
        lead = RoomLead(room.room_id, parts)
        tick_s, reading_s = await self._tick(lead, room)
        room.whole_readings.append(reading_s)
        room.ticks.append([tick_s])
        for _ in range(TICKS):
            if room.inside:
                changed = DICE.sample(room.inside, min(CHANGED, len(room.inside)))
                async with connection(service.pool) as borrowed:
                    await borrowed.execute(CHANGE, changed)
            tick_s, reading_s = await self._tick(lead, room)
            room.ticks[-1].append(tick_s)
            room.readings.append(reading_s)
        await lead.close()

    async def _tick(self, lead: RoomLead, room: Room) -> tuple[float, float]:
        """Return how long one tick took, and the reading and forecast that followed it."""
        # Otherwise the shoppers' clock would stand still.
        await self.service.controller.beat()
        failed = _failures()
        began_at = time.perf_counter()
        await lead.tick(term=self.service.controller.term)
        ticked_at = time.perf_counter()
        async with _watched(room.stretches):
            await lead.settle()
        read_at = time.perf_counter()
        parts = [part for part, times in _failures().items() if times > failed.get(part, 0)]
        if parts:
            raise LeaderFailed(f"the leader failed: {', '.join(parts)} of room {room.name}")
        return ticked_at - began_at, read_at - ticked_at


@asynccontextmanager
async def _watched(stretches: list[float]) -> AsyncIterator[None]:
    """Note the longest stretch in which this process could do nothing else."""
    longest_s = 0.0

    async def look() -> None:
        nonlocal longest_s
        while True:
            before = time.perf_counter()
            await asyncio.sleep(LOOK_EVERY_S)
            longest_s = max(longest_s, time.perf_counter() - before - LOOK_EVERY_S)

    looking = asyncio.create_task(look())
    # The clock starts before what it is to time.
    await asyncio.sleep(0)
    try:
        yield
        await asyncio.sleep(LOOK_EVERY_S)
    finally:
        looking.cancel()
        stretches.append(longest_s)


async def measure(plan: Plan, console: Console) -> Outcome:
    # The leader runs in this process, and so logs here.
    set_up_logs(level="warning", as_json=False)
    async with run_engines() as running:
        settings = Settings(
            postgres_url=running.postgres_url, valkey_url=running.valkey_url, gateway="test"
        )
        secrets = Secrets(signing_keys=[KEY])
        async with open_service(settings, secrets, roles=frozenset()) as service:
            waiting = plan.waiting or WAITING
            empty = await _open_room(service, EMPTY, inside=0, waiting=0)
            crowded = []
            for inside in plan.inside:
                console.print(f"letting {inside:,} shoppers in")
                name = f"inside-{inside}"
                crowded.append(await _open_room(service, name, inside=inside, waiting=waiting))
            rooms = (empty, *crowded)
            await run_rounds(
                "ticks of a leader",
                Leaders(service=service, rooms=rooms).run_round,
                rounds=plan.rounds,
                slices=len(rooms),
                forget=lambda: [room.forget() for room in rooms] and None,
            )
            async with connection(service.pool) as borrowed:
                assert await borrowed.fetchval(ANALYSED) == 0
                assert await borrowed.fetchval(BREACHES, timeout=CHECK_MAX_S) == 0
    figures = {room.name: room.figures() for room in rooms}
    return Outcome(
        ratios={name: ratio for room in crowded for name, ratio in _ratios(room, empty).items()},
        facts={"leader": {"inside": plan.inside, "waiting": waiting, **figures}},
        shown=[_table(figures)],
    )


def _ratios(room: Room, empty: Room) -> dict[str, Spread]:
    """Return a room's ticks against an empty room's of the same rounds, and against the aims."""
    inside = len(room.inside)
    ticks = [tick for ticks in room.ticks for tick in ticks]
    beside_empty = [
        spread(alone).median / spread(ticks).median
        for ticks, alone in zip(room.ticks, empty.ticks, strict=True)
    ]
    return {
        f"leader_tick_empty_vs_{inside}": spread(beside_empty),
        f"leader_tick_bound_vs_median_{inside}": spread([TICK_MAX_MS / _ms(ticks).median]),
        f"leader_tick_bound_vs_longest_{inside}": spread([TICK_LONGEST_MAX_MS / max(ticks) / 1000]),
    }


async def _open_room(service: Service, name: str, *, inside: int, waiting: int) -> Room:
    """Open a room, full with its shoppers inside, and let others wait in line."""
    rules = (
        f'{{"seats_max": {inside}, "claim_window_s": 86400, "session_s": 86400, "hold_s": 86400}}'
    )
    await service.rooms.create(name, name, rules=rules, who="bench")
    await service.rooms.set_status(name, "open", who="bench")
    await service.stock.add(name, room=name, name=name, price_minor=2400)
    await service.ledger.move(name, kind="received", quantity=UNITS, who="bench")
    async with connection(service.pool) as borrowed:
        ids = await borrowed.fetchrow(ROOM_IDS, name)
        assert ids is not None
        entered = [
            row["admission_id"]
            for start in range(0, inside, CHUNK)
            for row in await borrowed.fetch(ENTER, ids["line_id"], min(inside - start, CHUNK), name)
        ]
        if waiting:
            await borrowed.execute(
                "SELECT join_line($1, $2, $3, false)", ids["line_id"], waiting, bytes(32)
            )
    return Room(name=name, room_id=ids["room_id"], inside=entered)


def _failures() -> dict[str, float]:
    return {
        sample.labels["part"]: sample.value
        for family in FAILURES.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }


def _ms(seconds: list[float]) -> Spread:
    return spread([value * 1000 for value in seconds])


def _table(figures: dict[str, dict[str, Any]]) -> Table:
    table = Table(title="A leader's milliseconds by the number inside")
    readings = ("reading all", "reading changes", "longest", "longest stretch")
    for column in ("room", "tick", "longest", *readings):
        table.add_column(column, justify="left" if column == "room" else "right")
    for name, found in figures.items():
        table.add_row(
            name,
            f"{found['tick_ms'].median:.1f}",
            f"{found['tick_longest_ms']:.1f}",
            f"{found['whole_reading_ms'].median:.0f}",
            f"{found['reading_ms'].median:.1f}",
            f"{found['reading_longest_ms']:.1f}",
            f"{found['stretch_longest_ms']:.1f}",
        )
    return table
