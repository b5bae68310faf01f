"""A large catalogue in the checkout: what a shopper came for, searched, paged, and kept."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from browsers import check_page
from playwright.async_api import Page, expect
from programs import Site, all_know
from shop import hold
from support import authorization, execute, open_room, tick

from waitroom.run.app import Service

Client = TestClient[Any, Any]
Pages = Callable[..., Awaitable[Page]]
SHIRTS = {"red": 3, "blue": 1, "green": 0}
PRODUCTS = 60


async def open_large_room(service: Service) -> None:
    """Open a room that sells a shirt in three colours, and so much else that it takes pages."""
    await open_room(service, skus={}, policy="rate")
    await service.products.add("shirt", room="drop", name="Shirt")
    for variant, units in SHIRTS.items():
        sku = f"shirt-{variant}"
        await service.stock.add(
            sku,
            room="drop",
            product="shirt",
            variant=variant,
            price_minor=2500,
            limit_per_session=2,
        )
        if units:
            await service.ledger.move(sku, kind="received", quantity=units, who="test", reason="")
    await execute(
        service,
        "SELECT add_sku('poster-' || lpad(n::text, 2, '0'), 'drop', NULL, jsonb_build_object("
        "'name', 'Poster ' || n, 'variant', '', 'currency', NULL, 'description', '', 'picture', '',"
        "'price_minor', 900, 'limit_per_order', NULL, 'limit_per_session', 4,"
        "'limit_per_customer', NULL, 'on_sale_from', NULL, 'on_sale_until', NULL, 'low_at', 0),"
        "NULL, 'test') FROM generate_series(1, $1::int) n",
        PRODUCTS,
    )
    await execute(
        service,
        "SELECT move_stock(sku, 'received', 5, 'test', '', NULL, false) FROM sku"
        " WHERE sku LIKE 'poster-%'",
    )


@pytest.mark.parametrize("script", [True, False])
async def test_what_was_chosen_on_the_product_page_is_ready_and_searching_loses_nothing(
    service: Service, site: Site, pages: Pages, *, script: bool
) -> None:
    await open_large_room(service)
    await all_know(site)
    page = await pages(java_script_enabled=script)
    await page.goto(f"{site.url}/products/shirt")
    await expect(page.locator("[value=shirt-blue]")).to_be_checked()
    await page.get_by_label("red").check()
    await page.get_by_role("button", name="Join the line").click()
    if not script:
        await expect(page.locator("#comes-for")).to_contain_text("Shirt, red")
        await page.locator("#join").click()
    await page.locator("#enter").click()
    await page.wait_for_url("**/checkout?room=*")

    # What the shopper came for stands first, with one filled in, and its variants beside it.
    await expect(page.locator("#came-for")).to_contain_text("You came for Shirt, red")
    red = page.locator('[name="quantity-shirt-red"]')
    await expect(red).to_have_value("1")
    await expect(page.locator("#came-for [data-sku=shirt-green]")).to_contain_text("Sold out")
    await expect(page.locator("#came-for [data-sku=shirt-red]")).to_contain_text("at most 2")
    await expect(page.locator("#goods > li")).to_have_count(24)
    if script:
        await check_page(page)

    # A search and a page further on keep what is chosen, and so does a basket that is refused.
    await page.locator("#find").fill("poster 59")
    await page.locator("#find").press("Enter")
    await expect(page.locator("#goods > li")).to_have_count(1)
    await expect(page.locator("#chosen")).to_contain_text("Shirt, red")
    await page.locator('[name="quantity-poster-59"]').fill("2")
    await page.locator("#everything").click()
    await page.locator("#more").click()
    await expect(page.locator("#goods")).to_contain_text("Poster 30")
    await expect(page.locator("#chosen li")).to_have_count(2)
    if script:
        await check_page(page)
        await page.locator('[name="quantity-poster-59"]').press("Enter")
    else:
        await page.locator("#hold-button").click()

    await expect(page.locator("#held-items > li")).to_have_count(2)
    await expect(page.locator("#held-items")).to_contain_text("2 \u00d7 Poster 59")
    await page.locator("#pay-button").click()
    await page.wait_for_url("**/checkout/orders/**")
    await expect(page.locator("main")).to_contain_text("Shirt, red")


async def enter(service: Service, client: Client, sku: str) -> dict[str, str]:
    """Join for a SKU and go in; returns the headers of the session."""
    joined = await (await client.post("/rooms/drop/tickets", json={"sku": sku})).json()
    await tick(service)
    claimed = await client.post("/rooms/drop/claims", headers=authorization(joined["ticket"]))
    return {**authorization((await claimed.json())["session"]), "Accept": "text/html"}


async def text_of(client: Client, path: str, headers: dict[str, str]) -> str:
    return await (await client.get(path, headers=headers)).text()


async def test_a_choice_that_is_gone_is_told_with_the_rest_on_offer_and_refusals_are_in_words(
    service: Service, client: Client
) -> None:
    await open_large_room(service)
    await tick(service)
    first = await enter(service, client, "shirt-blue")
    gone = await enter(service, client, "shirt-green")
    session = (await (await client.get("/checkout/session", headers=first)).json())["session"]
    await hold(service, int(session), **{"shirt-blue": 1})
    late = await enter(service, client, "shirt-blue")

    page = await text_of(client, "/checkout?room=drop", late)
    assert "None is free just now: the last ones are in other people" in page
    assert re.search(r'name="quantity-shirt-blue"[^>]* value="0"', page)
    assert "1 in baskets, none free" in page
    assert 'name="quantity-shirt-red"' in page
    page = await text_of(client, "/checkout?room=drop", gone)
    assert "It is sold out. You can choose something else" in page
    # Whoever asked for something is not sent back to what the ticket names.
    page = await text_of(client, "/checkout?room=drop&q=&product=shirt", gone)
    assert "You came for" not in page
    assert page.count('name="quantity-shirt-') == len(SHIRTS)

    async def refused(**fields: str) -> str:
        answer = await client.post(
            "/checkout/hold?room=drop", data={"key": fields.pop("key", "k"), **fields}, headers=late
        )
        found = re.search(r'id="hold-problem"[^>]*>([^<]*)<', await answer.text())
        assert answer.status >= 400
        assert found is not None
        return found[1]

    assert await refused() == "Choose at least one item."
    told = await refused(**{"quantity-shirt-red": "3"})
    assert told == "Shirt, red: at most 2 for each shopper."
    told = await refused(**{"quantity-poster-01": "4", "quantity-shirt-green": "1", "key": "two"})
    assert told.startswith("Shirt, green: none is free right now.")
    told = await refused(**{"quantity-teapot": "1"})
    assert told == "teapot: no longer sold here. Please choose something else."
    assert "out of date" in await refused(**{"quantity-shirt-red": "1", "key": ""})
    many = {f"quantity-poster-{n:02}": "1" for n in range(1, 52)}
    assert (await refused(**many)).startswith("At most 50 different items")
    for odd in ("quantity-%00=1", "quantity-mug=x"):
        assert (await client.get(f"/checkout?room=drop&{odd}", headers=late)).status == 200
    for odd in ("cursor=%00", "product=%00", "product=a&product=b", "q=%ed%a0%80"):
        assert (await client.get(f"/checkout?room=drop&{odd}", headers=late)).status == 400
