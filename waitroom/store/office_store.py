"""The leading controller's store on PostgreSQL: office, snapshots, calls and documents."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

import asyncpg
import msgspec

from inventory.kit.database import SHOPPER_TIMEOUT_S, Connection, Pool, connection, load_queries
from waitroom.line.assortment.choices import Chosen
from waitroom.line.forecast.learning.journey import Journey, Reading
from waitroom.line.policy import Call, CallResult
from waitroom.line.snapshot import (
    CallingRules,
    DrawSteps,
    LineSnapshot,
    RoomSnapshot,
    Shelf,
    Stock,
)

SQL = load_queries("waitroom.store")

# A new leader learns from journeys that ended within this time, and from at most this many.
LEARN_FROM_S = 6 * 3600.0
PAST_MAX = 20_000
# The number of journeys in one piece, and the most changes in one reading.
JOURNEYS_PIECE = 2000
CHANGES_MAX = 5000
# The most SKUs of a room that the leader keeps apart, and the batches of choices in one page.
SHELVES_MAX = 200
CHOICES_PAGE = 500

_JOURNEY_FIELDS = Journey.__struct_fields__


class OfficeStore:
    """The books of the office. `beats` is a pool of its own for the beat, or the same one.

    With a connection of its own the beat never waits for others' work, however full the pool is.
    """

    def __init__(self, pool: Pool, *, beats: Pool | None = None) -> None:
        self._pool = pool
        self._beats = beats or pool

    async def beat(self, me: str, term: int, *, lease_s: float) -> tuple[str, int]:
        """Say that `me` lives; return the leader's name and term."""
        async with connection(self._beats) as borrowed:
            row = await borrowed.fetchrow(SQL["beat"], me, term, lease_s, timeout=SHOPPER_TIMEOUT_S)
        assert row is not None
        return row["leader"], row["term"]

    async def resign(self, me: str, term: int) -> None:
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["resign"], me, term)

    async def rooms_to_lead(self) -> list[int]:
        """Return the rooms that need a leader: all but ended ones whose last document says so."""
        async with connection(self._pool) as borrowed:
            return [row["room_id"] for row in await borrowed.fetch(SQL["rooms_to_lead"])]

    async def snapshot(self, room_id: int) -> RoomSnapshot | None:
        """Return a room as it is now, None if there is no such room."""
        async with connection(self._pool) as borrowed:
            return await _snapshot(borrowed, room_id)

    async def call(self, call: Call, *, term: int) -> CallResult:
        """Carry out the calls of one line."""
        decision = call.decision
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(
                SQL["call_numbers"],
                call.line_id,
                term,
                call.gate_read,
                decision.gate,
                list(decision.again),
                call.heard_by,
                decision.reason,
                msgspec.json.encode(decision.figures).decode(),
                timeout=SHOPPER_TIMEOUT_S,
            )
        assert row is not None
        return CallResult(**dict(row))

    async def publish(
        self, room: RoomSnapshot, *, term: int, version: int, body: bytes
    ) -> datetime | None:
        """Write the state document; return when, or None if a later leader or version was first.

        After the document of a room that is over, the room is led no more until it changes.
        """
        async with connection(self._pool) as borrowed:
            values = (room.room_id, term, version, body, room.is_over, room.row_version)
            at: datetime | None = await borrowed.fetchval(
                SQL["publish_state"], *values, timeout=SHOPPER_TIMEOUT_S
            )
        return at

    async def note_sold_out(self, room_id: int) -> None:
        """Let the room know whether everything is sold, by the books as they are now."""
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["note_sold_out"], room_id)

    async def keep_hours(self, room_id: int) -> None:
        """Open or end the room if its time has come."""
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["keep_hours"], room_id)

    async def changed_journeys(self, room_id: int) -> Reading | None:
        """Take the journeys that changed since the last reading, with the room at that moment."""
        async with (
            connection(self._pool) as borrowed,
            borrowed.transaction(isolation="repeatable_read"),
        ):
            room = await _snapshot(borrowed, room_id)
            changes = await borrowed.fetch(SQL["take_journey_changes"], room_id, CHANGES_MAX)
            changed = {id_ for row in changes for id_ in row["admission_ids"]}
            rows = await _journeys(borrowed, changed)
            shelves = await borrowed.fetch(SQL["read_shelves"], room_id, SHELVES_MAX)
            chosen = await borrowed.fetch(SQL["take_choice_changes"], room_id, CHANGES_MAX)
        if room is None:
            return None
        return replace(
            _reading_of(room, rows),
            shelves=tuple(Shelf(**dict(row)) for row in shelves),
            chosen=[_chosen(row) for row in chosen],
        )

    async def all_journeys(self, room_id: int) -> Reading | None:
        """Read every open journey and the latest past ones, with the room at that moment.

        They are read in pieces, each in a transaction of its own. Those that changed meanwhile are
        read once more, together with the room.
        """
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["forget_journey_changes"], room_id)
            open_ids = await borrowed.fetch(SQL["list_open_admissions"], room_id)
            past_ids = await borrowed.fetch(
                SQL["list_past_admissions"], room_id, LEARN_FROM_S, PAST_MAX
            )
        ids = [row["admission_id"] for row in (*open_ids, *past_ids)]
        found: list[asyncpg.Record] = []
        for start in range(0, len(ids), JOURNEYS_PIECE):
            async with connection(self._pool) as borrowed:
                found += await _journeys(borrowed, ids[start : start + JOURNEYS_PIECE])
        choices = await self._all_choices(room_id)
        latest = await self.changed_journeys(room_id)
        if latest is None:
            return None
        # A crowd's rows take seconds to go through, and the ticks of all rooms go on meanwhile.
        return await asyncio.to_thread(_whole, latest, found, choices)

    async def _all_choices(self, room_id: int) -> list[Chosen]:
        """Read what every place in line named, page by page."""
        found: list[Chosen] = []
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["forget_choice_changes"], room_id)
        after = (0, False, 0)
        while True:
            async with connection(self._pool) as borrowed:
                rows = await borrowed.fetch(SQL["list_choices"], room_id, *after, CHOICES_PAGE)
            found += [_chosen(row) for row in rows]
            if len(rows) < CHOICES_PAGE:
                return found
            after = (found[-1].line_id, found[-1].entered, found[-1].first)

    async def note_forecast(self, room_id: int, *, term: int, facts: str) -> None:
        """Put what waiting shoppers were told into the room's log; `facts` is a JSON object."""
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["note_forecast"], room_id, term, facts)

    async def rooms_due(self) -> list[int]:
        """Return the rooms with calls or sessions that are overdue."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["rooms_with_due_admissions"])
        return [row["room_id"] for row in rows]

    async def end_due(
        self, batch_max: int, *, rooms: Sequence[int] | None = None
    ) -> tuple[int, int]:
        """Give unclaimed calls and overdue sessions back, of these rooms or of all.

        Returns how many of each.
        """
        if rooms is None:
            rooms = await self.rooms_due()
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["end_due_admissions"], batch_max, rooms)
        assert row is not None
        return row["missed"], row["ended"]


async def _journeys(borrowed: Connection, ids: Collection[int]) -> list[asyncpg.Record]:
    return await borrowed.fetch(SQL["read_journeys"], sorted(ids)) if ids else []


def _chosen(row: asyncpg.Record) -> Chosen:
    return Chosen(
        line_id=row["line_id"],
        entered=row["entered"],
        first=row["first"],
        skus=tuple(row["skus"]),
    )


def _reading_of(room: RoomSnapshot, rows: Sequence[asyncpg.Record]) -> Reading:
    changed: list[Journey] = []
    closed: list[Journey] = []
    dropped: list[int] = []
    for row in rows:
        if row["is_over"] or row["state"] in {"called", "claimed"}:
            journey = Journey(**{name: row[name] for name in _JOURNEY_FIELDS})
            (closed if row["is_over"] else changed).append(journey)
        else:
            dropped.append(row["admission_id"])
    return Reading(room=room, changed=changed, closed=closed, dropped=dropped)


def _whole(latest: Reading, rows: Sequence[asyncpg.Record], choices: Sequence[Chosen]) -> Reading:
    return latest.after(replace(_reading_of(latest.room, rows), chosen=choices))


async def _snapshot(borrowed: Connection, room_id: int) -> RoomSnapshot | None:
    rows = await borrowed.fetch(SQL["snapshot"], room_id, timeout=SHOPPER_TIMEOUT_S)
    return _room_of(rows) if rows else None


def _room_of(rows: Sequence[asyncpg.Record]) -> RoomSnapshot:
    row = rows[0]
    return RoomSnapshot(
        room_id=row["room_id"],
        room=row["room"],
        now=row["now"],
        shopper_s=row["shopper_s"],
        clock_goes=row["clock_goes"],
        status=row["status"],
        sold_out=row["sold_out"],
        message=row["message"],
        message_at=row["message_at"],
        opens_at=row["opens_at"],
        closes_at=row["closes_at"],
        doors_open=row["doors_open"],
        order_by=row["order_by"],
        version=row["version"],
        row_version=row["row_version"],
        rules=_rules_of(row),
        stock=_stock_of(row) if row["has_stock"] else None,
        seats_taken=row["seats_taken"],
        seats_without_units=row["seats_without_units"],
        lines=tuple(_line_of(line) for line in rows),
    )


def _rules_of(row: asyncpg.Record) -> CallingRules:
    bounds = [row["order_units_max"], row["session_units_max"]]
    known = [bound for bound in bounds if bound is not None]
    return CallingRules(
        policy=row["policy"],
        disappointed_max=row["disappointed_max"],
        seats_max=row["seats_max"],
        calls_per_minute=row["calls_per_minute"],
        batch_max=row["batch_max"],
        units_promised=row["units_promised"],
        claim_window_s=float(row["claim_window_s"]),
        session_s=float(row["session_s"]),
        hold_s=float(row["hold_s"]),
        units_max=min(known) if known else None,
    )


def _stock_of(row: asyncpg.Record) -> Stock:
    return Stock(
        on_hand=row["on_hand"],
        promised=row["promised"],
        held=row["held"],
        sold=row["sold"],
        kept=row["kept"],
        elsewhere=row["stock_elsewhere"],
        heard=row["stock_heard"],
    )


def _line_of(row: asyncpg.Record) -> LineSnapshot:
    return LineSnapshot(
        line_id=row["line_id"],
        line=row["line"],
        lane=row["lane"],
        share=row["share"],
        gate=row["gate"],
        tail=row["tail"],
        passed_by=row["passed_by"],
        entries=row["entries"],
        came_back=tuple(row["came_back"]),
        first_called=tuple(row["first_called"]),
        for_returns=frozenset(row["for_returns"]),
        draw=DrawSteps(
            announced=row["draw_announced"],
            due=row["draw_due"],
            closing_signed=row["closing_signed"],
            value_missing=row["value_missing"],
        ),
    )
