"""A shop that keeps its own stock and tells this service of it, over HTTP."""

from typing import Any

import msgspec
import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from signing_in import sign_in
from support import Shopper, admitted, join_together, open_room, tick

from waitroom.run.app import Service

Client = TestClient[Any, Any]
Header = dict[str, str]


async def say(
    client: Client, shop: Header, available: int, *outcomes: dict[str, Any], **more: Any
) -> ClientResponse:
    body = {"available": available, "outcomes": list(outcomes), **more}
    return await client.put("/admin/rooms/drop/stock", json=body, headers=shop)


def news(shopper: Shopper, outcome: str, units: int | None = None) -> dict[str, Any]:
    """Return an outcome as the shop would say it: by the session it was handed."""
    said: dict[str, Any] = {"session": shopper.session, "outcome": outcome}
    return said if units is None else {**said, "units": units}


async def open_elsewhere(service: Service, **rules: Any) -> None:
    await open_room(service, skus={}, stock_elsewhere=True, **rules)


async def test_a_sale_whose_stock_lives_in_another_shop_from_first_word_to_sold_out(
    service: Service, client: Client
) -> None:
    await open_elsewhere(service)
    shop = await sign_in(service, client)
    await tick(service)
    shoppers = [Shopper(client) for _ in range(4)]
    silent = [(await shopper.join())["status"] for shopper in shoppers]

    await say(client, shop, 2)
    await tick(service)
    called = [(await shopper.me())["status"] for shopper in shoppers]
    first, second, third, _ = shoppers
    assert [(await shopper.claim()).status for shopper in (first, second)] == [201, 201]
    await say(client, shop, 1, news(first, "held", 1), held=1)
    await say(client, shop, 1, news(first, "bought"), news(second, "left"))
    await tick(service)
    assert (await third.claim()).status == 201
    answer = await say(client, shop, 0, news(third, "bought", 1))
    at_once = await client.post("/rooms/drop/tickets")
    await tick(service)
    state = await (await client.get("/rooms/drop/state")).json()

    assert silent == ["waiting"] * 4
    assert called == ["called", "called", "waiting", "waiting"]
    assert await answer.json() | {"heard_at": ""} == {
        "room": "drop", "available": 0, "held": 0, "promised": 0, "heard_at": "", "stale": False,
        "unknown": [],
    }  # fmt: skip
    assert (await at_once.json())["code"] == "sold_out"
    assert (state["status"], state["available"]) == ("sold_out", 0)
    assert await service.ledger.breaches() == []


async def test_sessions_that_are_not_known_are_named_as_the_shop_named_them(
    service: Service, client: Client
) -> None:
    await open_elsewhere(service)
    await open_room(service, "other", skus={}, policy="rate")
    shop = await sign_in(service, client)
    await say(client, shop, 5)
    await tick(service)
    known, elsewhere = await admitted(client), await admitted(client, "other")
    forged = known.session[:-1] + ("A" if known.session[-1] != "A" else "B")
    strangers: list[str | int] = [forged, elsewhere.session, "no token", "777", 778, "9" * 30, -1]

    answer = await say(
        client, shop, 4, news(known, "bought", 1),
        *({"session": one, "outcome": "bought", "units": 1} for one in strangers),
    )  # fmt: skip

    assert (await answer.json())["unknown"] == strangers
    ended = await client.get(
        "/checkout/session", headers={"Authorization": f"Bearer {known.session}"}
    )
    assert ended.status == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"available": -1},
        {"available": 1, "held": -1},
        {"available": 1, "as_of": "2026-06-01T12:00:00"},
        {"available": 1, "as_of": "2126-06-01T12:00:00Z"},
        {"available": 1, "outcomes": [{"session": "1", "outcome": "stolen"}]},
        {"available": 1, "outcomes": [{"session": "1", "outcome": "held"}]},
        {"available": 1, "outcomes": [{"session": "1", "outcome": "bought", "units": 0}]},
        {"available": 1, "outcomes": [{"session": "1", "outcome": "held", "units": -1}]},
        {"available": 1, "outcomes": [{"session": "1", "outcome": "left"}] * 201},
        {"available": 1, "free": 2},
    ],
)
async def test_what_makes_no_sense_is_refused_and_changes_nothing(
    service: Service, client: Client, body: dict[str, Any]
) -> None:
    await open_elsewhere(service)
    shop = await sign_in(service, client)

    answer = await client.put("/admin/rooms/drop/stock", json=body, headers=shop)

    assert answer.status == 422, await answer.text()
    shown = await (await client.get("/admin/rooms/drop", headers=shop)).json()
    assert shown["figures"]["stock_heard_at"] is None


async def test_only_operators_speak_for_the_stock_and_only_where_it_lives_elsewhere(
    service: Service, client: Client
) -> None:
    await open_room(service)
    await open_room(service, "there", skus={}, stock_elsewhere=True)
    viewer, shop = await sign_in(service, client, "viewer"), await sign_in(service, client)

    async def put(room: str, who: Header) -> tuple[int, str]:
        answer = await client.put(f"/admin/rooms/{room}/stock", json={"available": 1}, headers=who)
        return answer.status, (await answer.json()).get("code", "")

    assert await put("there", {}) == (401, "sign_in_needed")
    assert await put("there", viewer) == (403, "forbidden")
    assert await put("drop", shop) == (409, "stock_is_here")
    assert await put("nowhere", shop) == (404, "not_found")
    assert (await put("there", shop))[0] == 200


async def test_operators_see_when_the_shop_last_spoke(service: Service, client: Client) -> None:
    await open_elsewhere(service)
    shop = await sign_in(service, client)
    await say(client, shop, 3, held=1)

    shown = await (await client.get("/admin/rooms/drop", headers=shop)).json()

    assert shown["settings"]["stock_elsewhere"] is True
    assert 0 <= shown["figures"]["stock_silent_s"] < 60
    assert (shown["figures"]["available"], shown["figures"]["held"]) == (3, 1)


async def calls_in_log(client: Client) -> list[dict[str, Any]]:
    page = await (await client.get("/rooms/drop/log?limit=1000")).json()
    bodies = [msgspec.json.decode(entry["body"]) for entry in page["entries"]]
    return [body for body in bodies if body["kind"] == "called" and body["called"]]


async def test_the_policy_learns_from_what_the_shop_says(service: Service, client: Client) -> None:
    """Half of those let in buy nothing; the calls that follow make up for it."""
    await open_elsewhere(service, policy="expected", seats_max=200)
    shop = await sign_in(service, client)
    shoppers = [Shopper(client) for _ in range(70)]
    await join_together(shoppers)
    free, waiting = 30, shoppers

    while free and waiting:
        await say(client, shop, free)
        # The leader learns after it has called, so what it learnt counts in the second tick.
        await tick(service, 2)
        called = [one for one in waiting if (await one.me())["status"] == "called"]
        assert called, f"nobody was called for the {free} that are left"
        waiting = [one for one in waiting if one not in called]
        for one in called:
            assert (await one.claim()).status == 201
        await tick(service)
        buyers = called[::2][:free]
        outcomes = [news(one, "bought" if one in buyers else "left") for one in called]
        free -= len(buyers)
        await say(client, shop, free, *outcomes)

    calls = await calls_in_log(client)
    shares = [call["figures"]["hold_share"] for call in calls]
    # At first nothing is known; then about half are expected to buy.
    assert 0.35 < shares[-1] < 0.75
    assert shares[-1] < shares[0]
    assert calls[-1]["figures"]["called_before"] > 30
    assert free == 0
    assert await service.ledger.breaches() == []
