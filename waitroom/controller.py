"""The admission controller: read, decide, write, sleep. One of them leads."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg
import structlog

from inventory.kit.problem import Refusal
from waitroom.admission import POLICIES, CallAllowance, Decision, RoomSnapshot, decide
from waitroom.line_store import Called, LineStore
from waitroom.memory import Memory
from waitroom.state import LineState, RoomState, encode_state, shown_status
from waitroom.wait import CallRate, PollPromises, WaitRow, wait_table

log = structlog.get_logger()

TICK_S = 1.0
PAUSE_MIN_S = 0.05
UNLIMITED = 10**9


@dataclass(slots=True, kw_only=True)
class _Room:
    """What the leader remembers of a room between ticks. Losing it loses no promise."""

    promises: PollPromises
    allowance: CallAllowance = field(default_factory=CallAllowance)
    rate: CallRate = field(default_factory=CallRate)
    seen: asyncpg.Record | None = None
    called_again: int = 0
    bound: str = ""

    def observe(self, row: asyncpg.Record) -> None:
        """Learn from what happened between the last snapshot and this one.

        While people wait, the line moves as fast as seats come free, or as the rate allows. The
        calls that fill empty seats at the start say nothing about that and are not counted.
        """
        seen, self.seen = self.seen, row
        if seen is None:
            return
        # Arrivals below the gate were called as they joined; they count like any other call.
        calls = max(_head(row) - _head(seen), 0) + self.called_again
        self.allowance.spend(calls)
        if row["status"] == "open" and row["tail"] > _head(row):
            freed = max(seen["seats_taken"] + calls - row["seats_taken"], 0)
            self.rate.note(
                calls if self.bound == "per_minute" else freed,
                passed_s=(row["now"] - seen["now"]).total_seconds(),
            )


class Controller:
    """Lead if nobody else does: call the next shoppers and publish the state, once a second."""

    def __init__(self, *, store: LineStore, memory: Memory, lease_s: float) -> None:
        self.me = secrets.token_hex(4)
        self.term = 0
        self.leading = False
        self._store = store
        self._memory = memory
        self._lease_s = lease_s
        self._rooms: dict[int, _Room] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Beat and lead until `stopping` is set, then let a standby take office at once."""
        # The beat has a task of its own: however long a tick takes, the shoppers' clock goes on.
        await asyncio.gather(
            self._every_tick(self.beat, stopping), self._every_tick(self._lead, stopping)
        )
        await self._resign()

    async def _every_tick(
        self, step: Callable[[], Awaitable[None]], stopping: asyncio.Event
    ) -> None:
        loop = asyncio.get_running_loop()
        while not stopping.is_set():
            started = loop.time()
            try:
                await step()
            except (Refusal, asyncpg.PostgresError) as error:
                log.warning("tick_failed", error=repr(error))
            rest_s = max(TICK_S - (loop.time() - started), PAUSE_MIN_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), rest_s)

    async def _resign(self) -> None:
        """Let a standby take office at once and not only after the lease."""
        try:
            if self.leading:
                await self._store.resign(self.me, self.term)
        except (Refusal, asyncpg.PostgresError) as error:
            log.warning("resigning_failed", error=repr(error))

    async def tick(self) -> None:
        """Beat; if in office, take every room one step further."""
        await self.beat()
        await self._lead()

    async def beat(self) -> None:
        """Say that this controller lives; take office if nobody else has it."""
        leader, term = await self._store.beat(self.me, self.term, lease_s=self._lease_s)
        if leader != self.me:
            if self.leading:
                log.warning("office_lost", term=self.term)
            self.leading = False
            return
        if not self.leading or term != self.term:
            log.info("office_taken", term=term, leader=self.me)
            self._rooms.clear()
        self.leading, self.term = True, term

    async def _lead(self) -> None:
        if not self.leading:
            return
        for row in await self._store.snapshot():
            try:
                await self._tick_room(row)
            except (Refusal, asyncpg.PostgresError) as error:
                # One room's trouble is not the others'.
                log.warning("room_tick_failed", room=row["room"], error=repr(error))

    async def _tick_room(self, row: asyncpg.Record) -> None:
        room = self._rooms.get(row["room_id"])
        if room is None:
            room = self._rooms[row["room_id"]] = _new_room(row)
        room.observe(row)
        if _hours_due(row):
            await self._store.keep_hours(row["room_id"])
            return
        sold_out = _sold_out(row)
        if sold_out != row["sold_out"]:
            await self._store.note_sold_out(row["room_id"])
        snapshot = _snapshot(row, room)
        decision = decide(POLICIES[row["policy"]], snapshot)
        called = await self._call(row, room, snapshot, decision)
        if called.verdict == "stale_term":
            self.leading = False
            return
        room.called_again, room.bound = called.called_again, decision.reason
        await self._publish(row, room, called, sold_out=sold_out)

    async def _call(
        self, row: asyncpg.Record, room: _Room, snapshot: RoomSnapshot, decision: Decision
    ) -> Called:
        last = max(min(decision.gate, snapshot.tail), snapshot.head + 1)
        if decision.gate == snapshot.gate and not decision.again:
            return Called(
                verdict="done", gate=snapshot.gate, tail=snapshot.tail, called=0, called_again=0
            )
        return await self._store.call(
            row["line_id"],
            term=self.term,
            gate_read=snapshot.gate,
            decision=decision,
            heard_by=room.promises.heard_by(snapshot.head + 1, last, now=row["now"]),
        )

    async def _publish(
        self, row: asyncpg.Record, room: _Room, called: Called, *, sold_out: bool
    ) -> None:
        head = min(called.gate, called.tail)
        calling = row["status"] == "open" and not sold_out
        table = wait_table(
            waiting=called.tail - head,
            calls_per_second=room.rate.per_second,
            units_free=_free(row),
            units_held=row["held"],
            has_stock=row["has_stock"],
            calling=calling,
        )
        # After a restore from a backup the versions go on where the clock is, not where they were.
        version = max(row["version"] + 1, int(row["now"].timestamp()))
        body = encode_state(_document(row, room, called, table, version=version, sold_out=sold_out))
        if await self._store.publish(row["room_id"], term=self.term, version=version, body=body):
            room.promises.note(at=row["now"], head=head, table=table)
            await self._memory.publish_state(row["room"], version, body)


def _new_room(row: asyncpg.Record) -> _Room:
    # A room that never published a document has promised nobody anything.
    since = row["now"] if row["version"] else datetime.fromtimestamp(0, UTC)
    return _Room(promises=PollPromises(since=since))


def _head(row: asyncpg.Record) -> int:
    return int(min(row["gate"], row["tail"]))


def _free(row: asyncpg.Record) -> int:
    """Return the units for new calls: what refused sessions wait for is not among them."""
    spoken_for = row["held"] + row["sold"] + row["promised"] + row["wanted"]
    return max(int(row["on_hand"] - spoken_for), 0)


def _sold_out(row: asyncpg.Record) -> bool:
    """Nothing on the shelf, in a basket or promised: what is left is sold."""
    return bool(0 < row["on_hand"] <= row["sold"])


def _hours_due(row: asyncpg.Record) -> bool:
    opens = row["status"] == "scheduled" and row["opens_at"] is not None
    closes = row["status"] != "ended" and row["closes_at"] is not None
    return (opens and row["opens_at"] <= row["now"]) or (closes and row["closes_at"] <= row["now"])


def _snapshot(row: asyncpg.Record, room: _Room) -> RoomSnapshot:
    allowed = room.allowance.refill(
        now=row["now"].timestamp(), calls_per_minute=row["calls_per_minute"]
    )
    return RoomSnapshot(
        open=row["status"] == "open",
        seats_max=row["seats_max"],
        seats_taken=row["seats_taken"],
        batch_max=row["batch_max"],
        calls_allowed=UNLIMITED if allowed is None else allowed,
        has_stock=row["has_stock"],
        units_available=_free(row),
        units_promised_each=row["units_promised"],
        gate=row["gate"],
        tail=row["tail"],
        came_back=tuple(row["came_back"]),
    )


def _document(
    row: asyncpg.Record,
    room: _Room,
    called: Called,
    table: list[WaitRow],
    *,
    version: int,
    sold_out: bool,
) -> RoomState:
    per_second = room.rate.per_second
    return RoomState(
        version=version,
        room=row["room"],
        status=shown_status(row["status"], sold_out=sold_out),
        message=row["message"],
        message_at=row["message_at"],
        updated_at=row["now"],
        opens_at=row["opens_at"],
        available=_free(row),
        held=row["held"],
        has_stock=row["has_stock"],
        calling_per_min=None if per_second is None else round(per_second * 60, 1),
        lines=[
            LineState(
                line=row["line"],
                head=min(called.gate, called.tail),
                tail=called.tail,
                table=table,
            )
        ],
    )
