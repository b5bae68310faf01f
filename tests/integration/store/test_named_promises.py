"""A promise of what a shopper came for: who is called, who is passed by, what covers it."""

import asyncio
import contextlib
import random
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
        shoppers.append(Shopper(client, ticket=told["ticket"], number=told["number"] or 0))
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


async def test_a_draw_keeps_what_its_entries_named(service: Service, client: Client) -> None:
    await open_room(service, skus={"mug": 2, "vase": 2}, status="scheduled", order_by="draw")
    await tick(service)
    names = ["mug", "vase", "mug", "vase", "mug", "vase"]
    shoppers = await join(client, *names)
    await service.rooms.set_status("drop", "open", who="test")
    await tick(service, 4)
    await service.board.refresh(rooms=True)

    standings = await told(shoppers)

    called = [(name, one) for name, one in zip(names, standings, strict=True) if "called" in one]
    assert sorted(called) == [("mug", "called mug")] * 2 + [("vase", "called vase")] * 2
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


class Market:
    """A guaranteed room in which shoppers with and without names, and an operator, do anything."""

    skus = ("mug", "vase", "bowl")

    def __init__(self, service: Service, client: Client, seed: int) -> None:
        self.service, self.client, self.dice = service, client, random.Random(seed)
        self.shoppers: list[Shopper] = []
        self.holds: list[tuple[Shopper, str]] = []

    async def live(self, steps: int) -> None:
        acts = [
            self.claim,
            self.hold,
            self.hold,
            self.change,
            self.leave,
            self.choose,
            self.correct,
        ]
        for _ in range(steps):
            if len(self.shoppers) < 5 or self.dice.random() < 0.2:
                self.shoppers += await join(self.client, self.dice.choice([*self.skus, "mug", ""]))
            await tick(self.service)
            await self.dice.choice(acts)(self.dice.choice(self.shoppers))
            assert await breaches(self.service) == []

    async def claim(self, shopper: Shopper) -> None:
        await shopper.claim()

    async def hold(self, shopper: Shopper) -> None:
        if not shopper.session:
            return
        chosen = self.dice.sample(self.skus, self.dice.randint(1, 2))
        answer = await shopper.hold(**{sku: self.dice.randint(1, 2) for sku in chosen})
        assert answer.status in {201, 401, 409, 410}, await answer.text()
        if answer.status == 201:
            self.holds.append((shopper, (await answer.json())["hold_id"]))

    async def change(self, _: Shopper) -> None:
        if not self.holds:
            return
        shopper, hold_id = self.dice.choice(self.holds)
        where, who = f"/checkout/holds/{hold_id}", authorization(shopper.session)
        if self.dice.random() < 0.5:
            answer = await self.client.delete(where, headers=who)
        else:
            items = [{"sku": self.dice.choice(self.skus), "quantity": self.dice.randint(1, 2)}]
            answer = await self.client.patch(where, json={"items": items}, headers=who)
        assert answer.status < 500, await answer.text()

    async def leave(self, shopper: Shopper) -> None:
        if self.dice.random() < 0.4:
            await shopper.leave()

    async def choose(self, shopper: Shopper) -> None:
        choice = {"sku": self.dice.choice([*self.skus, None])}
        where = "/rooms/drop/tickets/me/choice"
        await self.client.put(where, json=choice, headers=authorization(shopper.ticket))

    async def correct(self, _: Shopper) -> None:
        move = {"quantity": self.dice.choice([-1, 1]), "who": "test", "reason": "counted"}
        override, sku = self.dice.random() < 0.5, self.dice.choice(self.skus)
        with contextlib.suppress(BelowCommitted):
            await self.service.ledger.move(sku, kind="adjusted", override=override, **move)

    async def take_what_was_promised(self) -> int:
        kept = 0
        for shopper in self.shoppers:
            await shopper.claim()
            promised = await execute(
                self.service,
                "SELECT k.sku FROM admission a JOIN sku k ON k.sku_id = a.promised_sku_id"
                " WHERE a.number = $1 AND a.promised > 0 AND a.state = 'claimed'",
                shopper.number,
            )
            for row in promised:
                assert await held(shopper, **{row["sku"]: 1}) == 201
                kept += 1
        return kept


@pytest.mark.parametrize(("seed", "promised"), [(1, 1), (2, 2)])
async def test_whatever_happens_each_promise_by_name_is_kept(
    service: Service, client: Client, seed: int, promised: int
) -> None:
    market = Market(service, client, seed)
    stock = dict.fromkeys(market.skus, 3)
    await open_room(service, skus=stock, units_promised=promised, limit=3, seats_max=6)

    await market.live(50)

    assert await market.take_what_was_promised() > 0
    assert await breaches(service) == []
