"""The series of rooms on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import msgspec

from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.doors.decoding import Json
from inventory.kit.problem import NotFound
from waitroom.line.control.moment import LeaderFigures, Moment
from waitroom.line.control.waited import Given
from waitroom.line.forecast.learning.journey import Journey
from waitroom.log.entries import Called, Joined
from waitroom.log.reading import read_entry

SQL = load_queries("waitroom.store.series")

# Rows of a grain in seconds are thinned to the next once they are as old as this.
GRAINS = (
    (0, 60, timedelta(hours=2)),
    (60, 600, timedelta(days=2)),
    (600, 3600, timedelta(days=60)),
)
MARKS_MAX = 200
# A new leader reads at most so many entries of the log to learn when the waiting joined.
JOINS_MAX = 20_000
# What is known of shoppers goes by so many of the latest who are gone.
GONE_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSpan:
    """The room of a series, its first and its last row, and the database's clock."""

    room_id: int
    first: datetime | None
    last: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An operator's act in a room, with the values that belong to it and the room's currency."""

    at: datetime
    who: str
    action: str
    detail: Json
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What is known of a room's shoppers.

    learned: the figures behind the last call. gone: the shoppers who were called and are gone, the
    latest of them. joins_per_min: the arrivals of the last minutes.
    """

    learned: dict[str, float]
    gone: list[Journey]
    joins_per_min: float


class SeriesStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def note(self, room_id: int, figures: LeaderFigures, *, term: int) -> Moment | None:
        """Write the room's figures of this moment and return them.

        Nothing is written before the doors, nor for a leader whose term is over.
        """
        values = (room_id, term, *asdict(figures).values())
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["note_series"], *values)
        return None if row is None else Moment(**row)

    async def waiting_joins(self, room_id: int) -> dict[int, list[Given]]:
        """Return by line when the numbers were given that wait now, in order."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_waiting_joins"], room_id, JOINS_MAX)
        found: dict[int, list[Given]] = {}
        for row in rows:
            entry = read_entry(row["body"])
            if isinstance(entry, Joined):
                given = Given(at=entry.at.timestamp(), first=entry.first, last=entry.last)
                found.setdefault(row["line_id"], []).append(given)
        return found

    async def span(self, room: str) -> SeriesSpan:
        """Return where a room's series begins and ends; raises `NotFound`."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["series_span"], room)
        if row is None:
            raise NotFound(f"There is no room {room!r}.")
        return SeriesSpan(**row)

    async def read(
        self, room_id: int, since: datetime, until: datetime, *, step_s: int
    ) -> list[Moment]:
        """Return the last row of each step between two moments, in order."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["read_series"], room_id, since, until, float(step_s))
        return [Moment(**row) for row in rows]

    async def habits(self, room_id: int) -> Habits:
        """Return what is known of a room's shoppers now."""
        async with connection(self._pool) as borrowed:
            body = await borrowed.fetchval(SQL["read_last_call"], room_id)
            rows = await borrowed.fetch(SQL["list_gone"], room_id, GONE_MAX)
            pace = await borrowed.fetchval(SQL["read_pace"], room_id)
        last = None if body is None else read_entry(body)
        return Habits(
            learned=dict(last.figures) if isinstance(last, Called) else {},
            gone=[Journey(**row) for row in rows],
            joins_per_min=float(pace or 0.0),
        )

    async def marks(self, room_id: int, since: datetime, until: datetime) -> Sequence[Mark]:
        """Return what operators did between two moments, the latest acts of it, in order."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_marks"], room_id, since, until, MARKS_MAX)
        marks = (Mark(**{**row, "detail": msgspec.json.decode(row["detail"])}) for row in rows)
        return list(marks)[::-1]

    async def thin(self, batch_max: int) -> int:
        """Thin out a batch of old rows of each grain; return the size of the largest."""
        async with connection(self._pool) as borrowed:
            return max(
                [
                    int(await borrowed.fetchval(SQL["thin_series"], fine, coarse, age, batch_max))
                    for fine, coarse, age in GRAINS
                ]
            )
