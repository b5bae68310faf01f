"""An Idempotency-Key belongs to one client: another client who sends the same gets its own."""

from typing import Any

from aiohttp.test_utils import TestClient
from support import Shopper, authorization, execute, open_room, tick

from waitroom.run.app import Service

Client = TestClient[Any, Any]
SAME = {"Idempotency-Key": "order-42"}
UUID = "6f0c9f1e-4c57-4d0e-9a0b-1d2c3b4a5f60"
RANDOM = ["5f0c9f1e4c574d0e9a0b1d2c3b4a5f60", "c1a2d93b7e8f40516273849aa5b6c7d8"]


def visitor(number: int) -> dict[str, str]:
    return {"Cookie": f"waitroom_visitor={number:032x}"}


async def join(client: Client, body: Any = None, **headers: str) -> dict[str, Any]:
    answer = await client.post("/rooms/drop/tickets", json=body or {}, headers=headers)
    told: dict[str, Any] = await answer.json()
    return {**told, "http": answer.status}


async def test_a_common_key_lends_no_stranger_a_place(service: Service, client: Client) -> None:
    await open_room(service, seats_max=0)
    await tick(service)

    refused = [await join(client, **SAME), await join(client, {"random": "00" * 32}, **SAME)]
    moved = await client.post("/rooms/drop/move", json={"code": "ABCDEFGHJK"}, headers=SAME)
    by_random = [await join(client, {"random": one}, **SAME) for one in RANDOM * 2]
    by_cookie = [await join(client, **SAME, **visitor(i)) for i in (1, 2, 1, 2)]
    by_form = [
        await client.post("/rooms/drop/join", headers={**SAME, **visitor(i)}, allow_redirects=False)
        for i in (1, 2)
    ]
    by_uuid = [await join(client, **{"Idempotency-Key": UUID}) for _ in "ab"]

    for told in (*refused, await moved.json()):
        assert (told["status"], told["code"]) == (400, "idempotency_key_weak")
        assert "UUID" in told["detail"]
        assert "random" in told["detail"]
    assert [body["number"] for body in by_random] == [1, 2, 1, 2]
    assert [body["number"] for body in by_cookie] == [3, 4, 3, 4]
    assert [form.status for form in by_form] == [303, 303]
    assert [body["number"] for body in by_uuid] == [5, 5]
    assert [body["http"] for body in by_uuid] == [201, 200]


async def test_an_own_ticket_or_person_needs_no_key_of_its_own(
    service: Service, client: Client
) -> None:
    await open_room(service, seats_max=0)
    await tick(service)
    shopper = Shopper(client)
    await shopper.join()

    again = await join(client, **SAME, **authorization(shopper.ticket))
    await shopper.leave()
    anew = [await join(client, **SAME, **authorization(shopper.ticket)) for _ in "ab"]

    assert (again["number"], [body["number"] for body in anew]) == (1, [2, 2])


async def buy(shopper: Shopper) -> tuple[str, str]:
    """Hold a mug and pay for it, both with the common key; return the hold and the order."""
    await shopper.join()
    await shopper.claim()
    held = await (await shopper.hold(key="order-42", mug=1)).json()
    paid = await shopper.pay(held["hold_id"], key="order-42")
    order = await paid.json()
    assert paid.status == 201, order
    return held["hold_id"], order["order_id"]


async def test_no_write_of_one_client_answers_the_key_of_another(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 5}, policy="rate")
    await tick(service)
    bought = [await buy(Shopper(client)) for _ in "ab"]
    operators = []
    for name in ("ann", "bob"):
        await service.operators.add(name, role="admin", password="correct horse battery")
        signed = await client.post(
            "/admin/login",
            data={"name": name, "password": "correct horse battery"},
            allow_redirects=False,
        )
        cookie = f"waitroom_operator={signed.cookies['waitroom_operator'].value}"
        operators.append({**SAME, "Cookie": cookie})

    async def both(path: str, **body: Any) -> list[tuple[int, Any]]:
        """Send the same request as each operator, twice; return the answers."""
        answers = [
            await client.post(
                path,
                headers={**who, **body.get("headers", {})},
                **{key: value for key, value in body.items() if key != "headers"},
            )
            for who in operators * 2
        ]
        return [(answer.status, await answer.json()) for answer in answers]

    moved = await both("/admin/skus/mug/movements", json={"kind": "received", "quantity": 5})
    refunds = await both(
        f"/admin/orders/{bought[0][1]}/refunds",
        json={"amount_minor": 100, "reason": "late"},
    )
    imported = await both(
        "/admin/rooms/drop/catalogue?reason=delivery",
        data=b"sku,name,price_minor,receive\ncup,Cup,1000,3\n",
        headers={"Content-Type": "text/csv"},
    )

    # An import has no key: of one delivery each SKU is received once, whoever imports it.
    assert [(status, body["received"]) for status, body in imported] == [
        (200, 3), (200, 0), (200, 0), (200, 0),
    ]  # fmt: skip
    assert len({hold for hold, _ in bought}) == len({order for _, order in bought}) == 2
    cup, mug = await execute(
        service, "SELECT on_hand, sold FROM stock JOIN sku USING (sku_id) ORDER BY sku"
    )
    assert mug["sold"] == 2
    assert [body["on_hand"] for _, body in moved] == [10, 15, 15, 15]
    assert (mug["on_hand"], cup["on_hand"]) == (15, 3)
    refunded = [body["refund_id"] for _, body in refunds]
    assert (refunded[:2], len(set(refunded))) == (refunded[2:], 2)
    assert await service.ledger.breaches() == []
