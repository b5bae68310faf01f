"""Numbered SQL files, applied once each, in order, by one process at a time.

Files run together in one transaction, all or none. A file that begins with `OUTSIDE` runs alone and
outside a transaction, for an index on a table that a sale is writing to: it holds only `CREATE
INDEX CONCURRENTLY IF NOT EXISTS`. If it breaks off, PostgreSQL leaves an invalid index behind; the
next run drops that and goes on.

A sale may go on meanwhile. So all locks of a transaction are taken before its first change, in the
order in which shoppers' requests take them, and within a fraction of a second: requests wait for so
long at most, and a deadlock, which PostgreSQL ends after a second, cannot come about. A migrator
that does not get them in time lets go of all and tries again, with more patience each time.

The table `migration` records the name and the checksum of each file that a database has run. A
database whose record does not fit the files of this version is left as it is: `migrate` raises
`MigrationError`, whose message says which file does not fit and what to do.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from typing import TYPE_CHECKING

import asyncpg

from inventory.kit.servers.servers import connect_once
from waitroom.store.roles.grants import RoleUnfit, settle_rights

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    # Generic to the type checker only.
    Connection = asyncpg.Connection

OUTSIDE = "-- Outside a transaction."
_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS (\w+) ON [^;]+;")
# A migrator that waits inside a statement would keep an index that is built concurrently from being
# finished, so it asks again and again.
_ASK_EVERY_S = 0.2

# Any constant will do; it only has to be the same in every process.
_LOCK = 0x77616974

_TABLE = """
CREATE TABLE IF NOT EXISTS migration (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""

# So long the first try waits for the locks of all its tables together. Later ones wait longer, at
# last for long enough that an autovacuum gives way, which it does after a second.
LOCKS_WAIT_S, LOCKS_WAIT_MAX_S, LOCKS_WAIT_GROWS = 0.3, 1.5, 1.5
# For so long a migrator tries in all. Between two tries requests go on.
BUSY_MAX_S = 60.0
_REST_S = 0.5

# The order of `waitroom.store`; other tables come after these, by name.
_LOCK_ORDER = (
    *("log_head", "room", "office", "line", "admission"),
    *("room_stock", "stock", "hold", "purchase", "customer"),
)
_BODY = re.compile(r"\$\$.*?\$\$|--[^\n]*", re.DOTALL)
_TOUCHED = re.compile(
    r"\b(?:TABLE(?: IF EXISTS)?(?: ONLY)?|ON|REFERENCES|UPDATE|INTO|DELETE FROM|TRUNCATE)"
    r"(?= +(\w+))"
)

_START_ANEW = "start with a new data folder (--data-dir) or an empty database"


class MigrationError(Exception):
    """A database cannot be brought up to date; the message says why and what to do, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One numbered file.

    `name` is the file's name, which begins with its number of four digits; `sql` is its text.
    """

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """The SHA-256 of the text, in hexadecimal digits."""
        return sha256(self.sql.encode()).hexdigest()

    @property
    def outside(self) -> bool:
        """True for a file that runs outside a transaction."""
        return self.sql.startswith(OUTSIDE)

    @property
    def touched(self) -> set[str]:
        """The names of all tables that it may lock, and some more; what functions do is no part."""
        return set(_TOUCHED.findall(_BODY.sub("", self.sql)))

    @property
    def indexes(self) -> dict[str, str]:
        """The statements of a file that runs outside a transaction, by the index that each makes.

        Raises `MigrationError` where there is anything else in it.
        """
        sql = re.sub(r"--[^\n]*", "", self.sql)
        if _INDEX.sub("", sql).strip():
            raise MigrationError(
                f"{self.name} runs outside a transaction: it may only create indexes concurrently"
            )
        return {found[1]: found[0] for found in _INDEX.finditer(sql)}


def load_migrations() -> list[Migration]:
    """Return every migration, in the order of their numbers."""
    folder = resources.files("waitroom.store").joinpath("migrations")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [Migration(name=f.name, sql=f.read_text(encoding="utf-8")) for f in files]


def missing_migrations(
    known: Sequence[Migration], recorded: Mapping[str, str]
) -> Sequence[Migration]:
    """Return the known migrations that a database has not run, in order.

    `recorded` maps the names that the database has run to their checksums. Raises
    `MigrationError` when the database has run anything but the first of the known files: then an
    unreleased version with other files made it, or a later version.
    """
    run = [migration for migration in known if migration.name in recorded]
    changed = [m.name for m in run if recorded[m.name] != m.checksum]
    foreign = sorted(recorded.keys() - {m.name for m in known})
    if foreign and len(run) == len(known) and not changed and foreign[0] > known[-1].name:
        raise MigrationError(
            "this database was made by a later version of waitroom (it has run "
            f"{foreign[0]}): install that version, or {_START_ANEW}"
        )
    if foreign or changed or run != list(known[: len(run)]):
        odd = next(iter((*foreign, *changed)), known[0].name)
        raise MigrationError(
            "this database was made by an unreleased earlier version of waitroom (its record of "
            f"{odd} does not fit this version) and cannot be brought up to date: {_START_ANEW}; "
            "to keep the old data, rename its folder and leave it to the version that made it"
        )
    return known[len(run) :]


async def migrate(
    url: str, known: Sequence[Migration] | None = None, *, running_role: str | None = None
) -> list[str]:
    """Apply what is missing, settle the rights, and return the names of what was applied.

    `known` are all migrations, by default those of this version. `running_role` is the role of the
    processes that sell, where it is not the one of `url`. Raises `MigrationError` when the
    database's record does not fit them, or the running role cannot be prepared.
    """
    known = load_migrations() if known is None else known
    applied: list[str] = []
    # A pooler hands connections on with what the client before prepared, under the same names.
    connection = await connect_once(url, statement_cache_size=0)
    try:
        while True:
            names, following = await _apply_together(connection, known, running_role)
            applied += names
            if following is None:
                return applied
            if await _apply_outside(connection, following):
                applied.append(following.name)
    finally:
        await connection.close()


async def _apply_together(
    connection: Connection, known: Sequence[Migration], running_role: str | None
) -> tuple[list[str], Migration | None]:
    """Apply what is missing up to the first file that runs outside a transaction; return that too.

    The lock belongs to the transaction, so it works behind a pooler.
    """
    locks_wait_s, until = LOCKS_WAIT_S, time.monotonic() + BUSY_MAX_S
    while True:
        try:
            async with connection.transaction():
                if await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
                    return await _apply_at_once(connection, known, running_role, locks_wait_s)
            await asyncio.sleep(_ASK_EVERY_S)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if time.monotonic() > until:
                raise MigrationError(
                    f"others kept the tables locked for {BUSY_MAX_S:.0f} s ({error}): end what "
                    "takes long, such as a copy or a report, and migrate again"
                ) from error
            locks_wait_s = min(locks_wait_s * LOCKS_WAIT_GROWS, LOCKS_WAIT_MAX_S)
            await asyncio.sleep(_REST_S)


async def _apply_at_once(
    connection: Connection,
    known: Sequence[Migration],
    running_role: str | None,
    locks_wait_s: float,
) -> tuple[list[str], Migration | None]:
    """Do what `_apply_together` does in the transaction that is open, if the locks come in time."""
    await connection.execute(_TABLE)
    rows = await connection.fetch("SELECT name, checksum FROM migration")
    missing = missing_migrations(known, {row["name"]: row["checksum"] for row in rows})
    following = next((one for one in missing if one.outside), None)
    together = missing[: missing.index(following)] if following else missing
    await _lock_tables(connection, together, within_s=locks_wait_s)
    for migration in together:
        await _record(connection, migration)
        await connection.execute(migration.sql)
    if following is None:
        try:
            await settle_rights(connection, running_role)
        except RoleUnfit as error:
            raise MigrationError(str(error)) from error
    return [migration.name for migration in together], following


async def _lock_tables(
    connection: Connection, migrations: Sequence[Migration], *, within_s: float
) -> None:
    """Lock every table that the migrations touch; raises asyncpg's error if one comes too late."""
    rows = await connection.fetch(
        """SELECT relname FROM pg_class
           WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace"""
    )
    order = {name: place for place, name in enumerate(_LOCK_ORDER)}
    touched = set().union(*(migration.touched for migration in migrations))
    tables = sorted(
        {row["relname"] for row in rows} & touched,
        key=lambda name: (order.get(name, len(order)), name),
    )
    until = time.monotonic() + within_s
    for table in tables:
        await _wait_for_locks(connection, within_s=until - time.monotonic())
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    # For what else a migration locks, such as a view.
    await _wait_for_locks(connection, within_s=within_s)


async def _wait_for_locks(connection: Connection, *, within_s: float) -> None:
    # Zero would be for ever.
    await connection.execute(f"SET LOCAL lock_timeout = {max(int(within_s * 1000), 1)}")


async def _apply_outside(connection: Connection, migration: Migration) -> bool:
    """Build the indexes of one file; return False where another migrator did it meanwhile.

    The lock belongs to the session, so this needs a connection that no pooler shares.
    """
    statements = migration.indexes
    async with _session_lock(connection):
        done = "SELECT EXISTS (SELECT FROM migration WHERE name = $1)"
        if await connection.fetchval(done, migration.name):
            return False
        for index, statement in statements.items():
            broken = "SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"
            if await connection.fetchval(broken, index):
                await connection.execute(f"DROP INDEX CONCURRENTLY {index}")
            await connection.execute(statement)
        await _record(connection, migration)
    return True


@asynccontextmanager
async def _session_lock(connection: Connection) -> AsyncIterator[None]:
    while True:
        if await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
            break
        await asyncio.sleep(_ASK_EVERY_S)
    try:
        yield
    finally:
        # A connection that broke has lost its lock already.
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def _record(connection: Connection, migration: Migration) -> None:
    await connection.execute(
        "INSERT INTO migration (name, checksum) VALUES ($1, $2)",
        migration.name,
        migration.checksum,
    )
