"""A static page leads a real browser through the room and shows itself once it is let in."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from peers.samples import DOCS, EXAMPLE, free_port
from playwright.async_api import Page, expect
from programs import all_know, open_site
from sources import ROOT
from support import eventually, execute, open_room, secrets, settings

from waitroom.gate.rules import GateRules
from waitroom.run.app import Service

Pages = Callable[..., Awaitable[Page]]
SNIPPET = ROOT / "connectors" / "javascript" / "snippet.js"


@asynccontextmanager
async def static_site(waitroom: str) -> AsyncIterator[str]:
    """Serve the page of the docs, and the script beside it."""
    (page,) = re.findall(r"```html\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    body = page.replace(EXAMPLE, waitroom)

    async def home(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="text/html")

    async def script(_: web.Request) -> web.FileResponse:
        return web.FileResponse(SNIPPET)

    app = web.Application()
    app.router.add_get("/", home)
    app.router.add_get("/snippet.js", script)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_static_page_leads_through_the_room_and_back(
    service: Service, postgres_url: str, valkey_url: str, pages: Pages
) -> None:
    await open_room(service, skus={}, seats_max=50, calls_per_minute=6000)
    port = free_port()
    here = f"http://127.0.0.1:{port}"
    made = settings(postgres_url, valkey_url, public_url=here)
    async with static_site(here) as shop:
        rules = GateRules(return_addresses=[shop])
        await service.gate_store.put("drop", rules, was=None, who="test", reason="")
        async with open_site(made, secrets(), port=port) as waitroom:
            await all_know(waitroom.url)
            await walk(await pages(), shop, waitroom.url, service)


async def walk(page: Page, shop: str, waitroom: str, service: Service) -> None:
    await page.goto(f"{shop}/?size=42")
    # The room lets in at once, and its button leads back.
    await page.wait_for_url(f"{waitroom}/rooms/drop**")
    await page.get_by_role("button", name="Enter").click()
    await page.wait_for_url(f"{shop}/?size=42")
    await expect(page.get_by_role("heading", name="The drop")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name="The drop")).to_be_visible()

    # A browser that lost its pass, while its session lives, is led back with a new one.
    await page.evaluate("localStorage.clear()")
    await page.goto(f"{shop}/?size=43")
    await page.wait_for_url(f"{waitroom}/rooms/drop**")
    await page.get_by_text("Go on to").click()
    await page.wait_for_url(f"{shop}/?size=43")
    await expect(page.get_by_role("heading", name="The drop")).to_be_visible()

    # The session ends early: the pass is worth nothing soon after.
    await execute(service, "SELECT end_session(admission_id, 'left') FROM admission")

    async def is_led_to_the_room() -> bool:
        await page.goto(f"{shop}/")
        html = page.locator("html[data-waitroom-hidden]")
        return await html.count() == 1 or page.url.startswith(waitroom)

    await eventually(is_led_to_the_room)
    await page.wait_for_url(f"{waitroom}/rooms/drop**")

    # A pass of a strange key is refused without a circle.
    await page.goto(f"{shop}/?waitroom_pass=a.b.c")
    await expect(page.locator("html")).to_have_attribute("data-waitroom-refused", "pass_unreadable")
    await expect(page.get_by_role("heading", name="The drop")).to_be_hidden()
