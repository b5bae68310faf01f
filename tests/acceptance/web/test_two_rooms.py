"""One browser in two rooms at once, and orders that are read without a session."""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient
from support import Shopper, open_room, tick

from waitroom.run.app import Service

HTML = {"Accept": "text/html"}


@pytest.fixture
async def browser(client: TestClient[Any, Any]) -> AsyncIterator[TestClient[Any, Any]]:
    """Return a client that keeps cookies, of addresses without a name too."""
    async with TestClient(client.server, cookie_jar=CookieJar(unsafe=True)) as kept:
        yield kept


async def enter(client: TestClient[Any, Any], room: str) -> None:
    """Join and claim as a browser does, with nothing but cookies."""
    await client.post(f"/rooms/{room}/tickets")
    assert (await client.post(f"/rooms/{room}/claims")).status == 201


async def hold(client: TestClient[Any, Any], sku: str, *, at: str = "") -> dict[str, Any]:
    items = {"items": [{"sku": sku, "quantity": 1}]}
    answer = await client.post(
        f"/checkout/holds{at}", json=items, headers={"Idempotency-Key": str(uuid4())}
    )
    assert answer.status == 201, await answer.text()
    found: dict[str, Any] = await answer.json()
    return found


async def pay(client: TestClient[Any, Any], hold_id: str) -> dict[str, Any]:
    body = {"hold_id": hold_id, "payment": {"token": "tok_approve"}}
    answer = await client.post(
        "/checkout/orders", json=body, headers={"Idempotency-Key": str(uuid4())}
    )
    assert answer.status == 201, await answer.text()
    found: dict[str, Any] = await answer.json()
    return found


async def two_rooms(service: Service) -> None:
    await open_room(service, skus={"mug": 3})
    await open_room(service, room="fair", skus={"cup": 3})
    await tick(service)


async def test_two_rooms_in_one_browser_never_touch_each_other(
    service: Service, browser: TestClient[Any, Any]
) -> None:
    await two_rooms(service)
    await enter(browser, "drop")
    first = await hold(browser, "mug")
    await hold(browser, "mug")
    order = await pay(browser, first["hold_id"])
    await enter(browser, "fair")

    cup = await hold(browser, "cup")
    mug = await hold(browser, "mug")
    unnamed = await browser.get("/checkout/session")
    listed = await (await browser.get("/checkout/orders")).json()
    named = [await browser.get("/checkout/session", params={"room": r}) for r in ("drop", "fair")]
    elsewhere = await browser.get("/checkout/session", params={"room": "other"})
    still = await browser.get(f"/checkout/orders/{order['order_id']}")
    changed = await browser.delete(f"/checkout/holds/{mug['hold_id']}")
    page = await browser.get("/checkout", params={"room": "drop"}, headers=HTML)
    choice = await browser.get("/checkout", headers=HTML)
    left = await browser.delete("/checkout/session", params={"room": "drop"})
    kept = await browser.get(f"/checkout/holds/{cup['hold_id']}")

    assert unnamed.status == 409
    assert (await unnamed.json())["code"] == "room_needed"
    assert (await unnamed.json())["rooms"] == ["drop", "fair"]
    assert [(await answer.json())["room"] for answer in named] == ["drop", "fair"]
    assert elsewhere.status == 401
    assert (await still.json())["number"] == order["number"]
    assert [each["number"] for each in listed["orders"]] == [order["number"]]
    assert changed.status == 204
    forms = re.findall(r'action="(/checkout/[^"]+)"', await page.text())
    assert forms
    assert all(form.endswith("?room=drop") for form in forms)
    assert "/checkout?room=fair" in await choice.text()
    assert left.status == 204
    assert kept.status == 200
    # Of several sessions the one that has not ended needs no name.
    assert (await (await browser.get("/checkout/session")).json())["room"] == "fair"


async def test_check_knows_the_session_of_the_room_it_is_asked_for(
    service: Service, browser: TestClient[Any, Any]
) -> None:
    await two_rooms(service)
    await enter(browser, "drop")
    await enter(browser, "fair")

    passed = [await browser.get("/check", params={"room": room}) for room in ("drop", "fair")]

    assert [answer.status for answer in passed] == [204, 204]


async def test_an_order_is_read_by_its_link_alone_and_nothing_else_is(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await two_rooms(service)
    shopper = Shopper(client)
    await shopper.join()
    await shopper.claim()
    order = await (await shopper.pay((await (await shopper.hold(mug=1)).json())["hold_id"])).json()
    link = order["order_url"]
    path, _, key = link.partition("?key=")

    seen = await client.get(link)
    receipt = await client.get(f"{path}/receipt", params={"key": key, "format": "text"})
    page = await client.get(link, headers=HTML)
    without = await client.get(path)
    forged = [
        await client.get(path, params={"key": other})
        for other in ("", key[:-1], key[:-1] + ("A" if key[-1] != "A" else "E"), "é", "a" * 9000)
    ]
    of_another = await client.get(f"/checkout/orders/{uuid4()}", params={"key": key})
    bank = await client.get(f"/checkout/stripe/{order['order_id']}", params={"key": key})

    assert key
    assert (await seen.json())["number"] == order["number"]
    assert "session" not in await seen.text()
    assert order["number"] in await receipt.text()
    assert f"receipt?key={key}" in await page.text()
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert without.status == 401
    assert {answer.status for answer in forged} <= {401, 400, 404}
    assert of_another.status in {401, 404}
    assert bank.status in {401, 404}
