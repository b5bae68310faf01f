"""What stands between shoppers and the web processes goes away."""

import asyncio
from contextlib import suppress
from random import Random

import asyncpg
from support import eventually

from chaos.faults.registry import fault
from chaos.stage import Needs, Stage

# Shoppers who have held units for some seconds, and mean to pay just before their time is over.
LINGERING = """
    SELECT count(*) FROM hold WHERE state = 'held' AND NOT paying
        AND clock_timestamp() - placed_at BETWEEN interval '2 s' AND interval '10 s'"""
# One or two may have left without a word.
LINGERING_LEAST, LINGERING_WITHIN_S = 4, 30.0


async def some_linger(stage: Stage) -> None:
    """Wait for shoppers whose time would be over meanwhile, if it went on while nobody serves."""
    connection = await asyncpg.connect(stage.database_url)

    async def enough() -> bool:
        return bool(await connection.fetchval(LINGERING) >= LINGERING_LEAST)

    with suppress(AssertionError):
        await eventually(enough, within_s=LINGERING_WITHIN_S)
    await connection.close()


@fault(
    "the proxy in front leads nobody in for 40 s",
    Needs(in_front=True),
    note="time stands still some five seconds after",
)
async def proxy_away(stage: Stage, dice: Random) -> None:
    assert stage.front is not None
    await some_linger(stage)
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
