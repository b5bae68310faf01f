"""A pool that lends its connections without a task for each loan.

asyncpg lends a connection in a task of its own on Python 3.11, because of the time-out, and takes
it back in another one, so that no cancellation disturbs it. Each makes the borrower wait for
several turns of the loop. On a busy process a turn takes milliseconds, and a payment borrows some
ten connections.
"""

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    _Pool = asyncpg.Pool[asyncpg.Record]
else:
    # Generic to the type checker only.
    _Pool = asyncpg.Pool


class LendingPool(_Pool):
    """A pool whose idle connections are lent and taken back in the borrower's own turn."""

    async def _acquire(self, timeout: float | None) -> Any:  # noqa: ASYNC109 - asyncpg's own
        async with asyncio.timeout(timeout):
            lent = await super()._acquire(None)  # type: ignore[misc] # asyncpg's own
        # By default the return of the connection has as much time.
        lent._holder._timeout = timeout  # noqa: SLF001
        return lent

    async def release(self, connection: Any, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's name
        """Take a connection back; it may have been given back before.

        One at rest is free at once. For any other there is something to wait for, and a borrower
        who is cancelled meanwhile must not leave it half done.
        """
        inner = connection._con  # noqa: SLF001
        if inner is None or not _is_at_rest(inner):
            await super().release(connection, timeout=timeout)
            return
        inner._on_release()  # noqa: SLF001
        holder = connection._holder  # noqa: SLF001
        await holder.release(holder._timeout if timeout is None else timeout)  # noqa: SLF001


def _is_at_rest(inner: Any) -> bool:
    """Say whether a connection is open, in no transaction, and waits for no statement's end."""
    return not (
        inner.is_closed() or inner.is_in_transaction() or inner._protocol._is_cancelling()  # noqa: SLF001
    )
