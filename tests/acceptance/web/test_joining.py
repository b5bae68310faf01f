"""Joining is safe to repeat: by ticket, by key, by browser, over several workers."""

import asyncio
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any
from uuid import uuid4

from aiohttp.test_utils import TestClient
from support import Shopper, admitted, authorization, execute, open_room, tick

from waitroom.run.app import Service

Client = TestClient[Any, Any]
Clients = Callable[[Service], Awaitable[Client]]
Services = Callable[..., Awaitable[Service]]


async def two_workers(services: Services, clients: Clients) -> tuple[Service, Client, Client]:
    first, second = await services(), await services()
    await open_room(first, skus={"mug": 5}, seats_max=0)
    await second.board.refresh(rooms=True)
    return first, await clients(first), await clients(second)


async def test_a_key_gets_one_ticket_from_two_workers_at_once(
    services: Services, clients: Clients
) -> None:
    service, one, other = await two_workers(services, clients)

    for _ in range(20):
        key = {"Idempotency-Key": str(uuid4())}
        answers = await asyncio.gather(
            *(client.post("/rooms/drop/tickets", headers=key) for client in (one, other) * 3)
        )
        tickets = {(await answer.json())["ticket"] for answer in answers}
        assert len(tickets) == 1

    (line,) = await execute(service, "SELECT tail FROM line")
    assert line["tail"] == 20


async def test_a_retry_finds_its_ticket_also_after_the_sale(
    services: Services, clients: Clients
) -> None:
    service, one, other = await two_workers(services, clients)
    key = {"Idempotency-Key": str(uuid4())}
    first = await (await one.post("/rooms/drop/tickets", headers=key)).json()
    await service.rooms.set_status("drop", "ended", who="test")

    again = await other.post("/rooms/drop/tickets", headers=key)

    assert (again.status, (await again.json())["ticket"]) == (200, first["ticket"])


async def test_a_refused_join_leaves_its_key_free(services: Services, clients: Clients) -> None:
    service = await services()
    await open_room(service, status="scheduled")
    client = await clients(service)
    key = {"Idempotency-Key": str(uuid4())}
    refused = await client.post("/rooms/drop/tickets", headers=key)
    await service.rooms.set_status("drop", "open", who="test")

    joined = await client.post("/rooms/drop/tickets", headers=key)

    assert (refused.status, joined.status) == (409, 201)

    # A query that cannot be read is refused as well, and takes no place.
    headers = {"Idempotency-Key": str(uuid4())}
    wrong = await client.post("/rooms/drop/tickets?version=9007199254740993", headers=headers)
    assert wrong.status == 400
    assert (await client.post("/rooms/drop/tickets", headers=headers)).status == 201


async def test_two_tabs_of_one_browser_share_a_ticket(services: Services, clients: Clients) -> None:
    service, one, other = await two_workers(services, clients)
    visitor = {"Cookie": f"waitroom_visitor={'ab' * 16}"}

    answers = await asyncio.gather(
        *(client.post("/rooms/drop/tickets", headers=visitor) for client in (one, other))
    )

    assert len({(await answer.json())["ticket"] for answer in answers}) == 1
    (line,) = await execute(service, "SELECT tail FROM line")
    assert line["tail"] == 1


async def test_whoever_left_gets_a_new_place_and_keeps_that_one(
    service: Service, client: Client
) -> None:
    await open_room(service, seats_max=0)
    await tick(service)
    visitor = {"Cookie": f"waitroom_visitor={'ab' * 16}"}
    shopper = Shopper(client)
    await shopper.join(**visitor)
    own = {**visitor, **authorization(shopper.ticket)}
    await client.delete("/rooms/drop/tickets/me", headers=own)

    again = [await (await client.post("/rooms/drop/tickets", headers=visitor)).json() for _ in "ab"]

    assert [body["number"] for body in again] == [2, 2]
    first = await client.get("/rooms/drop/tickets/me", headers=own)
    assert (await first.json())["number"] == 1


async def test_a_used_up_ticket_says_so_and_may_join_again(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 5})
    await tick(service)
    shopper = await admitted(client)
    await client.delete("/checkout/session", headers=authorization(shopper.session))

    assert (await shopper.me())["status"] == "over"
    tickets = [
        await (
            await client.post("/rooms/drop/tickets", headers=authorization(shopper.ticket))
        ).json()
        for _ in "ab"
    ]
    assert [body["number"] for body in tickets] == [2, 2]


async def test_without_valkey_joining_goes_on(services: Services, clients: Clients) -> None:
    service = await services(valkey_url="unix:///nowhere/at/all.sock")
    await open_room(service, skus={"mug": 1}, seats_max=1)
    await tick(service)
    client = await clients(service)
    key = {"Idempotency-Key": str(uuid4())}

    tickets = {
        (await (await client.post("/rooms/drop/tickets", headers=key)).json())["ticket"]
        for _ in range(3)
    }
    shopper = Shopper(client, ticket=tickets.pop())

    assert tickets == set()
    assert (await shopper.claim()).status == 201
    state = await client.get("/rooms/drop/state")
    assert (await state.json())["lines"][0]["tail"] in {0, 1}


async def test_a_page_joins_from_its_head_where_its_browser_has_no_place(
    service: Service, client: Client
) -> None:
    await open_room(service, seats_max=0)
    await tick(service)
    html = {"Accept": "text/html"}

    page = await client.get("/rooms/drop", headers=html)
    text = await page.text()
    shopper = Shopper(client)
    await shopper.join()
    again = await client.get("/rooms/drop", headers={**html, **authorization(shopper.ticket)})

    # The policy names this one script by its hash, and the script waits for no stylesheet.
    (script,) = re.findall('<script data-room="drop">(.*?)</script>', text, re.DOTALL)
    named = b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'self' 'sha256-{named}';" in page.headers["Content-Security-Policy"]
    assert text.index("<script") < text.index('rel="stylesheet"')
    assert "script-src 'self';" in again.headers["Content-Security-Policy"]
    assert "<script data-room" not in await again.text()
