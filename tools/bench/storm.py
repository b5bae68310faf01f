"""A storm of expiries: a crowd of holds on one SKU that end in the same second.

While the sweeper works them off, new holds keep coming, on the same SKU or on another one of the
room. One unbroken stream of requests runs from some seconds before the storm to some after it, so
that the rates before and during it are told apart by when the answers came.
"""

import asyncio
import bisect
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from client import Crowd, Slice, percentiles_ms
from contest import run_rounds
from kinds import HOLDS, basket
from measure import spread
from outcome import Outcome, Plan
from planting import Planted, plant
from processes import CpuClock
from rich.console import Console
from rich.table import Table
from sale import SKU, Sale
from stage import Stage, open_stage

CONNECTIONS = 64
STORM_SKU = "storm"
WHERE = {"same_sku": STORM_SKU, "other_sku": SKU}
# Not one moment to the microsecond, but all in one second.
WITHIN_S = 1.0
# Until the clock is moved nothing may fall due.
DUE_IN_S = 3600.0
# The stream runs for these numbers of slices before and after; its first moments do not count.
SLICES_BEFORE = 4.0
SLICES_AFTER = 2.0
SLICES_TO_SETTLE = 0.5
LOOK_EVERY_S = 0.1
DRAIN_MAX_S = 300.0
# The sessions are those of a slice of this length.
SESSIONS_FOR_S = 3.0
# A round takes a minute and more; a third of the rounds tell enough.
ROUNDS_EACH = 3
# The storms that warm caches and plans up are a tenth of the size.
WARM_UP_PART = 10

# Let the shoppers' clock go on to when the first of them is due, as if the time had passed.
PASS_TIME = "UPDATE office SET stopped = stopped - ($1 - shopper_now())"

ALL_OVER = """
SELECT NOT EXISTS (SELECT FROM hold WHERE state = 'held' AND NOT paying AND expires_at <= $1)"""

# What ended together was last written by one transaction.
BATCHES = """
SELECT count(*) AS holds, min(ended_at) AS ended_at FROM hold
WHERE session_id BETWEEN $1 AND $2 AND state = 'expired' GROUP BY xmin::text ORDER BY 2"""

BREACHES = "SELECT * FROM conservation_breach"


class BooksDisagree(Exception):
    """After a storm a hold was not ended once, or the balances do not add up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Answers in a stretch of the stream."""

    per_second: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """One storm: new holds before, during and after it, and how it was worked off."""

    before: Rate
    during: Rate
    after: Rate
    drain_s: float
    batches: int
    largest_batch: int
    postgres_cores: float

    @property
    def ratio(self) -> float:
        return self.during.per_second / self.before.per_second


@dataclass(kw_only=True)
class Storms:
    """Raises storms on one stage, and keeps what each was like by where the new holds went."""

    stage: Stage
    crowd: Crowd
    slice_s: float
    holds: int
    seen: dict[str, list[Storm]] = field(default_factory=lambda: {name: [] for name in WHERE})

    def begin(self, holds: int) -> None:
        """Forget what was seen, and raise storms of this size from here on."""
        self.holds = holds
        for storms in self.seen.values():
            storms.clear()

    async def run_round(self, index: int, done: Any) -> None:
        for name in list(WHERE)[:: -1 if index % 2 else 1]:
            self.seen[name].append(await self._raise_one(WHERE[name]))
            done()

    async def _raise_one(self, sku: str) -> Storm:
        sale = self.stage.sale
        planted = await plant(
            sale, sku=STORM_SKU, holds=self.holds, due_in_s=DUE_IN_S, within_s=WITHIN_S
        )
        # The statements that plant lock the room for seconds.
        await self.stage.excuse_leader()
        requests = await self.stage.requests.holds(HOLDS, [basket(sku)])(SESSIONS_FOR_S)
        stream = self.crowd.start(requests, status=201)
        await _go_on(stream, SLICES_BEFORE * self.slice_s)
        clock = CpuClock({"postgres": self.stage.running.pids["postgres"]})
        began_at = time.perf_counter()
        await sale.connection.execute(PASS_TIME, planted.due_from)
        await _until_over(sale, stream, planted)
        over_at = time.perf_counter()
        cores = clock.lap_us()["postgres"] / 1e6 / (over_at - began_at)
        await _go_on(stream, SLICES_AFTER * self.slice_s)
        await self.crowd.finish(stream)
        self.stage.check_leader()
        batches = await _batches(sale, planted, self.holds)
        await sale.end_sessions(planted.sessions)
        settled_at = stream.started_at + SLICES_TO_SETTLE * self.slice_s
        # The first batch waits for the sweeper to look; until then nothing is being worked off.
        drain_s = (batches[-1]["ended_at"] - batches[0]["ended_at"]).total_seconds()
        return Storm(
            before=_rate(stream, settled_at, began_at),
            during=_rate(stream, max(over_at - drain_s - LOOK_EVERY_S, began_at), over_at),
            after=_rate(stream, over_at, stream.ends_at),
            drain_s=over_at - began_at,
            batches=len(batches),
            largest_batch=max(batch["holds"] for batch in batches),
            postgres_cores=cores,
        )


async def measure(plan: Plan, _: Console) -> Outcome:
    async with open_stage(skus=(SKU, STORM_SKU)) as stage:
        storms = Storms(
            stage=stage,
            crowd=await stage.crowd(CONNECTIONS),
            slice_s=plan.slice_s,
            holds=max(plan.storm_holds // WARM_UP_PART, 1),
        )
        await run_rounds(
            f"storms of {plan.storm_holds:,} expiries",
            storms.run_round,
            rounds=max(plan.rounds // ROUNDS_EACH, 1),
            slices=len(WHERE),
            forget=lambda: storms.begin(plan.storm_holds),
        )
    return Outcome(
        ratios={
            f"storm_{name}_vs_before": spread([storm.ratio for storm in found])
            for name, found in storms.seen.items()
        },
        facts={
            "storm": {"holds": plan.storm_holds, "breaches": 0, **storms.seen},
            "postgres": stage.settings,
        },
        shown=[
            _table(plan.storm_holds, storms.seen),
            "Every hold ended once and the books agreed after each storm.",
        ],
    )


async def _go_on(stream: Slice, seconds: float) -> None:
    """Let the stream run; raises at once what broke it."""
    await asyncio.wait({stream.drained}, timeout=seconds)
    if stream.drained.done():
        stream.drained.result()


async def _until_over(sale: Sale, stream: Slice, planted: Planted) -> None:
    deadline = time.perf_counter() + DRAIN_MAX_S
    while time.perf_counter() < deadline:
        await _go_on(stream, LOOK_EVERY_S)
        async with sale.connection.transaction():
            # The tables were never analysed; the index on what is due is meant for this.
            await sale.connection.execute("SET LOCAL enable_seqscan = off")
            if await sale.connection.fetchval(ALL_OVER, planted.due_until):
                return
    raise TimeoutError(f"the storm was not over after {DRAIN_MAX_S:.0f} s")


async def _batches(sale: Sale, planted: Planted, holds: int) -> list[Any]:
    """Return the batches in which the storm was worked off; raises if the books disagree."""
    sessions = planted.sessions
    batches: list[Any] = await sale.connection.fetch(BATCHES, sessions[0], sessions[-1])
    ended = sum(batch["holds"] for batch in batches)
    if ended != holds:
        raise BooksDisagree(f"{ended} of {holds} holds have expired")
    breaches = await sale.connection.fetch(BREACHES)
    if breaches:
        raise BooksDisagree(f"{[dict(row) for row in breaches]}")
    return batches


def _rate(stream: Slice, start: float, end: float) -> Rate:
    first = bisect.bisect_left(stream.answered_at, start)
    last = bisect.bisect_right(stream.answered_at, end)
    p50_ms, p99_ms = percentiles_ms(stream.latencies[first:last])
    return Rate(per_second=(last - first) / (end - start), p50_ms=p50_ms, p99_ms=p99_ms)


def _table(holds: int, seen: Mapping[str, Sequence[Storm]]) -> Table:
    table = Table(title=f"New holds while {holds:,} holds of one SKU end in the same second")
    table.add_column("new holds on")
    for column in ("before /s", "during /s", "after /s", "p99 ms before", "p99 ms during"):
        table.add_column(column, justify="right")
    for column in ("drained in s", "batches", "largest", "PostgreSQL's cores"):
        table.add_column(column, justify="right")
    for name, storms in seen.items():
        rates = [
            spread([getattr(storm, when).per_second for storm in storms]).median
            for when in ("before", "during", "after")
        ]
        tails = [
            spread([getattr(storm, when).p99_ms for storm in storms]).median
            for when in ("before", "during")
        ]
        table.add_row(
            name.replace("_", " "),
            *(f"{rate:,.0f}" for rate in rates),
            *(f"{tail:.1f}" for tail in tails),
            f"{spread([storm.drain_s for storm in storms]).median:.1f}",
            f"{spread([storm.batches for storm in storms]).median:.0f}",
            str(max(storm.largest_batch for storm in storms)),
            f"{spread([storm.postgres_cores for storm in storms]).median:.2f}",
        )
    return table
