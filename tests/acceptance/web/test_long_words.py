"""A word that is longer than a small window breaks, and the page does not scroll sideways."""

from collections.abc import Awaitable, Callable

from playwright.async_api import Page, expect
from programs import Site, all_know
from signing_in import sign_in_on_screen
from support import PASSWORD, execute, open_room

from waitroom.admin.screens import BEYOND, SCREENS
from waitroom.run.app import Service

Pages = Callable[..., Awaitable[Page]]

WORD = "Donaudampfschifffahrtsgesellschaftskapitänsmützenhersteller"
WIDTH = 320
TOO_WIDE = """width => [...document.body.querySelectorAll("*")]
    .filter(one => one.getBoundingClientRect().right > width)
    .map(one => `${one.tagName}#${one.id}.${one.className} ${one.getBoundingClientRect().right}`)
    .slice(0, 12)"""


async def wide(page: Page, url: str) -> dict[str, list[str]]:
    """Return by its address what of a page does not fit the window."""
    await page.goto(url)
    await expect(page.locator("h1").first).to_be_visible()
    if await page.evaluate("document.documentElement.scrollWidth") <= WIDTH:
        return {}
    return {url.rpartition("/")[2]: await page.evaluate(TOO_WIDE, WIDTH)}


async def test_a_long_word_makes_no_page_wider_than_a_small_window(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 9}, message=f"{WORD} {WORD}")
    await execute(service, f"UPDATE room SET name = '{WORD}'")
    await execute(service, f"UPDATE product SET name = '{WORD}', description = '{WORD}'")
    await execute(
        service, f"UPDATE sku SET name = '{WORD}', variant = '{WORD}', description = '{WORD}'"
    )
    page = await pages(viewport={"width": WIDTH, "height": 640})

    found: dict[str, list[str]] = {}
    for path in ("/", "/shop/drop", "/products/mug", "/rooms/drop/log", "/rooms/drop/fairness"):
        found |= await wide(page, site.url + path)
    found |= await wide(page, f"{site.url}/rooms/drop")
    await page.locator("#enter").click()
    await page.wait_for_url("**/checkout?room=*")
    found |= await wide(page, f"{site.url}/checkout?room=drop")
    await page.locator('[name="quantity-mug"]').fill("2")
    await page.locator("#hold-button").click()
    await expect(page.locator("#pay-button")).to_be_visible()
    found |= await wide(page, f"{site.url}/checkout?room=drop")
    await page.locator("#pay-button").click()
    await page.wait_for_url("**/checkout/orders/**")
    order = page.url
    found |= await wide(page, order)
    found |= await wide(page, f"{order}/receipt")

    assert found == {}


async def test_a_long_word_makes_no_operators_screen_wider_than_a_small_window(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 9}, message=WORD)
    await execute(service, f"UPDATE room SET name = '{WORD}'")
    await execute(service, f"UPDATE sku SET name = '{WORD}'")
    await service.operators.add("ada", role="admin", password=PASSWORD)
    page = await pages(viewport={"width": WIDTH, "height": 640})
    await sign_in_on_screen(page, site.url, "ada")
    await all_know(site)

    found: dict[str, list[str]] = {}
    rooms = [f"/admin/screens/drop/{screen.name}" for screen in SCREENS]
    for path in ("/admin", *rooms, *(f"/admin/{screen.name}" for screen in BEYOND)):
        found |= await wide(page, site.url + path)

    assert found == {}
