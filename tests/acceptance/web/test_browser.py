"""The walk in a real browser, and what those see who are late, or have no JavaScript."""

from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Page, expect
from programs import Running, Site, all_know
from support import eventually, execute, open_room

from waitroom.run.app import Service

Pages = Callable[..., Awaitable[Page]]


async def test_a_shopper_goes_from_shop_to_order(
    service: Service, serving: Running, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 3}, message="Two for each of you.")
    page = await pages()

    await all_know(serving)
    await page.goto(f"{serving.url}/")
    await page.get_by_role("link", name="Mug").first.click()
    await page.locator('form[action="/rooms/drop"] button').click()
    await expect(page.get_by_text("Two for each of you.")).to_be_visible()
    await page.locator("#enter").click()
    await page.wait_for_url("**/checkout?room=*")
    await page.locator('[name="quantity-mug"]').fill("2")
    await page.locator("#hold-button").click()
    await expect(page.locator("#deadline")).to_contain_text(":")
    await page.locator("#pay-button").click()
    await page.wait_for_url("**/checkout/orders/**")

    await expect(page.locator("#order-status")).to_contain_text("aid")
    (order,) = await execute(service, "SELECT reference, state, total_minor FROM purchase")
    assert (order["state"], order["total_minor"]) == ("paid", 2000)
    await expect(page.locator("#order-number")).to_contain_text(order["reference"])
    assert await service.ledger.breaches() == []


async def test_whoever_is_too_late_is_told_honestly(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 1}, seats_max=1)
    lucky, late = await pages(), await pages()
    await all_know(site)
    await lucky.goto(f"{site.url}/")
    await lucky.goto(f"{site.url}/rooms/drop")
    await lucky.locator("#enter").click()
    await lucky.wait_for_url("**/checkout?room=*")
    await lucky.locator('[name="quantity-mug"]').fill("1")
    await lucky.locator("#hold-button").click()
    await expect(lucky.locator("#pay-button")).to_be_visible()

    await late.goto(f"{site.url}/rooms/drop")
    await expect(late.locator("#stock")).to_contain_text("basket")
    assert await late.locator("#enter").is_hidden()
    await lucky.locator("#pay-button").click()
    await lucky.wait_for_url("**/checkout/orders/**")

    await expect(late.locator("#state-word")).to_contain_text("old out")
    await expect(late.locator("#status")).to_contain_text("sold")
    assert await late.locator("#enter").is_hidden()


async def test_closing_the_page_keeps_the_place_and_tabs_share_it(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 5}, seats_max=0)
    page = await pages()
    await all_know(site)
    await page.goto(f"{site.url}/")
    await page.goto(f"{site.url}/rooms/drop")
    await expect(page.locator("#place")).to_contain_text("1")

    twin = await page.context.new_page()
    await twin.goto(f"{site.url}/rooms/drop")
    await expect(twin.locator("#place")).to_contain_text("1")
    await page.reload()

    await expect(page.locator("#place")).to_contain_text("1")
    (line,) = await execute(service, "SELECT tail FROM line")
    assert line["tail"] == 1


async def test_a_shopper_says_what_they_come_for_and_reads_the_chance_of_it(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"red": 2, "blue": 30}, policy="expected", seats_max=0)
    page = await pages()
    await all_know(site)
    await page.goto(f"{site.url}/rooms/drop")
    await expect(page.locator("#skus")).to_contain_text("Red: 2 left. Your chance: ")

    await page.locator("#come-for summary").click()
    await page.locator("#choose-sku").select_option("red")
    await page.locator("#choose").click()

    await expect(page.locator("#choice-note")).to_contain_text("You come for Red.")
    await expect(page.locator("#place")).to_contain_text("1")
    await expect(page.locator("#status")).to_contain_text("Your place stays the same.")


async def test_the_walk_works_without_javascript(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 3})
    page = await pages(java_script_enabled=False)

    await all_know(site)
    await page.goto(f"{site.url}/")
    await page.goto(f"{site.url}/rooms/drop")
    await page.locator("#join").click()
    await page.locator("#enter").click()
    await page.wait_for_url("**/checkout?room=*")
    await page.locator('[name="quantity-mug"]').fill("1")
    await page.locator("#hold-button").click()
    await page.locator("#pay-button").click()
    await page.wait_for_url("**/checkout/orders/**")

    await expect(page.locator("#order-status")).to_contain_text("aid")


async def test_operators_see_and_steer_the_room(service: Service, site: Site, pages: Pages) -> None:
    await open_room(service, skus={"mug": 3})
    await service.operators.add("night", role="operator", password="a long enough one")
    page = await pages(viewport={"width": 1280, "height": 900})
    await all_know(site)
    await page.goto(f"{site.url}/")

    await page.goto(f"{site.url}/admin")
    await page.wait_for_url("**/admin/login")
    await page.locator('[name="name"]').fill("night")
    await page.locator('[name="password"]').fill("wrong")
    await page.locator("#login").click()
    await expect(page.locator("body")).to_contain_text("do not match")
    await page.locator('[name="name"]').fill("night")
    await page.locator('[name="password"]').fill("a long enough one")
    await page.locator("#login").click()
    await page.wait_for_url("**/admin")
    await page.locator(".rooms a").click()
    await page.wait_for_url("**/admin/screens/drop/live")
    assert await page.locator("#reset").count() == 0
    await page.locator("#pause").click()
    await expect(page.locator("#state-word")).to_contain_text("aused")
    await page.locator("#resume").click()
    await expect(page.locator("#state-word")).to_contain_text("pen")
    await page.locator("#seats").fill("7")
    await page.locator("#apply").click()

    async def seats_are_set() -> Any:
        return await execute(service, "SELECT FROM room WHERE seats_max = 7")

    await expect(page.locator("#figure-available")).to_contain_text("3")
    assert await eventually(seats_are_set)
    actions = await execute(
        service, "SELECT action FROM operator_action WHERE who = 'night' ORDER BY at"
    )
    assert [row["action"] for row in actions] == ["status", "status", "change"]
