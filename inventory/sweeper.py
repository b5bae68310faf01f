"""Sweeping: work that is overdue ends promptly. Nothing depends on it being prompt."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import structlog

from inventory.kit.database import work_for
from inventory.kit.loops import FAILURES, repeat

log = structlog.get_logger()

SWEEP_EVERY_S = 1.0
SWEEP_BATCH_MAX = 500
# A storm of expiries is worked off batch by batch, with a pause between two batches in which other
# requests get the locks. The pause is about as long as a batch, so new holds keep half of their
# usual pace.
BREATH_S = 0.08

# A sweep takes the size of a batch and returns how many rows it has ended.
Sweep = Callable[[int], Awaitable[int]]


# A round waits this long for its rooms. A room that takes longer goes on by itself.
ROUND_MAX_S = 1.0


class RoomSweep:
    """Sweep each room that has something due in a task of its own.

    A room that stands still, for its rows are locked, or that fails, is passed over while the
    others are swept. `rooms` finds the rooms with something due, by id; `sweep` takes a room and
    the size of a batch.
    """

    def __init__(
        self,
        name: str,
        rooms: Callable[[], Awaitable[Sequence[int]]],
        sweep: Callable[[int, int], Awaitable[int]],
    ) -> None:
        self._name = name
        self._rooms = rooms
        self._sweep = sweep
        self._running: dict[int, asyncio.Task[int]] = {}

    async def __call__(self, batch_max: int) -> int:
        """Sweep every room that is due; return the most that was ended in one of them."""
        for room in await self._rooms():
            if room not in self._running:
                task = asyncio.create_task(self._one(room, batch_max), name=f"{self._name} {room}")
                self._running[room] = task
        if not self._running:
            return 0
        done, _ = await asyncio.wait(self._running.values(), timeout=ROUND_MAX_S)
        self._running = {room: task for room, task in self._running.items() if task not in done}
        return max((task.result() for task in done), default=0)

    async def _one(self, room: int, batch_max: int) -> int:
        # Of one share for all rooms, so that many rooms that stand still leave the shoppers theirs.
        work_for("sweeps")
        try:
            return await self._sweep(room, batch_max)
        except Exception as error:  # noqa: BLE001 - a failure in one room reaches no other
            FAILURES.labels(f"sweep_{self._name}").inc()
            log.warning("room_not_swept", sweep=self._name, room_id=room, error=error)
            return 0

    async def close(self) -> None:
        """Wait for the rooms that are still being swept."""
        if self._running:
            await asyncio.wait(self._running.values())


class Sweeper:
    """Run each sweep with a bound on its batch, again at once while batches come back full."""

    def __init__(self, sweeps: Mapping[str, Sweep]) -> None:
        self._sweeps = sweeps

    async def run(self, stopping: asyncio.Event) -> None:
        """Run every sweep in a guarded loop of its own.

        A slow sweep delays no other, and a sweep that fails neither stops the others nor ends the
        process, which may be the leading one.
        """
        await asyncio.gather(
            *(
                repeat(f"sweep_{name}", partial(self._round, name), stopping)
                for name in self._sweeps
            )
        )
        for sweep in self._sweeps.values():
            if isinstance(sweep, RoomSweep):
                await sweep.close()

    async def _round(self, name: str) -> float:
        return BREATH_S if await self.sweep(name) else SWEEP_EVERY_S

    async def sweep(self, name: str) -> bool:
        """Run one sweep once; say whether it has more to do."""
        return await self._sweeps[name](SWEEP_BATCH_MAX) >= SWEEP_BATCH_MAX
