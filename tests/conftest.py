"""Real engines for every test: one PostgreSQL and one Valkey for the run, a database each."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis.asyncio as redis
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer
from support import database_url, secrets, settings

from waitroom.app import Service, make_app, open_service
from waitroom.engines import EmbeddedEngines, EngineUrls
from waitroom.run.migrate import migrate

TEMPLATE = "template_of_waitroom"
VALKEY_DATABASES = 16

_counter = itertools.count(1)


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineUrls]:
    # What a test asserts does not depend on surviving a power cut. An autovacuum worker, which
    # belongs to the superuser, would keep the test's own database from being dropped.
    unsafe = {
        "fsync": "off",
        "full_page_writes": "off",
        "max_connections": "200",
        "autovacuum": "off",
    }
    folder: Path = tmp_path_factory.mktemp("engines")
    with EmbeddedEngines(folder, postgres_settings=unsafe) as urls:
        yield urls


@pytest.fixture(scope="session")
def template(engines: EngineUrls) -> str:
    """Migrate once; every test's database is a copy."""
    assert engines.postgres_url is not None

    async def make() -> None:
        connection = await asyncpg.connect(engines.postgres_url)
        await connection.execute(f"CREATE DATABASE {TEMPLATE}")
        await connection.close()
        await migrate(database_url(str(engines.postgres_url), TEMPLATE))

    asyncio.run(make())
    return TEMPLATE


@pytest.fixture
async def postgres_url(engines: EngineUrls, template: str) -> AsyncIterator[str]:
    name = f"test_{next(_counter)}"
    connection = await asyncpg.connect(engines.postgres_url)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield database_url(str(engines.postgres_url), name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest.fixture
async def valkey_url(engines: EngineUrls) -> str:
    url = f"{engines.valkey_url}?db={next(_counter) % VALKEY_DATABASES}"
    client = redis.from_url(url)
    await client.flushdb()
    await client.aclose()
    return url


@pytest.fixture
async def services(
    postgres_url: str, valkey_url: str
) -> AsyncIterator[Callable[..., Awaitable[Service]]]:
    """Open as many services on the test's database as it wants, without loops by default."""
    async with AsyncExitStack() as stack:

        async def open_one(*, roles: frozenset[str] = frozenset(), **changes: Any) -> Service:
            made = settings(**{"postgres_url": postgres_url, "valkey_url": valkey_url, **changes})
            return await stack.enter_async_context(open_service(made, secrets(), roles=roles))

        yield open_one


@pytest.fixture
async def service(services: Callable[..., Awaitable[Service]]) -> Service:
    return await services()


@pytest.fixture
async def clients() -> AsyncIterator[Callable[[Service], Awaitable[TestClient[Any, Any]]]]:
    async with AsyncExitStack() as stack:

        async def serve(service: Service) -> TestClient[Any, Any]:
            # Shoppers share a client here, so tokens travel in headers and not in its cookies.
            server, jar = TestServer(make_app(service)), DummyCookieJar()
            return await stack.enter_async_context(TestClient(server, cookie_jar=jar))

        yield serve


@pytest.fixture
async def client(
    service: Service, clients: Callable[[Service], Awaitable[TestClient[Any, Any]]]
) -> TestClient[Any, Any]:
    return await clients(service)
