"""PostgreSQL as the stores see it: a pool whose statements cross the network to the books.

Statements happen one after the other, each at one moment. What can be in their way is a server
that is away or stands still, and rows of a room that somebody else keeps locked.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from inventory.kit.database import (
    COMMAND_TIMEOUT_S,
    LOCK_TIMEOUT_S,
    Pool,
    Shares,
    load_queries,
)
from simulation.books import Books, ask, room_locked_by
from simulation.clockwork import Clockwork
from simulation.network import Cut, Link, Reply

NAMES = {
    sql: name
    for package in ("waitroom.store", "waitroom.store.series", "inventory", "checkout")
    for name, sql in load_queries(package).items()
}


class Record(dict[str, Any]):
    """A row that can be read by position too, as asyncpg's can."""

    def __missing__(self, key: Any) -> Any:
        if isinstance(key, int):
            return next(itertools.islice(self.values(), key, None))
        raise KeyError(key)


class Postgres:
    """The server. Times are of the loop's clock (s)."""

    def __init__(self, loop: Clockwork, books: Books) -> None:
        self.loop, self.books = loop, books
        self.away_until = self.frozen_until = 0.0
        # Until when somebody keeps the rows of a room locked.
        self.locked_until: dict[int, float] = {}

    @property
    def is_away(self) -> bool:
        return self.loop.time() < self.away_until

    def serve(self, reply: Reply, name: str, values: Sequence[Any]) -> None:
        """Run a statement that has arrived, now or when it can be."""
        now = self.loop.time()
        if now < self.away_until:
            reply.cut()
        elif now < self.frozen_until:
            self.loop.later(self.frozen_until - now, self.serve, reply, name, values)
        elif self.locked_until:
            self._lock(reply, name, values, now + LOCK_TIMEOUT_S)
        else:
            self._run(reply, name, values)

    def _lock(self, reply: Reply, name: str, values: Sequence[Any], give_up_at: float) -> None:
        room, now = room_locked_by(self.books, name, values), self.loop.time()
        free_at = 0.0 if room is None else self.locked_until.get(room, 0.0)
        if now >= free_at:
            self._run(reply, name, values)
        elif now >= give_up_at:
            error = asyncpg.LockNotAvailableError("canceling statement due to lock timeout")
            reply.say(error)
        else:
            wait_s = min(free_at, give_up_at) - now
            self.loop.later(wait_s, self._lock, reply, name, values, give_up_at)

    def _run(self, reply: Reply, name: str, values: Sequence[Any]) -> None:
        try:
            reply.say([Record(row) for row in ask(self.books, name, values)])
        except Exception as error:  # noqa: BLE001 - the run ends with it
            self.loop.errors.append(f"{name}: {error!r}")
            reply.say(error)


class Connection:
    def __init__(self, pool: "SimulatedPool") -> None:
        self._pool = pool

    async def fetch(
        self,
        sql: str,
        *values: Any,
        timeout: float | None = None,  # noqa: ASYNC109 - as asyncpg
    ) -> list[Record]:
        if self._pool.server.is_away:
            raise asyncpg.ConnectionDoesNotExistError("connection is closed")
        name = NAMES[sql]
        within_s, pool = timeout or COMMAND_TIMEOUT_S, self._pool
        try:
            rows: list[Record] = await pool.link.ask(within_s, pool.server.serve, name, values)
        except Cut as error:
            raise asyncpg.ConnectionDoesNotExistError("connection was closed") from error
        return rows

    async def fetchrow(self, sql: str, *values: Any, **rest: Any) -> Record | None:
        rows = await self.fetch(sql, *values, **rest)
        return rows[0] if rows else None

    async def fetchval(self, sql: str, *values: Any, **rest: Any) -> Any:
        rows = await self.fetch(sql, *values, **rest)
        return rows[0][0] if rows else None

    async def execute(self, sql: str, *values: Any, **rest: Any) -> str:
        """Run a statement. One that only locks is taken note of, and locks nothing."""
        if not sql.endswith("FOR UPDATE"):
            await self.fetch(sql, *values, **rest)
        return ""

    @asynccontextmanager
    async def transaction(self, **_: Any) -> AsyncIterator[None]:
        """Run statements one by one: transactions of several only read here."""
        self._pool.in_transaction.add(asyncio.current_task())
        try:
            yield
        finally:
            self._pool.in_transaction.discard(asyncio.current_task())

    def terminate(self) -> None:
        """Nothing is kept open."""


class SimulatedPool(Pool):
    """The real pool of one process, with its shares; its connections are simulated."""

    def __init__(self, server: Postgres, link: Link, *, size: int) -> None:
        self.server, self.link = server, link
        self.shares = Shares(size)
        self.in_transaction: set[Any] = set()
        self._free = size
        # One stands for all of them: they keep nothing apart.
        self._connection = Connection(self)

    def acquire(  # type: ignore[override]
        self,
        *,
        timeout: float | None = None,
    ) -> "Borrowed":
        return Borrowed(self)

    def take(self) -> Connection:
        assert self._free, "the shares lent a connection that is not there"
        if self.server.is_away:
            raise ConnectionRefusedError("nobody listens")
        self._free -= 1
        return self._connection

    def give_back(self) -> None:
        self._free += 1

    async def expire_connections(self) -> None:
        """Every connection is as good as a new one."""


class Borrowed:
    """A connection that is lent for a while."""

    __slots__ = ("_pool",)

    def __init__(self, pool: SimulatedPool) -> None:
        self._pool = pool

    async def __aenter__(self) -> Connection:
        return self._pool.take()

    async def __aexit__(self, *_: object) -> None:
        self._pool.give_back()
