"""A browser that keeps no cookies takes no number, and its page goes on saying why."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from playwright.async_api import Page, expect
from programs import Site, all_know
from support import execute, open_room, tick

from waitroom.run.app import Service

Client = TestClient[Any, Any]
Pages = Callable[..., Awaitable[Page]]
# Of what a browser sends, whatever it does with cookies.
BY_PAGE = {"Sec-Fetch-Site": "same-origin"}
SAID = "allow cookies"


async def numbers_given(service: Service) -> int:
    (line,) = await execute(service, "SELECT tail FROM line")
    return int(line["tail"])


async def without_cookies(page: Page) -> None:
    """Let the browser forget each cookie before it could send it back."""

    async def strip(route: Any) -> None:
        answer = await route.fetch(headers={**route.request.headers, "cookie": ""})
        headers = {k: v for k, v in answer.headers.items() if k.lower() != "set-cookie"}
        await route.fulfill(response=answer, headers=headers)

    await page.route("**/*", strip)


@pytest.mark.parametrize("script", [True, False])
async def test_without_cookies_the_explanation_stands_and_no_number_is_given(
    service: Service, site: Site, pages: Pages, *, script: bool
) -> None:
    await open_room(service, skus={"mug": 3}, seats_max=0)
    await all_know(site.url)
    page = await pages(java_script_enabled=script)
    await without_cookies(page)

    for _ in range(2):
        await page.goto(f"{site.url}/rooms/drop")
        if not script:
            await page.locator("#join").click()
        await expect(page.locator("#status")).to_contain_text(SAID)
    if script:
        # It stands while the page looks again, which it does at once and then every few seconds.
        async with page.expect_response("**/state"):
            await page.evaluate("dispatchEvent(new Event('online'))")
        await expect(page.locator("#join")).to_be_visible()
    await expect(page.locator("#status")).to_contain_text(SAID)

    assert await numbers_given(service) == 0


async def test_a_browser_that_lost_its_cookie_gets_another_and_joins(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 3})
    await tick(service)

    refused = await client.post("/rooms/drop/tickets", headers=BY_PAGE)
    cookie = refused.headers["Set-Cookie"].split(";")[0]
    joined = await client.post("/rooms/drop/tickets", headers={**BY_PAGE, "Cookie": cookie})

    assert (refused.status, (await refused.json())["code"]) == (403, "cookies_needed")
    assert joined.status == 201
    assert await numbers_given(service) == 1


PROGRAMS: list[dict[str, str]] = [
    {},
    # As the `fetch` of Node.js sends it.
    {"Sec-Fetch-Mode": "cors"},
    {**BY_PAGE, "Idempotency-Key": "6f0c9f1e-4c57-4d0e-9a0b-1d2c3b4a5f60"},
    {**BY_PAGE, "Authorization": "Bearer a.b.c"},
]


@pytest.mark.parametrize("headers", PROGRAMS)
async def test_a_program_needs_no_cookie(
    service: Service, client: Client, headers: dict[str, str]
) -> None:
    await open_room(service, skus={"mug": 3})
    await tick(service)

    assert (await client.post("/rooms/drop/tickets", headers=headers)).status == 201
