"""Connect to the one of several servers that takes writes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any
from weakref import WeakSet, WeakValueDictionary

import asyncpg
import structlog

from inventory.kit.servers.hosts import Host, hosts_of

if TYPE_CHECKING:
    _Connection = asyncpg.Connection[asyncpg.Record]
    _Pool = asyncpg.Pool[asyncpg.Record]
else:
    # Generic to the type checker only.
    _Connection = asyncpg.Connection
    _Pool = asyncpg.Pool

log = structlog.get_logger()

# All hosts are asked at once, and have this long. A host that is silent holds nobody up.
LOOK_S = 1.0
# So long the last look is good: a pool that opens many connections does not look for each of them.
LOOK_AGAIN_S = 2.0

Connect = Callable[..., Awaitable[_Connection]]

# The first eight digits of a WAL file's name are the timeline in which a server writes.
_WHERE = """SELECT system_identifier, pg_walfile_name(pg_current_wal_lsn()) AS file
            FROM pg_control_system()"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Where a primary writes: the cluster's identifier, and the timeline."""

    system: int
    timeline: int

    def replaced_by(self, other: "Seat") -> bool:
        """Say whether the other began when this one was over."""
        return self.system == other.system and self.timeline < other.timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A connection to a host that takes writes."""

    host: Host
    seat: Seat
    connection: _Connection


class Servers:
    """The servers of one URL, as this process knows them. Its pools share one such value."""

    def __init__(self, hosts: Sequence[Host], *, connect: Connect = asyncpg.connect) -> None:
        self._hosts = hosts
        self._connect_to = connect
        self._looking = asyncio.Lock()
        self._primary: Host | None = None
        self._seat: Seat | None = None
        self._looked_at = -inf
        self.pools: WeakSet[_Pool] = WeakSet()

    async def connect(self, url: str, **options: Any) -> _Connection:
        """Return a connection to the primary; raises what asyncpg raises if there is none."""
        async with self._looking:
            found = await self._known(url, options) or await self._look(url, options)
        return found.connection

    async def _known(self, url: str, options: dict[str, Any]) -> Found | None:
        """Connect where the last look found the primary, unless that is long ago or fails."""
        if self._primary is None or time.monotonic() > self._looked_at + LOOK_AGAIN_S:
            return None
        try:
            async with asyncio.timeout(LOOK_S):
                return await self._try(self._primary, url, options)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InternalClientError):
            return None

    async def _look(self, url: str, options: dict[str, Any]) -> Found:
        """Ask all hosts at once for the primary."""
        tries = [asyncio.create_task(self._try(host, url, options)) for host in self._hosts]
        try:
            await asyncio.wait(tries, timeout=LOOK_S)
            while not any(_worked(one) for one in tries) and (
                pending := [one for one in tries if not one.done()]
            ):
                await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            worked = [one.result() for one in tries if _worked(one)]
            if not worked:
                raise _telling(tries)
            # Of two that take writes, the one with the later timeline has replaced the other.
            best = max(worked, key=lambda found: found.seat.timeline)
        except BaseException:
            _drop(tries, but=None)
            raise
        _drop(tries, but=best)
        await self._settle(best)
        return best

    async def _try(self, host: Host, url: str, options: dict[str, Any]) -> Found:
        connection = await self._connect_to(
            url, **options, host=host.name, port=host.port, target_session_attrs="read-write"
        )
        try:
            row = await connection.fetchrow(_WHERE, timeout=LOOK_S)
            assert row is not None
            seat = Seat(system=row["system_identifier"], timeline=int(row["file"][:8], 16))
            if self._seat is not None and seat.replaced_by(self._seat):
                raise asyncpg.TargetServerAttributeNotMatched(
                    f"{host} was replaced by another primary: shut it down"
                )
        except BaseException:
            connection.terminate()
            raise
        return Found(host=host, seat=seat, connection=connection)

    async def _settle(self, found: Found) -> None:
        """Keep what a look found; the pools let go of another primary's connections."""
        moved = self._primary not in {None, found.host} or self._seat not in {None, found.seat}
        self._primary, self._seat = found.host, found.seat
        self._looked_at = time.monotonic()
        if moved:
            log.warning("postgres_moved", host=str(found.host), timeline=found.seat.timeline)
            await self._expire()

    async def let_go(self) -> None:
        """Look for the primary anew: all pools open new connections in place of their own."""
        self._looked_at = -inf
        await self._expire()

    async def _expire(self) -> None:
        for pool in self.pools:
            await pool.expire_connections()


def _worked(one: "asyncio.Task[Found]") -> bool:
    return one.done() and not one.cancelled() and one.exception() is None


def _telling(tries: "Sequence[asyncio.Task[Found]]") -> BaseException:
    """Return the error that says most: a wrong password more than a host that is away."""
    errors = [error for one in tries if (error := one.exception())]
    away = (OSError, TimeoutError, asyncpg.InternalClientError)
    return next((error for error in errors if not isinstance(error, away)), errors[0])


def _drop(tries: "Sequence[asyncio.Task[Found]]", *, but: Found | None) -> None:
    for one in tries:
        if not one.done():
            one.cancel()
            # What it still says is no news.
            one.add_done_callback(_worked)
        elif _worked(one) and one.result() is not but:
            one.result().connection.terminate()


_known: WeakValueDictionary[str, Servers] = WeakValueDictionary()


def servers_of(url: str) -> Servers | None:
    """Return the servers of a URL that names several hosts; None where it names one."""
    hosts = hosts_of(url)
    if len(hosts) < 2:
        return None
    return _known.setdefault(url, Servers(hosts))


async def connect_once(url: str, **options: Any) -> _Connection:
    """Return a connection of its own to the server of a URL that takes writes."""
    servers = servers_of(url)
    if servers is None:
        return await asyncpg.connect(url, **options)
    return await servers.connect(url, **options)
