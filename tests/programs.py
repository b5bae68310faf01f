"""The whole program for a test: in processes of its own, or in the test's own event loop."""

import asyncio
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from quick import quick_program
from support import KEY, eventually, secrets, settings

from waitroom.run.app import ROLES, Service, make_app, open_service
from waitroom.run.listening.descriptors import Bounds
from waitroom.run.listening.server import Runner
from waitroom.run.processes import claim_port
from waitroom.run.settings import Secrets, Settings

STOP_WAIT_S = 30
READY_WAIT_S = 60.0
# That so many new connections all reach the same one of two processes is as likely as one in some
# hundred thousand.
LOOKS = 18


# Runs a command to its end: its arguments, what is `typed`, and its environment.
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True, slots=True)
class Site:
    """A program in the test's own loop, and where it listens."""

    url: str
    service: Service


@dataclass(slots=True)
class Running:
    """A started program: where it listens, and its process."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(STOP_WAIT_S)


async def answers(url: str, *, ca: Path | None = None) -> bool:
    trusted = True if ca is None else ssl.create_default_context(cafile=str(ca))
    try:
        async with aiohttp.ClientSession() as session, session.get(url, ssl=trusted) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def all_know(
    where: "Site | Running | str", room: str = "drop", *, status: str | None = "open"
) -> None:
    """Wait until every web process has heard of a room, and of its status; `where` may be its URL.

    A new room is scheduled at first, and a page that was loaded then stays so without a script.
    Pass None where the status does not matter. The kernel chooses a process for each connection, so
    each look opens a new one. A site is one process, and reads rooms and gates at once.
    """
    url = where if isinstance(where, str) else where.url
    looks = 1 if isinstance(where, Site) else LOOKS

    async def heard() -> bool:
        if isinstance(where, Site):
            await where.service.board.refresh(rooms=True)
            await where.service.gates.refresh()
        for _ in range(looks):
            async with (
                aiohttp.ClientSession() as new,
                new.get(f"{url}/rooms/{room}/state") as answer,
            ):
                if answer.status != 200:
                    return False
                if status and (await answer.json())["status"] != status:
                    return False
        return True

    await eventually(heard)


@pytest.fixture(scope="session")
def waitroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """Run a command of the program to its end, without the time that Python takes to start."""
    with quick_program(tmp_path_factory.mktemp("quick")) as found:

        def run(
            *arguments: str, typed: str | None = None, **environment: str
        ) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [found / "waitroom", *arguments],
                env={**os.environ, "WAITROOM_GATEWAY": "test", **environment},
                input=typed or "",
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

        yield run


@pytest.fixture
async def program(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Running]]]:
    """Start `waitroom …` on a free port, wait until it is ready, and stop it afterwards."""
    started: list[Running] = []

    async def start(*arguments: str, **environment: str) -> Running:
        port = claim_port("127.0.0.1", 0)
        log = tmp_path / f"program-{len(started)}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(  # noqa: ASYNC220 - it starts at once, and is waited for
                [sys.executable, "-m", "waitroom", *arguments],
                env={
                    **os.environ,
                    "WAITROOM_PORT": str(port),
                    "WAITROOM_SIGNING_KEYS": KEY,
                    "WAITROOM_DRAIN_S": "0.2",
                    # The shoppers of a crowd each name an address, as a proxy would.
                    "WAITROOM_TRUSTED_PROXIES": "127.0.0.1",
                    # Tests that ask without pause ask about something else than the limits.
                    "WAITROOM_LIMITS_FACTOR": "1000",
                    **({} if "--demo" in arguments else {"WAITROOM_GATEWAY": "test"}),
                    **environment,
                },
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        running = Running(f"http://127.0.0.1:{port}", process, log)
        started.append(running)

        async def ready() -> bool:
            assert process.poll() is None, log.read_text()
            return await answers(f"{running.url}/readyz")

        await eventually(ready, within_s=READY_WAIT_S)
        return running

    yield start
    for running in started:
        await asyncio.to_thread(running.stop)


@pytest.fixture
async def serving(
    program: Callable[..., Awaitable[Running]], postgres_url: str, valkey_url: str
) -> Running:
    """Two web processes, and one for controller and sweeper, on the test's own database.

    It takes seconds to start them; where one process will do, `site` is there at once.
    """
    return await program(
        "serve",
        WAITROOM_POSTGRES_URL=postgres_url,
        WAITROOM_VALKEY_URL=valkey_url,
        WAITROOM_WORKERS="2",
    )


@asynccontextmanager
async def open_site(made: Settings, kept: Secrets, *, port: int = 0) -> AsyncIterator[Site]:
    """All roles in the test's own loop, on a free port or this one."""
    async with open_service(made, kept, roles=frozenset(ROLES)) as service:
        runner = Runner(
            make_app(service),
            bounds=Bounds(total_max=1000, network_max=1000, backlog=128),
            proxies=made.proxies,
            access_log=None,
            shutdown_timeout=0,
        )
        await runner.setup()
        listening = web.TCPSite(runner, "127.0.0.1", port)
        await listening.start()
        service.serving.begin()
        host, at = runner.addresses[0][:2]
        yield Site(f"http://{host}:{at}", service)
        service.draining = True
        await runner.cleanup()
        # A loop that broke down is a failure, although the test may not have noticed.
        assert not service.failed.is_set()


@pytest.fixture
async def site(postgres_url: str, valkey_url: str) -> AsyncIterator[Site]:
    """All roles on the test's own database, in the test's own loop, on a free port."""
    async with open_site(settings(postgres_url, valkey_url), secrets()) as opened:
        yield opened
