"""Paying over HTTP: which answer a shopper gets for which outcome."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

from aiohttp.test_utils import TestClient
from paying import IMPATIENT_S, all_is_well, refund
from support import admitted, authorization, execute, open_room, shift_clock, tick

from checkout.gateway.deterministic_gateway import CAPTURE_REFUSED, DECLINE, SLOW
from checkout.gateway.gateway import ACTS_AT_ONCE_MAX, ACTS_WAITING_MAX
from waitroom.run.app import Service

OpenService = Callable[..., Awaitable[Service]]
Serve = Callable[[Service], Awaitable[TestClient[Any, Any]]]


async def test_a_declined_order_is_402_and_a_retry_is_201(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await open_room(service)
    await tick(service)
    shopper = await admitted(client)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]

    declined = await shopper.pay(held, token=DECLINE)
    paid = await shopper.pay(held)

    assert declined.status == 402
    assert (await declined.json())["code"] == "payment_declined"
    assert paid.status == 201
    assert (await paid.json())["status"] == "paid"
    await all_is_well(service)


async def test_a_payment_that_would_get_no_turn_is_503_and_writes_nothing(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await open_room(service)
    await tick(service)
    shopper = await admitted(client)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]
    done = asyncio.Event()

    async def keep_a_turn() -> None:
        async with service.refunds.turns.take():
            await done.wait()

    crowd = [asyncio.create_task(keep_a_turn()) for _ in range(ACTS_AT_ONCE_MAX + ACTS_WAITING_MAX)]
    busy = await shopper.pay(held)
    orders = await execute(service, "SELECT FROM purchase")
    done.set()
    await asyncio.gather(*crowd)
    paid = await shopper.pay(held)

    assert (busy.status, (await busy.json())["code"]) == (503, "busy")
    assert busy.headers["Retry-After"] == "2"
    assert orders == []
    assert paid.status == 201


async def test_a_slow_order_is_202_until_it_is_settled(
    services: OpenService, clients: Serve
) -> None:
    service = await services(payment_wait_s=IMPATIENT_S)
    client = await clients(service)
    await open_room(service)
    await tick(service)
    shopper = await admitted(client)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]

    key = str(uuid4())
    pending = await shopper.pay(held, token=SLOW, key=key)
    again = await shopper.pay(held, token=SLOW, key=key)
    order_id = UUID((await pending.json())["order_id"])
    await service.checkout.close()
    await execute(service, "UPDATE test_gateway.payment SET decides_at = clock_timestamp()")
    await service.payments.drive(order_id)
    settled = await shopper.pay(held, token=SLOW, key=key)

    assert (pending.status, again.status, settled.status) == (202, 202, 201)
    assert pending.headers["Retry-After"] == "2"
    assert (await again.json())["order_id"] == str(order_id)
    assert (await settled.json())["order_id"] == str(order_id)
    await all_is_well(service)


async def test_an_order_for_an_expired_hold_is_410(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await open_room(service, hold_s=60)
    await tick(service)
    shopper = await admitted(client)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]
    await shift_clock(service, 61)

    answer = await shopper.pay(held)

    assert answer.status == 410
    assert (await answer.json())["code"] == "hold_expired"


async def test_a_double_submit_over_http_is_one_order(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await open_room(service)
    await tick(service)
    shopper = await admitted(client)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]
    key = str(uuid4())

    answers = await asyncio.gather(*(shopper.pay(held, key=key) for _ in range(8)))

    assert {answer.status for answer in answers} <= {201, 202}
    assert len({(await answer.json())["order_id"] for answer in answers}) == 1
    assert (await service.stock.read("mug")).sold == 1
    await all_is_well(service)


async def test_an_order_whose_money_goes_back_is_402_and_says_why(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await open_room(service)
    await tick(service)
    shopper = await admitted(client)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]
    key = str(uuid4())

    refused = await shopper.pay(held, token=CAPTURE_REFUSED, key=key)
    again = await shopper.pay(held, token=CAPTURE_REFUSED, key=key)

    body = await refused.json()
    assert (refused.status, again.status) == (402, 402)
    assert body == await again.json()
    assert body["code"] == "payment_declined"
    assert "You have not been charged" in body["detail"]
    assert (await service.stock.read("mug")).sold == 0
    await all_is_well(service)


async def test_an_order_that_was_paid_and_then_refunded_is_still_the_same_order(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await open_room(service)
    await tick(service)
    shopper = await admitted(client)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]
    key = str(uuid4())
    paid = await shopper.pay(held, key=key)
    order_id = UUID((await paid.json())["order_id"])
    await service.refunds.drive(await refund(service, order_id, full=True, restock=True))

    again = await shopper.pay(held, key=key)

    assert (paid.status, again.status) == (201, 201)
    assert (await again.json())["status"] == "refunded"
    assert (await again.json())["refunded_minor"] == 1000


async def test_a_hold_that_is_paid_says_so_to_each_act_on_it(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await open_room(service)
    await tick(service)
    shopper = await admitted(client)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]
    kept = (await (await shopper.hold(mug=1)).json())["hold_id"]
    order = (await (await shopper.pay(held)).json())["order_id"]
    url, headers = f"/checkout/holds/{held}", authorization(shopper.session)
    two = {"items": [{"sku": "mug", "quantity": 2}]}

    answers = [
        await client.patch(url, json=two, headers=headers),
        await client.patch(url, json={"extend": True}, headers=headers),
        await client.delete(url, headers=headers),
    ]
    page = await client.post(
        "/checkout/release",
        data={"hold_id": held},
        headers={"Accept": "text/html", **headers},
        allow_redirects=False,
    )
    given_up = await client.delete(f"/checkout/holds/{kept}", headers=headers)
    again = await client.delete(f"/checkout/holds/{kept}", headers=headers)

    for answer in answers:
        body = await answer.json()
        assert (answer.status, body["code"], body["order_id"]) == (409, "already_paid", order)
        assert "paid" in body["detail"]
        assert "charged" not in body["detail"]
    assert (page.status, "paid for" in await page.text()) == (409, True)
    assert (given_up.status, again.status) == (204, 204)
    await all_is_well(service)
