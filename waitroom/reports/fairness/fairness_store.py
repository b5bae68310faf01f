"""Making fairness reports from PostgreSQL, and keeping each for a while."""

import asyncio
import time
from collections.abc import Sequence

import asyncpg

from checkout.history.history_store import snapshot
from checkout.refusals import UnknownRoom
from inventory.kit.database import Connection, Pool, load_queries
from inventory.kit.turns import Turns
from inventory.refusals import RoomArchived
from waitroom.log.entries import AnyEntry, UnreadableEntry, read_entry, read_envelope
from waitroom.refusals import LogTooLong
from waitroom.reports.fairness.fairness_report import (
    CallCounts,
    FairnessReport,
    ReportDraft,
    RoomBooks,
)
from waitroom.reports.fairness.stretch import AbsentNumber, WaitingAgain

SQL = load_queries("waitroom.reports.fairness")

# A report takes one core for a moment, and shoppers come first.
COUNTS_MAX = 1
WAITING_MAX = 16
# The public may ask for a report at any time. One report serves everybody for a while, so that
# making reports takes at most this share of the time.
KEEP_MIN_S = 30.0
BUSY_SHARE = 0.1
KEPT_MAX = 100
# Entries read at a time, which bounds the text in memory and the length of a statement.
ENTRIES_AT_ONCE = 1_000
# Several days of a rush. A longer log can be checked with `waitroom verify`.
ENTRIES_MAX = 500_000


class FairnessStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._turns = Turns(
            at_once=COUNTS_MAX,
            waiting_max=WAITING_MAX,
            busy="Other reports are being made; please try again in a moment.",
        )
        # By room, the oldest first; each is good until that moment of the monotonic clock.
        self._kept: dict[str, tuple[float, FairnessReport]] = {}

    async def report(self, room: str) -> FairnessReport:
        """Return how fair a room's sale was, or has been so far, as of some moments ago at most.

        Raises `UnknownRoom`, `RoomArchived`, `LogTooLong`, or `Busy` if many others wait.
        """
        found = self._fresh(room)
        if found is not None:
            return found
        async with self._turns.take():
            # The request before this one may have been for the same room.
            found = self._fresh(room)
            if found is None:
                started = time.monotonic()
                found = await self._make(room)
                self._keep(room, found, took_s=time.monotonic() - started)
            return found

    def _fresh(self, room: str) -> FairnessReport | None:
        good_until, report = self._kept.get(room, (0.0, None))
        return report if report is not None and time.monotonic() < good_until else None

    def _keep(self, room: str, report: FairnessReport, *, took_s: float) -> None:
        self._kept.pop(room, None)
        self._kept[room] = (time.monotonic() + max(KEEP_MIN_S, took_s / BUSY_SHARE), report)
        while len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]

    async def _make(self, room: str) -> FairnessReport:
        draft = ReportDraft()
        async with snapshot(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_books"], room)
            if row is None:
                raise UnknownRoom
            if row["archived"]:
                raise RoomArchived
            if row["log_seq"] > ENTRIES_MAX:
                raise LogTooLong
            await _read_log(borrowed, draft, row["room_id"], row["log_seq"])
            books = await _books(borrowed, row)
        # In a thread, so that shoppers are answered meanwhile.
        return await asyncio.to_thread(draft.finish, books)


async def _read_log(borrowed: Connection, draft: ReportDraft, room_id: int, last: int) -> None:
    """Let a draft take a room's log up to an entry."""
    after = 0
    while after < last:
        values = (room_id, after, last, ENTRIES_AT_ONCE)
        rows = await borrowed.fetch(SQL["list_entries"], *values)
        if not rows:
            return
        page = [(row["body"], row["hash"]) for row in rows]
        await asyncio.to_thread(_feed, draft, page)
        after = rows[-1]["seq"]


def _feed(draft: ReportDraft, page: Sequence[tuple[str, bytes]]) -> None:
    for body, hash_ in page:
        draft.feed(_read(body), hash_)


def _read(body: str) -> AnyEntry:
    """Read an entry; a report goes on without the contents of one that cannot be read."""
    try:
        return read_entry(body)
    except UnreadableEntry:
        return read_envelope(body)


async def _books(borrowed: Connection, row: asyncpg.Record) -> RoomBooks:
    async def listed(query: str) -> list[asyncpg.Record]:
        return await borrowed.fetch(SQL[query], row["room_id"])

    nothing = await listed("list_found_nothing")
    counts = CallCounts(
        called=row["called"],
        claimed=row["claimed"],
        no_shows=row["no_shows"],
        came_back=row["came_back"],
        left_waiting=row["left_waiting"],
        left_later=row["left_later"],
        found_nothing=len(nothing),
        passed_over=await borrowed.fetchval(SQL["count_passed_over"], row["room_id"]),
    )
    return RoomBooks(
        room=row["room"],
        now=row["now"],
        status=row["status"],
        sold_out=row["sold_out"],
        log_seq=row["log_seq"],
        log_hash=row["log_hash"],
        counts=counts,
        away=[AbsentNumber(**dict(each)) for each in await listed("list_away")],
        back=[WaitingAgain(**dict(each)) for each in await listed("list_back")],
        found_nothing=frozenset((each["line"], each["number"]) for each in nothing),
    )
