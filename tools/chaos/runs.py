"""One run: the stage, a sale, a crowd, the fault in mid-sale, and what it came to."""

import asyncio
import logging
import re
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import structlog
from support import eventually, open_room, secrets, settings

from chaos.books import read_books
from chaos.client import Clock
from chaos.crowd import AT_ONCE, Crowd
from chaos.faults import FAULTS, Fault
from chaos.programs import answers
from chaos.promises import GOES_ON_S, broken_in, goes_on, slowest
from chaos.stage import Stage, stage
from chaos.told import CLAIM, HOLD, JOIN, ORDER, PAGE, PAY, STANDING, STATE, Story
from waitroom.run.app import open_service

POLICIES = ("guaranteed", "expected", "rate")
# Some sales sell out in the middle of everything, others go on to the end.
UNITS = (60, 600)
STEPS = (JOIN, STATE, STANDING, CLAIM, HOLD, PAY, ORDER, PAGE)
# Short deadlines, so that the fault outlasts them.
CLAIM_WINDOW_S, SESSION_S, HOLD_S = 12, 30, 20
RULES = {
    "seats_max": 16,
    "batch_max": 50,
    "claim_window_s": CLAIM_WINDOW_S,
    "session_s": SESSION_S,
    "hold_s": HOLD_S,
    "payment_window_s": 60,
    "held_share_max": 1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The seconds that a run takes before its fault, and at least after it; how many come first."""

    before_s: float = 6.0
    after_s: float = 12.0
    at_once: int = AT_ONCE
    durable: bool = True


USUAL = Pace()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one run came to; it is kept as one line of JSON.

    `broken` has the promises that were broken with how each was, `goes_on` the seconds from the
    fault's end to the first join, claim and payment, None for none at all, and `slowest` the
    longest that one took after it. `errors` counts tries by status, 0 for no answer; `longest_s` is
    the longest that a shopper waited for one step.
    """

    fault: str
    seed: int
    policy: str
    units: int
    note: str = ""
    broken: list[tuple[str, str]] = field(default_factory=list)
    goes_on: Mapping[str, float | None] = field(default_factory=dict)
    slowest: Mapping[str, float] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    longest_s: float = 0.0
    shoppers: int = 0
    orders: int = 0
    took_s: float = 0.0
    # The run itself failed: nothing can be said of the program.
    failed: str = ""


def run(name: str, seed: int, records: Path) -> Result:
    """Run one fault with one seed; leave a record of what was told if a promise was broken.

    Call it from the main thread: the lives of the engines are tied to it.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)
    fault = FAULTS[name]
    story = story_of(name, seed)
    began_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-", dir="/tmp") as folder:
        try:
            result = asyncio.run(play(fault, story, Path(folder)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the next run goes on
            traceback.print_exc()
            result = _result(story, failed=f"{type(error).__name__}: {error}"[:300])
        if result.broken or result.failed:
            _keep(story, Path(folder), records / record_name(name, seed))
    return replace(result, took_s=round(time.monotonic() - began_at, 1))


async def play(fault: Fault, story: Story, folder: Path, pace: Pace = USUAL) -> Result:
    """Play one run in a folder, and judge it; the story has what was told."""
    dice = Random(f"{fault.name}:{story.seed}")
    story.within_s, story.silent = fault.within_s, fault.silent
    async with stage(folder, fault.needs, durable=pace.durable) as running:
        await _open(running, story)
        clock = Clock()
        crowd = Crowd(
            url=running.url,
            story=story,
            clock=clock,
            cards=fault.needs.cards,
            bad_card=fault.needs.bad_card,
            at_once=pace.at_once,
        )
        crowd.begin()
        await asyncio.sleep(pace.before_s + dice.random())
        story.fault_began_at = clock.now()
        await fault.act(running, dice)
        story.fault_ended_at = clock.now()
        await asyncio.sleep(pace.after_s)
        with suppress(AssertionError):
            await eventually(lambda: _all_go_on(story), within_s=GOES_ON_S)
        await crowd.end()
        story.ended_at = clock.now()
        books = await read_books(running)
        broken = [(one.promise, one.how) for one in broken_in(story, books)]
        return _result(
            story, broken=broken, orders=len(books.orders), note="; ".join(running.notes)
        )


async def _all_go_on(story: Story) -> bool:
    return None not in goes_on(story).values()


def story_of(fault: str, seed: int) -> Story:
    """Return the empty story of a run.

    The seed chooses the kind of room and how much it sells: six in a row have every pair of them,
    and each fault begins with another one.
    """
    chosen = seed + crc32(fault.encode())
    policy, units = POLICIES[chosen % len(POLICIES)], UNITS[chosen % len(UNITS)]
    return Story(fault=fault, seed=seed, policy=policy, units=units)


def record_name(fault: str, seed: int) -> str:
    """Return the name of a run's record, without an ending."""
    return f"{re.sub('[^A-Za-z0-9]+', '-', fault).strip('-')}-{seed}"


def _keep(story: Story, folder: Path, record: Path) -> None:
    story.save(record.with_suffix(".jsonl"))
    for log in sorted(folder.glob("program-*.log")):
        shutil.copyfile(log, record.with_suffix(f".{log.name}"))


async def _open(running: Stage, story: Story) -> None:
    """Open a room, and wait until the web processes know it."""
    made = settings(running.database_url, running.valkey_url)
    async with open_service(made, secrets(), roles=frozenset()) as service:
        mugs = story.units // 3
        skus = {"mug": mugs, "vase": story.units - mugs}
        await open_room(service, skus=skus, limit=2, policy=story.policy, **RULES)

    async def known() -> bool:
        return all([await answers(f"{running.url}/rooms/drop/state") for _ in range(12)])

    await eventually(known)


def _result(story: Story, **more: Any) -> Result:
    errors = Counter(
        str(told.status) for told in story.answers if told.status in {0, 429} or told.status >= 500
    )
    waits = [tries[-1].at - tries[0].sent_at for tries in story.steps(*STEPS)]
    return Result(
        fault=story.fault,
        seed=story.seed,
        policy=story.policy,
        units=story.units,
        goes_on=goes_on(story),
        slowest={kind: round(seconds, 2) for kind, seconds in slowest(story).items()},
        errors=dict(sorted(errors.items())),
        longest_s=round(max(waits, default=0.0), 1),
        shoppers=len({told.shopper for told in story.answers} - {0}),
        **more,
    )
