"""One room, a tick at a time: what the leading controller does for it, and what it remembers."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from waitroom.leader.drawing import Drawing
from waitroom.leader.health_watch import HealthWatch
from waitroom.leader.snapshot import (
    circumstances_of,
    document_of,
    head_of,
    hours_are_due,
    is_sold_out,
    lane_of,
    line_state_of,
    new_demand,
    part_of,
    snapshot_of,
    units_free,
)
from waitroom.line.forecast.demand import Demand, Journey
from waitroom.line.forecast.outlook import Outlook
from waitroom.line.forecast.prospects import Forecaster, Prospects, Supply
from waitroom.line.lanes import Turns, decide_lanes
from waitroom.line.policy import (
    POLICIES,
    CallAllowance,
    Decision,
    Expected,
    RoomSnapshot,
)
from waitroom.line.state import LineState, encode_state
from waitroom.line.wait import PollPromises, WaitNote, WaitRow, wait_table
from waitroom.store.memory import Memory
from waitroom.store.office_store import Called, OfficeStore

UNLIMITED = 10**9
# Whoever leads reads how those inside fare as seldom as it takes to spend a twentieth of the time
# on it: each second while they are thousands.
JOURNEYS_SHARE = 0.05
# What a new leader learns from: the journeys that ended within so long.
LEARN_FROM_S = 6 * 3600.0
# How often what is said of waits and chances goes into the log.
FORECAST_EVERY_S = 60.0


class OfficeLost(Exception):
    """A later leader has taken office."""


@dataclass(slots=True, kw_only=True)
class _Line:
    """What is remembered of a line between ticks."""

    promises: PollPromises
    forecaster: Forecaster = field(default_factory=Forecaster)


@dataclass(slots=True)
class _Learning:
    """What is known of how called shoppers fare. Losing it loses no promise."""

    demand: Demand
    open_ids: set[int] | None = None
    # Admissions are numbered in the order of their calls.
    last_id: int = 0
    read_again_at: float = 0.0
    # Calls made since it was read; whoever was called then is in no figure yet.
    calls_since: int = 0


class RoomLead:
    """Leads one room. Losing what it remembers loses no promise."""

    def __init__(
        self, *, store: OfficeStore, memory: Memory, drawing: Drawing, watch: HealthWatch
    ) -> None:
        self._store = store
        self._memory = memory
        self._drawing = drawing
        self._watch = watch
        self._allowance = CallAllowance()
        self._lines: dict[int, _Line] = {}
        self._seen: Sequence[asyncpg.Record] = ()
        self._called_again = 0
        self._bound = ""
        # Calls a second, while checkout holds them to so many.
        self._held_to: float | None = None
        self._turns = Turns()
        self._supply = Supply()
        self._wait_note = WaitNote()
        self._learning: _Learning | None = None
        self._forecast_at = 0.0

    async def tick(self, rows: Sequence[asyncpg.Record], *, term: int) -> None:
        """Take a room one step further; `rows` is its snapshot, the main line first.

        Raises `OfficeLost`.
        """
        row = rows[0]
        self._observe(rows)
        if hours_are_due(row):
            await self._store.keep_hours(row["room_id"])
            return
        sold_out = is_sold_out(row)
        if sold_out != row["sold_out"]:
            await self._store.note_sold_out(row["room_id"])
        for line in rows:
            await self._drawing.step(line, term=term)
        outlook = await self._learn(row)
        limit = await self._watch.read()
        snapshot = snapshot_of(row, self._calls_allowed(row), outlook, checkout_calls=limit.calls)
        called = await self._call(rows, snapshot, term=term)
        self._held_to = limit.per_second if self._bound == "checkout" else None
        await self._publish(rows, called, outlook, term=term, sold_out=sold_out)

    def _observe(self, rows: Sequence[asyncpg.Record]) -> None:
        """Learn from what happened between the last snapshot and this one.

        While people wait, the line moves as fast as seats come free, or as the rate allows. The
        calls that fill empty seats at the start say nothing about that and are not counted.
        """
        seen, self._seen = {row["line_id"]: row for row in self._seen}, rows
        if rows[0]["line_id"] not in seen:
            return
        row, before = rows[0], seen[rows[0]["line_id"]]
        # Arrivals below the gate were called as they joined; they count like any other call.
        moved = {
            line["line_id"]: max(head_of(line) - head_of(seen[line["line_id"]]), 0)
            for line in rows
            if line["line_id"] in seen
        }
        calls = sum(moved.values()) + self._called_again
        self._allowance.spend(calls)
        self._watch.note(calls)
        if self._learning is not None:
            self._learning.calls_since += calls
        if row["status"] != "open" or not any(line["tail"] > head_of(line) for line in rows):
            return
        freed = max(before["seats_taken"] + calls - row["seats_taken"], 0)
        passed_s = (row["now"] - before["now"]).total_seconds()
        for line in rows:
            if line["line_id"] in self._lines:
                self._lines[line["line_id"]].forecaster.see(
                    row["shopper_s"],
                    head=head_of(line),
                    calls=moved.get(line["line_id"], 0) + self._called_again * part_of(line, rows),
                    freed=freed * part_of(line, rows),
                    bound=self._bound,
                    passed_s=passed_s,
                )

    def _calls_allowed(self, row: asyncpg.Record) -> int:
        allowed = self._allowance.refill(
            now=row["now"].timestamp(), calls_per_minute=row["calls_per_minute"]
        )
        return UNLIMITED if allowed is None else allowed

    async def _learn(self, row: asyncpg.Record) -> Outlook | None:
        """Read how those inside fare, and return what is to be expected of them."""
        if not row["has_stock"]:
            return None
        now = row["shopper_s"]
        if self._learning is None:
            self._learning = _Learning(new_demand(row))
        learning = self._learning
        if row["status"] in {"open", "paused"} and time.monotonic() >= learning.read_again_at:
            started = time.monotonic()
            open_ = [Journey(**dict(j)) for j in await self._store.journeys(row["room_id"])]
            closed = await self._ended(row["room_id"], learning, open_)
            learning.demand.observe(now, open_, closed, units_free=units_free(row))
            learning.open_ids = {journey.admission_id for journey in open_}
            for journey in (*open_, *closed):
                learning.last_id = max(learning.last_id, journey.admission_id)
            learning.calls_since = 0
            ended = time.monotonic()
            learning.read_again_at = ended + (ended - started) / JOURNEYS_SHARE - 1.0
        return learning.demand.outlook(now).with_calls(learning.calls_since)

    async def _ended(
        self, room_id: int, learning: _Learning, open_: Sequence[Journey]
    ) -> list[Journey]:
        if learning.open_ids is None:
            rows = await self._store.past_journeys(room_id, within_s=LEARN_FROM_S)
        else:
            gone = learning.open_ids - {journey.admission_id for journey in open_}
            rows = await self._store.ended_journeys(room_id, list(gone), after=learning.last_id)
        return [Journey(**dict(row)) for row in rows]

    async def _call(
        self, rows: Sequence[asyncpg.Record], snapshot: RoomSnapshot, *, term: int
    ) -> dict[int, Called]:
        """Decide whom to call and call them; return where each line stands then."""
        policy, lanes = POLICIES[rows[0]["policy"]], [lane_of(row) for row in rows]
        decisions = decide_lanes(policy, snapshot, lanes, self._turns)
        self._bound = decisions[rows[0]["line_id"]].reason
        self._called_again = 0
        called = {}
        for row in rows:
            done = await self._carry_out(row, decisions[row["line_id"]], term=term)
            if done.verdict == "stale_term":
                raise OfficeLost
            self._called_again += done.called_again
            self._watch.take(done.called + done.called_again)
            called[row["line_id"]] = done
        return called

    async def _carry_out(self, row: asyncpg.Record, decision: Decision, *, term: int) -> Called:
        head, tail = head_of(row), row["tail"]
        if decision.gate == row["gate"] and not decision.again:
            return Called(verdict="done", gate=row["gate"], tail=tail, called=0, called_again=0)
        last = max(min(decision.gate, tail), head + 1)
        return await self._store.call(
            row["line_id"],
            term=term,
            gate_read=row["gate"],
            decision=decision,
            heard_by=self._line(row).promises.heard_by(head + 1, last, now=row["now"]),
        )

    def _line(self, row: asyncpg.Record) -> _Line:
        line = self._lines.get(row["line_id"])
        if line is None:
            # A room that never published a document has promised nobody anything.
            since = row["now"] if row["version"] else datetime.fromtimestamp(0, UTC)
            line = self._lines[row["line_id"]] = _Line(promises=PollPromises(since=since))
        return line

    async def _publish(
        self,
        rows: Sequence[asyncpg.Record],
        called: dict[int, Called],
        outlook: Outlook | None,
        *,
        term: int,
        sold_out: bool,
    ) -> None:
        row = rows[0]
        stock = self._stock(row, outlook)
        # After a restore from a backup the versions go on where the clock is, not where they were.
        version = max(row["version"] + 1, int(row["now"].timestamp()))
        lines = []
        for line in rows:
            done, share = called[line["line_id"]], part_of(line, rows)
            table = self._table(line, done, stock, share=share, sold_out=sold_out)
            lines.append(line_state_of(line, done, table))
        document = document_of(
            row,
            lines,
            version=version,
            sold_out=sold_out,
            per_second=self._per_second(),
            wait_note=self._why_longer(row, lines[0]),
        )
        body = encode_state(document)
        at = await self._store.publish(row["room_id"], term=term, version=version, body=body)
        if at is not None:
            for line, state in zip(rows, lines, strict=True):
                self._line(line).promises.note(at=at, head=state.head, table=state.table)
            await self._memory.publish_state(row["room"], version, body)
            await self._forecast(row, lines, term=term)

    def _stock(self, row: asyncpg.Record, outlook: Outlook | None) -> Prospects | None:
        """Return what the stock will do for, None where there is no stock."""
        if outlook is None:
            return None
        return self._supply.look(
            row["shopper_s"],
            outlook=outlook,
            units_free=units_free(row),
            units_held=row["held"],
            units_promised=row["promised"],
            bound=self._bound,
            disappointed_max=row["disappointed_max"] if row["policy"] == Expected.name else None,
        )

    def _table(
        self,
        row: asyncpg.Record,
        called: Called,
        stock: Prospects | None,
        *,
        share: float,
        sold_out: bool,
    ) -> list[WaitRow]:
        calling = row["status"] == "open" and not sold_out and not row["draw_due"]
        now, head = row["shopper_s"], min(called.gate, called.tail)
        forecaster = self._line(row).forecaster
        prospects = forecaster.look(now, stock=stock, share=share, held_to=self._held_to)
        table = wait_table(waiting=called.tail - head, prospects=prospects, calling=calling)
        forecaster.tell(now, head=head, places=(r.place for r in table), calling=calling)
        return table

    def _why_longer(self, row: asyncpg.Record, line: LineState) -> str | None:
        """Return why waits grew lately, for as long as people need to see it."""
        number = self._wait_note.number(head=line.head, tail=line.tail)
        wait = None
        if number > line.head:
            wait = self._line(row).forecaster.prospects.wait(number - line.head)
        after = circumstances_of(
            row,
            wait_s=None if wait is None else wait.middle_s,
            checkout_slow=self._bound == "checkout",
        )
        return self._wait_note.look(row["shopper_s"], number, after)

    def _per_second(self) -> float | None:
        paces = (line.forecaster.prospects.per_second for line in self._lines.values())
        known = [pace for pace in paces if pace]
        return sum(known) if known else None

    async def _forecast(
        self, row: asyncpg.Record, lines: Iterable[LineState], *, term: int
    ) -> None:
        """Put what those who wait were told into the log, now and then."""
        now = row["now"].timestamp()
        if row["status"] != "open" or now < self._forecast_at + FORECAST_EVERY_S:
            return
        self._forecast_at = now
        for line in lines:
            if line.tail == line.head:
                continue
            told = [[r.place, r.wait_low_s, r.wait_high_s, r.chance] for r in line.table]
            facts: dict[str, Any] = {"line": line.line, "head": line.head, "tail": line.tail}
            encoded = msgspec.json.encode({**facts, "rows": told}).decode()
            await self._store.note_forecast(row["room_id"], term=term, facts=encoded)
