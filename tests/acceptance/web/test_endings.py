"""The ends of a walk on pages: leaving asks first and tells afterwards, and a purchase is told.

Nothing here needs a script; a browser with one follows the same links.
"""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient
from support import open_room, tick

from inventory.kit.language.catalogues import language
from inventory.kit.problem import NotFound
from waitroom.run.app import Service

Client = TestClient[Any, Any]
HTML = {"Accept": "text/html"}


@pytest.fixture
async def browser(client: Client) -> AsyncIterator[Client]:
    """Return a client that keeps cookies, of addresses without a name too."""
    async with TestClient(client.server, cookie_jar=CookieJar(unsafe=True)) as kept:
        yield kept


async def enter_and_hold(service: Service, browser: Client) -> dict[str, Any]:
    """Open the room, go into its checkout and take two mugs."""
    await open_room(service, skus={"mug": 9})
    await tick(service)
    await browser.post("/rooms/drop/tickets")
    assert (await browser.post("/rooms/drop/claims")).status == 201
    answer = await browser.post(
        "/checkout/holds",
        json={"items": [{"sku": "mug", "quantity": 2}]},
        headers={"Idempotency-Key": str(uuid4())},
    )
    hold: dict[str, Any] = await answer.json()
    return hold


async def page_of(browser: Client, path: str) -> str:
    answer = await browser.get(path, headers=HTML)
    return await answer.text()


async def test_leaving_the_checkout_asks_naming_what_is_lost_and_tells_afterwards(
    service: Service, browser: Client
) -> None:
    hold = await enter_and_hold(service, browser)

    checkout = await page_of(browser, "/checkout?room=drop")
    asked = await page_of(browser, "/checkout/leave?room=drop")
    still_held = await browser.get(f"/checkout/holds/{hold['hold_id']}")
    told = await (await browser.post("/checkout/leave?room=drop", headers=HTML)).text()
    once_more = await page_of(browser, "/checkout?room=drop")

    assert 'href="/checkout/leave?room=drop"' in checkout
    assert "2 \u00d7 Mug" in asked
    assert "number 1" in asked
    assert 'action="/checkout/leave?room=drop"' in asked
    assert (await still_held.json())["state"] == "held"
    for page in (told, once_more):
        assert "You left the checkout" in page
        assert 'href="/rooms/drop"' in page


async def test_leaving_the_line_asks_without_a_script_and_tells_afterwards(
    service: Service, browser: Client
) -> None:
    await open_room(service, skus={"mug": 9}, seats_max=0)
    await tick(service)
    await browser.post("/rooms/drop/tickets")

    asked = await (await browser.post("/rooms/drop/leave", headers=HTML)).text()
    kept = await browser.get("/rooms/drop/tickets/me")
    told = await browser.post("/rooms/drop/leave", data={"sure": "1"}, headers=HTML)
    gone = await browser.get("/rooms/drop/tickets/me")

    assert "Leave the line?" in asked
    assert "number 1" in asked
    assert kept.status == 200
    assert "You left the line" in await told.text()
    assert gone.status == 401


async def test_leaving_a_draw_is_said_in_the_words_of_a_draw(
    service: Service, browser: Client
) -> None:
    await open_room(service, status="scheduled", order_by="draw", doors_at="2020-01-01T00:00:00Z")
    await tick(service)
    await browser.post("/rooms/drop/tickets")

    room = await page_of(browser, "/rooms/drop")
    asked = await (await browser.post("/rooms/drop/leave", headers=HTML)).text()
    told = await (await browser.post("/rooms/drop/leave", data={"sure": "1"}, headers=HTML)).text()

    assert "Leave the draw</button>" in room
    assert "Leave the draw?" in asked
    assert "Keep my entry" in asked
    assert "You left the draw" in told
    assert "Leave the line" not in room + asked


async def test_a_purchase_is_told_wherever_its_shopper_looks(
    service: Service, client: Client, browser: Client
) -> None:
    hold = await enter_and_hold(service, browser)
    paid = await browser.post(
        "/checkout/orders",
        json={"hold_id": hold["hold_id"], "payment": {"token": "tok_approve"}},
        headers={"Idempotency-Key": str(uuid4())},
    )
    order = await paid.json()

    # By Back, in another tab, and at the room.
    checkout = await page_of(browser, "/checkout?room=drop")
    room = await page_of(browser, "/rooms/drop")
    stranger = await page_of(client, "/rooms/drop")

    for page in (checkout, room):
        assert "You bought 2 \u00d7 Mug" in page
        assert order["number"] in page
        assert f"/checkout/orders/{order['order_id']}/receipt" in page
        assert "session is over" not in page
        assert "used up" not in page
    assert "You bought" not in stranger


async def test_a_checkout_without_a_place_says_how_to_get_one(
    service: Service, browser: Client
) -> None:
    await open_room(service, skus={"mug": 9})

    page = await page_of(browser, "/checkout")

    assert "You have no place in the shop now" in page
    assert "gone back" not in page


async def test_an_address_that_leads_nowhere_says_so_once_and_in_the_shoppers_language(
    service: Service, browser: Client
) -> None:
    await open_room(service, skus={"mug": 9})
    order = await page_of(browser, f"/checkout/orders/{uuid4()}")
    nothing = await page_of(browser, "/nothing-here")
    german = await browser.get("/nothing-here", headers={**HTML, "Accept-Language": "de"})

    assert "There is no such order here" in order
    assert "session" not in order
    assert nothing.partition("<main")[2].count("There is nothing by that name here") == 1
    told = language("de").say(NotFound.title)
    assert told in await german.text()


async def test_a_product_has_a_page_when_it_is_gone_and_when_its_sale_has_ended(
    service: Service, browser: Client
) -> None:
    await open_room(service, skus={"mug": 0})
    await tick(service)
    gone = await browser.get("/products/mug", headers=HTML)
    await service.rooms.set_status("drop", "ended", who="test")
    await tick(service)
    ended = await browser.get("/products/mug", headers=HTML)
    shelf = await page_of(browser, "/shop/drop")

    assert (gone.status, ended.status) == (200, 200)
    assert "Join the line for" in await gone.text()
    for page in (await ended.text(), shelf):
        assert "No longer on sale" in page
        assert "Join the line" not in page
