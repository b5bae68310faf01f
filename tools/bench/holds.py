"""Holds on one hot SKU by 1 to 256 clients, beside designs with a transaction for each hold.

At every number of clients these stand side by side: holds through HTTP, holds in process, and
through HTTP the same rows by `SELECT ... FOR UPDATE` (with as many connections as the service has,
and lean, with one in each process) and by one statement.
"""

from contest import Contender, compete
from kinds import FOR_UPDATE, FOR_UPDATE_LEAN, HOLDS, ONE_STATEMENT
from measure import Reading, Spread, against
from outcome import Outcome, Plan
from report import rates_table
from rich.console import Console
from stage import Stage, open_stage

OURS = ("hold_http", "hold_inprocess")
YARDSTICKS = {
    "for_update": FOR_UPDATE,
    "for_update_lean": FOR_UPDATE_LEAN,
    "one_statement": ONE_STATEMENT,
}


async def measure(plan: Plan, _: Console) -> Outcome:
    async with open_stage() as stage:
        contenders = [
            contender for clients in plan.clients for contender in await _contenders(stage, clients)
        ]
        readings = await compete(
            "holds on one hot SKU", contenders, rounds=plan.rounds, slice_s=plan.slice_s
        )
    return Outcome(
        readings=readings,
        ratios=ratios(readings, plan.clients),
        facts={"postgres": stage.settings},
        shown=[rates_table("Holds on one hot SKU, by number of clients", readings)],
    )


async def _contenders(stage: Stage, clients: int) -> list[Contender]:
    crowd = await stage.crowd(clients)

    def over_http(name: str, path: bytes) -> Contender:
        prepare = stage.requests.holds(path)
        return Contender(
            name=f"{name}_at_{clients}",
            run=lambda seconds: stage.over_http(crowd, prepare, seconds),
        )

    return [
        *(over_http(name, path) for name, path in YARDSTICKS.items()),
        over_http("hold_http", HOLDS),
        Contender(
            name=f"hold_inprocess_at_{clients}",
            run=lambda seconds: stage.in_process(clients, seconds),
        ),
    ]


def ratios(readings: dict[str, list[Reading]], counts: tuple[int, ...]) -> dict[str, Spread]:
    """Return ours against each yardstick at the same number of clients."""
    return {
        f"{ours}_vs_{other}_at_{clients}": against(
            readings[f"{ours}_at_{clients}"], readings[f"{other}_at_{clients}"]
        )
        for clients in counts
        for ours in OURS
        for other in YARDSTICKS
    }
