"""The wires to the engines lose, hold, delay and cut replies; the engines have done their work."""

import asyncio
import os
import signal
from random import Random

from chaos.faults.registry import fault
from chaos.stage import WEB, Needs, Stage
from chaos.wire import Wire

BY_WIRE = Needs(by_wire=True)
SECONDS = 15


@fault("replies of PostgreSQL are lost on every connection", BY_WIRE, note="new connections work")
async def replies_lost(stage: Stage, dice: Random) -> None:
    stage.wire.lose_replies()


@fault("replies of PostgreSQL are lost, and half a second later a web process is killed", BY_WIRE)
async def replies_lost_and_web_killed(stage: Stage, dice: Random) -> None:
    """Kill one that drives payments which have begun and of which no answer tells."""
    stage.wire.lose_replies()
    await asyncio.sleep(0.5)
    os.kill(stage.process(WEB, dice.randrange(2)), signal.SIGKILL)


@fault("a third of PostgreSQL's replies is lost for 15 s", BY_WIRE)
async def replies_cut(stage: Stage, dice: Random) -> None:
    await _cut(stage.wire, dice, in_middle=False)


@fault("a third of PostgreSQL's replies is cut in the middle for 15 s", BY_WIRE)
async def replies_cut_in_middle(stage: Stage, dice: Random) -> None:
    await _cut(stage.wire, dice, in_middle=True)


@fault("PostgreSQL's replies are late by 0.3 s for 15 s", BY_WIRE)
async def replies_late(stage: Stage, dice: Random) -> None:
    await _late(stage.wire, 0.3)


@fault("nothing passes to or from PostgreSQL for 15 s", BY_WIRE)
async def replies_held(stage: Stage, dice: Random) -> None:
    await _hold(stage.wire)


@fault("a third of Valkey's replies is lost for 15 s", BY_WIRE)
async def valkey_replies_cut(stage: Stage, dice: Random) -> None:
    await _cut(stage.memory_wire, dice, in_middle=False)


@fault("a third of Valkey's replies is cut in the middle for 15 s", BY_WIRE)
async def valkey_replies_cut_in_middle(stage: Stage, dice: Random) -> None:
    await _cut(stage.memory_wire, dice, in_middle=True)


@fault("Valkey's replies are late by 0.3 s for 15 s", BY_WIRE)
async def valkey_replies_late(stage: Stage, dice: Random) -> None:
    await _late(stage.memory_wire, 0.3)


@fault("nothing passes to or from Valkey for 15 s", BY_WIRE)
async def valkey_replies_held(stage: Stage, dice: Random) -> None:
    await _hold(stage.memory_wire)


async def _cut(wire: Wire, dice: Random, *, in_middle: bool) -> None:
    wire.dice, wire.cut_in_middle, wire.cut_share = dice, in_middle, 1 / 3
    await asyncio.sleep(SECONDS)
    wire.cut_share = 0.0


async def _late(wire: Wire, seconds: float) -> None:
    wire.late_s = seconds
    await asyncio.sleep(SECONDS)
    wire.late_s = 0.0


async def _hold(wire: Wire) -> None:
    wire.open.clear()
    await asyncio.sleep(SECONDS)
    wire.open.set()
