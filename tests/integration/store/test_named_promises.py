"""A promise of what a shopper came for: who is called, who is passed by, what covers it."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from support import Shopper, authorization, execute, open_room, tick

from inventory.refusals import BelowCommitted
from waitroom.run.app import Service

Client = TestClient[Any, Any]


async def join(client: Client, *skus: str) -> list[Shopper]:
    """Let one shopper after the other join who names a SKU, "" for anything."""
    shoppers = []
    for sku in skus:
        body = {"sku": sku} if sku else {}
        answer = await client.post("/rooms/drop/tickets", json=body)
        told = await answer.json()
        assert answer.status == 201, told
        shoppers.append(Shopper(client, ticket=told["ticket"], number=told["number"]))
    return shoppers


async def told(shoppers: Sequence[Shopper]) -> list[str]:
    """Return each shopper's status, with the SKU that is set aside or why they wait for it."""
    standings = [await shopper.me() for shopper in shoppers]
    more = [str(one.get("set_aside") or one.get("awaits") or "") for one in standings]
    return [f"{one['status']} {what}".strip() for one, what in zip(standings, more, strict=True)]


async def choose(shopper: Shopper, sku: str | None) -> None:
    answer = await shopper.client.put(
        "/rooms/drop/tickets/me/choice", json={"sku": sku}, headers=authorization(shopper.ticket)
    )
    assert answer.status == 200, await answer.text()


async def held(shopper: Shopper, **quantities: int) -> int:
    return (await shopper.hold(**quantities)).status


async def breaches(service: Service) -> list[str]:
    rows = await service.pool.fetch("SELECT breach, id, kept, counted FROM conservation_breach")
    return [str(tuple(row)) for row in rows]


async def test_a_shopper_is_called_once_what_they_came_for_is_free(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1, "vase": 2})
    a, b, c, d, e = await join(client, "mug", "mug", "vase", "", "vase")
    await tick(service)

    called = await told([a, b, c, d, e])
    await a.claim()
    taken = await held(a, mug=1)
    await tick(service)
    still = await told([b, e])
    assert await breaches(service) == []
    await a.client.delete("/checkout/session", headers=authorization(a.session))
    await tick(service)

    assert called == ["called mug", "waiting free", "called vase", "called", "waiting"]
    assert taken == 201
    assert still == ["waiting free", "waiting"]
    assert await told([b, e]) == ["called mug", "waiting"], "who was passed by goes first"
    assert await breaches(service) == []


async def test_a_sold_out_choice_is_told_and_changing_it_keeps_the_place(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1, "vase": 3}, seats_max=2)
    a, b, c, d = await join(client, "mug", "mug", "vase", "vase")
    await tick(service)
    await a.claim()
    hold = await (await a.hold(mug=1)).json()
    assert (await a.pay(hold["hold_id"])).status == 201
    await tick(service)

    gone = await told([b, c, d])
    await choose(b, "vase")
    await c.leave()
    await tick(service)

    assert gone == ["waiting gone", "called vase", "called vase"]
    assert await told([b, d]) == ["called vase", "called vase"]
    assert await breaches(service) == []


async def test_no_session_takes_what_another_was_promised_by_name(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 2, "vase": 3}, units_promised=2, limit=9)
    a, b = await join(client, "mug", "")
    await tick(service)
    await a.claim()
    await b.claim()

    too_many = await b.hold(mug=2)
    assert (too_many.status, (await too_many.json())["available"]) == (409, 1)
    assert await held(b, mug=1, vase=1) == 201
    # One of the two units promised to the first is a mug: what else it takes, it can have that.
    assert await held(a, vase=2) == 201
    assert await held(a, mug=1) == 201
    assert await breaches(service) == []


async def test_a_promise_by_name_ends_with_the_call_the_place_and_a_change_of_mind(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1, "vase": 1, "bowl": 2}, claim_window_s=60)
    a, b, c = await join(client, "mug", "vase", "bowl")
    await tick(service)
    await choose(c, "mug")
    kept = await told([a, b, c])
    await a.leave()
    await choose(c, "bowl")
    await choose(c, "mug")
    await choose(b, None)
    moved = await told([b, c])
    await service.rooms.set_status("drop", "ended", who="test")
    rows = await execute(service, "SELECT sum(promised) AS named FROM stock")

    assert kept == ["called mug", "called vase", "called bowl"], "another's promise is kept"
    assert moved == ["called", "called mug"]
    assert rows[0]["named"] == 1
    assert await breaches(service) == []


async def test_units_taken_away_leave_the_latest_a_promise_of_anything(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 3, "vase": 3}, limit=1)
    shoppers = await join(client, "mug", "mug", "mug")
    await tick(service)
    take = {"kind": "adjusted", "quantity": -2, "who": "test", "reason": "broken"}

    with pytest.raises(BelowCommitted):
        await service.ledger.move("mug", **take)
    await service.ledger.move("mug", **take, override=True)

    assert await told(shoppers) == ["called mug", "called", "called"]
    for shopper in shoppers:
        await shopper.claim()
    assert [await held(one, mug=1) for one in reversed(shoppers)] == [409, 409, 201]
    assert [await held(one, vase=1) for one in shoppers[1:]] == [201, 201]
    assert await breaches(service) == []


async def test_arrivals_below_the_gate_are_called_for_what_they_name(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1, "vase": 2})
    await tick(service)
    at_once = await join(client, "mug", "mug", "vase")
    before = await told(at_once)
    await tick(service)

    assert before == ["called mug", "waiting", "waiting"]
    assert await told(at_once) == ["called mug", "waiting free", "called vase"]
    assert await breaches(service) == []


async def test_a_crowd_with_names_gets_what_it_was_called_for(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 4, "vase": 4, "bowl": 2}, limit=1)
    wanted = ["mug", "vase", "", "mug", "bowl"] * 6
    shoppers = await join(client, *wanted)
    got: list[str] = []

    async def shop(shopper: Shopper, sku: str) -> None:
        if (await shopper.claim()).status != 201:
            return
        # Those who came for anything take what others came for, as far as they may.
        for one in [sku] if sku else ["bowl", "mug", "vase"]:
            answer = await shopper.hold(**{one: 1})
            if answer.status == 201:
                got.append(one)
                await shopper.pay((await answer.json())["hold_id"])
                return
        raise AssertionError(f"{shopper.number} found no {sku or 'unit'}")

    left = list(zip(shoppers, wanted, strict=True))
    for _ in range(8):
        await tick(service)
        called = [one for one in left if (await one[0].me())["status"] == "called"]
        await asyncio.gather(*(shop(*one) for one in called))
        left = [one for one in left if one not in called]

    assert {sku: got.count(sku) for sku in set(got)} == {"mug": 4, "vase": 4, "bowl": 2}
    assert await breaches(service) == []
