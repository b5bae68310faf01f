"""Holds on one hot SKU on which a crowd of open holds lies already, beside one without any.

Each has a service and engines of its own, so that neither takes the other's cache. Only the one
that is being measured is awake: the processes of the other stand still meanwhile.
"""

from collections.abc import Awaitable, Callable

import asyncpg
from contest import Contender, compete
from kinds import HOLDS
from measure import Reading, against
from outcome import Outcome, Plan
from planting import plant
from processes import Running, freeze, thaw
from report import rates_table
from rich.console import Console
from sale import SKU
from stage import Stage, open_stage

CONNECTIONS = 64
SUBMITTERS = 256
# Longer than any run.
DUE_IN_S = 43_200.0


async def measure(plan: Plan, console: Console) -> Outcome:
    # A process that wakes up finds that Valkey's answer took long, and would warn each time.
    async with open_stage(log_level="error") as none, open_stage(log_level="error") as many:
        console.print(f"planting {plan.open_holds:,} open holds")
        await plant(many.sale, sku=SKU, holds=plan.open_holds, due_in_s=DUE_IN_S)
        # The statements that plant lock the room for seconds.
        await many.excuse_leader()
        for stage in (none, many):
            await _checkpoint(stage.running)
        contenders = await _contenders(none=none, many=many)
        readings = await compete(
            "beside open holds", contenders, rounds=plan.rounds, slice_s=plan.slice_s
        )
    title = f"Holds on one hot SKU beside {plan.open_holds:,} open ones, and beside none"
    return Outcome(
        readings=readings,
        ratios={
            f"open_holds_vs_none_{how}": against(
                readings[f"hold_{how}_beside_open"], readings[f"hold_{how}_beside_none"]
            )
            for how in ("http", "inprocess")
        },
        facts={"open_holds": plan.open_holds, "postgres": many.settings},
        shown=[rates_table(title, readings)],
    )


async def _contenders(*, none: Stage, many: Stage) -> list[Contender]:
    stages = {"none": none, "open": many}
    crowds = {name: await stage.crowd(CONNECTIONS) for name, stage in stages.items()}

    def over_http(name: str) -> Contender:
        stage, crowd = stages[name], crowds[name]
        prepare = stage.requests.holds(HOLDS)
        return Contender(
            name=f"hold_http_beside_{name}",
            run=_awake(stage, lambda seconds: stage.over_http(crowd, prepare, seconds)),
        )

    def in_process(name: str) -> Contender:
        stage = stages[name]
        return Contender(
            name=f"hold_inprocess_beside_{name}",
            run=_awake(stage, lambda seconds: stage.in_process(SUBMITTERS, seconds)),
        )

    for stage in stages.values():
        freeze(stage.running.service)
    return [kind(name) for kind in (over_http, in_process) for name in stages]


def _awake(
    stage: Stage, run: Callable[[float], Awaitable[Reading]]
) -> Callable[[float], Awaitable[Reading]]:
    async def awake(seconds: float) -> Reading:
        thaw(stage.running.service)
        # A tick that was frozen may end late, through no fault of the leader.
        await stage.excuse_leader()
        try:
            return await run(seconds)
        finally:
            freeze(stage.running.service)

    return awake


async def _checkpoint(running: Running) -> None:
    """Let both begin with clean pages; from here on each page costs its first write in full."""
    superuser = running.postgres_url.replace("//waitroom@", "//postgres@")
    connection = await asyncpg.connect(superuser)
    await connection.execute("CHECKPOINT")
    await connection.close()
