"""Migrations apply in order, once; a database of another layout is refused in one line."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner
from support import database_url, eventually

from waitroom.cli.program import main
from waitroom.run.engines import EngineUrls
from waitroom.run.processes.exits import UNFIT
from waitroom.store.migrate import (
    OUTSIDE,
    Migration,
    MigrationError,
    load_migrations,
    migrate,
)

# Files of layouts that no release had, as a database of those days has them on record.
EARLIER_LAYOUT = ("0001_tables.sql", "0002_stock_functions.sql", "0003_line_functions.sql")
_counter = itertools.count(1)


@pytest.fixture
async def empty_url(engines: EngineUrls) -> AsyncIterator[str]:
    name = f"unmigrated_{next(_counter)}"
    connection = await asyncpg.connect(engines.postgres_owner_url)
    await connection.execute(f"CREATE DATABASE {name}")
    yield database_url(str(engines.postgres_owner_url), name)
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


async def record(url: str, names: tuple[str, ...]) -> None:
    """Put migrations on record as the version that ran them did."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        "CREATE TABLE migration (name text PRIMARY KEY, checksum text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
    )
    await connection.executemany(
        "INSERT INTO migration (name, checksum) VALUES ($1, $2)",
        [(name, sha256(name.encode()).hexdigest()) for name in names],
    )
    await connection.close()


async def tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    return {row["tablename"] for row in rows}


async def test_migrations_apply_in_order_and_once(empty_url: str) -> None:
    applied = await migrate(empty_url)
    again = await migrate(empty_url)

    assert applied == sorted(migration.name for migration in load_migrations())
    assert again == []
    assert {"room", "line", "admission", "stock", "hold", "purchase"} <= await tables(empty_url)


async def test_a_database_of_an_earlier_layout_is_left_as_it_is(empty_url: str) -> None:
    await record(empty_url, EARLIER_LAYOUT)

    with pytest.raises(MigrationError, match="unreleased earlier version"):
        await migrate(empty_url)

    assert await tables(empty_url) == {"migration"}


@pytest.mark.parametrize("command", ["migrate", "up"])
async def test_the_program_says_in_one_line_what_to_do_with_an_earlier_layout(
    empty_url: str, valkey_url: str, command: str, tmp_path: Path
) -> None:
    await record(empty_url, EARLIER_LAYOUT)
    where = ["--postgres-url", empty_url, "--valkey-url", valkey_url, "--data-dir", str(tmp_path)]
    port = ["--port", "0", "--demo"] if command == "up" else []

    # The program runs a loop of its own, so it needs a thread of its own.
    result = await asyncio.to_thread(CliRunner().invoke, main, [command, *where, *port])

    assert result.exit_code == UNFIT
    assert result.stderr.count("\n") == 1
    for said in ("0001_tables.sql", "cannot be brought up to date", "new data folder", "rename"):
        assert said in result.stderr


TOYS = Migration(
    name="0001_toys.sql",
    sql="CREATE TABLE toy (name text, colour text); INSERT INTO toy VALUES ('kite'), ('kite');",
)
INDEXES = Migration(
    name="0002_toys_by.sql",
    sql=f"""{OUTSIDE}
-- A sale is writing to these.
CREATE INDEX CONCURRENTLY IF NOT EXISTS toy_by_colour ON toy (colour);
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS toy_named_once ON toy (name);
""",
)
MORE = Migration(name="0003_games.sql", sql="CREATE TABLE game (name text);")


async def valid_indexes(url: str) -> dict[str, bool]:
    connection = await asyncpg.connect(url)
    sql = """SELECT indexrelid::regclass::text AS name, indisvalid FROM pg_index
             WHERE indrelid = 'toy'::regclass"""
    rows = await connection.fetch(sql)
    await connection.close()
    return {row["name"]: row["indisvalid"] for row in rows}


async def test_an_index_that_broke_off_is_built_again(empty_url: str) -> None:
    known = [TOYS, INDEXES, MORE]
    with pytest.raises(asyncpg.UniqueViolationError):
        await migrate(empty_url, known)
    assert await valid_indexes(empty_url) == {"toy_by_colour": True, "toy_named_once": False}
    assert "game" not in await tables(empty_url)

    connection = await asyncpg.connect(empty_url)
    await connection.execute("DELETE FROM toy WHERE ctid IN (SELECT ctid FROM toy LIMIT 1)")
    await connection.close()
    both = await asyncio.gather(migrate(empty_url, known), migrate(empty_url, known))

    assert sorted(name for names in both for name in names) == [INDEXES.name, MORE.name]
    assert await valid_indexes(empty_url) == {"toy_by_colour": True, "toy_named_once": True}
    assert await migrate(empty_url, known) == []


async def test_only_indexes_are_made_outside_a_transaction(empty_url: str) -> None:
    wrong = Migration(name="0002_more.sql", sql=f"{OUTSIDE}\nDROP TABLE toy;")

    with pytest.raises(MigrationError, match="may only create indexes concurrently"):
        await migrate(empty_url, [TOYS, wrong])

    assert "toy" in await tables(empty_url)


async def test_a_migration_that_cannot_have_all_its_tables_lets_go_before_there_is_a_deadlock(
    empty_url: str,
) -> None:
    known = [TOYS, Migration(name="0002_games.sql", sql=MORE.sql)]
    await migrate(empty_url, known)
    wider = Migration(
        name="0003_wider.sql",
        sql="ALTER TABLE toy ADD COLUMN later text; ALTER TABLE game ADD COLUMN later text;",
    )
    sale = await asyncpg.connect(empty_url)
    async with sale.transaction():
        await sale.execute("LOCK TABLE toy IN ROW SHARE MODE")
        migrating = asyncio.create_task(migrate(empty_url, [*known, wider]))

        async def waits() -> bool:
            return await sale.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")

        await eventually(waits)
        # The migrator has this one and waits for the other, so now each waits for the other.
        await sale.execute("LOCK TABLE game IN ROW SHARE MODE")
        assert not migrating.done()
    assert await migrating == [wider.name]
    assert (
        await sale.fetchval(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        == 0
    )
    await sale.close()


def test_tables_that_a_migration_touches_are_found_and_those_of_functions_are_not() -> None:
    sql = """
    -- ALTER TABLE never
    ALTER TABLE IF EXISTS ONLY one ADD COLUMN x int REFERENCES two;
    CREATE TRIGGER t BEFORE UPDATE ON three FOR EACH ROW EXECUTE FUNCTION f();
    UPDATE four SET x = 1;
    CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ UPDATE never SET x = 1 $$;
    """

    touched = Migration(name="0001_any.sql", sql=sql).touched

    assert {"one", "two", "three", "four"} <= touched
    assert "never" not in touched
