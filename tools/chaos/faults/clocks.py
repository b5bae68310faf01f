"""A process believes in another time than all others."""

import asyncio
from pathlib import Path
from random import Random

from chaos.faults.registry import fault
from chaos.stage import LEADER, WEB, Needs, Stage, alone

# Debian's package libfaketime; the variable is read by that library alone.
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


def by_clock(hours: int) -> dict[str, str]:
    """Return the environment of a process whose clock is wrong by so many hours."""
    library = str(LIBRARIES[0]) if LIBRARIES else ""
    # Its clock that only counts goes on as it did.
    return {"LD_PRELOAD": library, "FAKETIME": f"{hours:+d}h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


if LIBRARIES:

    @fault(
        "the clock of one web process is an hour ahead",
        Needs(parts=(alone(WEB), alone(WEB, by_clock(1)), alone(LEADER))),
        note="from its start, by libfaketime",
    )
    async def web_ahead(stage: Stage, dice: Random) -> None:
        await asyncio.sleep(5)

    @fault(
        "the clock of one web process is an hour behind",
        Needs(parts=(alone(WEB), alone(WEB, by_clock(-1)), alone(LEADER))),
        note="from its start, by libfaketime",
    )
    async def web_behind(stage: Stage, dice: Random) -> None:
        await asyncio.sleep(5)

    @fault(
        "the clock of the controller is an hour ahead",
        Needs(parts=(alone(WEB), alone(WEB), alone(LEADER, by_clock(1)))),
        note="from its start, by libfaketime",
    )
    async def controller_ahead(stage: Stage, dice: Random) -> None:
        await asyncio.sleep(5)
