"""The page that a proxy shows while the service is away."""

import asyncio
from collections.abc import Awaitable, Callable

from playwright.async_api import Page, Route, expect

from inventory.kit.language.away import away_page
from inventory.kit.language.catalogues import tags

Pages = Callable[..., Awaitable[Page]]
ROOM = "https://shop.example/rooms/drop"


async def test_a_shopper_is_led_back_once_the_service_answers_again(pages: Pages) -> None:
    away = await asyncio.to_thread(away_page, "Kiln & Paper")
    back = False
    looks: list[str] = []

    async def proxy(route: Route) -> None:
        looks.append(route.request.method)
        if back:
            await route.fulfill(status=200, content_type="text/html", body="<h1>The line</h1>")
        else:
            await route.fulfill(status=502, content_type="text/html", body=away)

    page = await pages(locale="ar", viewport={"width": 320, "height": 600})
    await page.clock.install()
    await page.route("https://shop.example/**", proxy)
    await page.goto(ROOM)

    await expect(page.locator("section:visible")).to_have_attribute("lang", "ar")
    assert await page.locator("section").count() == len(tags())
    assert await page.evaluate("document.documentElement.dir") == "rtl"
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    async with page.expect_event("requestfinished"):
        await page.clock.fast_forward(60_000)
    back = True
    # The page takes in what it heard before it sets its clock again.
    for _ in range(20):
        await page.clock.fast_forward(60_000)
        if await page.get_by_role("heading", name="The line").is_visible():
            break
    await expect(page.locator("h1")).to_have_text("The line")
    assert looks[0] == "GET"
    assert looks[1:-1] == ["HEAD"] * (len(looks) - 2)


async def test_the_page_is_in_every_language_at_once_without_a_script(pages: Pages) -> None:
    page = await pages(java_script_enabled=False)

    await page.set_content(await asyncio.to_thread(away_page, "Kiln & Paper"))

    assert await page.locator("section:visible").count() == len(tags())
    await expect(page.locator("h1").first).to_have_text("We cannot be reached just now")
