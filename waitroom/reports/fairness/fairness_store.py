"""Making fairness reports from PostgreSQL, and keeping each for a while."""

import asyncio
import time
from collections.abc import Sequence

import asyncpg

from checkout.history.history_store import snapshot
from checkout.refusals import UnknownRoom
from inventory.kit.database import Connection, Pool, connection, load_queries
from inventory.kit.problem import AuditTooLong, Busy
from inventory.kit.turns import Turns
from inventory.refusals import RoomArchived
from waitroom.log.entries import AnyEntry
from waitroom.log.reading import UnreadableEntry, read_entry, read_envelope
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
# A request waits this long. The report of a longer log is made meanwhile, for the next request.
ANSWER_MAX_S = 20.0
RETRY_AFTER_S = 10
# From here on reading pauses for as long as it read, since the worker has shoppers to answer.
CALM_AFTER_S = 2.0
# The end of the log, which is read together with the books.
LAST_ENTRIES = 5 * ENTRIES_AT_ONCE
# A statement that counts the numbers of a room with a million of them takes seconds.
BOOKS_MAX_S = 60.0


class FairnessStore:
    def __init__(self, pool: Pool, *, answer_max_s: float = ANSWER_MAX_S) -> None:
        self._pool = pool
        self._answer_max_s = answer_max_s
        self._turns = Turns(
            at_once=COUNTS_MAX,
            waiting_max=WAITING_MAX,
            busy="Other reports are being made; please try again in a moment.",
        )
        # By room, the oldest first; each is good until that moment of the monotonic clock.
        self._kept: dict[str, tuple[float, FairnessReport]] = {}
        # By room, the reports that are being made.
        self._making: dict[str, asyncio.Task[FairnessReport]] = {}

    async def report(self, room: str) -> FairnessReport:
        """Return how fair a room's sale was, or has been so far, as of some moments ago at most.

        A log of any length has a report. Raises `UnknownRoom`, `RoomArchived`, or `Busy` if many
        others wait, or if the report takes so long that the next request will have it.
        """
        found = self._fresh(room)
        if found is not None:
            return found
        making = self._making.get(room)
        if making is None:
            making = asyncio.create_task(self._make_and_keep(room), name="fairness-report")
            self._making[room] = making
            making.add_done_callback(lambda done: self._made(room, done))
        done, _ = await asyncio.wait({making}, timeout=self._answer_max_s)
        if not done:
            raise Busy(
                "This room's log is long, and its report is being made. Please ask again in a "
                "moment.",
                retry_after_s=RETRY_AFTER_S,
            )
        return making.result()

    def _made(self, room: str, done: "asyncio.Task[FairnessReport]") -> None:
        del self._making[room]
        if not done.cancelled():
            # If no request waits any more, its error is not lost: the next one makes it again.
            done.exception()

    async def _make_and_keep(self, room: str) -> FairnessReport:
        async with self._turns.take():
            started = time.monotonic()
            found = await self._make(room)
            self._keep(room, found, took_s=time.monotonic() - started)
            return found

    async def close(self) -> None:
        """End the reports that are being made."""
        making = list(self._making.values())
        for each in making:
            each.cancel()
        await asyncio.gather(*making, return_exceptions=True)

    def _fresh(self, room: str) -> FairnessReport | None:
        good_until, report = self._kept.get(room, (0.0, None))
        return report if report is not None and time.monotonic() < good_until else None

    def _keep(self, room: str, report: FairnessReport, *, took_s: float) -> None:
        self._kept.pop(room, None)
        self._kept[room] = (time.monotonic() + max(KEEP_MIN_S, took_s / BUSY_SHARE), report)
        while len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]

    async def _make(self, room: str) -> FairnessReport:
        """Read most of the log page by page, and its end together with the books.

        The log is never rewritten, so only its end needs the snapshot of the books, and no snapshot
        is held open for minutes.
        """
        reading = _Reading()
        while True:
            async with connection(self._pool) as borrowed:
                row = _checked(await borrowed.fetchrow(SQL["read_log_end"], room))
            upto = row["log_seq"] - LAST_ENTRIES
            if upto <= reading.after:
                break
            while reading.after < upto:
                async with connection(self._pool) as borrowed:
                    await reading.take_page(borrowed, row["room_id"], upto)
                await reading.rest()
        async with snapshot(self._pool) as borrowed:
            try:
                row = _checked(
                    await borrowed.fetchrow(SQL["read_books"], room, timeout=BOOKS_MAX_S)
                )
                while reading.after < row["log_seq"]:
                    await reading.take_page(borrowed, row["room_id"], row["log_seq"])
                books = await _books(borrowed, row)
            except TimeoutError as error:
                raise AuditTooLong from error
        # In a thread, so that shoppers are answered meanwhile.
        return await asyncio.to_thread(reading.draft.finish, books)


class _Reading:
    """A log on its way into a draft: all entries up to `after` are in it."""

    def __init__(self) -> None:
        self.draft = ReportDraft()
        self.after = 0
        self._took_s = self._last_s = 0.0

    async def take_page(self, borrowed: Connection, room_id: int, upto: int) -> None:
        """Take the next entries, none beyond `upto`."""
        started = time.monotonic()
        values = (room_id, self.after, upto, ENTRIES_AT_ONCE)
        rows = await borrowed.fetch(SQL["list_entries"], *values)
        page = [(row["body"], row["hash"]) for row in rows]
        await asyncio.to_thread(_feed, self.draft, page)
        self.after = rows[-1]["seq"] if rows else upto
        self._last_s = time.monotonic() - started
        self._took_s += self._last_s

    async def rest(self) -> None:
        """Leave the worker to its shoppers, in a long log for as long as the last page took."""
        await asyncio.sleep(self._last_s if self._took_s > CALM_AFTER_S else 0)


def _checked(row: asyncpg.Record | None) -> asyncpg.Record:
    if row is None:
        raise UnknownRoom
    if row["archived"]:
        raise RoomArchived
    return row


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
        return await borrowed.fetch(SQL[query], row["room_id"], timeout=BOOKS_MAX_S)

    nothing = await listed("list_found_nothing")
    counts = CallCounts(
        called=row["called"],
        claimed=row["claimed"],
        no_shows=row["no_shows"],
        came_back=row["came_back"],
        left_waiting=row["left_waiting"],
        left_later=row["left_later"],
        found_nothing=len(nothing),
        passed_over=await borrowed.fetchval(
            SQL["count_passed_over"], row["room_id"], timeout=BOOKS_MAX_S
        ),
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
