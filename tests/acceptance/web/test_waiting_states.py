"""What the waiting page shows in each state, in a real browser, with a script and without."""

import os
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from browsers import look_again
from playwright.async_api import Page, Route, expect
from programs import Site, all_know
from support import eventually, execute, open_room

from inventory.kit.language.aloud import SIGNS
from waitroom.run.app import Service
from waitroom.store.place_store import PlaceStore

Pages = Callable[..., Awaitable[Page]]
REFERENCE = re.compile(rf"[12] [{SIGNS}]{{4}}")
VALUE = "the lottery numbers of that evening"


async def visit(pages: Pages, site: Site, **options: Any) -> Page:
    page = await pages(**options)
    await page.goto(f"{site.url}/rooms/drop")
    return page


async def shows(page: Page, view: str) -> None:
    """Expect a view of the page, and that it is the only one."""
    await expect(page.locator("#room")).to_have_attribute("data-view", view)
    for part in await page.locator(".ticket-body > [data-for]").all():
        if await part.get_attribute("data-for") == view:
            await expect(part).to_be_visible()
        else:
            await expect(part).to_be_hidden()


async def shows_without_script(page: Page, view: str) -> None:
    """Load the page until the process that answers has heard of it too."""

    async def there() -> bool:
        await page.goto(page.url.partition("?")[0])
        return await page.locator("#room").get_attribute("data-view") == view

    await eventually(there)
    await shows(page, view)


async def open_doors(service: Service, site: Site, **rules: Any) -> None:
    """Open the doors of a room that will draw who has which number."""
    await open_room(
        service, skus={"mug": 9}, status="scheduled", order_by="draw", seats_max=0, **rules
    )
    soon = datetime.now(UTC) + timedelta(hours=3)
    await service.rooms.change("drop", f'{{"opens_at": "{soon.isoformat()}"}}', who="test")
    await all_know(site, status="before_opening")

    async def announced() -> Any:
        return await execute(service, "SELECT FROM draw")

    await eventually(announced)


async def open_line(service: Service, site: Site, **rules: Any) -> None:
    """Open a room in which everybody waits."""
    await open_room(service, **{"skus": {"mug": 9}, "seats_max": 0, **rules})
    await all_know(site)


async def number_of(page: Page) -> int:
    await expect(page.locator("#stub")).to_be_visible()
    return int((await page.locator("#number").inner_text()).replace(",", ""))


async def test_an_entry_becomes_a_number_on_an_open_page(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_doors(service, site, public_value_source=VALUE)
    page = await visit(pages, site)

    await shows(page, "entered")
    await expect(page.locator("#state-word")).to_have_text("Doors open")
    await expect(page.locator("#entries")).to_have_text("1")
    await expect(page.locator("[data-for=entered]")).to_contain_text(VALUE)
    await expect(page.locator("[data-for=entered]")).to_contain_text("gives no advantage")
    await expect(page.locator("[data-for=entered] .opens")).to_contain_text("your time")

    await service.rooms.set_status("drop", "open", who="test")
    await all_know(site, status="drawing")
    await page.locator("#check").click()
    await shows(page, "drawing")
    await expect(page.locator("#draws")).to_contain_text(VALUE)

    await service.draws.give_value("drop", "4 8 15 16 23 42", who="test")
    await all_know(site, status="open")
    await look_again(page)
    await shows(page, "waiting")
    await expect(page.locator("#number-label")).to_have_text("Number")
    assert await number_of(page) == 1


async def test_entering_and_the_draw_work_without_a_script(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_doors(service, site)
    page = await visit(pages, site, java_script_enabled=False)

    await expect(page.locator("#join-text")).to_contain_text("The draw decides the order")
    await page.locator("#join").click()
    await shows(page, "entered")
    await service.rooms.set_status("drop", "open", who="test")

    await shows_without_script(page, "waiting")
    assert await number_of(page) == 1


async def test_in_a_first_come_room_the_number_is_there_before_the_line_moves(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, status="scheduled", doors_at="2020-01-01T00:00:00Z", seats_max=0)
    await all_know(site, status="before_opening")
    page, plain = await visit(pages, site), await pages(java_script_enabled=False)
    await shows(page, "waiting")

    await plain.goto(f"{site.url}/rooms/drop")
    await plain.locator("#join").click()

    for each in (page, plain):
        await expect(each.locator("#starts")).to_contain_text("starts to move when the room opens")
        await expect(each.locator("#moving")).to_be_hidden()
    assert [await number_of(page), await number_of(plain)] == [1, 2]


async def test_stepping_aside_and_coming_back_on_the_page(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_line(service, site)
    page = await visit(pages, site)
    await shows(page, "waiting")

    await page.get_by_text("I cannot be here for my turn").click()
    await page.get_by_role("button", name="Step aside").click()
    await shows(page, "aside")
    await expect(page.locator("#back")).to_be_focused()
    await expect(page.locator("#aside-ahead")).to_be_visible()

    await service.rooms.change("drop", '{"seats_max": 3}', who="test")
    await service.lines.join(service.board.room("drop").line_id, 3, os.urandom(32))
    await expect(page.locator("#aside-passed")).to_contain_text("Your turn has passed")
    await page.locator("#back").click()
    await service.rooms.change("drop", '{"seats_max": 9}', who="test")

    await shows(page, "called")
    await expect(page.locator("#status")).to_contain_text("your turn")


async def test_stepping_aside_and_coming_back_without_a_script(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_line(service, site)
    page = await visit(pages, site, java_script_enabled=False)
    await page.locator("#join").click()

    await page.get_by_text("I cannot be here for my turn").click()
    await page.locator("#aside").click()
    await shows_without_script(page, "aside")
    await page.locator("#back").click()

    await shows_without_script(page, "waiting")


async def test_a_place_goes_to_another_device_with_its_own_place_given_up(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_line(service, site)
    desk, phone = await visit(pages, site), await pages()
    assert await number_of(desk) == 1
    await desk.get_by_text("Use another device").click()
    await expect(desk.locator("#device")).to_contain_text("gets no receipt of its own")
    await desk.locator("#code-button").click()
    await expect(desk.locator("#code")).to_be_focused()
    code = await desk.locator("#code [aria-hidden]").inner_text()

    await phone.goto(f"{site.url}/rooms/drop")
    assert await number_of(phone) == 2
    await phone.get_by_text("Use another device").click()
    await phone.locator("#bring-code").fill(code.lower())
    await phone.locator("#bring").click()

    await expect(phone.locator("#number")).to_have_text("1")
    await expect(phone.locator("#notice")).to_contain_text("on this device now")
    kept = await phone.evaluate("localStorage.getItem('waitroom-receipt:drop')")
    assert kept is None

    async def told() -> bool:
        # As when somebody comes back to this tab.
        await desk.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        return await desk.locator("#room").get_attribute("data-view") == "moved"

    await eventually(told, every_s=0.5)
    await shows(desk, "moved")
    await expect(desk.locator("#status")).to_contain_text("on another device now")
    await desk.locator("#join-anew").click()
    assert await number_of(desk) == 3
    rows = await execute(service, "SELECT number, state FROM admission")
    assert [tuple(row) for row in rows] == [(2, "left")]


async def test_a_place_goes_to_another_device_without_a_script(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_line(service, site)
    desk = await visit(pages, site, java_script_enabled=False)
    phone = await visit(pages, site, java_script_enabled=False)
    await desk.locator("#join").click()
    await desk.get_by_text("Use another device").click()
    await desk.locator("#code-button").click()
    code = await desk.locator("#code").inner_text()

    await phone.get_by_text("Use another device").click()
    await phone.locator("#bring-code").fill(code)
    await phone.locator("#bring").click()

    assert await number_of(phone) == 1
    await desk.goto(f"{site.url}/rooms/drop")
    await shows_without_script(desk, "moved")


async def test_a_wrong_code_is_said_and_nothing_is_lost(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_line(service, site)
    page = await visit(pages, site)
    await shows(page, "waiting")

    await page.get_by_text("Use another device").click()
    await page.locator("#bring-code").fill("AAAA 3333")
    await page.locator("#bring").click()

    await expect(page.locator("#status")).to_contain_text("This code is not known")
    await shows(page, "waiting")
    assert await number_of(page) == 1


async def test_more_time_is_asked_for_quietly_and_kept(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_line(service, site, claim_window_s=120, session_s=600)
    page = await visit(pages, site)
    # Until the ticket is drawn the page moves under the pointer.
    await shows(page, "waiting")
    await page.get_by_text("I need more time").click()
    await expect(page.locator("#more-extra-time .ask")).to_contain_text(
        "4 minutes to enter instead of 2 minutes, and 20 minutes to shop instead of 10 minutes"
    )

    await page.get_by_role("button", name="Give me more time").click()

    summary = page.locator("#more-extra-time summary")
    await expect(summary).to_have_text("You have more time")
    await expect(page.locator("#more-extra-time .ask")).to_be_hidden()

    async def kept() -> bool:
        await page.reload()
        return await summary.inner_text() == "You have more time"

    await eventually(kept)
    await service.rooms.change("drop", '{"seats_max": 3}', who="test")
    await shows(page, "called")
    # Twice two minutes, and the time in which the page may hear of its call.
    await expect(page.locator("#claim-left")).to_contain_text("4:")


async def test_a_revoked_shopper_is_told_in_words(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_line(service, site)
    page, plain = await visit(pages, site), await pages(java_script_enabled=False)
    await shows(page, "waiting")
    await plain.goto(f"{site.url}/rooms/drop")
    await plain.locator("#join").click()
    store = PlaceStore(service.pool)

    for number in (1, 2):
        await store.revoke("drop", "main-1", number, who="test", reason="in bulk")

    async def told() -> bool:
        await page.reload()
        return await page.locator("#room").get_attribute("data-view") == "revoked"

    await eventually(told)
    await shows_without_script(plain, "revoked")
    for each in (page, plain):
        await expect(each.locator("#reference")).to_have_text(REFERENCE)
        await expect(each.locator("#leave")).to_be_hidden()


async def test_what_is_in_baskets_and_why_the_line_waits_is_said_in_words(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_line(service, site, skus={"mug": 2}, seats_max=1)
    lucky = await visit(pages, site)
    await lucky.locator("#enter").click()
    await lucky.locator('[name="quantity-mug"]').fill("2")
    await lucky.locator("#hold-button").click()
    await expect(lucky.locator("#pay-button")).to_be_visible()

    page, plain = await visit(pages, site), await pages(java_script_enabled=False)
    await plain.goto(f"{site.url}/rooms/drop")
    await plain.locator("#join").click()

    for each in (page, plain):
        await expect(each.locator("#why")).to_contain_text("2 items are in other baskets")
        await expect(each.locator("#chance")).to_contain_text(" %")
    await service.rooms.set_status("drop", "paused", who="test")
    await all_know(site, status="paused")
    await look_again(page)
    await expect(page.locator("#why")).to_contain_text("paused")

    async def said() -> bool:
        await plain.goto(f"{site.url}/rooms/drop")
        return "paused" in await plain.locator("#why").inner_text()

    await eventually(said)


async def test_the_page_keeps_to_what_assistive_programs_need(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_line(service, site)
    page = await visit(pages, site, viewport={"width": 320, "height": 640})
    await shows(page, "waiting")
    for summary in await page.locator(".choices summary:visible").all():
        await summary.click()

    assert await page.locator("[role=status], [aria-live], output").count() == 1
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width == 320
    controls = page.locator(":is(button, summary, input:not([type=hidden])):visible")
    for control in await controls.all():
        box = await control.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 24
    # Nothing moves by itself: whoever is called has a button, and stays on the page.
    await service.rooms.change("drop", '{"seats_max": 3}', who="test")
    await shows(page, "called")
    await expect(page.locator("#enter")).to_be_focused()
    assert page.url.endswith("/rooms/drop")


@pytest.mark.parametrize("has_ticket", [True, False])
async def test_a_page_that_hears_once_of_no_such_room_asks_again(
    service: Service, site: Site, pages: Pages, *, has_ticket: bool
) -> None:
    await open_line(service, site)
    page = await pages()
    if has_ticket:
        await page.goto(f"{site.url}/rooms/drop")
        await expect(page.locator("#number")).to_have_text("1")
    refused: list[str] = []

    async def no_such_room(route: Route) -> None:
        refused.append(route.request.url)
        body = {"code": "not_found", "detail": "There is no room 'drop'."}
        await route.fulfill(status=404, json=body, content_type="application/problem+json")

    await page.route("**/rooms/drop/tickets**", no_such_room, times=1)
    await page.goto(f"{site.url}/rooms/drop")

    await expect(page.locator("#number")).to_have_text("1")
    await shows(page, "waiting")
    assert refused
    assert [row["tail"] for row in await execute(service, "SELECT tail FROM line")] == [1]
