"""A shopper's journey through a purchase by keyboard alone."""

from collections.abc import Awaitable, Callable

from keyboard import Keyboard
from playwright.async_api import Page, expect
from programs import Site, all_know
from support import open_room

from waitroom.run.app import Service

Pages = Callable[..., Awaitable[Page]]


async def test_a_shopper_buys_by_keyboard(service: Service, site: Site, pages: Pages) -> None:
    await open_room(service, skus={"mug": 9}, seats_max=0)
    await all_know(site.url)
    page = await pages()
    keys = Keyboard(page)
    await page.goto(f"{site.url}/rooms/drop")
    await expect(page.locator("#number")).to_have_text("1")

    await keys.press(page.locator("#alert summary"))
    await keys.press(page.locator("#alert-sound"), "Space")
    await expect(page.locator("#alert-sound")).to_be_checked()
    await keys.press(page.locator("#leave"))
    dialog = page.locator("#leave-dialog")
    await keys.is_kept_in(dialog, tabs=5)
    await keys.escapes(dialog, page.locator("#leave"))
    await service.rooms.change("drop", '{"seats_max": 9}', who="test")
    # The turn brings its button into focus, and nobody is moved.
    await expect(page.locator("#enter")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/checkout?room=*")
    await keys.write(page.locator("#q-mug"), "2")
    await keys.press(page.locator("#hold-button"))
    await expect(page.locator("#held")).to_be_visible()
    await keys.press(page.locator("#held li button").first)
    await expect(page.locator("#held-items")).to_contain_text("1 \u00d7")
    # One stop leads to a group of choices, and the arrows move in it.
    await keys.to(page.locator('[name="token"]:checked'))
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await expect(page.locator('[value="tok_decline"]')).to_be_checked()
    await keys.press(page.locator("#pay-button"))
    await expect(page.locator("#pay-problem")).to_be_focused()
    await keys.to(page.locator('[name="token"]:checked'))
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("ArrowUp")
    await keys.press(page.locator("#pay-button"))
    await page.wait_for_url("**/checkout/orders/**")
    await keys.press(page.locator("#receipt"))
    await page.wait_for_url("**/receipt")
    await page.go_back()
    await page.goto(f"{site.url}/rooms/drop")
    await keys.press(page.locator("#bought a").first)
    await page.wait_for_url("**/checkout/orders/**")

    assert keys.faults == []
