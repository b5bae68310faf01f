"""What stands between shoppers and the web processes goes away."""

import asyncio
from random import Random

from chaos.faults.registry import fault
from chaos.stage import Needs, Stage


@fault(
    "the proxy in front leads nobody in for 40 s",
    Needs(in_front=True),
    note="time stands still once ten seconds have shown it",
)
async def proxy_away(stage: Stage, dice: Random) -> None:
    assert stage.front is not None
    stage.front.refuses = True
    await stage.front.hang_up()
    await asyncio.sleep(40)
    stage.front.refuses = False


@fault("all connections of shoppers are cut, five times", Needs(in_front=True))
async def shoppers_cut(stage: Stage, dice: Random) -> None:
    assert stage.front is not None
    for _ in range(5):
        await stage.front.hang_up()
        await asyncio.sleep(dice.uniform(0.5, 2))
