"""A database that a test gives back is, for the next one, as if nobody had used it."""

import asyncio
from urllib.parse import urlsplit

import asyncpg
import pytest
from databases import Databases
from support import (
    execute,
    open_room,
    owner_url,
    secrets,
    settings,
    tick,
)

from waitroom.run.app import open_service

TABLES = (
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
)
SEQUENCES = "SELECT sequencename, start_value, last_value FROM pg_sequences ORDER BY 1"


async def contents(url: str) -> dict[str, list[str]]:
    """Return every row of every table, and where every sequence stands."""
    connection = await asyncpg.connect(url)
    try:
        names = [row[0] for row in await connection.fetch(TABLES)]
        found = {
            name: sorted(str(row) for row in await connection.fetch(f"TABLE {name}"))
            for name in names
        }
        found["sequences"] = [str(row) for row in await connection.fetch(SEQUENCES)]
        return found
    finally:
        await connection.close()


async def sell(url: str, valkey_url: str) -> None:
    made = settings(url, valkey_url)
    async with open_service(made, secrets(), roles=frozenset()) as service:
        await open_room(service, skus={"mug": 3, "cup": 2})
        await tick(service)
        await service.lines.join(service.board.room("drop").line_id, 5, bytes(32))
        await service.operators.add("Olga", role="admin", password="a password of hers")
        await execute(service, "UPDATE office SET term = 7, stopped = '1 hour'")
        await execute(service, "DELETE FROM order_transition")


def test_rows_and_sequences_are_those_of_a_new_database(
    databases: Databases, valkey_url: str
) -> None:
    with databases.own() as url:
        fresh = asyncio.run(contents(url))
    with databases.borrowed() as url:
        asyncio.run(sell(url, valkey_url))
        used = asyncio.run(contents(url))

    with databases.borrowed() as again:
        assert again == url
        assert used != fresh
        assert asyncio.run(contents(again)) == fresh


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE ending (hold_id uuid)",
        "ALTER TABLE sku ADD colour text",
        "ALTER TABLE sku RENAME TO item",
        "ALTER FUNCTION call_numbers RENAME TO lost",
        "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP TRIGGER log_is_append_only ON log_entry",
        "ALTER TABLE log_entry DISABLE TRIGGER ALL",
        "ALTER TABLE stock ADD CHECK (on_hand < 1000)",
        "ALTER DATABASE {name} SET work_mem = '1MB'",
        "ANALYZE office",
    ],
)
def test_a_database_with_another_schema_is_replaced(databases: Databases, change: str) -> None:
    async def do(url: str, sql: str) -> None:
        connection = await asyncpg.connect(owner_url(url))
        await connection.execute(sql.format(name=urlsplit(url).path.strip("/")))
        await connection.close()

    with databases.borrowed() as url:
        asyncio.run(do(url, change))

    with databases.borrowed() as other:
        assert other != url


def test_a_database_that_has_grown_is_replaced(databases: Databases) -> None:
    async def grow(url: str) -> None:
        connection = await asyncpg.connect(owner_url(url))
        await connection.execute(
            "INSERT INTO customer (issuer, subject)"
            " SELECT 'issuer', repeat(n::text, 20) FROM generate_series(1, 20000) n"
        )
        await connection.close()

    with databases.borrowed() as url:
        asyncio.run(grow(url))

    with databases.borrowed() as other:
        assert other != url


def test_a_connection_that_was_left_open_is_closed_with_its_locks(databases: Databases) -> None:
    with asyncio.Runner() as runner:
        with databases.borrowed() as url:
            left = runner.run(asyncpg.connect(owner_url(url)))
            runner.run(left.execute("BEGIN; LOCK TABLE office"))

        with databases.borrowed() as again:
            assert again == url
            assert len(runner.run(contents(again))["office"]) == 1
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                runner.run(left.fetchval("SELECT 1"))
        runner.run(left.close(timeout=1))
