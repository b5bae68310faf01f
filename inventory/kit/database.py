"""PostgreSQL: the pool of connections, named queries, and which errors mean that it is away.

Rooms share the pool, so that a room whose work stands still does not fill it. A room may take a
connection while it has fewer than are free: a lone busy room gets half of the pool, two stuck rooms
leave a third of it, three a quarter. The bound moves with what is free, and nothing has to be set.
Work of no room, such as an operator's look, shares among itself in the same way.
"""

import asyncio
import re
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from importlib import resources
from math import inf
from typing import TYPE_CHECKING

import asyncpg
from prometheus_client import Histogram

from inventory.kit.problem import Busy, EngineDown
from inventory.kit.servers.connections import Steady, Uncancelled
from inventory.kit.servers.lending import LendingPool
from inventory.kit.servers.servers import Servers, servers_of
from inventory.kit.traces.spans import watch_of_connections

if TYPE_CHECKING:
    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
else:
    # Generic to the type checker only.
    Connection = asyncpg.pool.PoolConnectionProxy

COMMAND_TIMEOUT_S = 10.0
ACQUIRE_TIMEOUT_S = 5.0
# Far longer than any of our transactions takes. A statement that waits longer for a row gives its
# connection back, and its request is told to come again. A statement has more time than that, so a
# lock is never taken for a lost reply.
LOCK_TIMEOUT_S = 2
# A statement that shoppers wait for takes milliseconds. One that takes longer than this waits for a
# reply that was lost, and asking again is sooner answered.
SHOPPER_TIMEOUT_S = 3.0
# Where a statement that takes too long is cancelled, that has this long to reach the server.
CANCEL_S = 0.5

# The errors of asyncpg when the engine is away, restarting, failing over, out of connections or
# disk, or lets this role in no more. Any other error is a bug of ours and must stay visible as one.
# `inventory.kit.troubles` tells these apart.
ENGINE_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    # A server that goes away ends its sessions with an error and then hangs up. A query between the
    # two is told that another operation is in progress, and was never sent.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.PostgresSystemError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)


class ReplyLost(TimeoutError):
    """A statement took too long. Probably its reply was lost, and it may have been done."""


# JIT costs more time than any of our statements takes. After waiting for a lock, our SQL functions
# have to see what others committed meanwhile, hence `read committed`. A pooler refuses such
# parameters; there, set them for the role.
_SESSION = {
    "jit": "off",
    "default_transaction_isolation": "read committed",
    "application_name": "waitroom",
    "lock_timeout": f"{LOCK_TIMEOUT_S}s",
}


# A worker's requests of one room that may wait for a connection, and for how long.
SHARE_WAITING_MAX = 512
SHARE_WAIT_MAX_S = 5.0

WAITED = Histogram(
    "waitroom_connection_wait_seconds",
    "The time for which work waited for one of its process's connections to PostgreSQL.",
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 1, 2.5, 5),
)

# The room that the present task works for; empty for work of no room.
_room: ContextVar[str] = ContextVar("room", default="")


def work_for(room: str) -> None:
    """Count what this task does from here on among a room's work; "" is no room."""
    _room.set(room)


class Shares:
    """The right to one of `size` connections, given to rooms in turn."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._taken: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    def turn(self) -> "Turn":
        """Return the present room's turn, to be awaited by `async with`."""
        return Turn(self, _room.get())

    async def take(self, room: str) -> None:
        """Wait until a room may use a connection; raises `Busy` if that takes long."""
        if room not in self._waiting and self._may_take(room):
            self._grant(room)
            return
        waiting = self._waiting.setdefault(room, deque())
        if len(waiting) >= SHARE_WAITING_MAX:
            raise Busy
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            with WAITED.time():
                async with asyncio.timeout(SHARE_WAIT_MAX_S):
                    await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                # Granted in the very moment in which the wait ended.
                self.give_back(room)
            else:
                self._forget(room, turn)
            if isinstance(error, TimeoutError):
                raise Busy from error
            raise

    def _may_take(self, room: str) -> bool:
        return self._taken[room] < self._free

    def _grant(self, room: str) -> None:
        self._free -= 1
        self._taken[room] += 1

    def give_back(self, room: str) -> None:
        self._free += 1
        self._taken[room] -= 1
        if not self._taken[room]:
            del self._taken[room]
        # The room that has the fewest connections comes first, then the one that waits longest.
        while self._waiting:
            neediest = min(self._waiting, key=self._taken.__getitem__)
            if not self._may_take(neediest):
                return
            waiting = self._waiting.pop(neediest)
            turn = waiting.popleft()
            if waiting:
                self._waiting[neediest] = waiting
            if not turn.cancelled():
                # Otherwise its wait ended a moment ago, and its task has not run since.
                self._grant(neediest)
                turn.set_result(None)

    def _forget(self, room: str, turn: "asyncio.Future[None]") -> None:
        waiting = self._waiting.get(room)
        if waiting and turn in waiting:
            waiting.remove(turn)
            if not waiting:
                del self._waiting[room]


class Turn:
    """One use of a connection by a room. Every statement takes one, so it is no generator."""

    __slots__ = ("_room", "_shares")

    def __init__(self, shares: Shares, room: str) -> None:
        self._shares, self._room = shares, room

    async def __aenter__(self) -> None:
        await self._shares.take(self._room)

    async def __aexit__(self, *_: object) -> None:
        self._shares.give_back(self._room)


class Pool(LendingPool):
    """A pool of connections that its rooms share."""

    shares: Shares
    # None where the URL names one host.
    servers: Servers | None = None
    # Whether the server gives up what we give up.
    cancels = False
    # The share of what was asked lately that was answered; the last use weighs a fifth.
    answered = 1.0
    _renewed_at = -inf

    @property
    def falters(self) -> bool:
        """Whether the engine fails most of what it is asked, as over a line that loses replies."""
        return self.answered < 0.5

    async def renew(self) -> None:
        """Open new connections in place of those that are open now, as they are next wanted.

        What loses the replies of one connection, such as a router that has forgotten it, loses
        those of its fellows too, and each of them would cost a request a time-out. A slow server
        loses none, so this happens once in the time that a statement has.
        """
        now = time.monotonic()
        if now >= self._renewed_at + SHOPPER_TIMEOUT_S:
            self._renewed_at = now
            if self.servers is None:
                await self.expire_connections()
            else:
                await self.servers.let_go()


async def _leave_as_it_is(_: "Connection") -> None:
    """Spare the round trip of a reset for each use: no query of ours changes a connection's state.

    Settings stand in the functions that need them, locks belong to transactions, and there are
    no listeners.
    """


async def open_pool(
    url: str, *, size_max: int, size_min: int = 1, pooler: bool = False, cancels: bool = False
) -> Pool:
    """Connect to PostgreSQL, with `size_min` connections at once.

    `pooler` is for PgBouncer without `max_prepared_statements`: nothing is prepared then. `cancels`
    is for statements that only read, and that the server is to give up as we do.
    """
    return await closed_pool(
        url, size_max=size_max, size_min=size_min, pooler=pooler, cancels=cancels
    )


def closed_pool(
    url: str, *, size_max: int, size_min: int = 1, pooler: bool = False, cancels: bool = False
) -> Pool:
    """Return a pool as `open_pool` does that has not connected yet."""
    servers = servers_of(url)
    pool = Pool(
        url,
        connect=servers.connect if servers else None,  # type: ignore[arg-type] # in short
        connection_class=Steady if cancels else Uncancelled,
        record_class=asyncpg.Record,
        loop=None,
        min_size=size_min,
        max_size=size_max,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        init=watch_of_connections(),  # type: ignore[arg-type] # as above
        reset=_leave_as_it_is,  # type: ignore[arg-type] # asyncpg passes the pool's proxy
        command_timeout=COMMAND_TIMEOUT_S,
        timeout=ACQUIRE_TIMEOUT_S,
        statement_cache_size=0 if pooler else 256,
        server_settings=None if pooler else _SESSION,
    )
    pool.shares, pool.cancels = Shares(size_max), cancels
    if servers is not None:
        pool.servers = servers
        servers.pools.add(pool)
    return pool


# The transaction in which the present task asks a pool.
_joined: "ContextVar[tuple[Pool, Connection] | None]" = ContextVar("joined", default=None)


@asynccontextmanager
async def borrow(pool: Pool) -> AsyncIterator[Connection]:
    """Borrow a connection from the present room's share; errors of the engine pass through.

    A lock that another transaction keeps too long becomes the refusal `Busy`, and so does a share
    that stays used up. Within `one_transaction` it is the connection of that transaction.
    """
    joined = _joined.get()
    if joined is not None and joined[0] is pool:
        yield joined[1]
        return
    try:
        async with pool.shares.turn(), pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as borrowed:
            try:
                yield borrowed
            except asyncpg.LockNotAvailableError as error:
                raise Busy from error
            except asyncpg.ReadOnlySQLTransactionError:
                # A primary that another one replaced. It takes no write of ours any more.
                await pool.renew()
                raise
            except TimeoutError as error:
                await pool.renew()
                if pool.cancels:
                    await asyncio.sleep(CANCEL_S)
                # Its answer may never come, and returning it to the pool would wait for that. Most
                # connections are broken off already.
                with suppress(asyncpg.InterfaceError):
                    borrowed.terminate()
                raise ReplyLost from error
    except (asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # The connection of a cancelled statement is broken off, and what is to be closed after
            # that complains: the task would never hear that it was cancelled.
            raise asyncio.CancelledError from error
        raise


@asynccontextmanager
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    """Borrow a connection; an engine that is away becomes the refusal `EngineDown`."""
    try:
        async with borrow(pool) as borrowed:
            yield borrowed
    except ENGINE_ERRORS as error:
        pool.answered *= 0.8
        raise EngineDown from error
    pool.answered = pool.answered * 0.8 + 0.2


@asynccontextmanager
async def one_transaction(pool: Pool) -> AsyncIterator[None]:
    """Let everything that the present task asks of a pool happen in one transaction, or not at all.

    Stores know nothing of it. Tasks that are started meanwhile inherit it, so start none.
    """
    async with connection(pool) as borrowed, borrowed.transaction():
        token = _joined.set((pool, borrowed))
        try:
            yield
        finally:
            _joined.reset(token)


async def ask(pool: Pool, sql: str, *values: object) -> list[asyncpg.Record]:
    """Return the rows of a statement that a shopper waits for and that may be run twice.

    It is run once more where the reply was lost, since a shopper who is told to come again would
    wait as long for a second time, and where it met a deadlock, as beside a migration. An engine
    that is away becomes the refusal `EngineDown`.
    """

    async def once() -> list[asyncpg.Record]:
        async with connection(pool) as borrowed:
            return await borrowed.fetch(sql, *values, timeout=SHOPPER_TIMEOUT_S)

    try:
        return await once()
    except asyncpg.DeadlockDetectedError:
        # The one for whom this one was ended goes on first.
        await asyncio.sleep(0)
    except EngineDown as error:
        if not isinstance(error.__cause__, ReplyLost):
            raise
    return await once()


# The name of each query by its text, as traces tell it.
NAMES: dict[str, str] = {}
_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def load_queries(package: str) -> dict[str, str]:
    """Return the named queries of a package's `queries.sql`.

    A query begins with a line `-- name: some_name` and ends where the next begins.
    """
    text = resources.files(package).joinpath("queries.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)[1:]
    found = {
        name: body.strip().rstrip(";") for name, body in zip(parts[::2], parts[1::2], strict=True)
    }
    NAMES.update({body: name for name, body in found.items()})
    return found
