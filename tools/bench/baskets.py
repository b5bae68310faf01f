"""Baskets over twelve SKUs beside holds of one SKU: twelve rows to lock and to write for each."""

import random

from contest import Contender, compete
from kinds import HOLDS, basket
from measure import against
from outcome import Outcome, Plan
from report import rates_table
from rich.console import Console
from sale import SKU
from stage import Stage, open_stage

CLIENTS = (64, 256)
SHELF = [f"shelf-{number:02}" for number in range(1, 13)]
SIZES = (3, 12)
# Different baskets, so that neither their choice nor their order repeats itself soon.
BASKETS = 500
SEED = 12


async def measure(plan: Plan, _: Console) -> Outcome:
    async with open_stage(skus=(SKU, *SHELF)) as stage:
        contenders = [
            contender for clients in CLIENTS for contender in await _contenders(stage, clients)
        ]
        readings = await compete(
            "baskets over twelve SKUs", contenders, rounds=plan.rounds, slice_s=plan.slice_s
        )
    return Outcome(
        readings=readings,
        ratios={
            f"basket_of_{size}_vs_single_at_{clients}": against(
                readings[f"basket_of_{size}_at_{clients}"], readings[f"single_at_{clients}"]
            )
            for clients in CLIENTS
            for size in SIZES
        },
        facts={"postgres": stage.settings},
        shown=[
            rates_table("Baskets of 3 and 12 out of twelve SKUs, and single holds", readings),
            "A basket of twelve writes twelve lines, so the lines a second are twelve times that.",
        ],
    )


async def _contenders(stage: Stage, clients: int) -> list[Contender]:
    crowd = await stage.crowd(clients)
    dice = random.Random(SEED)
    chosen = {
        "single": [basket(SKU)],
        **{
            f"basket_of_{size}": [basket(*dice.sample(SHELF, size)) for _ in range(BASKETS)]
            for size in SIZES
        },
    }

    def over_http(name: str) -> Contender:
        prepare = stage.requests.holds(HOLDS, chosen[name])
        return Contender(
            name=f"{name}_at_{clients}",
            run=lambda seconds: stage.over_http(crowd, prepare, seconds),
        )

    return [over_http(name) for name in chosen]
