"""The kinds of connections to PostgreSQL that pools open."""

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    _Connection = asyncpg.Connection[asyncpg.Record]
else:
    # Generic to the type checker only.
    _Connection = asyncpg.Connection

# A migration has changed the rows of a table since the statement was planned, or while it waited
# for that table. PostgreSQL has undone the statement, and plans it anew the next time.
_TABLES_CHANGED = (asyncpg.InvalidCachedStatementError, asyncpg.DatatypeMismatchError)


class Steady(_Connection):
    """A connection that makes a statement once more if tables changed under it.

    Within a transaction that would be in vain: all of it has to begin again.
    """

    async def _execute(self, *arguments: Any, **options: Any) -> Any:
        try:
            return await super()._execute(*arguments, **options)  # type: ignore[misc] # asyncpg's own
        except _TABLES_CHANGED:
            if self.is_in_transaction():
                raise
            return await super()._execute(*arguments, **options)  # type: ignore[misc] # as above


class Uncancelled(Steady):
    """A connection that breaks off where asyncpg would ask the server to cancel a statement.

    A commit that waits for its standby would become visible by that (see this package's story).
    """

    def _cancel_current_command(self, *_: object) -> None:
        # asyncpg calls it when a reply takes too long, or its task is cancelled. Right after this
        # call it tells the waiting task, which it would not find if the connection had ended.
        asyncio.get_running_loop().call_soon(self.terminate)
