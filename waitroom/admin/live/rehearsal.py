"""What a change of rules would do: a rehearsal on the room's own figures, before it is made."""

import asyncio
import sys
from contextlib import suppress
from dataclasses import replace

import msgspec

from inventory.kit.turns import Turns
from waitroom.admin.bodies import RuleTrial
from waitroom.admin.live.rehearsal_run import Order, Report
from waitroom.line.rules import RoomRules
from waitroom.refusals import NothingToRehearse, RehearsalBrokeOff
from waitroom.rehearse.scenario.present import Played, Present, play_on
from waitroom.rehearse.scenario.scenario import Rules, ScenarioError
from waitroom.store.room_store import RoomFigures
from waitroom.store.series.series_store import Habits

# A process begins no further pair of sales after the seconds that it was given, and is ended when
# it has not answered so many seconds later.
ANSWER_WAIT_S = 40.0
MODULE = "waitroom.admin.live.rehearsal_run"


class Rehearsals:
    """Plays one sale at a time in this process's name; the next ones wait, and few may."""

    def __init__(self) -> None:
        self._turns = Turns(
            at_once=1,
            waiting_max=4,
            busy="Other changes are being rehearsed. Please try again in a moment.",
            wait_max_s=40.0,
        )

    async def try_out(
        self,
        rules: RoomRules,
        trial: RuleTrial,
        *,
        figures: RoomFigures,
        habits: Habits,
        seconds: int,
    ) -> tuple[Report, Played]:
        """Return what would come of the sale under the rules of now and with this change.

        Sales are played for so many seconds, at least one under either rules. Raises
        `NothingToRehearse`, `RehearsalBrokeOff`, or `Busy` where others wait already.
        """
        played, order = _order_of(rules, trial, figures=figures, habits=habits, seconds=seconds)
        async with self._turns.take():
            raw = await _run(msgspec.json.encode(order), within_s=seconds + ANSWER_WAIT_S)
        return msgspec.json.decode(raw, type=Report), played


async def _run(order: bytes, *, within_s: float) -> bytes:
    """Let a process of its own play; end it when this is cancelled, or takes too long."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", MODULE),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(within_s):
            report, _ = await process.communicate(order)
    except TimeoutError as error:
        raise RehearsalBrokeOff from error
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode != 0 or not report:
        raise RehearsalBrokeOff
    return report


def _order_of(
    rules: RoomRules, trial: RuleTrial, *, figures: RoomFigures, habits: Habits, seconds: int
) -> tuple[Played, Order]:
    present = Present(
        rules=msgspec.convert(
            {name: getattr(rules, name) for name in Rules.__struct_fields__}, Rules
        ),
        unsold=figures.on_hand - figures.sold,
        waiting=figures.waiting,
        seated=figures.seats_taken,
        joins_per_min=habits.joins_per_min,
        learned=habits.learned,
        gone=habits.gone,
    )
    changes = {
        name: value
        for name, value in msgspec.structs.asdict(trial).items()
        if value is not msgspec.UNSET
    }
    changed = msgspec.structs.replace(present.rules, **changes)
    try:
        now = play_on(present)
        then = play_on(replace(present, rules=changed))
    except ScenarioError as error:
        raise NothingToRehearse(str(error)) from error
    return now, Order(now=now.scenario, then=then.scenario, seconds=seconds)
