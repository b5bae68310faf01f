"""The cost of limits by network and ticket for joins, polls and claims, by CPU time.

One web process serves with its limits and without them by turns (`server.Lifting`). Every request
comes from an address of its own or one that has asked lately, so the table of buckets is full of
them. Without limits the middleware reads no address, and no place is counted.

What is compared is the CPU time that the process takes for a request, as it tells itself, so other
programs on the machine spoil less than they would of a rate. The slices of a kind are cut into
pieces, which stand in each of the six orders as often, so neither a cost that grows with the tables
nor what a piece leaves to the next one falls on one contender alone. The third is without limits
too: its ratio is 1 as far as the measurement is exact.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import permutations
from statistics import median

from client import Crowd
from contest import run_rounds
from counters import BatchCounter
from kinds import Kind
from measure import Reading, Spread, read_slice, spread
from outcome import Outcome, Plan
from processes import CpuClock
from report import rate_cells
from rich.console import Console
from rich.table import Table
from sale import ROOMS
from stage import Stage, open_stage

CLIENTS = 64
KINDS = ("state", "join", "claim")
LIMITED, LIFTED, CONTROL = "limited", "lifted", "control"
CONTENDERS = (LIMITED, LIFTED, CONTROL)
ORDERS = tuple(permutations(CONTENDERS))
# A slice is cut into this many pieces. The load on a machine changes within a second, and within a
# sixth of one it is much the same for all.
PIECES = len(ORDERS)


async def measure(plan: Plan, _: Console) -> Outcome:
    async with open_stage(rooms=ROOMS, web=1) as stage:
        match = Match(stage, await stage.crowd(CLIENTS), slice_s=plan.slice_s / PIECES)
        await run_rounds(
            "joins, polls and claims with limits and without",
            match.round,
            rounds=plan.rounds,
            slices=len(KINDS) * len(CONTENDERS) * PIECES,
            forget=match.forget,
        )
        ratios = {f"limits_{kind}": match.ratio(kind, LIMITED) for kind in KINDS}
        ratios |= {f"limits_{kind}_control": match.ratio(kind, CONTROL) for kind in KINDS}
        return Outcome(
            readings={f"{kind}_{how}": found for (kind, how), found in match.readings.items()},
            ratios=ratios,
            facts={"postgres": stage.settings},
            shown=[_table(match)],
        )


class Match:
    """The pieces of all contenders, so many of each kind and contender in a round."""

    def __init__(self, stage: Stage, crowd: Crowd, *, slice_s: float) -> None:
        self._stage = stage
        self._crowd = crowd
        self._slice_s = slice_s
        self._kinds = {kind.name: kind for group in stage.requests.kinds() for kind in group}
        self.readings: dict[tuple[str, str], list[Reading]] = {
            (kind, how): [] for kind in KINDS for how in CONTENDERS
        }

    def forget(self) -> None:
        for found in self.readings.values():
            found.clear()

    async def round(self, index: int, done: Callable[[], None]) -> None:
        for name in KINDS:
            for piece in range(PIECES):
                for how in ORDERS[(index + piece) % PIECES]:
                    self.readings[name, how].append(await self._slice(self._kinds[name], how))
                    done()

    async def _slice(self, kind: Kind, how: str) -> Reading:
        assert kind.prepare is not None
        requests = await kind.prepare(self._slice_s)
        running = self._stage.running
        batches, clock = BatchCounter(running.metrics), CpuClock(running.pids)
        before = await self._turned(how)
        part = await self._crowd.run(requests, status=kind.status, seconds=self._slice_s)
        took_us = (await self._turned(how) - before) / 1000
        reading = read_slice(part, clock, batches)
        self._stage.check_leader()
        # The kernel tells of a process in hundredths of a second, too coarse for a short slice.
        return replace(reading, cpu_us={**reading.cpu_us, "web": took_us / part.answered})

    async def _turned(self, how: str) -> int:
        """Put limits in force or lift them; return the CPU time of the process in nanoseconds."""
        host = f"{self._stage.running.host}:{self._stage.running.port}"
        state = LIMITED if how == LIMITED else LIFTED
        request = f"GET /bench/limits/{state} HTTP/1.1\r\nHost: {host}\r\n\r\n"
        _, _, body = await self._crowd.ask(request.encode())
        return int(body)

    def each_us(self, kind: str, how: str) -> list[float]:
        """Return the CPU time of a request in each piece, in microseconds."""
        return [reading.cpu_us["web"] for reading in self.readings[kind, how]]

    def ratio(self, kind: str, how: str) -> Spread:
        """Return the CPU time without limits over that of a contender, by round."""
        pairs = zip(self.each_us(kind, LIFTED), self.each_us(kind, how), strict=True)
        return _by_round([lifted / other for lifted, other in pairs])

    def cost_us(self, kind: str, how: str) -> Spread:
        """Return the CPU time of a request beyond that of one without limits, by round."""
        pairs = zip(self.each_us(kind, how), self.each_us(kind, LIFTED), strict=True)
        return _by_round([other - lifted for other, lifted in pairs])


def _by_round(pieces: Sequence[float]) -> Spread:
    """Return the spread of the rounds' medians: a piece that was disturbed counts for little."""
    starts = range(0, len(pieces), PIECES)
    return spread([median(pieces[at : at + PIECES]) for at in starts])


def _table(match: Match) -> Table:
    table = Table(title="Requests with limits and without, by CPU time of the web process")
    for column in ("kind", "CPU µs", "more, µs", "quartiles", "per second", "quartiles", "p50 ms"):
        table.add_column(column, justify="right")
    for (kind, how), found in match.readings.items():
        cost = match.cost_us(kind, how)
        rate, quartiles, p50, _ = rate_cells(found)
        table.add_row(
            f"{kind} {how}",
            f"{spread(match.each_us(kind, how)).median:.1f}",
            *(("", "") if how == LIFTED else (f"{cost.median:.2f}", _quartiles(cost))),
            rate,
            quartiles,
            p50,
        )
    return table


def _quartiles(cost: Spread) -> str:
    return f"{cost.low:.2f}-{cost.high:.2f}"
