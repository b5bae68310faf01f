"""Behind PgBouncer in transaction mode, without prepared statements, in a schema of one's own."""

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient
from pooler import SERVER_CONNECTIONS, behind, find_pgbouncer, pgbouncer
from support import admitted, database_url, execute, open_room, secrets, settings, tick

from checkout.customers.customer import Customer
from waitroom.run.app import Service, open_service
from waitroom.run.engines import EngineUrls
from waitroom.store.migrate import migrate

pytestmark = pytest.mark.skipif(
    find_pgbouncer() is None,
    reason="pgbouncer is not installed; Debian and Ubuntu: apt install pgbouncer",
)

Serve = Callable[[Service], Awaitable[TestClient[Any, Any]]]
SHOPPERS = 40
UNITS = 25
_counter = itertools.count(1)


@pytest.fixture
async def pooled_url(engines: EngineUrls) -> AsyncIterator[str]:
    """Lead through the pooler to an empty database and a role with a schema of its own there.

    It is what docs/start.md tells to do on a managed database: whatever a platform makes
    public of the schema `public`, nothing of ours is in it.
    """
    direct = str(engines.postgres_owner_url).replace("waitroom@", "postgres@")
    name = f"pooled_{next(_counter)}"
    admin = await asyncpg.connect(direct)
    own = f"CREATE ROLE {name} LOGIN; ALTER ROLE {name} SET jit = off"
    await admin.execute(own)
    await admin.execute(f"CREATE DATABASE {name}")
    # The test gateway keeps its books in a schema of its own. A real gateway needs none.
    await admin.execute(f"GRANT CREATE ON DATABASE {name} TO {name}")
    inside = await asyncpg.connect(database_url(direct, name))
    await inside.execute(f"CREATE SCHEMA {name} AUTHORIZATION {name}")
    await inside.close()
    with (
        tempfile.TemporaryDirectory(prefix="pooler-") as folder,
        pgbouncer(str(find_pgbouncer()), Path(folder), direct, users=[name]) as socket,
    ):
        url = database_url(direct, name).replace("postgres@", f"{name}@")
        yield behind(url, socket)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.execute(f"DROP ROLE {name}")
    await admin.close()


async def test_migrations_run_again_and_at_once_by_many(pooled_url: str) -> None:
    outcomes = await asyncio.gather(*(migrate(pooled_url) for _ in range(5)))

    applied = [names for names in outcomes if names]
    assert len(applied) == 1
    again = [await migrate(pooled_url) for _ in range(2 * SERVER_CONNECTIONS)]
    assert again == [[]] * len(again)
    connection = await asyncpg.connect(pooled_url, statement_cache_size=0)
    tables = await connection.fetch(
        "SELECT DISTINCT schemaname::text AS name FROM pg_tables WHERE tablename = 'admission'"
    )
    owner = await connection.fetchval("SELECT current_user::text")
    await connection.close()
    assert [row["name"] for row in tables] == [owner]


async def test_a_sale_goes_through_a_pooler_that_hands_connections_around(
    pooled_url: str, valkey_url: str, clients: Serve
) -> None:
    await migrate(pooled_url)
    async with AsyncExitStack() as stack:
        made = settings(pooled_url, valkey_url, postgres_pooler=True, payment_wait_s=30.0)
        one, other = [
            await stack.enter_async_context(open_service(made, secrets(), roles=frozenset()))
            for _ in range(2)
        ]
        await open_room(one, skus={"mug": UNITS}, policy="rate", seats_max=SHOPPERS)
        await tick(one)
        await other.board.refresh(rooms=True)
        shops = [await clients(one), await clients(other)]

        async def buy(index: int) -> int:
            shopper = await admitted(shops[index % 2])
            held = await shopper.hold(mug=1)
            if held.status != 201:
                return held.status
            hold_id = (await held.json())["hold_id"]
            if index % 3 == 0:
                customer = Customer(issuer="https://id.example", subject=f"s{index}")
                await one.customers.bind(int(shopper.session.partition(".")[0]), customer)
            return (await shopper.pay(hold_id)).status

        answers = await asyncio.gather(*(buy(index) for index in range(SHOPPERS)))
        await tick(one, 2)

        assert sorted(answers) == [201] * UNITS + [409] * (SHOPPERS - UNITS)
        assert await one.ledger.breaches() == []
        backends = await execute(
            one, "SELECT count(*) AS n FROM pg_stat_activity WHERE usename = current_user"
        )
        assert backends[0]["n"] <= SERVER_CONNECTIONS
