"""Counting the figures of an analysis on PostgreSQL."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from checkout.history.history_store import RoomName, find_room, snapshot
from inventory.kit.database import Connection, Pool, load_queries
from inventory.kit.turns import Turns
from waitroom.log.reading import read_entry
from waitroom.refusals import TooMuchToCount
from waitroom.reports.analytics.analysis import (
    Analysis,
    HoldOutcome,
    PayTimes,
    Rest,
    Sales,
    SkuSales,
    Span,
    Wait,
    Walk,
    share,
    total,
)
from waitroom.reports.analytics.waits import WaitsDraft

SQL = load_queries("waitroom.reports.analytics")

# Counting a whole sale takes one of the engine's cores, and shoppers come first.
COUNTS_MAX = 1
WAITING_MAX = 8
# Reading the log for the waits takes at most this long: a million entries on a quiet machine.
WAITS_MAX_S = 20.0
# Entries read at a time, which bounds the text in memory and the length of a statement.
ENTRIES_AT_ONCE = 2_000
OUTCOMES = ("confirmed", "released", "expired", "held")


class AnalyticsStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._turns = Turns(
            at_once=COUNTS_MAX,
            waiting_max=WAITING_MAX,
            busy="Other sales are being counted; please try again in a moment.",
        )

    async def analyse(
        self, room: str, span: Span, *, top: int, seller: int | None = None
    ) -> Analysis:
        """Return the analysis of a room, or of a seller's part in it, all as of one moment.

        The `top` best-selling SKUs are listed singly. Raises `UnknownRoom`, `TooMuchToCount` if one
        of the figures takes longer than a command may, or `Busy` if many others wait.
        """
        async with self._turns.take(), _counting(self._pool) as borrowed:
            found = await find_room(borrowed, room)
            between = (found.room_id, span.since, span.until)
            steps = await _steps(borrowed, between, span, seller)
            skus, rest = await _skus(borrowed, between, top, seller)
            return Analysis(
                span=span,
                currency=found.currency,
                steps=steps,
                total=total(steps),
                skus=skus,
                rest=rest,
                walk=await _walk(borrowed, between) if seller is None else None,
                outcomes=await _outcomes(borrowed, between, seller),
                pay_times=await _pay_times(borrowed, between, seller),
                waits=await _waits(borrowed, found, span) if seller is None else None,
            )


@asynccontextmanager
async def _counting(pool: Pool) -> AsyncIterator[Connection]:
    async with snapshot(pool) as borrowed:
        # A plan that suits an hour does not suit a month.
        await borrowed.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        try:
            yield borrowed
        except TimeoutError as error:
            raise TooMuchToCount from error


async def _steps(
    borrowed: Connection, between: tuple[Any, ...], span: Span, seller: int | None
) -> list[Sales]:
    rows = await borrowed.fetch(SQL["read_sales"], *between, span.step_s, seller)
    found = {row["step"]: _sales(row) for row in rows}
    return [found.get(i, Sales()) for i in range(len(span.steps))]


async def _skus(
    borrowed: Connection, between: tuple[Any, ...], top: int, seller: int | None
) -> tuple[list[SkuSales], Rest]:
    rows = await borrowed.fetch(SQL["read_sku_sales"], *between, seller, top)
    rest = [Rest(skus=row["skus"], sales=_sales(row)) for row in rows if row["sku"] is None]
    skus = [
        SkuSales(sku=row["sku"], name=row["name"], sales=_sales(row))
        for row in rows
        if row["sku"] is not None
    ]
    return skus, rest[0] if rest else Rest()


def _sales(row: asyncpg.Record) -> Sales:
    names = ("orders", "units", "sold_minor", "units_refunded", "refunded_minor")
    return Sales(**{name: row[name] for name in names})


async def _walk(borrowed: Connection, between: tuple[Any, ...]) -> Walk:
    row = await borrowed.fetchrow(SQL["read_walk"], *between)
    assert row is not None
    return Walk(**dict(row))


async def _outcomes(
    borrowed: Connection, between: tuple[Any, ...], seller: int | None
) -> list[HoldOutcome]:
    rows = await borrowed.fetch(SQL["read_outcomes"], *between, seller)
    found = {row["outcome"]: (row["count"], row["times"] or (None, None)) for row in rows}
    whole = sum(count for count, _ in found.values())
    outcomes = []
    for outcome in OUTCOMES:
        count, (p50_s, p90_s) = found.get(outcome, (0, (None, None)))
        part = share(count, whole)
        outcomes.append(
            HoldOutcome(outcome=outcome, count=count, share=part, p50_s=p50_s, p90_s=p90_s)
        )
    return outcomes


async def _pay_times(
    borrowed: Connection, between: tuple[Any, ...], seller: int | None
) -> PayTimes:
    row = await borrowed.fetchrow(SQL["read_pay_times"], *between, seller)
    assert row is not None
    p50_s, p90_s, p99_s = row["times"] or (None, None, None)
    return PayTimes(orders=row["orders"], p50_s=p50_s, p90_s=p90_s, p99_s=p99_s)


async def _waits(borrowed: Connection, room: RoomName, span: Span) -> list[Wait] | None:
    """Read the waits page by page; None if they cannot be counted in time."""
    bounds = await borrowed.fetchrow(SQL["read_bounds"], room.room_id, span.since, span.until)
    assert bounds is not None
    draft = WaitsDraft(span)
    until = time.monotonic() + WAITS_MAX_S
    for after in range(bounds["first"] - 1, bounds["last"], ENTRIES_AT_ONCE):
        values = (room.room_id, after, bounds["behind"], ENTRIES_AT_ONCE)
        rows = await borrowed.fetch(SQL["list_moves"], *values)
        # In a thread, so that shoppers are answered meanwhile.
        await asyncio.to_thread(_feed, draft, [row["body"] for row in rows])
        if time.monotonic() > until:
            return None
    return draft.waits()


def _feed(draft: WaitsDraft, bodies: Sequence[str]) -> None:
    draft.feed(read_entry(body) for body in bodies)
