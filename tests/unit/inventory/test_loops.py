"""Background loops: one that fails is counted, rests ever longer, and reaches no other."""

import asyncio
from itertools import pairwise

import pytest
from prometheus_client import REGISTRY

from inventory.kit.lease import Retry
from inventory.kit.loops import repeat
from inventory.kit.problem import EngineDown
from inventory.sweeper import SWEEP_BATCH_MAX, Sweeper

AT_ONCE = Retry(waits_s=(0.0,))


def failures(loop: str) -> float:
    return REGISTRY.get_sample_value("waitroom_loop_failures_total", {"loop": loop}) or 0.0


def failing(loop: str) -> float | None:
    return REGISTRY.get_sample_value("waitroom_loop_failing", {"loop": loop})


@pytest.mark.parametrize("error", [EngineDown(), ValueError("a mistake of ours"), OSError()])
async def test_a_failed_round_is_counted_and_the_loop_goes_on(error: Exception) -> None:
    name = f"counted-{type(error).__name__}"
    stopping, rounds, seen = asyncio.Event(), 0, []

    async def once() -> float:
        nonlocal rounds
        rounds += 1
        seen.append(failing(name))
        if rounds <= 3:
            raise error
        if rounds == 5:
            stopping.set()
        return 0.0

    await asyncio.wait_for(repeat(name, once, stopping, rests=AT_ONCE), 10)

    assert rounds == 5
    assert seen[1:] == [1, 2, 3, 0]
    assert failures(name) == 3


async def test_a_loop_that_fails_rests_ever_longer() -> None:
    stopping, times = asyncio.Event(), []
    loop = asyncio.get_running_loop()

    async def once() -> float:
        times.append(loop.time())
        if len(times) == 4:
            stopping.set()
        raise RuntimeError("again and again")

    rests = Retry(waits_s=(0.01, 0.05, 0.25), jitter=0.0)
    await asyncio.wait_for(repeat("resting", once, stopping, rests=rests), 10)

    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(gap >= rest_s for gap, rest_s in zip(gaps, rests.waits_s, strict=True))


async def test_a_loop_that_is_cancelled_ends() -> None:
    begun = asyncio.Event()

    async def once() -> float:
        begun.set()
        await asyncio.Event().wait()
        return 0.0

    task = asyncio.create_task(repeat("cancelled", once, asyncio.Event()))
    await begun.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert failures("cancelled") == 0


async def test_a_sweep_that_breaks_stops_neither_the_others_nor_the_sweeper() -> None:
    stopping, rounds = asyncio.Event(), {"broken": 0, "full": 0}

    async def broken(_: int) -> int:
        rounds["broken"] += 1
        raise ValueError("no such column")

    async def full(batch_max: int) -> int:
        rounds["full"] += 1
        if rounds["full"] >= 3 and rounds["broken"]:
            stopping.set()
        return batch_max

    before = failures("sweep_broken")
    await asyncio.wait_for(Sweeper({"broken": broken, "full": full}).run(stopping), 20)

    assert rounds["full"] >= 3
    assert failures("sweep_broken") - before == rounds["broken"] >= 1
    assert failing("sweep_broken") == rounds["broken"]
    assert failing("sweep_full") == 0


async def test_a_full_batch_says_that_there_is_more() -> None:
    async def some(batch_max: int) -> int:
        return batch_max - 1

    async def full(batch_max: int) -> int:
        assert batch_max == SWEEP_BATCH_MAX
        return batch_max

    sweeper = Sweeper({"some": some, "full": full})

    assert [await sweeper.sweep("some"), await sweeper.sweep("full")] == [False, True]
