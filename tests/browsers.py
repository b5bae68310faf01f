"""A real browser for tests."""

import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright, expect

FIND_CHROMIUM = Path(__file__).with_name("find_chromium.sh")
# A bound for a busy machine, not an expectation.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> str:
    found = subprocess.run(
        ["sh", str(FIND_CHROMIUM)], stdout=subprocess.PIPE, check=True, text=True
    )
    return found.stdout.strip()


@pytest.fixture(scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """Start one Chromium for the run; what a test must not share is a context of its own."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
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
