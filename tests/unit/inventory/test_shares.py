"""A room takes a connection while it has fewer than are free, and the neediest room comes first."""

import asyncio

import pytest

from inventory.kit import database
from inventory.kit.database import Shares, work_for
from inventory.kit.problem import Busy

WAIT_S = 5.0


class Rooms:
    """Tasks of rooms that take a connection and keep it until they are told to give it back."""

    def __init__(self, size: int) -> None:
        self.pool = Shares(size)
        self.got: list[str] = []
        self.tasks: list[tuple[str, asyncio.Task[None], asyncio.Event]] = []

    async def ask(self, *rooms: str) -> None:
        for room in rooms:
            done = asyncio.Event()
            self.tasks.append((room, asyncio.create_task(self._keep(room, done)), done))
            await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _keep(self, room: str, done: asyncio.Event) -> None:
        work_for(room)
        async with self.pool.turn():
            self.got.append(room)
            await done.wait()

    async def give_back(self, room: str) -> None:
        """End the room's oldest task that has a connection."""
        done = next(done for name, _, done in self.tasks if name == room and not done.is_set())
        done.set()
        for _ in range(4):
            await asyncio.sleep(0)

    async def end(self) -> None:
        for _, task, _ in self.tasks:
            task.cancel()
        await asyncio.gather(*(task for _, task, _ in self.tasks), return_exceptions=True)


async def test_a_stuck_room_leaves_half_and_the_next_stuck_room_leaves_some() -> None:
    rooms = Rooms(8)

    await rooms.ask(*["a"] * 12, *["b"] * 12, *["c"] * 12)

    assert [rooms.got.count(room) for room in "abc"] == [4, 2, 1]
    await rooms.ask("d")
    assert rooms.got[-1] == "d"
    await rooms.end()


async def test_a_connection_that_comes_back_goes_to_the_room_with_the_fewest() -> None:
    rooms = Rooms(4)
    await rooms.ask("a", "a", "a", "b", "c", "d")
    assert rooms.got == ["a", "a", "b", "c"]

    await rooms.give_back("a")

    assert rooms.got == ["a", "a", "b", "c", "d"]
    await rooms.end()


async def test_a_room_that_waits_too_long_is_told_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "SHARE_WAIT_MAX_S", 0.02)
    monkeypatch.setattr(database, "SHARE_WAITING_MAX", 1)
    rooms = Rooms(2)
    await rooms.ask("a", "a", "a")

    first, waiting, refused = (task for _, task, _ in rooms.tasks)

    for task in (waiting, refused):
        with pytest.raises(Busy):
            await asyncio.wait_for(task, WAIT_S)
    assert not first.done()
    await rooms.give_back("a")
    await rooms.ask("a")
    assert rooms.got == ["a", "a"]
    await rooms.end()


async def test_a_waiting_task_that_is_cancelled_costs_no_connection() -> None:
    rooms = Rooms(2)
    await rooms.ask("a", "a")
    rooms.tasks[1][1].cancel()
    await rooms.give_back("a")

    await rooms.ask("b")
    await rooms.give_back("b")
    await rooms.ask("c", "d")

    assert rooms.got == ["a", "b", "c", "d"]
    await rooms.end()


async def test_a_wait_that_ends_in_the_moment_of_its_turn_costs_no_connection() -> None:
    rooms = Rooms(1)
    await rooms.ask("a", "b", "b")
    assert rooms.got == ["a"]
    (_, holder, done), (_, given_up, _), _ = rooms.tasks

    # The holder runs first, and gives back to a task that has not yet noticed its end.
    done.set()
    given_up.cancel()
    await asyncio.wait([holder, given_up])
    await asyncio.sleep(0)

    assert holder.exception() is None
    assert rooms.got == ["a", "b"]
    await rooms.end()
    await rooms.ask("c", "d")
    assert rooms.got[2:] == ["c"]
