"""Journeys by keyboard alone, of an operator through a sale and of a shopper through a purchase."""

from collections.abc import Awaitable, Callable

from browsers import take_a_mug
from keyboard import Keyboard
from playwright.async_api import Page, expect
from programs import Site, all_know
from support import PASSWORD, open_room

from waitroom.run.app import Service

Pages = Callable[..., Awaitable[Page]]
DESK = {"width": 1280, "height": 900}


async def sign_in(keys: Keyboard, site: Site) -> None:
    page = keys.page
    await page.goto(f"{site.url}/admin")
    await keys.write(page.get_by_label("Name"), "night")
    await keys.write(page.get_by_label("Password"), PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/admin")


async def make_a_room(keys: Keyboard) -> None:
    page = keys.page
    await keys.press(page.get_by_role("link", name="Make a room"))
    await keys.write(page.get_by_label("Name", exact=True), "Spring")
    await keys.press(page.get_by_role("button", name="Make the room"))
    await page.wait_for_url("**/admin/screens/spring/rules")
    await keys.write(page.locator("#seats_max"), "7")
    await keys.press(page.locator("#rules-save"))
    await expect(page.locator("#rules-told .status")).to_have_text("The rules were applied.")


async def add_a_product(keys: Keyboard) -> None:
    page = keys.page
    await keys.press(page.get_by_role("link", name="Goods", exact=True))
    await page.wait_for_url("**/goods")
    await keys.press(page.locator("#new-open"))
    await expect(page.locator("#new-name")).to_be_focused()
    await keys.write(page.locator("#new-name"), "Mug")
    await keys.write(page.locator("#new-price_minor"), "12.50")
    await keys.press(page.get_by_role("button", name="Add the product"))
    await expect(page.locator("#all-told .status")).to_contain_text("Mug was added")
    variant = page.locator(".variant").first
    if await variant.get_attribute("open") is None:
        await keys.press(variant.locator("summary").first)
    await keys.write(variant.get_by_label("Units", exact=True), "9")
    await keys.press(variant.get_by_role("button", name="Book"))
    await expect(variant.locator("#mug-stock-told .status")).to_contain_text("9 units")


async def open_pause_and_speak(keys: Keyboard) -> None:
    page = keys.page
    await keys.press(page.get_by_role("link", name="Live", exact=True))
    await page.wait_for_url("**/live")
    await keys.press(page.locator("#open"))
    await expect(page.locator("#pause")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#resume")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#pause")).to_be_focused()
    await keys.write(page.locator("#message"), "Back in five minutes.")
    await keys.press(page.locator("#message-save"))
    await expect(page.locator("#message-told .status")).not_to_be_empty()
    # A refusal leaves the focus on the button, so that Enter tries again.
    await page.route("**/admin/rooms/spring/pause", lambda route: route.abort())
    await keys.press(page.locator("#pause"))
    await expect(page.locator("#phase-told .problem")).not_to_be_empty()
    await expect(page.locator("#pause")).to_be_focused()
    await page.unroute("**/admin/rooms/spring/pause")


async def end_it(keys: Keyboard) -> None:
    page, dialog = keys.page, keys.page.locator("#close-dialog")
    await keys.press(page.locator("#close"))
    await keys.is_kept_in(dialog)
    await keys.escapes(dialog, page.locator("#close"))
    await page.keyboard.press("Enter")
    await keys.write(page.locator("#close-confirm"), "Spring")
    await keys.write(page.locator("#close-reason"), "over")
    await keys.press(page.locator("#close-yes"))
    await expect(page.locator("#phase-told .status")).to_have_text("The sale has ended.")
    await expect(page.locator("body")).not_to_be_focused()


async def find_an_order(keys: Keyboard) -> None:
    page, dialog = keys.page, keys.page.locator("#order-dialog")
    await keys.press(page.get_by_role("link", name="Orders", exact=True))
    await page.wait_for_url("**/orders")
    await keys.write(page.locator("#q"), "nothing like it")
    await page.keyboard.press("Enter")
    await expect(page.locator("#found")).to_contain_text("No order")
    await keys.press(page.locator("#clear"))
    row = page.locator("#order-rows a").first
    await keys.press(row)
    await expect(page.locator("#order-title")).to_be_focused()
    await keys.is_kept_in(dialog)
    await keys.escapes(dialog, row)


async def read_the_record(keys: Keyboard) -> None:
    page = keys.page
    await keys.press(page.locator(".tabs").get_by_role("link", name="Audit", exact=True))
    await page.wait_for_url("**/audit")
    await keys.to(page.locator("#about"))
    await page.keyboard.press("ArrowDown")
    await keys.press(page.get_by_role("button", name="Show", exact=True))
    await page.wait_for_url("**/audit?*about=*")


async def test_an_operator_runs_a_sale_by_keyboard(
    service: Service, site: Site, pages: Pages
) -> None:
    await service.operators.add("night", role="admin", password=PASSWORD)
    page = await pages(viewport=DESK)
    keys = Keyboard(page)

    await sign_in(keys, site)
    await make_a_room(keys)
    await all_know(site, "spring", status=None)
    await add_a_product(keys)
    await open_pause_and_speak(keys)
    await all_know(site, "spring")
    await buy_a_mug(await pages(), site)
    await find_an_order(keys)
    await keys.press(page.get_by_role("link", name="Live", exact=True))
    await page.wait_for_url("**/live")
    await end_it(keys)
    await read_the_record(keys)
    await keys.press(page.get_by_role("button", name="Sign out"))
    await page.wait_for_url("**/admin/login")

    assert keys.faults == []


async def buy_a_mug(page: Page, site: Site) -> None:
    await page.goto(f"{site.url}/rooms/spring")
    await take_a_mug(page)
    await page.locator("#pay-button").click()
    await page.wait_for_url("**/checkout/orders/**")


async def test_a_shopper_buys_by_keyboard(service: Service, site: Site, pages: Pages) -> None:
    await open_room(service, skus={"mug": 9}, seats_max=0)
    await all_know(site)
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
