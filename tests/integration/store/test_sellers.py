"""Sellers and the promises of a room: only SKUs of admitted sellers are sold there and counted."""

from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from support import Shopper, admitted, authorization, execute, open_room, tick

from inventory.catalogue import ProductChange
from waitroom.admin.accounts.actions import ActionFilter
from waitroom.run.app import Service

Client = TestClient[Any, Any]


async def junk(service: Service, units: int, *, room: str = "drop") -> None:
    """Let a seller who may sell nothing in this room put units of their own on its shelf."""
    await service.operators.add("sal", role="seller", password="a long enough one")
    sal = await service.products.seller_id("sal")
    await service.stock.add("junk", room=room, name="Junk", price_minor=1, seller=sal)
    if units:
        await service.ledger.move("junk", kind="received", quantity=units, who="sal")


async def joined(client: Client, count: int) -> list[Shopper]:
    shoppers = [Shopper(client) for _ in range(count)]
    for shopper in shoppers:
        await shopper.join()
    return shoppers


async def statuses(shoppers: list[Shopper]) -> list[str]:
    return [(await shopper.me())["status"] for shopper in shoppers]


async def state(client: Client) -> dict[str, Any]:
    told: dict[str, Any] = await (await client.get("/rooms/drop/state")).json()
    return told


async def skus_shown(service: Service) -> list[str]:
    public, inside = [
        [sku.sku for sku in await service.stock.page(room="drop", **view)]
        for view in ({}, {"private": True, "sold_there": True})
    ]
    assert public == inside
    return public


@pytest.mark.parametrize("policy", ["guaranteed", "expected"])
async def test_nobody_is_called_for_units_of_a_seller_whom_the_room_does_not_admit(
    service: Service, client: Client, policy: str
) -> None:
    await open_room(service, skus={"mug": 1}, policy=policy, disappointed_max=0)
    await junk(service, 500)
    await tick(service)

    shoppers = await joined(client, 4)
    await tick(service)
    before, told = await statuses(shoppers), await state(client)
    figures = await service.rooms.figures("drop")
    await service.rooms.admit("drop", "sal", admitted=True, who="olga")
    await tick(service)

    assert before == ["called", "waiting", "waiting", "waiting"]
    left = 0 if policy == "guaranteed" else 1
    assert told["available"] == left
    assert (figures.on_hand, figures.available) == (1, left)
    assert await statuses(shoppers) == ["called"] * 4
    assert await service.ledger.breaches() == []


async def test_a_seller_turns_no_room_into_a_shop(service: Service, client: Client) -> None:
    await open_room(service, skus={}, policy="guaranteed")
    await junk(service, 0)
    await tick(service)

    assert await statuses(await joined(client, 3)) == ["called"] * 3


@pytest.mark.parametrize("policy", ["guaranteed", "expected", "rate"])
@pytest.mark.parametrize("loss", ["withdrawn", "given away"])
async def test_a_room_that_may_sell_nothing_any_more_calls_nobody(
    service: Service, client: Client, policy: str, loss: str
) -> None:
    own = {"mug": 2} if loss == "given away" else {}
    await open_room(service, skus=own, policy=policy)
    await junk(service, 2)
    if loss == "withdrawn":
        await service.rooms.admit("drop", "sal", admitted=True, who="olga")
        await tick(service)
        await service.rooms.admit("drop", "sal", admitted=False, who="olga")
    else:
        sal = await service.products.seller_id("sal")
        await service.products.change("mug", ProductChange(seller="sal"), owner=sal, who="olga")
    await tick(service, 2)

    shoppers = await joined(client, 3)
    await tick(service, 2)
    before, told = await statuses(shoppers), await state(client)
    await service.rooms.admit("drop", "sal", admitted=True, who="olga")
    await tick(service)

    assert before == ["waiting"] * 3
    assert (told["available"], told["has_stock"]) == (0, True)
    assert "called" in await statuses(shoppers)


EMPTIED = {
    "withdrawn": "DELETE FROM room_seller",
    "corrected": "UPDATE room_stock SET on_hand = promised",
    "over": "UPDATE sku SET on_sale_until = clock_timestamp()",
    "held": "UPDATE room_stock SET held = on_hand - promised",
}


@pytest.mark.parametrize("policy", ["guaranteed", "expected", "rate"])
@pytest.mark.parametrize("how", EMPTIED)
async def test_arrivals_of_the_second_in_which_a_shop_is_emptied_are_not_called(
    service: Service, client: Client, policy: str, how: str
) -> None:
    await open_room(service, skus={}, policy=policy)
    await junk(service, 2)
    await service.rooms.admit("drop", "sal", admitted=True, who="olga")
    await tick(service, 2)
    early = await joined(client, 1)

    await execute(service, EMPTIED[how])
    late = await joined(client, 2)

    assert await statuses(early) == ["called"]
    assert await statuses(late) == ["waiting"] * 2


async def test_what_is_sold_out_stays_so_whatever_a_seller_has(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1}, policy="guaranteed")
    await junk(service, 500)
    await tick(service)
    shopper = await admitted(client)
    held = await (await shopper.hold(mug=1)).json()

    await shopper.pay(held["hold_id"])
    await tick(service, 2)

    assert (await state(client))["status"] == "sold_out"


async def test_a_seller_sells_in_a_room_from_the_admission_to_the_withdrawal(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 5}, policy="guaranteed")
    await junk(service, 5)
    await tick(service)
    first, second = [await admitted(client) for _ in range(2)]
    hidden = [await skus_shown(service), (await client.get("/inventory/skus/junk")).status]
    early = await first.hold(junk=1)

    await service.rooms.admit("drop", "sal", admitted=True, who="olga")
    shown = await skus_shown(service)
    held = await (await first.hold(junk=2)).json()
    await service.rooms.admit("drop", "sal", admitted=False, who="olga", reason="They sold junk.")
    late = await second.hold(junk=1)
    grown = await client.patch(
        f"/checkout/holds/{held['hold_id']}",
        json={"items": [{"sku": "junk", "quantity": 3}]},
        headers=authorization(first.session),
    )
    paid = await first.pay(held["hold_id"])

    assert hidden == [["mug"], 404]
    assert (early.status, (await early.json())["code"]) == (409, "not_on_sale")
    assert shown == ["junk", "mug"]
    assert (late.status, grown.status, paid.status) == (409, 409, 201)
    assert await skus_shown(service) == ["mug"]
    assert await service.ledger.breaches() == []
    actions = await service.actions.find(ActionFilter(room="drop"), limit=10)
    assert [(a.action, a.detail, a.reason) for a in actions if "_seller" in a.action] == [
        ("withdraw_seller", {"seller": "sal"}, "They sold junk."),
        ("admit_seller", {"seller": "sal"}, ""),
    ]


async def test_a_product_that_changes_hands_is_counted_with_its_new_seller(
    service: Service,
) -> None:
    await open_room(service, skus={"mug": 3, "vase": 2}, policy="guaranteed")
    await junk(service, 4)
    sal = await service.products.seller_id("sal")

    async def barred() -> int:
        assert await service.ledger.breaches() == []
        (row,) = await execute(
            service, "SELECT units_barred(room_id) AS units FROM room WHERE room = 'drop'"
        )
        units: int = row["units"]
        return units

    counts = [await barred()]
    await service.products.change("vase", ProductChange(seller="sal"), owner=sal, who="olga")
    counts.append(await barred())
    await service.products.change("junk", ProductChange(seller=None), who="olga")
    counts.append(await barred())
    await execute(
        service,
        "UPDATE sku SET product_id = (SELECT product_id FROM product WHERE product = 'vase')"
        " WHERE sku = 'mug'",
    )
    counts.append(await barred())
    await service.rooms.admit("drop", "sal", admitted=True, who="olga")
    counts.append(await barred())

    assert counts == [4, 6, 2, 5, 0]
