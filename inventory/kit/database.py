"""The pool of PostgreSQL connections, and what its failures mean to a shopper."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from inventory.kit.problem import EngineDown

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
else:
    # Generic to the type checker only.
    Pool = asyncpg.Pool
    Connection = asyncpg.pool.PoolConnectionProxy

COMMAND_TIMEOUT_S = 10.0
ACQUIRE_TIMEOUT_S = 5.0

# What asyncpg raises when the engine is away, restarting, failing over or out of connections.
# Everything else is a bug of ours and must stay visible as one.
ENGINE_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    # A server that goes away ends its sessions with an error and then hangs up; whoever borrows the
    # connection between the two is told that another operation is in progress. Nothing was sent.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
)


# JIT costs more than any statement of ours takes. The functions need to see, after they waited for
# a lock, what others committed meanwhile. A pooler refuses such parameters; there, set them for the
# role.
_SESSION = {
    "jit": "off",
    "default_transaction_isolation": "read committed",
    "application_name": "waitroom",
}


async def _leave_as_it_is(_: "Connection") -> None:
    """Spare a round trip for each use: nothing of ours changes a connection's state.

    Settings stand in the functions that need them, locks belong to transactions, and there are
    no listeners.
    """


async def open_pool(url: str, *, size_max: int, pooler: bool = False) -> Pool:
    """Connect to PostgreSQL.

    `pooler` is for PgBouncer without `max_prepared_statements`: it gives up prepared statements.
    """
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size_max,
        reset=_leave_as_it_is,  # type: ignore[arg-type] # it is given the pool's proxy
        command_timeout=COMMAND_TIMEOUT_S,
        timeout=ACQUIRE_TIMEOUT_S,
        statement_cache_size=0 if pooler else 256,
        server_settings=None if pooler else _SESSION,
    )


@asynccontextmanager
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    """Borrow a connection; an engine that is away becomes the refusal `EngineDown`."""
    try:
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as borrowed:
            yield borrowed
    except ENGINE_ERRORS as error:
        raise EngineDown from error
