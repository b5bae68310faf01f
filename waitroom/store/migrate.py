"""Numbered SQL files, applied once each, in order, by one process at a time.

The table `migration` records the name and the checksum of each file that a database has run. A
database whose record does not fit the files of this version is left as it is: `migrate` raises
`MigrationError`, whose message says which file does not fit and what to do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources

import asyncpg

# Any constant will do; it only has to be the same in every process.
_LOCK = 0x77616974

_TABLE = """
CREATE TABLE IF NOT EXISTS migration (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""

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


async def migrate(url: str) -> list[str]:
    """Apply what is missing and return the names of what was applied.

    Raises `MigrationError` when the database's record does not fit the files. The lock belongs to
    the transaction, so it works behind a pooler too; all files are applied or none.
    """
    # A pooler hands connections on with what the client before prepared, under the same names.
    connection = await asyncpg.connect(url, statement_cache_size=0)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute(_TABLE)
            rows = await connection.fetch("SELECT name, checksum FROM migration")
            recorded = {row["name"]: row["checksum"] for row in rows}
            return await _apply(connection, missing_migrations(load_migrations(), recorded))
    finally:
        await connection.close()


async def _apply(
    connection: "asyncpg.Connection[asyncpg.Record]", migrations: Sequence[Migration]
) -> list[str]:
    for migration in migrations:
        await connection.execute(
            "INSERT INTO migration (name, checksum) VALUES ($1, $2)",
            migration.name,
            migration.checksum,
        )
        await connection.execute(migration.sql)
    return [migration.name for migration in migrations]
