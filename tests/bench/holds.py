"""Holds on one hot SKU by 1 to 256 clients, beside two designs with a transaction for each.

At every number of clients the four stand side by side: holds through HTTP, holds in process, and
through HTTP the same rows by `SELECT ... FOR UPDATE` and by one statement.
"""

from measure import Reading, Spread, against
from contest import Contender, compete
from kinds import FOR_UPDATE, HOLDS, ONE_STATEMENT
from outcome import Outcome, Plan
from report import rates_table
from rich.console import Console
from stage import Stage, open_stage

CLIENTS = (1, 8, 64, 256)
OURS = ("hold_http", "hold_inprocess")
YARDSTICKS = ("for_update", "one_statement")


async def measure(plan: Plan, _: Console) -> Outcome:
    async with open_stage() as stage:
        contenders = [
            contender for clients in CLIENTS for contender in await _contenders(stage, clients)
        ]
        readings = await compete(
            "holds on one hot SKU", contenders, rounds=plan.rounds, slice_s=plan.slice_s
        )
    return Outcome(
        readings=readings,
        ratios=ratios(readings),
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
        over_http("for_update", FOR_UPDATE),
        over_http("one_statement", ONE_STATEMENT),
        over_http("hold_http", HOLDS),
        Contender(
            name=f"hold_inprocess_at_{clients}",
            run=lambda seconds: stage.in_process(clients, seconds),
        ),
    ]


def ratios(readings: dict[str, list[Reading]]) -> dict[str, Spread]:
    """Return ours against each yardstick at the same number of clients."""
    return {
        f"{ours}_vs_{other}_at_{clients}": against(
            readings[f"{ours}_at_{clients}"], readings[f"{other}_at_{clients}"]
        )
        for clients in CLIENTS
        for ours in OURS
        for other in YARDSTICKS
    }
