"""A small run of `make chaos`: three faults at once under a crowd, and every promise is held to."""

import asyncio
import os
import signal
from pathlib import Path
from random import Random

from chaos.faults import FAULTS, Fault
from chaos.runs import Pace, play, story_of
from chaos.stage import WEB, Needs, Stage

QUICK = Pace(before_s=3.0, after_s=2.0, at_once=30, durable=False)


async def three_at_once(stage: Stage, dice: Random) -> None:
    os.kill(stage.process(WEB, dice.randrange(2)), signal.SIGKILL)
    await asyncio.gather(
        FAULTS["Valkey is flushed"].act(stage, dice),
        FAULTS["PostgreSQL is restarted"].act(stage, dice),
    )


async def test_a_crowd_keeps_all_it_was_promised_through_three_faults_at_once(
    tmp_path: Path,
) -> None:
    fault = Fault(name="three at once", act=three_at_once, needs=Needs())
    # A guaranteed room that does not sell out.
    story = story_of(fault.name, seed=6)

    result = await play(fault, story, tmp_path, QUICK)

    assert result.broken == []
    assert result.orders > 0
