"""Reading a sale for its fairness report, from PostgreSQL, and keeping reports for a while."""

import asyncio
import time
from typing import Any

import asyncpg

from checkout.history.history_store import snapshot
from checkout.refusals import UnknownRoom
from inventory.kit.database import Connection, Pool, load_queries
from inventory.kit.turns import Turns
from waitroom.refusals import LogTooLong
from waitroom.reports.fairness.record import Closed, Entry, read_entry
from waitroom.reports.fairness.report import Books, Counts, Report, make_report
from waitroom.reports.fairness.stretch import Away, Back

SQL = load_queries("waitroom.reports.fairness")

# A report takes one core for a moment, and shoppers come first.
COUNTS_MAX = 1
WAITING_MAX = 16
# The public may ask for a report at any time, so one is made for all of them now and then, and
# making it takes at most this part of the time.
KEEP_MIN_S = 30.0
BUSY_SHARE = 0.1
KEPT_MAX = 100
# Entries read at a time: what is in memory as text, and how long one statement takes.
ENTRIES_AT_ONCE = 1_000
# Some days of a rush; a log beyond this is checked with `waitroom verify`, which needs no memory.
ENTRIES_MAX = 500_000


class FairnessStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._turns = Turns(
            at_once=COUNTS_MAX,
            waiting_max=WAITING_MAX,
            busy="Other reports are being made; please try again in a moment.",
        )
        # By room, with the moment of the monotonic clock until which it is good, the oldest first.
        self._kept: dict[str, tuple[float, Report]] = {}

    async def report(self, room: str) -> Report:
        """Return how fair a room's sale was, or was so far, as of a moment some time ago at most.

        Raises `UnknownRoom`, `LogTooLong`, and `Busy` when many others wait.
        """
        found = self._fresh(room)
        if found is not None:
            return found
        async with self._turns.take():
            # Whoever stood before us may have asked for the same room.
            found = self._fresh(room)
            if found is None:
                started = time.monotonic()
                found = await self._make(room)
                self._keep(room, found, took_s=time.monotonic() - started)
            return found

    def _fresh(self, room: str) -> Report | None:
        good_until, report = self._kept.get(room, (0.0, None))
        return report if report is not None and time.monotonic() < good_until else None

    def _keep(self, room: str, report: Report, *, took_s: float) -> None:
        self._kept.pop(room, None)
        self._kept[room] = (time.monotonic() + max(KEEP_MIN_S, took_s / BUSY_SHARE), report)
        while len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]

    async def _make(self, room: str) -> Report:
        async with snapshot(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_books"], room)
            if row is None:
                raise UnknownRoom
            if row["log_seq"] > ENTRIES_MAX:
                raise LogTooLong
            entries, hashes = await _entries(borrowed, row["room_id"], row["log_seq"])
            books = await _books(borrowed, row, hashes)
        # Beside the event loop, so that shoppers are answered meanwhile.
        return await asyncio.to_thread(make_report, entries, books)


async def _entries(
    borrowed: Connection, room_id: int, last: int
) -> tuple[list[Entry], dict[int, bytes]]:
    """Return the log, and the hashes of those entries that closed a line's entries."""
    entries: list[Entry] = []
    hashes: dict[int, bytes] = {}
    after = 0
    while after < last:
        values = (room_id, after, last, ENTRIES_AT_ONCE)
        rows = await borrowed.fetch(SQL["list_entries"], *values)
        if not rows:
            break
        for row in rows:
            entry = read_entry(row["body"])
            entries.append(entry)
            if isinstance(entry, Closed):
                hashes[entry.seq] = row["hash"]
        after = rows[-1]["seq"]
    return entries, hashes


async def _books(borrowed: Connection, row: asyncpg.Record, hashes: dict[int, bytes]) -> Books:
    room_id = row["room_id"]

    async def listed(query: str) -> list[dict[str, Any]]:
        return [dict(found) for found in await borrowed.fetch(SQL[query], room_id)]

    nothing = await listed("list_found_nothing")
    passed_over = await borrowed.fetchval(SQL["count_passed_over"], room_id)
    counted = ("called", "claimed", "no_shows", "came_back", "left_waiting", "left_later")
    counts = {name: row[name] for name in counted}
    return Books(
        room=row["room"],
        now=row["now"],
        status=row["status"],
        sold_out=row["sold_out"],
        log_seq=row["log_seq"],
        log_hash=row["log_hash"],
        counts=Counts(**counts, found_nothing=len(nothing), passed_over=passed_over),
        away=[Away(**each) for each in await listed("list_away")],
        back=[Back(**each) for each in await listed("list_back")],
        found_nothing=frozenset((each["line"], each["number"]) for each in nothing),
        hashes=hashes,
    )
