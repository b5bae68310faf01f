"""Every kind of request beside a handler that only answers, and what a longer line costs.

Each slice stands between two bare ones, so that a noisy machine spoils both alike.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import msgspec
from client import Crowd
from contest import run_rounds
from kinds import Kind
from measure import Reading, Spread, against, share, spread
from outcome import Outcome, Plan
from report import rates_table
from rich.console import Console
from sale import ROOMS, Sale, Sizes
from server import Sample
from stage import Stage, open_stage

from waitroom.desk.board import STATES_EVERY_S

CONNECTIONS = 256
SHORT_LINE = 10_000
GROWTH_BYTES_MAX = 1_000_000
# The answer itself carries these; the bare handler's response makes its own.
_MADE_AFRESH = {"date", "content-length"}
_SHARES = ("state", "check", "join", "claim", "hold_http", "for_update")
_AGAINST = {
    "hold_http_vs_for_update": ("hold_http", "for_update"),
    "hold_inprocess_vs_for_update": ("hold_inprocess", "for_update"),
    "hold_inprocess_64_vs_for_update": ("hold_inprocess_64", "for_update"),
    "state_1m_vs_10k": ("state_1m", "state"),
}
KINDS = ("state", "state_1m", "check", "join", "claim", "hold_http", "for_update", "hold_inprocess",
         "hold_inprocess_64")  # fmt: skip


@dataclass(kw_only=True)
class Bench:
    """Runs rounds of slices and keeps every reading by kind, in the order of the rounds."""

    stage: Stage
    crowd: Crowd
    slice_s: float
    readings: dict[str, list[Reading]] = field(default_factory=dict)
    _likes: dict[str, bytes] = field(default_factory=dict)

    async def take_samples(self, groups: Sequence[Sequence[Kind]]) -> None:
        """Ask each kind once, so that the bare handlers can repeat the answer."""
        for kind in (kind for group in groups for kind in group if kind.prepare):
            assert kind.prepare is not None
            request = next(await kind.prepare(0.01))
            status, head, body = await self.crowd.ask(request)
            assert status == kind.status, (kind.name, status, body)
            if kind.bare == kind.name:
                self._likes[kind.name] = request
                sample = Sample(status=status, headers=_headers(head), body=body)
                path = self.stage.running.samples / f"{kind.name}.json"
                path.write_bytes(msgspec.json.encode(sample))

    async def run_round(
        self, groups: Sequence[Sequence[Kind]], *, reverse: bool, done: Callable[[], None]
    ) -> None:
        step = -1 if reverse else 1
        for group in groups[::step]:
            before = await self._bare(group[0])
            for kind in group[::step]:
                reading = await self._measure(kind)
                after = await self._bare(kind)
                mean = (before + after) / 2
                self._keep(kind.name, replace(reading, bare_per_second=mean))
                before = after
                done()

    def _keep(self, name: str, reading: Reading) -> None:
        self.readings.setdefault(name, []).append(reading)

    async def _bare(self, kind: Kind) -> float:
        requests = self.stage.requests.bare(kind.bare, self._likes[kind.bare])
        status = {"state": 200, "check": 204}.get(kind.bare, 201)
        reading = await self.stage.slice(self.crowd, requests, status=status, seconds=self.slice_s)
        self._keep(f"bare_{kind.bare}", reading)
        return reading.per_second

    async def _measure(self, kind: Kind) -> Reading:
        if kind.submitters:
            return await self.stage.in_process(kind.submitters, self.slice_s)
        assert kind.prepare is not None
        requests = await kind.prepare(self.slice_s)
        return await self.stage.slice(
            self.crowd, requests, status=kind.status, seconds=self.slice_s
        )


async def measure(plan: Plan, console: Console) -> Outcome:
    """Measure the kinds that the plan names, or all of them."""
    async with open_stage(rooms=ROOMS) as stage:
        before, after = await issue_lines(stage.sale, console, plan.long_line)
        bench = Bench(stage=stage, crowd=await stage.crowd(CONNECTIONS), slice_s=plan.slice_s)
        groups = _chosen(stage.requests.kinds(), plan.kinds)
        await bench.take_samples(groups)
        await run_rounds(
            "beside bare handlers",
            lambda index, done: bench.run_round(groups, reverse=index % 2 == 1, done=done),
            rounds=plan.rounds,
            slices=sum(map(len, groups)),
            forget=bench.readings.clear,
        )
    grown = growth(before, after)
    notes = [f"grown with the line, {name}: {value:,}" for name, value in grown.items()]
    if grown["database_bytes"] + grown["valkey_bytes"] >= GROWTH_BYTES_MAX:
        notes.append("the longer line took a megabyte or more")
    title = f"Requests a second over {CONNECTIONS} connections, beside bare handlers"
    return Outcome(
        readings=bench.readings,
        ratios=ratios(bench.readings),
        facts={"long_line": plan.long_line, "growth": grown, "postgres": stage.settings},
        shown=[rates_table(title, bench.readings), *notes],
    )


async def issue_lines(sale: Sale, console: Console, long_line: int) -> tuple[Sizes, Sizes]:
    """Issue a short line and a long one; return what the engines held before and after it."""
    await sale.issue("short", SHORT_LINE)
    await sale.issue("long", SHORT_LINE)
    await sale.published("short")
    await sale.published("long")
    before = await sale.sizes()
    console.print(f"issuing {long_line:,} numbers")
    await sale.issue("long", long_line - SHORT_LINE)
    await sale.published("long")
    # The workers fetch what is new about twice a second.
    await asyncio.sleep(2 * STATES_EVERY_S)
    return before, await sale.sizes()


def ratios(readings: dict[str, list[Reading]]) -> dict[str, Spread]:
    """Return every ratio that the kinds measured allow."""
    found = {f"{kind}_vs_bare": share(readings[kind]) for kind in _SHARES if kind in readings}
    for name, (one, other) in _AGAINST.items():
        if one in readings and other in readings:
            found[name] = against(readings[one], readings[other])
    if "check" in readings:
        found["check_p99_vs_bare"] = _p99_against_bare(readings["check"], readings["bare_check"])
    return found


def _p99_against_bare(readings: Sequence[Reading], bare: Sequence[Reading]) -> Spread:
    """Return how many times the 99th percentile of a kind is that of its two bare neighbours."""
    pairs = zip(bare[::2], bare[1::2], strict=True)
    means = [(before.p99_ms + after.p99_ms) / 2 for before, after in pairs]
    return spread([one.p99_ms / mean for one, mean in zip(readings, means, strict=True)])


def growth(before: Sizes, after: Sizes) -> dict[str, int]:
    """Return what a longer line costs in bytes, with the log told apart."""
    log = after.log - before.log
    database = after.database - before.database
    return {
        "database_bytes": database - log,
        "log_bytes": log,
        "valkey_bytes": after.valkey - before.valkey,
    }


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.split(": ", 1) for line in lines if line)
    return {name: value for name, value in pairs if name.lower() not in _MADE_AFRESH}


def _chosen(groups: Sequence[Sequence[Kind]], only: frozenset[str]) -> list[list[Kind]]:
    """Leave out what was not asked for; a kind brings those along that it is compared with."""
    picked = [
        [kind for kind in group if not only or kind.name in only or kind.bare in only]
        for group in groups
    ]
    return [group for group in picked if group]
