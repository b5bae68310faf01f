"""Every page and every state of the waiting page, at each width and in each dress.

`make matrix` runs it, and `make endure` does; it takes minutes. One dress is a part of its own:
`pytest tests/endure/test_matrix.py -m '' -k dark`. `tests/matrix.py` has the pages and the dresses.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from browsers import take_a_mug
from matrix import DRESSES, OPERATORS, SHOPPERS, Dress, look_over, states
from playwright.async_api import Page
from programs import Site, all_know
from signing_in import sign_in_on_screen
from support import PASSWORD, open_room

from waitroom.run.app import Service

Pages = Callable[..., Awaitable[Page]]


async def cookies_of_an_operator(page: Page, site: Site) -> Any:
    await sign_in_on_screen(page, site.url, "night")
    return await page.context.storage_state()


async def cookies_of_a_shopper(page: Page, site: Site) -> Any:
    """Let a shopper in who holds a mug."""
    await page.goto(f"{site.url}/rooms/drop")
    await take_a_mug(page)
    return await page.context.storage_state()


@pytest.mark.parametrize("dress", DRESSES, ids=lambda dress: dress.name)
async def test_every_page_can_be_read_and_used(
    service: Service, site: Site, pages: Pages, dress: Dress
) -> None:
    await open_room(service, skus={"mug": 9, "vase": 2}, policy="rate", fairness_public=True)
    await service.operators.add("night", role="admin", password=PASSWORD)
    await all_know(site)
    operator = await cookies_of_an_operator(await pages(), site)
    shopper = await cookies_of_a_shopper(await pages(), site)

    found = await look_over(pages, site.url, SHOPPERS, dress, storage_state=shopper)
    shown = list(states(dress.language))
    # The operators' screens are in English and need a script.
    if dress.name not in {"right-to-left", "no-script"}:
        shown += OPERATORS
    found += await look_over(pages, site.url, shown, dress, storage_state=operator)

    assert found == [], "\n".join(found)
