"""When nothing is left everybody hears of it at once; when all is in baskets, how much of it."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp.test_utils import TestClient
from browsers import look_again
from playwright.async_api import Page, expect
from pollers import Poller, visitors
from programs import Site, all_know
from support import (
    Shopper,
    admitted,
    authorization,
    eventually,
    execute,
    open_room,
    shift_clock,
    tick,
)

from waitroom.run.app import Service

Client = TestClient[Any, Any]
Clients = Callable[[Service], Awaitable[Client]]
Services = Callable[..., Awaitable[Service]]
Pages = Callable[..., Awaitable[Page]]

UNITS = 3
WAITING = 20


async def state_of(client: Client) -> Any:
    return await (await client.get("/rooms/drop/state")).json()


async def page_of(client: Client, shopper: Shopper) -> str:
    """Return the waiting page as a browser without JavaScript gets it."""
    cookie = f"waitroom_ticket_drop={shopper.ticket}"
    answer = await client.get("/rooms/drop", headers={"Cookie": cookie, "Accept": "text/html"})
    assert answer.status == 200
    return re.sub(r"\s+", " ", await answer.text())


async def all_in_baskets(service: Service, client: Client) -> tuple[list[Shopper], list[str]]:
    """Return shoppers who hold everything there is, and their holds."""
    await open_room(service, skus={"mug": UNITS}, limit=1)
    await tick(service)
    holders = [await admitted(client) for _ in range(UNITS)]
    holds = [(await (await shopper.hold(mug=1)).json())["hold_id"] for shopper in holders]
    return holders, holds


async def test_sold_out_reaches_everybody_at_every_worker_within_one_refresh(
    services: Services, clients: Clients
) -> None:
    first, second = await services(), await services()
    one, other = await clients(first), await clients(second)
    holders, holds = await all_in_baskets(first, one)
    waiting = [Shopper(one) for _ in range(WAITING)]
    for shopper in waiting:
        await shopper.join()
    await tick(first)
    await second.board.refresh(rooms=True)
    before = {(await shopper.me())["status"] for shopper in waiting}

    for holder, hold in zip(holders, holds, strict=True):
        assert (await holder.pay(hold)).status == 201
    await tick(first)
    await second.board.refresh()

    assert before == {"waiting"}
    for client in (one, other):
        document = await state_of(client)
        assert document["status"] == "sold_out"
        # Nothing changes soon in a room that is sold out, so the document's pace is enough.
        pace = document["lines"][0]["table"][0]["poll_s"]
        for shopper in waiting:
            asking = Shopper(client, ticket=shopper.ticket)
            told = await asking.me()
            assert (told["status"], told["poll_s"]) == ("sold_out", pace)
        assert 'data-view="sold_out"' in await page_of(client, waiting[0])
        refused = await client.post("/rooms/drop/tickets")
        assert (refused.status, (await refused.json())["code"]) == (409, "sold_out")


async def test_whoever_missed_a_call_and_came_back_hears_it_too(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1}, limit=1, claim_window_s=60)
    await tick(service)
    late = Shopper(client)
    await late.join()
    await shift_clock(service, 100)
    await service.office.end_due(10)
    await tick(service)
    buyer = await admitted(client)
    hold = await (await buyer.hold(mug=1)).json()
    assert (await late.claim()).status == 409
    await tick(service)
    waited = (await late.me())["status"]

    await buyer.pay(hold["hold_id"])
    await tick(service)

    assert waited == "waiting"
    assert (await late.me())["status"] == "sold_out"


async def test_what_is_in_baskets_is_told_with_its_number_and_is_not_sold_out(
    service: Service, client: Client
) -> None:
    holders, holds = await all_in_baskets(service, client)
    waiting = [Shopper(client) for _ in range(2)]
    for shopper in waiting:
        await shopper.join()
    await tick(service)

    full = await state_of(client)
    page = await page_of(client, waiting[0])
    await client.delete(f"/checkout/holds/{holds[0]}", headers=authorization(holders[0].session))
    await tick(service)
    less = await state_of(client)

    assert (full["status"], full["available"], full["held"]) == ("open", 0, UNITS)
    assert re.search(rf'id="stock">[^<]*\b{UNITS}\b[^<]*basket', page)
    assert 'data-view="waiting"' in page
    # What came back is the next one's, and the figure follows.
    assert less["held"] == UNITS - 1
    assert [(await shopper.me())["status"] for shopper in waiting] == ["called", "waiting"]


async def test_what_comes_back_after_everything_was_sold_calls_the_next_in_line(
    service: Service, client: Client
) -> None:
    holders, holds = await all_in_baskets(service, client)
    waiting = [Shopper(client) for _ in range(2)]
    for shopper in waiting:
        await shopper.join()
    for holder, hold in zip(holders, holds, strict=True):
        await holder.pay(hold)
    await tick(service)
    over = [(await shopper.me())["status"] for shopper in waiting]

    await service.ledger.move("mug", kind="received", quantity=1, who="test", reason="")
    await tick(service)

    assert over == ["sold_out", "sold_out"]
    assert (await state_of(client))["status"] == "open"
    assert [(await shopper.me())["status"] for shopper in waiting] == ["called", "waiting"]


async def let_in(http: aiohttp.ClientSession) -> Poller:
    poller = await Poller.join(http)

    async def called() -> bool:
        return await poller.ask() == "called"

    await eventually(called)
    await poller.claim()
    return poller


@pytest.mark.parametrize("then", ["sold", "back"])
async def test_the_page_tells_what_is_in_baskets_and_then_what_became_of_it(
    service: Service, site: Site, pages: Pages, then: str
) -> None:
    await open_room(service, skus={"mug": UNITS}, limit=1)
    async with visitors(site.url) as http:
        await all_know(site)
        holders = [await let_in(http) for _ in range(UNITS)]
        holds = [await holder.hold("mug") for holder in holders]
        page = await pages()
        await page.goto(f"{site.url}/rooms/drop")
        await expect(page.locator("#stock")).to_have_text(re.compile(rf"\b{UNITS}\b.*basket"))
        await expect(page.locator("#place")).to_have_text("1")

        if then == "sold":
            for holder, hold in zip(holders, holds, strict=True):
                await holder.pay(hold)
            await expect(page.locator("#state-word")).to_have_text("Sold out")
            assert await page.locator("#enter").is_hidden()
        else:
            await holders[0].leave()
            await expect(page.locator("#enter")).to_be_visible()
            await expect(page.locator("#stock")).to_have_text(
                re.compile(rf"\b{UNITS - 1}\b.*basket")
            )


async def looks_and_sees(page: Page, what: str) -> bool:
    await look_again(page)
    return await page.locator(what).is_visible()


@pytest.mark.parametrize("came", ["before", "after"])
async def test_an_open_page_that_was_told_all_is_sold_hears_when_something_came_back(
    service: Service, site: Site, pages: Pages, came: str
) -> None:
    await open_room(service, skus={"mug": 1}, limit=1)
    async with visitors(site.url) as http:
        await all_know(site)
        buyer = await let_in(http)
        hold = await buyer.hold("mug")
        page = await pages()
        if came == "before":
            await page.goto(f"{site.url}/rooms/drop")
            await expect(page.locator("#place")).to_have_text("1")
        await buyer.pay(hold)
        await all_know(site, status="sold_out")
        if came == "after":
            await page.goto(f"{site.url}/rooms/drop")
        await expect(page.locator("#room")).to_have_attribute("data-view", "sold_out")

        await service.ledger.move("mug", kind="received", quantity=1, who="test", reason="")

        await eventually(lambda: looks_and_sees(page, "#enter"))


async def test_a_form_that_is_older_than_the_sale_leads_on(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1}, limit=1)
    await tick(service)
    buyer = await admitted(client)
    await buyer.pay((await (await buyer.hold(mug=1)).json())["hold_id"])
    await tick(service)
    own = f"http://{client.host}:{client.port}"
    html = {"Accept": "text/html", "Cookie": f"waitroom_visitor={'a' * 32}"}

    joined = await client.post("/rooms/drop/join", headers=html, allow_redirects=False)
    page = await joined.text()
    paid = await client.post(
        "/checkout/pay",
        headers={**html, "Origin": own, "Referer": f"{own}/checkout?room=drop"},
        allow_redirects=False,
    )
    returns = await client.post("/rooms/drop/returns", headers=html, allow_redirects=False)

    assert joined.status == 409
    assert 'data-view="sold_out"' in page
    assert "Everything is sold." in page
    assert 'href="/checkout"' in await paid.text()
    assert (returns.status, returns.headers["Location"]) == (303, "/rooms/drop")
    for referer in (
        "https://evil.example/x",
        "javascript:alert(1)",
        "//evil.example/",
        f"{own}//evil.example/",
    ):
        elsewhere = await client.post("/nothing", headers={**html, "Referer": referer})
        assert "//evil" not in await elsewhere.text()
        assert "alert(1)" not in await elsewhere.text()


async def test_newcomers_to_a_room_that_is_sold_out_can_wait_for_returns(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1}, limit=1)
    await tick(service)
    buyer = await admitted(client)
    await buyer.pay((await (await buyer.hold(mug=1)).json())["hold_id"])
    await tick(service)
    visitor = {"Cookie": f"waitroom_visitor={'b' * 32}"}
    html = {**visitor, "Accept": "text/html"}

    first_page = await (await client.get("/rooms/drop", headers=html)).text()
    refused, taken, again = await asyncio.gather(
        client.post("/rooms/drop/tickets", headers={"Idempotency-Key": str(uuid4())}),
        client.post("/rooms/drop/tickets", json={"returns": True}, headers=visitor),
        client.post("/rooms/drop/tickets", json={"returns": True}, headers=visitor),
    )
    repeated = await client.post(
        "/rooms/drop/join", data={"returns": "1"}, headers=html, allow_redirects=False
    )
    other = {"Cookie": f"waitroom_visitor={'c' * 32}", "Accept": "text/html"}
    by_form = await client.post(
        "/rooms/drop/join", data={"returns": "1"}, headers=other, allow_redirects=False
    )
    await tick(service)
    ticket = (await taken.json())["ticket"]
    own = {"Cookie": f"{visitor['Cookie']}; waitroom_ticket_drop={ticket}"}
    while_sold_out = await client.get("/rooms/drop/tickets/me", headers=own)
    page = await client.get("/rooms/drop", headers={**html, **own})
    (stays,) = await execute(service, "SELECT number FROM returns_wait")
    await service.ledger.move("mug", kind="received", quantity=1, who="test")
    for _ in range(3):
        await tick(service)

    assert 'id="wait-for-returns"' in first_page
    assert refused.status == 409
    assert sorted([taken.status, again.status]) == [200, 201]
    assert (repeated.status, by_form.status) == (303, 303)
    assert (await while_sold_out.json())["status"] == "sold_out"
    assert 'id="wait-for-returns"' not in await page.text()
    assert stays["number"] == 3
    at_last = await client.get("/rooms/drop/tickets/me", headers=own)
    assert (await at_last.json())["status"] == "called"
    (line,) = await execute(service, "SELECT tail FROM line")
    assert line["tail"] == 3


async def test_a_gate_ahead_of_the_line_calls_no_newcomer_to_a_room_that_is_sold_out(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1}, limit=1, policy="rate")
    await tick(service)
    buyer = await admitted(client)
    await buyer.pay((await (await buyer.hold(mug=1)).json())["hold_id"])
    await tick(service)
    await execute(service, "UPDATE line SET gate = tail + 50")

    joined = await client.post("/rooms/drop/tickets", json={"returns": True})

    assert (joined.status, (await joined.json())["status"]) == (201, "waiting")
    (line,) = await execute(service, "SELECT gate, tail FROM line")
    assert (line["gate"], line["tail"]) == (1, 2)
