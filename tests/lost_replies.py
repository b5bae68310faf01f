"""A pool that loses answers on their way back, after the work was done."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg


class LosesReplies:
    """Stands before a pool; the next `losses` rows that its connections fetch do not arrive."""

    def __init__(self, pool: Any, *, losses: int = 0) -> None:
        self._pool = pool
        self.shares = pool.shares
        self.answered = pool.answered
        self.losses = losses

    @asynccontextmanager
    async def acquire(self, **options: Any) -> AsyncIterator[Any]:
        async with self._pool.acquire(**options) as connection:
            yield _Connection(self, connection)


class _Connection:
    def __init__(self, pool: LosesReplies, connection: Any) -> None:
        self._pool = pool
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def fetchrow(self, *query: Any, **options: Any) -> Any:
        row = await self._connection.fetchrow(*query, **options)
        if self._pool.losses > 0:
            self._pool.losses -= 1
            raise asyncpg.ConnectionDoesNotExistError("the connection was closed")
        return row
