"""Asks PostgreSQL for the facts that `database` judges, on one connection of its own."""

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from inventory.kit.database import load_queries
from inventory.kit.servers.servers import connect_once
from waitroom.run.doctor.database import Archiver, Database, Replica, Rights, Wal
from waitroom.run.keys.key_store import Process
from waitroom.store.shards.home_store import SQL as SHARDS
from waitroom.store.shards.home_store import Home

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    # Generic to the type checker only.
    Connection = asyncpg.Connection

SQL = load_queries("waitroom.run.doctor")
HOMES = SHARDS["homes"]
CONNECT_MAX_S = 5.0
STATEMENT_MAX_S = 4.0
ROUND_TRIPS = 5
_SETTINGS = (
    *("fsync", "full_page_writes", "synchronous_commit", "synchronous_standby_names"),
    *("max_connections", "autovacuum", "autovacuum_naptime", "TimeZone"),
    *("default_transaction_read_only", "default_transaction_isolation"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveProcess:
    """A process of any machine, its keys, and by how much its clock is ahead of PostgreSQL's.

    `clock_ahead_s` is None for one that has not said. `forwarder` is the address of a proxy that is
    not trusted and brings most of its requests, "" for none.
    """

    process: Process
    clock_ahead_s: float | None
    forwarder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A receiver of webhooks; `late` deliveries to it were tried three times or more."""

    url: str
    active: bool
    late: int


class DatabaseStore:
    """Asks on a connection that `open_database_store` made."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def close(self) -> None:
        self._connection.terminate()

    async def facts(self) -> Database:
        """Return what PostgreSQL says of itself; errors of the engine pass through."""
        server = await self._row("server")
        connections = await self._row("connections")
        rights = await self._row("rights")
        archiver = await self._row("archiver")
        limits = [connections["free"]]
        if connections["role_max"] is not None:
            limits.append(connections["role_max"] - connections["own"])
        if connections["database_max"] is not None:
            limits.append(connections["database_max"] - connections["here"])
        in_recovery: bool = server["in_recovery"]
        slots = [] if in_recovery else await self._rows("slots")
        has_tables = await self._connection.fetchval(SQL["has_tables"])
        return Database(
            version=server["version"],
            settings=await self._settings(server),
            round_trip_s=await self._round_trip_s(),
            in_recovery=in_recovery,
            behind_pooler=server["pid"] != self._connection.get_server_pid(),
            connections_left=min(limits),
            own_connections=connections["own"],
            archiver=Archiver(
                on=archiver["is_on"], failed=archiver["failed"], is_failing=archiver["is_failing"]
            ),
            rights=Rights(**rights),
            processes_alive=len(await self.processes()) if has_tables else 0,
            replicas=[Replica(**row) for row in await self._rows("replicas")],
            wal=await self._wal(),
            kept_for_slots_bytes={row["slot_name"]: row["kept"] for row in slots},
            oldest_transaction_s=connections["oldest_transaction_s"],
            size_bytes=server["size_bytes"],
            migrations=await self._migrations() if has_tables else None,
        )

    async def processes(self) -> list[LiveProcess]:
        """Return the processes that run, on all machines; none where a migration is missing."""
        try:
            rows = await self._rows("live_processes")
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
            return []
        return [
            LiveProcess(
                process=Process(host=row["host"], pid=row["pid"], key_ids=row["key_ids"]),
                clock_ahead_s=row["clock_ahead_s"],
                forwarder=row["forwarder"] or "",
            )
            for row in rows
        ]

    async def clock_ahead_s(self) -> float:
        """Return by how many seconds PostgreSQL's clock is ahead of this machine's."""
        before = time.time()
        theirs = await self._connection.fetchval("SELECT EXTRACT(epoch FROM clock_timestamp())")
        return float(theirs) - (before + time.time()) / 2

    async def endpoints(self) -> list[Endpoint]:
        """Return the receivers of webhooks."""
        if not await self._connection.fetchval(SQL["has_tables"]):
            return []
        return [Endpoint(**row) for row in await self._rows("webhooks")]

    async def homes(self) -> list[Home]:
        """Return where the rooms live; none where a migration is missing."""
        try:
            return [Home(**row) for row in await self._connection.fetch(HOMES)]
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError):
            return []

    async def _settings(self, server: asyncpg.Record) -> dict[str, str]:
        rows = await self._connection.fetch(SQL["settings"], _SETTINGS)
        session = {f"session.{name}": server[name] for name in ("lock_timeout", "jit")}
        return {row["name"]: row["setting"] for row in rows} | session

    async def _migrations(self) -> dict[str, str] | None:
        rows = await self._rows("migrations")
        return {row["name"]: row["checksum"] for row in rows} or None

    async def _wal(self) -> Wal | None:
        if not await self._connection.fetchval(SQL["may_list_wal"]):
            return None
        row = await self._row("wal")
        return Wal(bytes=row["bytes"], most_bytes=row["most_bytes"])

    async def _round_trip_s(self) -> float:
        seconds = []
        for _ in range(ROUND_TRIPS):
            before = time.perf_counter()
            await self._connection.execute("SELECT 1")
            seconds.append(time.perf_counter() - before)
        return statistics.median(seconds)

    async def _row(self, name: str) -> asyncpg.Record:
        row = await self._connection.fetchrow(SQL[name])
        assert row is not None, "the query has a row for every database"
        return row

    async def _rows(self, name: str) -> list[asyncpg.Record]:
        return await self._connection.fetch(SQL[name])


async def open_database_store(url: str) -> DatabaseStore:
    """Connect as the processes do, behind a pooler too; errors of the engine pass through."""
    connection = await connect_once(
        url, timeout=CONNECT_MAX_S, command_timeout=STATEMENT_MAX_S, statement_cache_size=0
    )
    return DatabaseStore(connection)
