"""Two faults at once, chosen by the seed among those that do with the usual stage."""

import asyncio
import os
import signal
from random import Random

from chaos.faults import gateway, postgres, processes, valkey
from chaos.faults.registry import REGISTERED, Fault, fault
from chaos.stage import WEB, Needs, Stage

assert all((gateway, postgres, processes, valkey)), "they have to be on the list first"


def _can_be_paired(one: Fault) -> bool:
    # What stops or starts the whole program or PostgreSQL would meet itself.
    return one.needs == Needs() and not one.name.startswith(("none", "every"))


PAIRABLE = tuple(one for one in REGISTERED.values() if _can_be_paired(one))
# Each of these takes the same thing away and brings it back.
CLASHES = ("PostgreSQL", "postmaster", "Valkey", "program", "supervisor", "SIG", "frozen")


def pair(dice: Random) -> tuple[Fault, Fault]:
    """Draw two faults that do not take the same thing away."""
    first = dice.choice(PAIRABLE)
    clashing = [word for word in CLASHES if word in first.name]
    others = [
        one
        for one in PAIRABLE
        if one is not first and not any(word in one.name for word in clashing)
    ]
    return first, dice.choice(others)


async def both(stage: Stage, dice: Random) -> None:
    first, second = pair(dice)
    stage.notes.append(f"{first.name} + {second.name}")
    await asyncio.gather(first.act(stage, dice), _later(second, stage, dice))


async def _later(one: Fault, stage: Stage, dice: Random) -> None:
    await asyncio.sleep(dice.uniform(0, 3))
    await one.act(stage, dice)


@fault("a web process starts while PostgreSQL is away")
async def started_without_database(stage: Stage, dice: Random) -> None:
    await stage.database.take_away("stopped")
    os.kill(stage.process(WEB, dice.randrange(2)), signal.SIGKILL)
    await asyncio.sleep(15)
    await stage.database.bring_back("stopped")


fault("two faults at once, by the seed")(both)
fault("two other faults at once, by the seed")(both)
