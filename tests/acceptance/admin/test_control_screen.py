"""The control room on the screen of a phone: charts, alerts, a stream that breaks, a rehearsal."""

import re
from collections.abc import Awaitable, Callable

import pytest
from browsers import check_page
from playwright.async_api import Page, Route, expect
from programs import Site, all_know
from shop import shoppers_came_and_went
from signing_in import sign_in_on_screen
from support import PASSWORD, execute, open_room

from waitroom.run.app import Service

Pages = Callable[..., Awaitable[Page]]
PHONE = {"width": 390, "height": 844}


async def open_live(page: Page, site: Site) -> None:
    await sign_in_on_screen(page, site.url, "night")
    await page.goto(f"{site.url}/admin/screens/drop/live")


async def test_the_control_room_shows_how_it_went_and_what_needs_an_act(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 40}, seats_max=0)
    await service.operators.add("night", role="operator", password=PASSWORD)
    await _an_hour_ago(service)
    await service.rooms.set_status("drop", "paused", who="night")
    await service.rooms.set_status("drop", "open", who="night")
    await all_know(site)
    page = await pages(viewport=PHONE)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    await open_live(page, site)

    # The figures come by a stream; the charts have an hour that no page was open for.
    alert = page.locator(".alert")
    await expect(alert).to_contain_text("Nobody is let in just now")
    await expect(alert.locator(".act")).to_contain_text("Set the seats above 0")
    await expect(page.locator("#forecast")).to_contain_text("Nobody would be let in")
    await expect(page.locator("#plot-waiting canvas")).to_be_visible()
    spoken = await page.locator("#plot-waiting").get_attribute("aria-label")
    assert spoken is not None
    assert re.search(r"Waiting: now \d+, highest 7[12]\d", spoken)
    await expect(page.locator("#marks li").last).to_contain_text("night opened the room again")
    assert "stream" in asked
    await page.locator("#table-waiting summary").click()
    await expect(page.locator("#rows-waiting tr").nth(10)).to_be_visible()
    await check_page(page)

    # Too little is known for a rehearsal, and it says so beside the button.
    await page.locator("#try-out").click()
    await expect(page.locator("#steer-told")).to_contain_text("Change a value first")
    await page.locator("#seats").fill("20")
    await page.locator("#try-out").click()
    await expect(page.locator("#steer-told")).to_contain_text("too little to go on")
    await page.locator("#apply").click()
    await expect(page.locator("#steer-told")).to_contain_text("The settings were applied")
    await expect(page.locator("#alerts")).to_contain_text("All is well")
    await _falls_back_to_polling(page, asked)


async def _falls_back_to_polling(page: Page, asked: list[str]) -> None:
    """Break the stream of the page, and see that it asks for the figures instead."""

    async def refuse(route: Route) -> None:
        await route.fulfill(status=429, body="{}")

    await page.route("**/stream", refuse)
    await page.reload()
    asked.clear()
    await expect(page.locator("#plot-waiting canvas")).to_be_visible()
    async with page.expect_response("**/live"):
        pass
    async with page.expect_response("**/live"):
        pass
    await expect(page.locator("#figures-at")).to_have_text("Live")


async def _an_hour_ago(service: Service) -> None:
    """Write the rows of an hour in which the line grows and a unit is sold each minute."""
    await execute(
        service,
        """INSERT INTO room_series (
               room_id, at, status, bound, joined, calls, claims, paid, declined, waiting, called,
               inside, seats_max, on_hand, available, held, sold, paying, paying_slow)
           SELECT room_id, clock_timestamp() - (720 - i) * interval '5 seconds', 'open', 'seats', i,
               0, 0, i / 12, 0, i, 0, 0, 0, 40, 40 - i / 24, 0, i / 24, 0, 0
           FROM room, generate_series(1, 720) i""",
    )


@pytest.fixture
async def sale_with_a_past(service: Service) -> None:
    await open_room(service, skus={"mug": 60}, seats_max=60, limit=4)
    await service.operators.add("night", role="operator", password=PASSWORD)
    await shoppers_came_and_went(service)


@pytest.mark.usefixtures("sale_with_a_past")
async def test_a_change_is_rehearsed_before_it_is_made(site: Site, pages: Pages) -> None:
    await all_know(site)
    page = await pages(viewport=PHONE)

    async def play_once(route: Route) -> None:
        await route.continue_(url=route.request.url.replace("seconds=3", "seconds=0"))

    await page.route("**/rehearsal?*", play_once)
    await open_live(page, site)
    # The page fills the field with what is in force, perhaps between two keys.
    await expect(page.locator("#seats")).not_to_have_value("")
    await page.locator("#seats").fill("5")
    await page.get_by_role("button", name="What would it do?").click()

    await expect(page.locator("#steer-told")).to_contain_text("Nothing was changed")
    await expect(page.locator("#trial-rules")).to_contain_text("What a change would do: 5 seats.")
    called = page.locator("#trial-rows tr", has_text="Called in the next ten minutes")
    await expect(called.locator("td")).to_have_count(2)
    now, then = (
        float(re.findall(r"\d+", text)[0]) for text in await called.locator("td").all_inner_texts()
    )
    assert then < now
    assert await page.locator("#trial .scroll").evaluate(
        "(box) => box.scrollWidth <= box.clientWidth"
    )
    await check_page(page)
    # The result goes with the values that were tried.
    await page.locator("#seats").fill("6")
    await expect(page.locator("#trial")).to_be_hidden()
