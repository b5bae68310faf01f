"""A few pages at 320 px with text of twice its size; `tests/endure/test_matrix.py` has them all."""

from collections.abc import Awaitable, Callable

from matrix import DRESSES, faults, look_over, put_on
from playwright.async_api import Page
from programs import Site, all_know
from support import open_room

from waitroom.run.app import Service

Pages = Callable[..., Awaitable[Page]]
LARGE = next(dress for dress in DRESSES if dress.text_percent == 200)


async def test_large_text_stays_on_its_card_on_a_small_phone(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 9}, policy="rate")
    await all_know(site)
    page = await pages(viewport={"width": 320, "height": 700})
    await page.goto(f"{site.url}/rooms/drop")
    await page.locator("#enter").wait_for()
    await put_on(page, LARGE)
    found = await faults(page)
    await page.locator("#enter").click()
    await page.wait_for_url("**/checkout?room=*")
    await put_on(page, LARGE)
    found += await faults(page)
    shop = await look_over(pages, site.url, ["/", "/products/mug"], LARGE, widths=[320])

    assert found + shop == []
