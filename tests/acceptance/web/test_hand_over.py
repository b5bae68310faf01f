"""A session is handed over to a site on another host: once, within a minute, and nowhere else."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from support import KEY, Shopper, authorization, execute, open_room, set_gate, tick

from waitroom.gate.hand_over import HandOver, HandOverSeal
from waitroom.run.app import Service

Client = TestClient[Any, Any]
SHOP, WANTED = "https://shop.example", "https://shop.example/pay?basket=7"
BROWSER = {"Accept": "text/html"}


async def arrive(
    client: Client, token: str, host: str = "shop.example", room: str = "drop", **headers: str
) -> ClientResponse:
    return await client.get(
        f"/arrive/{room}",
        params={"token": token},
        headers={"Host": host, **headers},
        allow_redirects=False,
    )


async def test_a_session_arrives_at_another_host_once_and_the_address_is_clean(
    service: Service,
    client: Client,
    clients: Callable[[Service], Awaitable[Client]],
    services: Callable[..., Awaitable[Service]],
) -> None:
    await open_room(service)
    await open_room(service, "fair", skus={})
    await tick(service)
    addresses = [SHOP, "https://other.example"]
    for room in ("drop", "fair"):
        await set_gate(service, room, return_addresses=addresses, arrive_at="/in/arrive")
    second = await services()
    for one in (service, second):
        await one.board.refresh(rooms=True)
        await one.gates.refresh()
    other = await clients(second)
    shopper = Shopper(client)
    await shopper.join()

    async def claim() -> str:
        answer = await client.post(
            "/rooms/drop/claims", params={"to": WANTED}, headers=authorization(shopper.ticket)
        )
        place = urlsplit((await answer.json())["checkout_url"])
        assert f"{place.scheme}://{place.netloc}{place.path}" == f"{SHOP}/in/arrive"
        return parse_qs(place.query)["token"][0]

    token = await claim()
    wrong = [
        await arrive(client, token, host="other.example"),
        await arrive(client, token, host="shop.example.evil.example"),
        await arrive(client, token, room="fair"),
        await arrive(client, token[:-1]),
        await arrive(client, ""),
    ]
    # Two workers get it at once, and one of them spends it.
    both = await asyncio.gather(arrive(client, token), arrive(other, token))
    (came,) = [answer for answer in both if answer.status == 303]
    late = [await arrive(one, token) for one in (client, other)]
    back = await arrive(client, token, **BROWSER)

    assert [answer.status for answer in wrong] == [410] * 5
    assert {(await answer.json())["code"] for answer in wrong} == {"hand_over_over"}
    assert sorted(answer.status for answer in both) == [303, 410]
    assert came.headers["Location"] == WANTED
    assert (came.headers["Cache-Control"], came.headers["Referrer-Policy"]) == (
        "no-store",
        "no-referrer",
    )
    session, browser = (line.split("; ") for line in came.headers.getall("Set-Cookie"))
    assert "HttpOnly" in session
    assert "HttpOnly" in browser
    # On this host the session is bound to an id of its own, and alone it opens nothing.
    for cookie, status in ((f"{session[0]}; {browser[0]}", 204), (session[0], 401)):
        answer = await client.get("/check/drop", headers={"Cookie": cookie})
        assert answer.status == status
    assert [answer.status for answer in late] == [410, 410]
    # A browser goes back to the room, where a button makes another token.
    assert (back.status, urlsplit(back.headers["Location"]).path) == (303, "/rooms/drop")
    assert "Set-Cookie" not in back.headers
    assert (await arrive(client, await claim())).status == 303

    # A token that is too old is none, and the table forgets those that are long over.
    old = HandOver(
        room="drop",
        session_id=1,
        sku="",
        until=datetime.now(UTC) - timedelta(seconds=2),
        nonce=bytes(16),
        address=WANTED,
    )
    sealed = HandOverSeal([bytes.fromhex(KEY)]).sign(old)
    assert (await arrive(client, sealed)).status == 410
    await execute(service, "UPDATE spent_hand_over SET until = until - interval '5 minutes'")
    assert (await arrive(client, await claim())).status == 303
    assert len(await execute(service, "SELECT FROM spent_hand_over")) == 1
