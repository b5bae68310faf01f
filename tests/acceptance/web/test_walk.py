"""One shopper's whole walk, over HTTP."""

from typing import Any

from aiohttp.test_utils import TestClient
from support import Shopper, authorization, open_room, tick

from waitroom.run.app import Service


async def test_a_shopper_walks_from_arrival_to_order(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await open_room(service, skus={"mug": 3})
    await tick(service)

    shopper = Shopper(client)
    joined = await shopper.join()
    claimed = await shopper.claim()
    held = await shopper.hold(mug=2)
    ordered = await shopper.pay((await held.json())["hold_id"])

    assert joined["status"] == "called"
    assert claimed.status == 201
    assert held.status == 201
    assert ordered.status == 201
    order = await ordered.json()
    assert order["status"] == "paid"
    assert order["total_minor"] == 2000
    assert await service.ledger.breaches() == []
    history = await client.get("/checkout/orders", headers=authorization(shopper.session))
    assert [o["number"] for o in (await history.json())["orders"]] == [order["number"]]
