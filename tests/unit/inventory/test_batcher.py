"""Many small requests become few calls, in order, and nobody pays for a neighbour."""

import asyncio
from collections.abc import Sequence

import pytest

from inventory.kit.batcher import Batcher, BatcherByRoom
from inventory.kit.problem import Busy, NotFound, Refusal

WAIT_S = 5.0


class Desk:
    """A flush that writes down what it was given and waits while its door is shut."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.entered = asyncio.Event()
        self.door = asyncio.Event()
        self.door.set()

    async def flush(self, items: Sequence[int]) -> list[int | Refusal]:
        self.batches.append(list(items))
        self.entered.set()
        await self.door.wait()
        return [NotFound(f"{item}") if item < 0 else item * 10 for item in items]


async def busy(desk: Desk, batcher: Batcher[int, int]) -> "asyncio.Future[int]":
    """Let one item be under way while the door is shut."""
    desk.door.clear()
    first = batcher.submit(0)
    await asyncio.wait_for(desk.entered.wait(), WAIT_S)
    return first


async def test_an_idle_batcher_flushes_at_once() -> None:
    desk = Desk()
    batcher = Batcher("test", desk.flush)

    answer = await batcher.submit(4)

    assert answer == 40
    assert desk.batches == [[4]]


async def test_what_is_queued_while_a_flush_runs_goes_out_together_in_order() -> None:
    desk = Desk()
    batcher = Batcher("test", desk.flush)
    first = await busy(desk, batcher)

    later = [batcher.submit(item) for item in (3, 1, 2)]
    desk.door.set()

    assert await asyncio.gather(first, *later) == [0, 30, 10, 20]
    assert desk.batches == [[0], [3, 1, 2]]


async def test_a_crowd_that_comes_a_few_in_a_turn_goes_out_together() -> None:
    desk = Desk()
    batcher = Batcher("test", desk.flush)

    answers = []
    for first in range(0, 64, 8):
        answers += [batcher.submit(item) for item in range(first, first + 8)]
        await asyncio.sleep(0)
    await asyncio.gather(*answers)

    assert desk.batches == [list(range(64))]


async def test_no_batch_is_larger_than_allowed() -> None:
    desk = Desk()
    batcher = Batcher("test", desk.flush, batch_max=4)
    first = await busy(desk, batcher)

    later = [batcher.submit(item) for item in range(1, 11)]
    desk.door.set()
    answers = await asyncio.gather(first, *later)

    assert answers == [item * 10 for item in range(11)]
    assert desk.batches == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]


async def test_a_refusal_is_raised_to_its_submitter_alone() -> None:
    desk = Desk()
    batcher = Batcher("test", desk.flush)

    answers = await asyncio.gather(
        *(batcher.submit(item) for item in (1, -1, 2)), return_exceptions=True
    )

    assert answers[0] == 10
    assert isinstance(answers[1], NotFound)
    assert answers[2] == 20
    assert desk.batches == [[1, -1, 2]]


async def test_a_batch_that_breaks_runs_singly_and_only_the_broken_item_fails() -> None:
    calls: list[list[int]] = []

    async def flush(items: Sequence[int]) -> list[int | Refusal]:
        calls.append(list(items))
        if 13 in items:
            raise ZeroDivisionError("broken")
        return [item * 10 for item in items]

    batcher = Batcher("test", flush)

    answers = await asyncio.gather(
        *(batcher.submit(item) for item in (1, 13, 2)), return_exceptions=True
    )

    assert answers[0] == 10
    assert isinstance(answers[1], ZeroDivisionError)
    assert answers[2] == 20
    assert calls == [[1, 13, 2], [1], [13], [2]]


async def test_a_refusing_flush_refuses_everyone_and_is_not_asked_again() -> None:
    calls = 0

    async def flush(items: Sequence[int]) -> list[int | Refusal]:
        nonlocal calls
        calls += len(items)
        raise Busy

    batcher = Batcher("test", flush)

    answers = await asyncio.gather(
        *(batcher.submit(item) for item in (1, 2)), return_exceptions=True
    )

    assert [type(answer) for answer in answers] == [Busy, Busy]
    assert calls == 2


async def test_a_refusal_from_a_single_run_reaches_its_submitter() -> None:
    async def flush(items: Sequence[int]) -> list[int | Refusal]:
        if len(items) > 1:
            raise ZeroDivisionError
        return [NotFound() if item < 0 else item for item in items]

    batcher = Batcher("test", flush)

    answers = await asyncio.gather(
        *(batcher.submit(item) for item in (1, -1)), return_exceptions=True
    )

    assert answers[0] == 1
    assert isinstance(answers[1], NotFound)


@pytest.mark.parametrize("extra", [-1, 1])
async def test_a_flush_with_a_wrong_number_of_verdicts_leaves_nobody_waiting(extra: int) -> None:
    async def flush(items: Sequence[int]) -> list[int | Refusal]:
        return [7] * (len(items) + extra)

    batcher = Batcher("test", flush)
    futures = [batcher.submit(item) for item in (1, 2, 3)]

    _, pending = await asyncio.wait(futures, timeout=1)

    assert not pending
    assert all(future.exception() for future in futures)


async def test_a_full_queue_is_busy_and_works_on() -> None:
    desk = Desk()
    batcher = Batcher("test", desk.flush, queue_max=2)
    first = await busy(desk, batcher)
    waiting = [batcher.submit(1), batcher.submit(2)]

    with pytest.raises(Busy) as raised:
        batcher.submit(3)
    desk.door.set()

    assert raised.value.headers["Retry-After"] == "2"
    assert await asyncio.gather(first, *waiting) == [0, 10, 20]
    assert await batcher.submit(3) == 30


async def test_who_hangs_up_does_not_disturb_the_neighbours() -> None:
    desk = Desk()
    batcher = Batcher("test", desk.flush)
    first = await busy(desk, batcher)
    gone, stays = batcher.submit(1), batcher.submit(2)

    gone.cancel()
    first.cancel()
    desk.door.set()

    assert await stays == 20
    assert gone.cancelled()
    assert desk.batches == [[0], [1, 2]]


async def test_closing_drains_the_queue_and_refuses_newcomers() -> None:
    desk = Desk()
    batcher = Batcher("test", desk.flush)
    first = await busy(desk, batcher)
    waiting = batcher.submit(1)

    closing = asyncio.create_task(batcher.close())
    desk.door.set()
    await closing

    assert (await first, await waiting) == (0, 10)
    with pytest.raises(Busy):
        batcher.submit(2)


async def test_closing_an_idle_batcher_is_quick() -> None:
    batcher = Batcher("test", Desk().flush)

    await asyncio.wait_for(batcher.close(), WAIT_S)


async def test_an_item_that_waits_too_long_is_refused_while_the_flush_stands_still() -> None:
    desk = Desk()
    batcher = Batcher("test", desk.flush, wait_max_s=0.02)
    first = await busy(desk, batcher)

    late = [batcher.submit(1), batcher.submit(2)]

    for future in late:
        with pytest.raises(Busy):
            await asyncio.wait_for(future, WAIT_S)
    desk.door.set()
    assert await first == 0
    assert await batcher.submit(3) == 30
    assert desk.batches == [[0], [3]]


async def test_items_tried_singly_keep_to_their_time() -> None:
    async def flush(items: Sequence[int]) -> list[int | Refusal]:
        await asyncio.sleep(0.03)
        raise ValueError(items)

    batcher = Batcher("test", flush, wait_max_s=0.05)

    ends = await asyncio.gather(*(batcher.submit(i) for i in range(20)), return_exceptions=True)

    assert sum(isinstance(end, ValueError) for end in ends) < 5
    assert isinstance(ends[-1], Busy)


async def test_a_room_whose_flush_stands_still_delays_no_other() -> None:
    doors = {1: asyncio.Event(), 2: asyncio.Event()}
    doors[2].set()

    async def flush(items: Sequence[int]) -> list[int | Refusal]:
        await doors[items[0]].wait()
        return list(items)

    batchers = BatcherByRoom("test", flush)

    stuck, free = batchers.of("stuck").submit(1), batchers.of("free").submit(2)

    assert await asyncio.wait_for(free, WAIT_S) == 2
    assert not stuck.done()
    doors[1].set()
    await batchers.close()
    assert await stuck == 1


class Apart:
    """A spacing by which each batch below three waits until the test is over."""

    enough = 3

    def __init__(self) -> None:
        self.noted: list[int] = []

    def wait_s(self, now: float, size: int) -> float:
        return 3600.0 if self.noted and size < self.enough else 0.0

    def note(self, now: float, size: int) -> None:
        self.noted.append(size)


async def test_a_spaced_batch_waits_for_enough_items_or_for_the_end() -> None:
    desk, apart = Desk(), Apart()
    batcher = Batcher("test", desk.flush, spacing=apart)

    assert await asyncio.wait_for(batcher.submit(1), WAIT_S) == 10
    waiting = batcher.submit(2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    answers = [waiting, batcher.submit(3), batcher.submit(4)]
    assert await asyncio.wait_for(asyncio.gather(*answers), WAIT_S) == [20, 30, 40]
    last = batcher.submit(5)
    for _ in range(20):
        await asyncio.sleep(0)
    await asyncio.wait_for(batcher.close(), WAIT_S)

    assert await last == 50
    assert apart.noted == [1, 3, 1]
    assert desk.batches == [[1], [2, 3, 4], [5]]
