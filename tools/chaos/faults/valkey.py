"""Valkey forgets, is frozen or away, goes back in time, or takes no writes."""

import asyncio
import os
import shutil
import signal
from pathlib import Path
from random import Random

import redis.asyncio as redis
from support import eventually

from chaos.faults.registry import DEATH_S, FAILOVER_S, fault
from chaos.stage import Needs, Stage

BEFORE_S = 5.0
PROMOTED_WITHIN_S, WAKES_AFTER_S = 60.0, 8.0


@fault("Valkey is flushed")
async def flushed(stage: Stage, dice: Random) -> None:
    await _tell(stage, "FLUSHALL")


@fault("Valkey is flushed every second for 10 s")
async def flushed_often(stage: Stage, dice: Random) -> None:
    for _ in range(10):
        await _tell(stage, "FLUSHALL")
        await asyncio.sleep(1)


@fault("Valkey is frozen for 15 s")
async def frozen(stage: Stage, dice: Random) -> None:
    await _away(stage, "frozen", 15)


@fault("Valkey is killed and started again", within_s=DEATH_S)
async def killed(stage: Stage, dice: Random) -> None:
    await _away(stage, "killed", 0)


@fault("Valkey is away for 20 s")
async def away(stage: Stage, dice: Random) -> None:
    await _away(stage, "killed", 20)


@fault("the Valkey of waitroom up is killed", Needs(up=True), note="which starts it again")
async def embedded_killed(stage: Stage, dice: Random) -> None:
    client = redis.from_url(stage.valkey_url)
    pid = int((await client.info("server"))["process_id"])
    await client.aclose()
    os.kill(pid, signal.SIGKILL)


@fault("Valkey is restored from an older state")
async def restored(stage: Stage, dice: Random) -> None:
    """It takes the state of five seconds before, as from a snapshot."""
    folder = stage.memory.server.folder
    older = Path(stage.folder) / "older"
    shutil.copytree(folder, older)
    await asyncio.sleep(BEFORE_S)
    stage.memory.kill()
    shutil.rmtree(folder)
    shutil.copytree(older, folder)
    await stage.memory.bring_back("killed")
    shutil.rmtree(older)


@fault("Valkey has no memory left for 15 s")
async def full(stage: Stage, dice: Random) -> None:
    await _tell(stage, "CONFIG", "SET", "maxmemory", "1")
    await asyncio.sleep(15)
    await _tell(stage, "CONFIG", "SET", "maxmemory", "0")


@fault(
    "Valkey's primary is killed, and sentinels promote its replica",
    Needs(sentinels=True),
    within_s=FAILOVER_S,
)
async def primary_killed(stage: Stage, dice: Random) -> None:
    """The fault is over with the promotion."""
    assert stage.valkeys is not None
    stage.valkeys.primary.kill()
    await eventually(stage.valkeys.is_promoted, within_s=PROMOTED_WITHIN_S)


@fault(
    "Valkey's primary is frozen, sentinels promote its replica, and it wakes",
    Needs(sentinels=True),
    within_s=FAILOVER_S,
)
async def primary_frozen(stage: Stage, dice: Random) -> None:
    assert stage.valkeys is not None
    stage.valkeys.primary.freeze()
    await eventually(stage.valkeys.is_promoted, within_s=PROMOTED_WITHIN_S)
    asyncio.get_running_loop().call_later(WAKES_AFTER_S, stage.valkeys.primary.thaw)


async def _tell(stage: Stage, *words: str) -> None:
    client = redis.from_url(stage.valkey_url)
    await client.execute_command(*words)
    await client.aclose()


async def _away(stage: Stage, how: str, seconds: float) -> None:
    await stage.memory.take_away(how)
    await asyncio.sleep(seconds)
    await stage.memory.bring_back(how)
