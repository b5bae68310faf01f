"""The cost of limits by network and ticket for joins and polls.

Two web processes serve the same rooms: one as it is, the other without the middleware of the
limits and without counting places. Each has a crowd of its own, which talks to it alone, and their
slices alternate. Every request comes from an address of its own or one that has asked lately, so
the table of buckets is full of them.
"""

from collections.abc import Mapping, Sequence

from client import Crowd
from contest import Contender, compete
from kinds import Kind
from measure import Reading, against
from outcome import Outcome, Plan
from report import rate_cells
from rich.console import Console
from rich.table import Table
from sale import ROOMS
from stage import Stage, open_stage

CLIENTS = 64
KINDS = ("state", "join", "claim")
HOW = ("limited", "unlimited")


async def measure(plan: Plan, _: Console) -> Outcome:
    async with open_stage(rooms=ROOMS, web=1, unlimited=1) as stage:
        readings = await compete(
            "joins, polls and claims with limits and without",
            await _contenders(stage),
            rounds=plan.rounds,
            slice_s=plan.slice_s,
        )
    return Outcome(
        readings=readings,
        ratios={
            f"limits_{kind}": against(readings[f"{kind}_limited"], readings[f"{kind}_unlimited"])
            for kind in KINDS
        },
        facts={"postgres": stage.settings},
        shown=[_table(readings)],
    )


async def _contenders(stage: Stage) -> list[Contender]:
    kinds = {kind.name: kind for group in stage.requests.kinds() for kind in group}
    crowds = [await stage.crowd(CLIENTS, servers=[server]) for server in stage.running.pids["web"]]
    contenders = []
    for name in KINDS:
        for how, crowd in zip(HOW, crowds, strict=True):

            async def run(
                seconds: float, kind: Kind = kinds[name], crowd: Crowd = crowd
            ) -> Reading:
                assert kind.prepare is not None
                requests = await kind.prepare(seconds)
                return await stage.slice(crowd, requests, status=kind.status, seconds=seconds)

            contenders.append(Contender(name=f"{name}_{how}", run=run))
    return contenders


def _table(readings: Mapping[str, Sequence[Reading]]) -> Table:
    table = Table(title="Requests with limits and without")
    for column in ("kind", "per second", "quartiles", "p50 ms", "p99 ms"):
        table.add_column(column, justify="right")
    for name, found in readings.items():
        table.add_row(name, *rate_cells(found))
    return table
