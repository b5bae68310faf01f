"""Pools of connections, kept from one test to the next.

A new connection makes PostgreSQL read its catalogue and compile our functions again, which costs it
more than what most tests ask of it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import NamedTuple

import asyncpg

from inventory.kit import database
from inventory.kit.database import Pool, Shares


class Kind(NamedTuple):
    """Services that open a pool of the same kind may have the same pool one after the other."""

    url: str
    size_max: int
    cancels: bool


class KeptPools:
    """Hands out pools of the running loop, and takes them back when a service closes them."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._free: defaultdict[Kind, list[KeptPool]] = defaultdict(list)

    async def open(
        self, url: str, *, size_max: int, size_min: int = 1, pooler: bool, cancels: bool = False
    ) -> Pool:
        """Stand in for `open_pool`. Connections behind a pooler are not kept."""
        if pooler or asyncio.get_running_loop() is not self._loop:
            return await database.open_pool(
                url, size_max=size_max, size_min=size_min, pooler=pooler, cancels=cancels
            )
        kind = Kind(url, size_max, cancels)
        while self._free[kind]:
            found = self._free[kind].pop()
            if not found.is_closing():
                found.shares = Shares(size_max)
                return found
        made = await database.open_pool(url, size_max=size_max, size_min=size_min, cancels=cancels)
        if isinstance(made, KeptPool):
            made.give_back = partial(self._free[kind].append, made)
        return made

    def processes(self, url: str) -> list[int]:
        """Return the processes of PostgreSQL that serve kept connections to a database."""
        return [pid for pool in self._of(url) for pid in pool.processes]

    def end(self, url: str) -> None:
        """Break off the kept connections to a database that is to go."""
        for pool in self._of(url):
            pool.terminate()
        for kind in [kind for kind in self._free if kind.url == url]:
            del self._free[kind]

    async def close(self) -> None:
        """Close every kept pool."""
        for free in self._free.values():
            for pool in free:
                pool.give_back = None
                await pool.close()

    def _of(self, url: str) -> list["KeptPool"]:
        return [pool for kind, free in self._free.items() if kind.url == url for pool in free]


class KeptPool(Pool):
    """A pool that closing gives back to the tests."""

    give_back: Callable[[], None] | None = None
    processes: tuple[int, ...] = ()

    async def close(self) -> None:
        """Wait until all connections are back, as a pool does that is really closed."""
        if self.give_back is None or self.is_closing():
            await super().close()
            return
        try:
            async with AsyncExitStack() as stack:
                every = [
                    await stack.enter_async_context(self.acquire()) for _ in range(self.get_size())
                ]
                self.processes = tuple(one.get_server_pid() for one in every)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await super().close()
            return
        self.give_back()
