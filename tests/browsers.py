"""A real browser for tests."""

import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, Playwright, async_playwright, expect

FIND_CHROMIUM = Path(__file__).with_name("find_chromium.sh")
# A bound for a busy machine, not an expectation.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)
# Fetching and parsing styles again takes a third of the time, for rules about sounds and about
# styles of turned screens.
AXE = {"resultTypes": ["violations"], "preload": False}
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--in-process-gpu",
    "--renderer-process-limit=1",
    "--disable-site-isolation-trials",
    "--disable-features=IsolateOrigins,site-per-process",
]


async def check_page(page: Page) -> None:
    """Say that a page fits its window, and that axe finds nothing on it."""
    width = "document.documentElement.scrollWidth <= window.innerWidth + 1"
    assert await page.evaluate(width), f"{page.url} scrolls sideways"
    # What fades in has its contrast once it is there.
    await page.evaluate("Promise.allSettled(document.getAnimations().map((one) => one.finished))")
    found = await Axe().run(page, options=AXE)
    assert found.response["violations"] == [], found.generate_report()


async def take_a_mug(page: Page) -> None:
    """Go from the waiting page into the checkout and reserve a mug, with or without a script."""
    await page.locator("#enter").click()
    await page.wait_for_url("**/checkout?room=*")
    await page.locator('[name="quantity-mug"]').fill("1")
    await page.locator("#hold-button").click()
    await expect(page.locator("#held")).to_be_visible()


async def look_again(page: Page) -> None:
    """Let a waiting page ask at once, as it does when its connection comes back."""
    await page.evaluate("dispatchEvent(new Event('online'))")


@pytest.fixture(scope="session")
def chromium() -> str:
    found = subprocess.run(
        ["sh", str(FIND_CHROMIUM)], stdout=subprocess.PIPE, check=True, text=True
    )
    return found.stdout.strip()


class OneChromium:
    """One Chromium for the run, started again should it have died."""

    def __init__(self, playwright: Playwright, path: str) -> None:
        self._playwright = playwright
        self._path = path
        self._browser: Browser | None = None

    async def open(self, **options: Any) -> BrowserContext:
        """Return a browser profile that no other test shares."""
        if self._browser is None or not self._browser.is_connected():
            self._browser = await self._playwright.chromium.launch(
                executable_path=self._path, args=ARGUMENTS
            )
        return await self._browser.new_context(**options)

    async def close(self) -> None:
        if self._browser is not None:
            await self._browser.close()


@pytest.fixture(scope="session")
async def browser(chromium: str) -> AsyncIterator[OneChromium]:
    async with async_playwright() as playwright:
        one = OneChromium(playwright, chromium)
        yield one
        await one.close()


@pytest.fixture
async def pages(browser: OneChromium) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """Open pages, each in a browser profile of its own; any script error fails the test."""
    complaints: list[str] = []
    async with AsyncExitStack() as stack:

        async def open_page(**options: Any) -> Any:
            context = await browser.open(**{"viewport": {"width": 390, "height": 844}, **options})
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
