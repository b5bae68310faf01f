"""The checkout in a browser: a decline is said at the button, and only the server ends a hold."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from browsers import look_again, take_a_mug
from playwright.async_api import Page, expect
from programs import Site, all_know
from shop import hold, open_gate, sessions_in
from support import admitted, authorization, execute, open_room, tick

from waitroom.run.app import Service

# The end of the hold, as the server sent it with the page.
DEADLINE = """fetch("/checkout/session?room=drop").then((one) => one.json())
    .then((session) => session.holds[0].expires_at)"""
# The mark of an internet connection that several shoppers share.
CONNECTION = b"network1"
# A room that sells nothing says none of this.
SHOPPING = re.compile(r"checkout|to shop|items", re.IGNORECASE)

Pages = Callable[..., Awaitable[Page]]


async def hold_a_mug(service: Service, site: Site, page: Page, *, script: bool) -> None:
    """Go into the checkout, with or without a script, and take a mug."""
    await open_room(service, skus={"mug": 3})
    await all_know(site)
    await page.goto(f"{site.url}/rooms/drop")
    if not script:
        await page.locator("#join").click()
    await take_a_mug(page)


@pytest.mark.parametrize("script", [True, False])
async def test_a_decline_is_said_beside_the_button_and_the_hold_goes_on_until_the_server_ends_it(
    service: Service, site: Site, pages: Pages, *, script: bool
) -> None:
    page = await pages(java_script_enabled=script)
    if script:
        await page.clock.install()
    await hold_a_mug(service, site, page, script=script)

    await page.locator('[value="tok_decline"]').check()
    await page.locator("#pay-button").click()

    told = page.locator("#pay-problem")
    await expect(told).to_contain_text("declined")
    await expect(told).to_be_focused()
    await expect(told).to_be_in_viewport()
    await expect(page.locator("#hold-problem")).to_have_text("")
    if not script:
        return
    # What is left beside the list is what the server has now, without the mug in the basket.
    free = page.locator('#hold-form [data-sku="mug"] .left')
    await expect(free).to_have_text("2 left")
    until = datetime.fromisoformat(await page.evaluate(DEADLINE))
    left_ms = (until - datetime.now(UTC)) // timedelta(milliseconds=1)
    await page.clock.fast_forward(left_ms - 15_000)
    status = page.locator("#status")
    await expect(status).to_contain_text("Less than 20 seconds left for 1 \u00d7 Mug")
    # By the clock of this device all time is over, and nobody answers; the mug is still held.
    await page.route("**/checkout/session?*", lambda route: route.abort())
    async with page.expect_request("**/checkout/session?*"):
        await page.clock.fast_forward("01:00:00")
    await expect(page.locator("#held")).to_be_visible()
    await expect(page.locator("#pay-button")).to_be_enabled()
    await page.unroute("**/checkout/session?*")
    # Nor does it end once the server answers.
    async with page.expect_response("**/checkout/session?*"):
        await page.clock.fast_forward("01:00:00")
    await expect(page.locator("#held")).to_be_visible()
    await expect(page.locator("#hold-problem")).to_have_text("")
    await expect(page.locator("#pay-button")).to_be_enabled()

    await execute(service, "SELECT end_holds(array_agg(hold_id), 'expired', false) FROM hold")
    await page.clock.fast_forward("10:00")

    await expect(page.locator("#hold-problem")).to_contain_text("ran out")
    await expect(page.locator("#held")).to_have_count(0)
    await expect(status).to_have_text("")
    # What a look finds may be a second old.
    await asyncio.sleep(1.1)
    await page.clock.fast_forward("00:31")
    await expect(free).to_have_text("3 left")


@pytest.mark.parametrize("script", [True, False])
async def test_a_shopper_who_pays_too_soon_waits_a_moment_and_notices_nothing(
    service: Service, site: Site, pages: Pages, *, script: bool
) -> None:
    page = await pages(java_script_enabled=script)
    await hold_a_mug(service, site, page, script=script)
    await execute(
        service,
        """UPDATE room SET pay_after_s = (
               SELECT 1 + ceil(extract(epoch FROM shopper_now() - claimed_at)) FROM admission)""",
    )

    await page.locator("#pay-button").click()

    await page.wait_for_url("**/checkout/orders/*")


@pytest.mark.parametrize("script", [True, False])
async def test_a_shopper_at_a_full_connection_is_told_of_the_connection_and_of_no_limit_of_theirs(
    service: Service, site: Site, pages: Pages, *, script: bool
) -> None:
    await open_gate(service, skus={"mug": 50}, limit=50)
    await all_know(site)
    for session, mugs in zip(
        await sessions_in(service, 2, network=CONNECTION), (8, 2), strict=True
    ):
        await hold(service, session, mug=mugs)
    page = await pages(java_script_enabled=script)
    await page.goto(f"{site.url}/rooms/drop")
    if not script:
        await page.locator("#join").click()
    await page.locator("#enter").click()
    await page.wait_for_url("**/checkout?room=*")
    await execute(service, "UPDATE admission SET network = $1 WHERE number = 3", CONNECTION)

    await page.locator('[name="quantity-mug"]').fill("4")
    await page.locator("#hold-button").click()

    told = page.locator("#hold-problem")
    await expect(told).to_contain_text("Shoppers at your internet connection hold many items")
    await expect(told).not_to_contain_text("for each shopper")


async def test_a_second_click_for_more_time_is_a_repeat(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await open_room(service, skus={"mug": 3}, hold_extensions_max=2)
    await tick(service)
    shopper = await admitted(client)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]
    headers = {**authorization(shopper.session), "Accept": "text/html"}

    async def extend() -> int:
        """Load the page, and press its button twice; return how often it may be pressed yet."""
        page = await (await client.get("/checkout?room=drop", headers=headers)).text()
        form = re.search(r'<form[^>]*id="extend-form"[^>]*>(.*?)</form>', page)
        assert form is not None
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[1]))
        for _ in range(2):
            answer = await client.post(
                "/checkout/extend?room=drop", data=fields, headers=headers, allow_redirects=False
            )
            assert answer.status == 303
        path = f"/checkout/holds/{held}"
        return int((await (await client.get(path, headers=headers)).json())["extensions_left"])

    assert [await extend(), await extend()] == [1, 0]


async def test_a_room_without_stock_lets_through_and_offers_nothing(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={})
    await all_know(site)
    page = await pages(viewport={"width": 320, "height": 600})
    await page.goto(f"{site.url}/rooms/drop")
    await expect(page.locator("#enter")).to_have_text("Enter Drop")
    await expect(page.locator("body")).not_to_contain_text(SHOPPING, use_inner_text=True)
    await page.locator("#enter").click()
    await page.wait_for_url("**/checkout?room=*")

    await expect(page.locator("h1")).to_have_text("You are through")
    await expect(page.locator("#hold-button")).to_have_count(0)
    await page.locator("#leave").click()
    await expect(page.locator("body")).not_to_contain_text(SHOPPING, use_inner_text=True)
    await page.locator("#leave-yes").click()
    await expect(page.locator("h1")).to_have_text("You gave your turn up")
    await expect(page.locator("body")).not_to_contain_text(SHOPPING, use_inner_text=True)


async def test_a_waiting_page_tells_what_was_bought_in_another_tab(
    service: Service, site: Site, pages: Pages
) -> None:
    page = await pages()
    await hold_a_mug(service, site, page, script=True)
    twin = await page.context.new_page()
    await twin.goto(f"{site.url}/rooms/drop")
    await expect(twin.locator("#continue")).to_be_visible()

    await page.locator("#pay-button").click()
    await page.wait_for_url("**/checkout/orders/**")
    await look_again(twin)

    await expect(twin.locator("#bought")).to_contain_text("You bought 1 \u00d7 Mug")
    await expect(twin.locator("#room")).to_have_attribute("data-view", "over")
