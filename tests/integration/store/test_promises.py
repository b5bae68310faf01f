"""A promise can be used: with several SKUs, quantities and limits, and with times of sale."""

import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from support import Shopper, admitted, authorization, execute, open_room, size, tick

from inventory.catalogue import ProductChange
from inventory.refusals import BelowCommitted
from waitroom.run.app import Service

Client = TestClient[Any, Any]
Clients = Callable[[Service], Awaitable[Client]]

WINDOW_S = 120


async def sell(service: Service, sku: str, *, from_s: int | None, until_s: int | None) -> None:
    """Sell a SKU between two moments, in seconds from now."""
    await execute(
        service,
        "UPDATE sku SET on_sale_from = now() + make_interval(secs => $2),"
        " on_sale_until = now() + make_interval(secs => $3) WHERE sku = $1",
        sku,
        from_s,
        until_s,
    )


async def joined(client: Client, count: int) -> list[Shopper]:
    shoppers = [Shopper(client) for _ in range(count)]
    for shopper in shoppers:
        await shopper.join()
    return shoppers


async def statuses(shoppers: list[Shopper]) -> list[str]:
    return [(await shopper.me())["status"] for shopper in shoppers]


@pytest.mark.parametrize(("from_s", "until_s"), [(3600, None), (None, -1), (None, WINDOW_S // 2)])
async def test_nobody_is_called_for_units_that_are_off_sale_before_the_call_is_over(
    service: Service, client: Client, from_s: int | None, until_s: int | None
) -> None:
    await open_room(service, skus={"mug": 1, "vase": 5}, claim_window_s=WINDOW_S)
    await sell(service, "vase", from_s=from_s, until_s=until_s)
    await tick(service)
    shoppers = await joined(client, 4)
    await tick(service)
    before = await statuses(shoppers)
    told = await (await client.get("/rooms/drop/state")).json()

    await sell(service, "vase", from_s=-1, until_s=2 * WINDOW_S)
    await tick(service)

    assert before == ["called", "waiting", "waiting", "waiting"]
    assert told["available"] == 0
    assert await statuses(shoppers) == ["called"] * 4


async def test_a_ticket_ahead_of_the_gate_is_not_called_for_units_that_went_off_sale(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1, "vase": 5}, claim_window_s=WINDOW_S)
    await tick(service)
    await sell(service, "vase", from_s=None, until_s=1)

    shoppers = await joined(client, 2)

    assert await statuses(shoppers) == ["called", "waiting"]


async def test_what_is_off_sale_does_not_stand_behind_a_promise(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 2, "vase": 5}, claim_window_s=WINDOW_S)
    await sell(service, "vase", from_s=3600, until_s=None)
    await tick(service)
    greedy, other = [await admitted(client) for _ in range(2)]

    both = await greedy.hold(mug=2)
    one = await greedy.hold(mug=1)
    more = await greedy.hold(mug=1)
    kept = await other.hold(mug=1)

    assert (both.status, (await both.json())["code"]) == (409, "out_of_stock")
    assert (one.status, more.status, kept.status) == (201, 409, 201)


async def test_a_hold_does_not_grow_by_what_stands_behind_a_promise(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 2, "vase": 5}, claim_window_s=WINDOW_S)
    await sell(service, "vase", from_s=3600, until_s=None)
    await tick(service)
    greedy, other = [await admitted(client) for _ in range(2)]
    held = (await (await greedy.hold(mug=1)).json())["hold_id"]

    grown = await client.patch(
        f"/checkout/holds/{held}",
        json={"items": [{"sku": "mug", "quantity": 2}]},
        headers=authorization(greedy.session),
    )

    assert (grown.status, (await grown.json())["code"]) == (409, "out_of_stock")
    assert (await other.hold(mug=1)).status == 201


async def test_what_soon_ends_does_not_stand_in_for_what_stays(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1, "vase": 1, "bowl": 2}, claim_window_s=WINDOW_S)
    await sell(service, "bowl", from_s=None, until_s=WINDOW_S // 2)
    await tick(service)
    first, second = [await admitted(client) for _ in range(2)]
    later = await joined(client, 1)

    soon = await first.hold(bowl=1)
    taken = await first.hold(mug=1)
    second_kind = await second.hold(mug=1, bowl=1)

    # The first took what soon ends by its promise; of what stays one is spare, and no more.
    assert await statuses(later) == ["waiting"]
    assert (soon.status, taken.status, second_kind.status) == (201, 201, 409)
    assert (await second.hold(vase=1)).status == 201


@pytest.mark.parametrize("other", ["later", "soon over", "of a stranger"])
async def test_a_correction_leaves_what_is_promised_among_what_can_be_bought(
    service: Service, client: Client, other: str
) -> None:
    await open_room(service, skus={"mug": 3, "vase": 9}, claim_window_s=WINDOW_S)
    if other == "of a stranger":
        await service.operators.add("sal", role="seller", password="a long enough one")
        sal = await service.products.seller_id("sal")
        await service.products.change("vase", ProductChange(seller="sal"), owner=sal, who="olga")
    else:
        later = other == "later"
        await sell(service, "vase", from_s=3600 if later else None, until_s=None if later else 5)
    await tick(service)
    first, second = [await admitted(client) for _ in range(2)]

    with pytest.raises(BelowCommitted):
        await service.ledger.move("mug", kind="adjusted", quantity=-2, who="ada")
    await service.ledger.move("mug", kind="adjusted", quantity=-1, who="ada")
    await service.ledger.move("vase", kind="adjusted", quantity=-9, who="ada")
    kept = [await shopper.hold(mug=1) for shopper in (first, second)]

    assert [answer.status for answer in kept] == [201, 201]
    assert await service.ledger.breaches() == []


async def test_an_override_writes_down_what_is_promised_and_cannot_be_bought(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 3, "vase": 9}, claim_window_s=WINDOW_S)
    await sell(service, "vase", from_s=3600, until_s=None)
    await tick(service)
    shoppers = [await admitted(client) for _ in range(2)]

    async def short() -> int:
        (row,) = await execute(service, "SELECT short FROM room_stock")
        return int(row["short"])

    await service.ledger.move("mug", kind="adjusted", quantity=-3, who="ada", override=True)
    counts = [await short()]
    await service.ledger.move("mug", kind="received", quantity=1, who="ada")
    counts.append(await short())
    kept = [await shopper.hold(mug=1) for shopper in shoppers]

    assert counts == [2, 1]
    assert sorted(answer.status for answer in kept) == [201, 409]
    assert await service.ledger.breaches() == []


@pytest.mark.parametrize("seed", range(size("SEEDS", 2)))
async def test_every_promise_can_be_used_whatever_the_others_do(
    service: Service, client: Client, seed: int
) -> None:
    luck = random.Random(seed)
    skus = {f"sku{n}": luck.randint(1, 6) for n in range(4)}
    limits = {"limit": luck.randint(1, 4), "order_units_max": luck.randint(1, 6)}
    await open_room(service, skus=skus, claim_window_s=WINDOW_S, units_promised=1, **limits)
    for sku in luck.sample(sorted(skus), 2):
        # No two ends are within one call of each other.
        times = {"from_s": luck.choice([None, 3600]), "until_s": luck.choice([None, 5000])}
        await sell(service, sku, **times)
    ending = luck.choice(sorted(skus))
    await sell(service, ending, from_s=None, until_s=WINDOW_S // 2)
    await tick(service)
    shoppers = await joined(client, 30)
    inside = await _play(service, client, luck, shoppers, sorted(skus))

    # The sale of one SKU ends; then those who were promised one unit of something come for it.
    await sell(service, ending, from_s=None, until_s=-1)
    promised = await execute(service, "SELECT number FROM admission WHERE promised > 0")

    for (number,) in promised:
        shopper = shoppers[number - 1]
        if shopper not in inside:
            assert (await shopper.claim()).status == 201
        for sku in skus:
            await shopper.hold(**{sku: 1})
        # What another SKU's refusal put on the list of wishes may have been served meanwhile.
        assert await _has(service, number) or not await _may_have(service, number), number
    assert await service.ledger.breaches() == []


async def _play(
    service: Service, client: Client, luck: random.Random, shoppers: list[Shopper], skus: list[str]
) -> list[Shopper]:
    """Claim, hold, put back and tick in any order; return those who are inside."""
    waiting, inside, holds = list(shoppers), [], []
    for _ in range(60):
        act = luck.random()
        if act < 0.3 and (await waiting[0].claim()).status == 201:
            inside.append(waiting.pop(0))
        elif act < 0.8 and inside:
            shopper = luck.choice(inside)
            wish = {sku: luck.randint(1, 3) for sku in luck.sample(skus, luck.randint(1, 2))}
            answer = await shopper.hold(**wish)
            if answer.status == 201:
                holds.append((shopper, (await answer.json())["hold_id"]))
        elif act < 0.9 and holds:
            shopper, hold = holds.pop(luck.randrange(len(holds)))
            await client.delete(f"/checkout/holds/{hold}", headers=authorization(shopper.session))
        else:
            await tick(service)
    return inside


async def _has(service: Service, number: int) -> bool:
    return bool(
        await execute(
            service,
            "SELECT FROM hold h JOIN admission a ON a.admission_id = h.session_id"
            " WHERE a.number = $1 AND h.state = 'held'",
            number,
        )
    )


async def _may_have(service: Service, number: int) -> bool:
    """Say whether something is on sale and free that this shopper's own limits allow."""
    return bool(
        await execute(
            service,
            "SELECT FROM sku k JOIN stock s USING (sku_id)"
            " WHERE s.on_hand > s.held + s.sold AND is_sold_for(k, '0')"
            " AND k.limit_per_session > COALESCE((SELECT sum(l.quantity) FROM hold h"
            " JOIN hold_line l USING (hold_id) JOIN admission a ON a.admission_id = h.session_id"
            " WHERE a.number = $1 AND h.state = 'held' AND l.sku_id = k.sku_id), 0)",
            number,
        )
    )
