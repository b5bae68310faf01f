"""Real engines for every test: one PostgreSQL and one Valkey for the run, a database each."""

import asyncio
import gc
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import pytest
import redis.asyncio as redis
import structlog
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher
from databases import Databases
from described_answers import watch, write_examples
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from jinja2.bccache import Bucket
from kept_pools import KeptPool, KeptPools
from pooler import behind, find_pgbouncer, pgbouncer
from support import secrets, settings

from inventory.kit import database
from waitroom.admin.accounts import sign_in
from waitroom.run import app
from waitroom.run.app import Service, make_app, open_service
from waitroom.run.engines import EmbeddedEngines, EngineUrls
from waitroom.run.engines.postgres import OWNER, RUNNING

VALKEY_DATABASES = 16
# The code whose tasks a test may leave behind: not the libraries, which may lie in a folder below.
OURS = tuple(
    f"{Path(__file__).parents[1] / folder}/"
    for folder in ("waitroom", "checkout", "inventory", "tests")
)

# The time that an example takes tells of the machine and not of the code. `make endure` tries
# twenty times as many examples.
for profile, examples in (("quick", 25), ("thorough", 500)):
    hypothesis_settings.register_profile(
        profile,
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
hypothesis_settings.load_profile("quick")

# A hash as in production takes a quarter of a second of one core and 64 MiB.
CHEAP = {"time_cost": 1, "memory_cost": 64, "parallelism": 1}

# Fixtures of the whole program, and of a browser to look at it.
pytest_plugins = ["programs", "browsers"]

# A coloured traceback with the values of every frame costs a tenth of a run.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)

_counter = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Hash operators' passwords in no time; test_people.py looks at the hashes of production."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sign_in, "PasswordHasher", partial(PasswordHasher, **CHEAP))
        yield


@pytest.fixture(scope="session", autouse=True)
def own_logs() -> Iterator[None]:
    """Let no command of a test set up the logs of the whole run: later tests look at theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("waitroom.cli.options.set_up_logs", lambda **_: None)
        yield


class CompiledTemplates(jinja2.BytecodeCache):
    """The compiled templates of the whole run: every service would compile its own."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._compiled.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key, bucket.checksum] = bucket.code


@pytest.fixture(scope="session", autouse=True)
def compiled_templates() -> Iterator[None]:
    """Compile each template once in the run."""
    environment = partial(jinja2.Environment, bytecode_cache=CompiledTemplates())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jinja2, "Environment", environment)
        yield


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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--pooler",
        action="store_true",
        help="Let services reach PostgreSQL through PgBouncer in transaction mode.",
    )


@pytest.fixture(scope="session")
def pooler(request: pytest.FixtureRequest, engines: EngineUrls) -> Iterator[Path | None]:
    """Return the folder of PgBouncer's socket, if the run is to go through it."""
    if not request.config.getoption("--pooler"):
        yield None
        return
    program = find_pgbouncer()
    assert program is not None, "--pooler needs pgbouncer; Debian and Ubuntu: apt install pgbouncer"
    # A socket's path has to be short.
    folder = Path(tempfile.mkdtemp(prefix="pooler-"))
    try:
        with pgbouncer(program, folder, str(engines.postgres_url), users=(OWNER, RUNNING)):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def pools(engines: EngineUrls) -> AsyncIterator[KeptPools]:  # noqa: ARG001 - ends later
    """Keep the pools of services that are closed, for the services of later tests."""
    kept = KeptPools()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "Pool", KeptPool)
        patch.setattr(app, "open_pool", kept.open)
        yield kept
        await kept.close()


@pytest.fixture(scope="session")
def databases(engines: EngineUrls, pools: KeptPools) -> Iterator[Databases]:
    found = Databases(str(engines.postgres_url), pools)
    yield found
    found.close()


@pytest.fixture
async def own_tasks() -> AsyncIterator[None]:
    """Cancel what a test started and left running: the loop goes on without it.

    A failed test leaves tasks, and these must not meet the next one. The browser's tasks stay.
    """
    yield
    for task in asyncio.all_tasks():
        code = getattr(task.get_coro(), "cr_code", None)
        if (
            code is not None
            and code.co_filename.startswith(OURS)
            and task is not asyncio.current_task()
        ):
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture
def postgres_url(
    databases: Databases,
    pooler: Path | None,
    own_tasks: None,  # noqa: ARG001 - used for what it does afterwards
) -> Iterator[str]:
    """Lend a database in the state that the migrations leave.

    A pooler keeps connections to a database that are not closed at once with those of a test, so
    behind it every test has a database of its own.
    """
    with databases.own() if pooler else databases.borrowed() as url:
        yield behind(url, pooler) if pooler else url


@pytest.fixture
async def valkey_url(engines: EngineUrls) -> str:
    url = f"{engines.valkey_url}?db={next(_counter) % VALKEY_DATABASES}"
    client = redis.from_url(url)
    await client.flushdb()
    await client.aclose()
    return url


@pytest.fixture
def second_postgres_url(databases: Databases, postgres_url: str) -> Iterator[str]:  # noqa: ARG001
    """Lend another database beside the test's own, for a second shard."""
    with databases.borrowed() as url:
        yield url


# Another database for a second shard.
second_valkey_url = valkey_url


@pytest.fixture
async def services(
    postgres_url: str, valkey_url: str, pooler: Path | None
) -> AsyncIterator[Callable[..., Awaitable[Service]]]:
    """Open as many services on the test's database as it wants, without loops by default."""
    async with AsyncExitStack() as stack:

        async def open_one(*, roles: frozenset[str] = frozenset(), **changes: Any) -> Service:
            engines = {"postgres_url": postgres_url, "valkey_url": valkey_url}
            made = settings(**{**engines, "postgres_pooler": pooler is not None, **changes})
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
            app = make_app(service)
            watched.append(watch(app))
            server, jar = TestServer(app), DummyCookieJar()
            return await stack.enter_async_context(TestClient(server, cookie_jar=jar))

        watched: list[list[str]] = []
        yield serve
    assert [fault for faults in watched for fault in faults] == []


@pytest.fixture
async def client(
    service: Service, clients: Callable[[Service], Awaitable[TestClient[Any, Any]]]
) -> TestClient[Any, Any]:
    return await clients(service)


def pytest_collection_finish() -> None:
    # Tests and libraries stay until the end: let no collection of garbage go through them again.
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    write_examples()
