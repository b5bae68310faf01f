"""The service below a path of another site, behind a proxy that takes the path off."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from browsers import take_a_mug
from playwright.async_api import Page, expect
from programs import all_know, open_site
from proxies import mounted
from signing_in import sign_in_on_screen
from support import PASSWORD, open_room, secrets, settings

from waitroom.run.app import Service

Pages = Callable[..., Awaitable[Page]]


@pytest.mark.endure
async def test_every_address_works_below_a_path(
    service: Service, postgres_url: str, valkey_url: str, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 5})
    await open_room(service, "fair", skus={"cup": 5})
    await service.operators.add("night", role="admin", password=PASSWORD)
    async with mounted("/queue") as proxy, AsyncExitStack() as stack:
        made = settings(postgres_url, valkey_url, public_url=proxy.url)
        proxy.program = (await stack.enter_async_context(open_site(made, secrets()))).url
        await all_know(proxy.url, "drop")
        await all_know(proxy.url, "fair")
        page = await pages()
        failed: list[str] = []
        page.on(
            "response",
            lambda answer: failed.append(answer.url) if answer.status >= 400 else None,
        )

        # With scripts: from the shop to the order, in another language on the way.
        await page.goto(f"{proxy.url}/")
        await page.locator('a[href="/queue/rooms/drop"]').first.click()
        await page.wait_for_url("**/queue/rooms/drop*")
        await page.locator("#language").select_option("de")
        await page.locator("form.languages button").click()
        await expect(page.locator("html")).to_have_attribute("lang", "de")
        await expect(page.locator("#enter")).to_be_visible()
        await take_a_mug(page)
        assert page.url.startswith(f"{proxy.url}/checkout?room=drop")
        await page.locator("#pay-button").click()
        await page.wait_for_url("**/queue/checkout/orders/*")
        await expect(page.locator("#order")).to_be_visible()

        # Without scripts, in the other room.
        plain = await pages(java_script_enabled=False)
        await plain.goto(f"{proxy.url}/rooms/fair")
        await plain.locator('form[action^="/queue/rooms/fair/join"] button').first.click()
        await plain.wait_for_url("**/queue/rooms/fair*")
        await plain.locator('form[action="/queue/rooms/fair/enter"] #enter').click()
        await plain.wait_for_url("**/queue/checkout?room=fair")

        # For operators: the sign-in leads back, and screens load their figures.
        desk = await pages()
        desk.on(
            "response",
            lambda answer: failed.append(answer.url) if answer.status >= 400 else None,
        )
        await sign_in_on_screen(desk, proxy.url, "night")
        for screen in ("live", "line", "goods"):
            await desk.goto(f"{proxy.url}/admin/screens/drop/{screen}")
            await desk.wait_for_load_state("networkidle" if screen != "live" else "load")

        assert proxy.strays == []
        assert failed == []
