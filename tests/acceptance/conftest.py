"""The real program in processes of its own, and a real browser."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, async_playwright, expect
from support import KEY, eventually

from waitroom.run.processes import claim_port

HERE = Path(__file__).parent
# A bound for a busy machine, not an expectation.
LOOKS = 18
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)
STOP_WAIT_S = 30
BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


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


async def answers(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def all_know(url: str, room: str = "drop", *, status: str | None = "open") -> None:
    """Wait until every web process at an address has heard of a room, and of its status.

    A new room is scheduled at first: a page without a script, loaded then, stays as it is.
    Where it does not matter, the status is None.

    Which process serves a connection is chosen when it is opened, so each look opens a new one:
    that all of them meet the same process is as likely as one in some hundred thousand.
    """

    async def heard() -> bool:
        for _ in range(LOOKS):
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

        await eventually(ready, within_s=60)
        return running

    yield start
    for running in started:
        await asyncio.to_thread(running.stop)


@pytest.fixture
async def serving(
    program: Callable[..., Awaitable[Running]],
    postgres_url: str,
    valkey_url: str,
    request: pytest.FixtureRequest,
) -> Running:
    """Two web processes, a controller and a sweeper on the test's own database.

    With `pytest.mark.workers(1)` one process is all of them, and starts in a fraction of the time.
    """
    marker = request.node.get_closest_marker("workers")
    return await program(
        "serve",
        WAITROOM_POSTGRES_URL=postgres_url,
        WAITROOM_VALKEY_URL=valkey_url,
        WAITROOM_WORKERS=str(marker.args[0] if marker else 2),
    )


@pytest.fixture(scope="session")
def chromium() -> str:
    found = subprocess.run(
        ["sh", str(HERE / "find_chromium.sh")], stdout=subprocess.PIPE, check=True, text=True
    )
    return found.stdout.strip()


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=chromium, args=BROWSER_ARGUMENTS
        )
        yield launched
        await launched.close()


@pytest.fixture
async def pages(browser: Browser) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """Open pages, each in a browser profile of its own; any script error fails the test."""
    complaints: list[str] = []
    async with AsyncExitStack() as stack:

        async def open_page(**options: Any) -> Any:
            context = await browser.new_context(
                **{"viewport": {"width": 390, "height": 844}, **options}
            )
            stack.push_async_callback(context.close)
            page = await context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on(
                "console",
                lambda said: (
                    complaints.append(said.text)
                    if said.type == "error" and "Failed to load resource" not in said.text
                    else None
                ),
            )
            return page

        yield open_page
    assert complaints == []
