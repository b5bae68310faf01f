"""Numbered SQL files, applied once each, in order, by one process at a time."""

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


class MigrationError(Exception):
    """A migration cannot be applied; the message says which and why."""


def load_migrations() -> list[tuple[str, str]]:
    """Return the (name, SQL) of every migration, in the order of their numbers."""
    folder = resources.files("waitroom.store").joinpath("migrations")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [(f.name, f.read_text(encoding="utf-8")) for f in files]


async def migrate(url: str) -> list[str]:
    """Apply what is missing and return the names of what was applied.

    Raises `MigrationError` when an applied file was changed afterwards. The lock belongs to the
    transaction, so it works behind a pooler too; all files are applied or none.
    """
    # A pooler hands connections on with what the client before prepared, under the same names.
    connection = await asyncpg.connect(url, statement_cache_size=0)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute(_TABLE)
            rows = await connection.fetch("SELECT name, checksum FROM migration")
            return await _apply(connection, {row["name"]: row["checksum"] for row in rows})
    finally:
        await connection.close()


async def _apply(
    connection: "asyncpg.Connection[asyncpg.Record]", done: dict[str, str]
) -> list[str]:
    applied = []
    for name, sql in load_migrations():
        checksum = sha256(sql.encode()).hexdigest()
        if name in done:
            if done[name] != checksum:
                raise MigrationError(
                    f"{name} was changed after it had been applied; "
                    "put it back and write a new migration instead"
                )
            continue
        await connection.execute(
            "INSERT INTO migration (name, checksum) VALUES ($1, $2)", name, checksum
        )
        await connection.execute(sql)
        applied.append(name)
    return applied
