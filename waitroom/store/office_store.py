"""What the leading controller reads and writes on PostgreSQL: office, calls, documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import msgspec

from inventory.kit.database import Pool, connection, load_queries
from waitroom.line.policy import Decision

SQL = load_queries("waitroom.store")

# How many ended journeys are read at once: enough to learn from, little to read.
JOURNEYS_MAX = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    verdict: str
    gate: int
    tail: int
    called: int
    called_again: int


class OfficeStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def beat(self, me: str, term: int, *, lease_s: float) -> tuple[str, int]:
        """Say that `me` lives; return who leads and in which term."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["beat"], me, term, lease_s)
        assert row is not None
        return row["leader"], row["term"]

    async def resign(self, me: str, term: int) -> None:
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["resign"], me, term)

    async def snapshot(self) -> list[asyncpg.Record]:
        async with connection(self._pool) as borrowed:
            return await borrowed.fetch(SQL["snapshot"])

    async def call(
        self, line_id: int, *, term: int, gate_read: int, decision: Decision, heard_by: datetime
    ) -> Called:
        """Carry out a decision; the verdict is done, stale_term or gate_moved."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(
                SQL["call_numbers"],
                line_id,
                term,
                gate_read,
                decision.gate,
                list(decision.again),
                heard_by,
                decision.reason,
                msgspec.json.encode(decision.figures).decode(),
            )
        assert row is not None
        return Called(**dict(row))

    async def publish(
        self, room_id: int, *, term: int, version: int, body: bytes
    ) -> datetime | None:
        """Write the state document; return when, or None if a later leader or version was first."""
        async with connection(self._pool) as borrowed:
            values = (room_id, term, version, body)
            at: datetime | None = await borrowed.fetchval(SQL["publish_state"], *values)
        return at

    async def note_sold_out(self, room_id: int) -> None:
        """Let the room know whether everything is sold, by the books as they are now."""
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["note_sold_out"], room_id)

    async def keep_hours(self, room_id: int) -> None:
        """Open or end the room if its time has come."""
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["keep_hours"], room_id)

    async def journeys(self, room_id: int) -> list[asyncpg.Record]:
        """Return what came so far of all who are called or inside."""
        async with connection(self._pool) as borrowed:
            return await borrowed.fetch(SQL["read_journeys"], room_id)

    async def ended_journeys(
        self, room_id: int, ids: Sequence[int], *, after: int
    ) -> list[asyncpg.Record]:
        """Return how these journeys ended, and those above `after` that are over already."""
        async with connection(self._pool) as borrowed:
            return await borrowed.fetch(SQL["read_ended_journeys"], room_id, ids, after)

    async def past_journeys(self, room_id: int, *, within_s: float) -> list[asyncpg.Record]:
        """Return how the journeys ended that did within the last `within_s`."""
        async with connection(self._pool) as borrowed:
            return await borrowed.fetch(SQL["read_past_journeys"], room_id, within_s, JOURNEYS_MAX)

    async def note_forecast(self, room_id: int, *, term: int, facts: str) -> None:
        """Put what those who wait were told into the room's log; `facts` is a JSON object."""
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["note_forecast"], room_id, term, facts)

    async def end_due(self, batch_max: int) -> tuple[int, int]:
        """Give unclaimed calls and overdue sessions back; return how many of each."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["end_due_admissions"], batch_max)
        assert row is not None
        return row["missed"], row["ended"]
