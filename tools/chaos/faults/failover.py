"""PostgreSQL's primary goes away, and its synchronous standby takes its place."""

import asyncio
from random import Random

from chaos.faults.registry import FAILOVER_S, fault
from chaos.stage import Needs, Stage

WITH_STANDBY = Needs(replicated=True)
# Long before a run's end, at which the books are read from the one that takes writes.
WAKES_AFTER_S, FENCED_AFTER_S = 5.0, 9.0


@fault(
    "the primary of PostgreSQL is killed, and its standby promoted",
    WITH_STANDBY,
    within_s=FAILOVER_S,
)
async def primary_killed(stage: Stage, dice: Random) -> None:
    assert stage.pair is not None
    stage.pair.primary.kill()
    await stage.pair.standby.promote()


@fault(
    "the primary of PostgreSQL is frozen, its standby promoted, and it wakes",
    WITH_STANDBY,
    note="nobody fences it before it has taken writes again for four seconds",
    within_s=FAILOVER_S,
)
async def primary_frozen(stage: Stage, dice: Random) -> None:
    assert stage.pair is not None
    primary, loop = stage.pair.primary, asyncio.get_running_loop()
    primary.freeze()
    await stage.pair.standby.promote()
    loop.call_later(WAKES_AFTER_S, primary.thaw)
    loop.call_later(FENCED_AFTER_S, primary.kill)


@fault(
    "the standby of PostgreSQL is cut off, and after 8 s the primary killed and it promoted",
    WITH_STANDBY,
    note="meanwhile no commit is told",
    within_s=FAILOVER_S,
)
async def standby_cut_off(stage: Stage, dice: Random) -> None:
    assert stage.pair is not None
    stage.pair.cut()
    await asyncio.sleep(8)
    stage.pair.primary.kill()
    await stage.pair.standby.promote()
