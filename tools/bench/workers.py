"""One hot row from one web process to four: where it ends, and what then is used up.

The four processes run throughout, and so cost each slice the same; a crowd of its own talks to as
many of them as a slice is about.
"""

from collections.abc import Mapping, Sequence

from client import Crowd
from contest import Contender, compete
from kinds import HOLDS
from measure import Reading, against
from outcome import Outcome, Plan
from report import batch_cell, rate_cells
from rich.console import Console
from rich.table import Table
from stage import Stage, open_stage

CLIENTS = (64, 256)
WEB_PROCESSES_MAX = 4
CORES = ("postgres", "web", "load")


async def measure(plan: Plan, _: Console) -> Outcome:
    async with open_stage(web=WEB_PROCESSES_MAX) as stage:
        contenders = await _contenders(stage)
        readings = await compete(
            "one to four web processes", contenders, rounds=plan.rounds, slice_s=plan.slice_s
        )
    return Outcome(
        readings=readings,
        ratios={
            f"web_{web}_vs_1_at_{clients}": against(
                readings[_name(web, clients)], readings[_name(1, clients)]
            )
            for clients in CLIENTS
            for web in range(2, WEB_PROCESSES_MAX + 1)
        },
        facts={
            "postgres": stage.settings,
            "cores": {
                name: {part: round(_cores(found, part), 2) for part in CORES}
                for name, found in readings.items()
            },
        },
        shown=[
            _table(readings),
            "When the cores add up to the machine's, the machine is the limit and not the row.",
        ],
    )


async def _contenders(stage: Stage) -> list[Contender]:
    servers = stage.running.pids["web"]
    prepare = stage.requests.holds(HOLDS)
    contenders = []
    for clients in CLIENTS:
        for web in range(1, WEB_PROCESSES_MAX + 1):
            crowd = await stage.crowd(clients, servers=servers[:web])

            async def run(seconds: float, crowd: Crowd = crowd) -> Reading:
                return await stage.over_http(crowd, prepare, seconds)

            contenders.append(Contender(name=_name(web, clients), run=run))
    return contenders


def _name(web: int, clients: int) -> str:
    return f"hold_http_{web}_web_at_{clients}"


def _cores(readings: Sequence[Reading], part: str) -> float:
    return sorted(reading.cores(part) for reading in readings)[len(readings) // 2]


def _table(readings: Mapping[str, Sequence[Reading]]) -> Table:
    table = Table(title="Holds on one hot SKU by number of web processes")
    for column in ("clients", "web processes", "per second", "quartiles", "p50 ms", "p99 ms"):
        table.add_column(column, justify="right")
    for column in ("a batch", "PostgreSQL's cores", "web's", "load generator's"):
        table.add_column(column, justify="right")
    for clients in CLIENTS:
        for web in range(1, WEB_PROCESSES_MAX + 1):
            found = readings[_name(web, clients)]
            table.add_row(
                str(clients),
                str(web),
                *rate_cells(found),
                batch_cell(found),
                *(f"{_cores(found, part):.2f}" for part in CORES),
            )
    return table
