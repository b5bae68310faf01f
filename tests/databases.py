"""Databases for tests, used again and again: bringing one back is far cheaper than making it.

Each is a copy of one template, which the migrations and the test gateway made. Before a test gets
a database that another test has used, it is brought back to the template's state: connections that
are not kept are closed, rows are deleted, sequences restart, and the rows that migrations write are
put back. A database is replaced when its schema, its settings or its statistics differ from the
template's, and when it has grown.
"""

import asyncio
import io
import itertools
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
from kept_pools import KeptPools
from support import database_url, owner_url

from checkout.gateway.deterministic_gateway import open_test_gateway
from inventory.kit.database import open_pool
from waitroom.run.engines.postgres import OWNER, RUNNING
from waitroom.store.migrate import migrate

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    # Generic to the type checker only.
    Connection = asyncpg.Connection

Result = TypeVar("Result")

TEMPLATE = "template_of_waitroom"
# Deleting rows leaves their room on the disk. Beyond this a relation is too large to be kept.
RELATION_BYTES_MAX = 1_000_000
HANG_UP_WAIT_MS = 5000

# The shop's tables, and those of the test gateway.
OURS = "ANY ('{public,test_gateway}'::regnamespace[])"

# A change of the schema writes rows of the catalogue, and each row names the transaction that wrote
# it: even a trigger that was disabled and enabled again is noticed. Of pg_class the contents are
# compared, since the planner's counts are kept in it too. Statistics of a table would change plans.
FINGERPRINT = f"""
SELECT sum(hashint8extended(xmin::text::bigint, oid::bigint)) FROM (
    SELECT oid, xmin FROM pg_proc WHERE pronamespace = {OURS}
    UNION ALL SELECT oid, xmin FROM pg_type WHERE typnamespace = {OURS}
    UNION ALL SELECT oid, xmin FROM pg_constraint WHERE connamespace = {OURS}
    UNION ALL SELECT oid, xmin FROM pg_trigger
    UNION ALL SELECT oid, xmin FROM pg_rewrite
    UNION ALL SELECT oid, xmin FROM pg_attrdef
    UNION ALL SELECT oid, xmin FROM pg_namespace WHERE nspname !~ '^pg_t'
    UNION ALL SELECT seqrelid, xmin FROM pg_sequence
    UNION ALL SELECT attrelid, a.xmin FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
        WHERE relnamespace = {OURS}
    UNION ALL SELECT indexrelid, i.xmin FROM pg_index i JOIN pg_class c ON c.oid = indrelid
        WHERE relnamespace = {OURS}
) catalogue
UNION ALL
SELECT sum(hashtextextended(concat_ws(' ', relname, relkind, relowner, relchecks, relhastriggers,
                                      relpersistence, reloptions, relacl), oid::bigint))
FROM pg_class WHERE relnamespace = {OURS}
UNION ALL
SELECT count(*) FROM pg_statistic JOIN pg_class c ON c.oid = starelid
WHERE relnamespace = {OURS}
UNION ALL
SELECT count(*) FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
WHERE datname = current_database()
"""

LARGEST = f"""
SELECT max(pg_relation_size(oid)) FROM pg_class
WHERE relnamespace = {OURS} AND relkind IN ('r', 'i')
"""

HANG_UP = """
SELECT pg_terminate_backend(pid, $1) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND (state <> 'idle' OR pid <> ALL ($2::int[]))
"""

TABLES = f"""
SELECT oid::regclass::text FROM pg_class
WHERE relnamespace = {OURS} AND relkind = 'r' ORDER BY 1
"""

SEQUENCES = """
SELECT format('setval(%L, %s, %s)', quote_ident(sequencename), coalesce(last_value, start_value),
              (last_value IS NOT NULL)::text)
FROM pg_sequences WHERE schemaname = 'public'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pristine:
    """How the template is: its schema in four numbers, and what the migrations wrote into it."""

    fingerprint: list[int]
    tables: list[str]
    # The rows of the tables that have any, in PostgreSQL's binary format.
    seeds: dict[str, bytes]
    which_have_rows: str
    set_sequences: str


class Databases:
    """Copies of the template on one engine, each handed out to one test at a time.

    It works in an event loop of its own, so fixtures of any scope may call it that are no
    coroutines themselves.
    """

    def __init__(self, postgres_url: str, pools: KeptPools) -> None:
        self._engine = postgres_url
        self._pools = pools
        # The superuser's connection to each database that has been taken twice.
        self._connections: dict[str, Connection] = {}
        self._loop = asyncio.new_event_loop()
        # The one that was used last is taken first: the engine has it in its caches.
        self._free: list[str] = []
        self._numbers = itertools.count(1)
        self._pristine = self._run(self._make_template())

    def close(self) -> None:
        for connection in self._connections.values():
            self._run(connection.close())
        self._loop.close()

    @contextmanager
    def borrowed(self) -> Iterator[str]:
        """Lend a database; yield its URL.

        It is cleaned when it is taken and not when it comes back: a program of the test that had
        it may go on for a while, until another fixture ends it.
        """
        name = self._run(self._take())
        yield database_url(self._engine, name)
        self._free.append(name)

    @contextmanager
    def own(self) -> Iterator[str]:
        """Make a database that nobody used and nobody will use; yield its URL."""
        name = self._run(self._make())
        yield database_url(self._engine, name)
        self._run(self._drop(name))

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._loop.run_until_complete(work)

    async def _make_template(self) -> Pristine:
        await self._admin(f"CREATE DATABASE {TEMPLATE}")
        url = database_url(self._engine, TEMPLATE)
        async with await open_pool(owner_url(url), size_max=1) as pool:
            await open_test_gateway(pool)
        await migrate(owner_url(url), running_role=RUNNING)
        # Tests arrange with the owner's rights, and have to ask for them each time.
        superuser = url.replace(f"://{RUNNING}@", "://postgres@")
        may_become = f"""
            GRANT {OWNER} TO {RUNNING} WITH INHERIT FALSE, SET TRUE;
            GRANT pg_read_all_stats, pg_signal_backend TO {OWNER}
        """
        connection = await asyncpg.connect(superuser)
        await connection.execute(may_become)
        await connection.close()
        connection = await self._connect(TEMPLATE)
        try:
            tables = [row[0] for row in await connection.fetch(TABLES)]
            which = " UNION ALL ".join(
                f"SELECT '{table}' AS name WHERE EXISTS (SELECT FROM {table})" for table in tables
            )
            seeds = {}
            for (table,) in await connection.fetch(which):
                copy = io.BytesIO()
                await connection.copy_from_table(table, output=copy, format="binary")
                seeds[table] = copy.getvalue()
            sequences = [row[0] for row in await connection.fetch(SEQUENCES)]
            return Pristine(
                fingerprint=await _fingerprint(connection),
                tables=tables,
                seeds=seeds,
                which_have_rows=which,
                set_sequences=f"SELECT {', '.join(sequences)}",
            )
        finally:
            await connection.close()

    async def _take(self) -> str:
        if not self._free:
            return await self._make()
        name = self._free.pop()
        connection = self._connections.pop(name, None)
        if connection is None or connection.is_closed():
            connection = await self._connect(name)
        kept = self._pools.processes(database_url(self._engine, name))
        try:
            is_clean = await self._clean(connection, kept)
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
            # A test broke off all connections that it found.
            is_clean = False
        if is_clean:
            self._connections[name] = connection
            return name
        await connection.close()
        await self._drop(name)
        return await self._make()

    async def _clean(self, connection: Connection, kept: list[int]) -> bool:
        """Bring a database back to the template's state; return whether that can be done."""
        await connection.execute(HANG_UP, HANG_UP_WAIT_MS, kept)
        if await _fingerprint(connection) != self._pristine.fingerprint:
            return False
        if await connection.fetchval(LARGEST) > RELATION_BYTES_MAX:
            return False
        full = [row[0] for row in await connection.fetch(self._pristine.which_have_rows)]
        async with connection.transaction():
            # TRUNCATE takes ten times as long, for every table gets a new file. In this role no
            # trigger is fired, neither those that forbid deleting nor those of foreign keys.
            deletes = "".join(f"; DELETE FROM {table}" for table in full)
            await connection.execute(f"SET LOCAL session_replication_role = replica{deletes}")
            await connection.execute(self._pristine.set_sequences)
            for table, rows in self._pristine.seeds.items():
                await connection.copy_to_table(table, source=io.BytesIO(rows), format="binary")
        await connection.execute("SELECT pg_stat_reset()")
        return True

    async def _make(self) -> str:
        name = f"test_{next(self._numbers)}"
        await self._admin(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        # A copy does not take over what the template's database forbids.
        await self._admin(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
        return name

    async def _drop(self, name: str) -> None:
        self._pools.end(database_url(self._engine, name))
        await self._admin(f"DROP DATABASE {name} WITH (FORCE)")

    async def _admin(self, sql: str) -> None:
        connection = await asyncpg.connect(owner_url(self._engine))
        await connection.execute(sql)
        await connection.close()

    async def _connect(self, name: str) -> Connection:
        """Connect as the superuser, who may switch triggers off for a transaction."""
        url = database_url(self._engine, name).replace(f"://{RUNNING}@", "://postgres@")
        return await asyncpg.connect(url)


async def _fingerprint(connection: Connection) -> list[int]:
    return [int(row[0]) for row in await connection.fetch(FINGERPRINT)]
