"""Services that know several servers of PostgreSQL by one URL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from support import eventually, owner_url

from inventory.kit import database
from inventory.kit.database import Pool, ask, connection, open_pool
from inventory.kit.problem import EngineDown
from inventory.kit.servers import servers
from waitroom.store.migrate import migrate

GIVEN_UP_S = 0.2


def beside(folder: Path, url: str) -> str:
    """Return a URL that names another server before the one of `url`."""
    place = parse_qs(urlsplit(url).query)
    listed = f"host={folder},{place['host'][0]}&port=5432,{place['port'][0]}"
    return f"{url.partition('?')[0]}?{listed}"


@asynccontextmanager
async def silent(folder: Path) -> AsyncIterator[None]:
    """Listen as a frozen server does: its kernel takes connections, and nobody answers."""
    server = await asyncio.start_unix_server(lambda *_: None, folder / ".s.PGSQL.5432")
    async with server:
        yield


@asynccontextmanager
async def pool_at(url: str) -> AsyncIterator[Pool]:
    pool = await open_pool(url, size_max=3)
    try:
        yield pool
    finally:
        pool.terminate()


async def test_a_server_that_is_away_or_silent_holds_nobody_up(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "LOOK_S", GIVEN_UP_S)
    url = beside(tmp_path, postgres_url)

    async with pool_at(url) as pool:
        assert [row["answer"] for row in await ask(pool, "SELECT 7 AS answer")] == [7]
    async with silent(tmp_path), pool_at(url) as pool:
        assert [row["answer"] for row in await ask(pool, "SELECT 8 AS answer")] == [8]
    assert await migrate(owner_url(url)) == []


async def test_connections_to_a_server_that_takes_no_writes_any_more_are_left_at_once(
    postgres_url: str,
) -> None:
    async with pool_at(owner_url(postgres_url)) as pool:
        async with connection(pool) as first, connection(pool) as second:
            for one in (first, second):
                await one.execute("SET default_transaction_read_only = on")

        with pytest.raises(EngineDown) as refused:
            await ask(pool, "UPDATE office SET term = term")
        assert isinstance(refused.value.__cause__, asyncpg.ReadOnlySQLTransactionError)

        # Neither of the two is used again.
        for _ in range(2):
            await ask(pool, "UPDATE office SET term = term")


async def test_a_statement_that_is_given_up_is_not_cancelled(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled in its commit, it would be seen before any standby has it."""
    monkeypatch.setattr(database, "SHOPPER_TIMEOUT_S", GIVEN_UP_S)
    async with pool_at(owner_url(postgres_url)) as pool:
        before = (await ask(pool, "SELECT term FROM office"))[0]["term"]
        slow = "UPDATE office SET term = term + 1 WHERE pg_sleep(1) IS NOT NULL"

        with pytest.raises(EngineDown):
            async with connection(pool) as borrowed:
                await borrowed.execute(slow, timeout=GIVEN_UP_S)

        async def done() -> bool:
            return bool((await ask(pool, "SELECT term FROM office"))[0]["term"] == before + 1)

        assert await eventually(done)
