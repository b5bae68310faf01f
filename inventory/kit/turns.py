"""Turns at heavy work that can wait: a few at once, some in line, the rest refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from inventory.kit.problem import Busy


class Turns:
    """Let `at_once` work, `waiting_max` wait for it, and refuse everybody else with `Busy`."""

    def __init__(self, *, at_once: int, waiting_max: int, busy: str) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._waiting, self._waiting_max = 0, waiting_max
        self._busy = busy

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Wait for a turn and have it. Raises `Busy` with the detail that was given."""
        if self._waiting >= self._waiting_max:
            raise Busy(self._busy)
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()
