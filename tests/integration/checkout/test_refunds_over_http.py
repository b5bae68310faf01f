"""The operators' API for refunds and cancellations."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from paying import a_paid_order, all_is_well, an_order, figures, gateway_gave_back
from support import PASSWORD, execute

from checkout.gateway.deterministic_gateway import REFUND_FAILS, REFUND_SLOW, SLOW
from checkout.order import OrderState
from waitroom.run.app import Service

Client = TestClient[Any, Any]
Serve = Callable[[Service], Awaitable[Client]]
ONE_MUG = [{"sku": "mug", "quantity": 1}]


class Operators:
    """An operator of a role, at work."""

    def __init__(self, client: Client, cookie: str) -> None:
        self._client = client
        self._headers = {"Cookie": cookie}

    async def refund(self, order_id: object, *, key: str = "", **body: Any) -> ClientResponse:
        return await self._client.post(
            f"/admin/orders/{order_id}/refunds",
            json={"reason": "broken", **body},
            headers={**self._headers, "Idempotency-Key": key or str(uuid4())},
        )

    async def post(self, path: str, body: Any) -> ClientResponse:
        return await self._client.post(path, json=body, headers=self._headers)

    async def cancel(self, order_id: object, *, restock: bool = True) -> ClientResponse:
        body = {"reason": "a fraud", "restock": restock}
        return await self.post(f"/admin/orders/{order_id}/cancel", body)

    async def read(self, path: str) -> dict[str, Any]:
        answer = await self._client.get(path, headers=self._headers)
        assert answer.status == 200
        body: dict[str, Any] = await answer.json()
        return body

    async def look(self, order_id: object) -> dict[str, Any]:
        return await self.read(f"/admin/orders/{order_id}/refunds")


async def signed_in(service: Service, client: Client, role: str = "operator") -> Operators:
    await service.operators.add(role, role=role, password=PASSWORD)
    form = {"name": role, "password": PASSWORD}
    answer = await client.post("/admin/login", data=form, allow_redirects=False)
    return Operators(client, answer.headers["Set-Cookie"].partition(";")[0])


async def code_of(answer: ClientResponse) -> tuple[int, str]:
    assert answer.content_type == "application/problem+json"
    return answer.status, (await answer.json())["code"]


async def test_a_refund_is_given_and_shown(service: Service, client: Client) -> None:
    order_id = await a_paid_order(service)
    operators = await signed_in(service, client)

    answer = await operators.refund(order_id, items=ONE_MUG, restock=True, key="k")
    again = await operators.refund(order_id, items=ONE_MUG, restock=True, key="k")

    body = await answer.json()
    assert (answer.status, again.status) == (201, 201)
    assert body == await again.json()
    assert (body["status"], body["amount_minor"], body["currency"]) == ("done", 1000, "EUR")
    assert (body["items"], body["restock"], body["who"]) == (ONE_MUG, True, "operator")
    shown = await operators.look(order_id)
    assert shown["refunds"] == [body]
    assert (shown["order"]["status"], shown["order"]["state"]) == ("partly_refunded", "paid")
    assert shown["order"]["refunded_minor"] == 1000
    assert shown["order"]["items"][0]["refunded"] == 1
    assert await figures(service) == (0, 1)
    await all_is_well(service)


async def test_a_refund_needs_the_role_operator_a_key_and_an_order(
    service: Service, client: Client
) -> None:
    order_id = await a_paid_order(service)
    viewer = await signed_in(service, client, "viewer")
    seller = await signed_in(service, client, "seller")
    operators = await signed_in(service, client)

    for lesser in (viewer, seller):
        assert await code_of(await lesser.refund(order_id, amount_minor=1)) == (403, "forbidden")
        assert await code_of(await lesser.cancel(order_id)) == (403, "forbidden")
    without_key = await operators.post(
        f"/admin/orders/{order_id}/refunds", {"reason": "r", "amount_minor": 1}
    )
    assert await code_of(without_key) == (400, "idempotency_key_missing")
    for nobodys in (uuid4(), "no-id"):
        assert await code_of(await operators.refund(nobodys, amount_minor=1)) == (404, "not_found")
        assert await code_of(await operators.cancel(nobodys)) == (404, "not_found")
    assert (await viewer.look(order_id))["refunds"] == []


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"amount_minor": 2001}, (409, "refund_too_large")),
        (
            {"items": [{"sku": "mug", "quantity": 3}], "restock": True},
            (409, "too_many_units"),
        ),
        (
            {"items": [{"sku": "vase", "quantity": 1}], "restock": True},
            (422, "sku_not_ordered"),
        ),
        ({"full": True}, (422, "unprocessable")),
        ({"amount_minor": -1}, (422, "unprocessable")),
        ({"amount_minor": 1, "reason": ""}, (422, "unprocessable")),
        ({}, (422, "unprocessable")),
    ],
)
async def test_a_refund_that_cannot_be_is_a_problem_with_a_code(
    service: Service, client: Client, wish: dict[str, Any], expected: tuple[int, str]
) -> None:
    order_id = await a_paid_order(service)
    operators = await signed_in(service, client)

    answer = await operators.refund(order_id, **wish)

    assert await code_of(answer) == expected
    assert await service.refund_store.of_order(order_id) == []


async def test_an_order_that_was_not_paid_is_not_refundable_and_one_that_is_over_not_cancellable(
    service: Service, client: Client
) -> None:
    order_id = await an_order(service, token="tok_decline")
    operators = await signed_in(service, client)
    await service.payments.drive(order_id)

    refused = await operators.refund(order_id, full=True, restock=True)
    over = await operators.cancel(order_id)

    assert await code_of(refused) == (409, "not_refundable")
    assert await code_of(over) == (409, "not_cancellable")


async def test_a_key_with_another_body_is_refused(service: Service, client: Client) -> None:
    order_id = await a_paid_order(service)
    operators = await signed_in(service, client)
    await operators.refund(order_id, amount_minor=1, key="k")

    answer = await operators.refund(order_id, amount_minor=2, key="k")

    assert await code_of(answer) == (422, "idempotency_key_reused")


async def test_a_refund_that_the_gateway_refuses_is_said_to_have_failed(
    service: Service, client: Client
) -> None:
    order_id = await a_paid_order(service, token=REFUND_FAILS)
    operators = await signed_in(service, client)

    failed = await operators.refund(order_id, full=True, restock=True)
    by_hand = await operators.refund(order_id, full=True, restock=True, by_hand=True)

    assert await code_of(failed) == (409, "refund_failed")
    assert (await failed.json())["detail"] == "The card takes no refunds."
    assert by_hand.status == 201
    statuses = [r["status"] for r in (await operators.look(order_id))["refunds"]]
    assert statuses == ["failed", "done"]
    await all_is_well(service)


async def test_a_refund_that_takes_its_time_is_202_until_it_is_done(
    service: Service, client: Client
) -> None:
    order_id = await a_paid_order(service, token=REFUND_SLOW)
    operators = await signed_in(service, client)

    pending = await operators.refund(order_id, full=True, restock=True, key="k")
    await execute(service, "UPDATE test_gateway.refund SET decides_at = clock_timestamp()")
    done = await operators.refund(order_id, full=True, restock=True, key="k")

    assert (pending.status, (await pending.json())["status"]) == (202, "asked")
    assert pending.headers["Retry-After"] == "2"
    assert (done.status, (await done.json())["status"]) == (201, "done")
    assert await gateway_gave_back(service, order_id) == 2000
    await all_is_well(service)


async def test_a_cancelled_order_is_refunded_and_cancelling_again_changes_nothing(
    service: Service, client: Client
) -> None:
    order_id = await a_paid_order(service)
    operators = await signed_in(service, client)

    cancelled = await operators.cancel(order_id, restock=False)
    again = await operators.cancel(order_id, restock=False)

    assert (cancelled.status, again.status) == (200, 200)
    body = await cancelled.json()
    assert body == await again.json()
    assert (body["order"]["status"], body["order"]["called_off"]) == ("refunded", True)
    assert [r["amount_minor"] for r in body["refunds"]] == [2000]
    assert await figures(service) == (0, 2)
    await all_is_well(service)


async def test_a_payment_under_way_is_cancelled_at_the_gateway(
    service: Service, client: Client
) -> None:
    order_id = await an_order(service, token=SLOW)
    operators = await signed_in(service, client)

    cancelled = await operators.cancel(order_id)

    body = await cancelled.json()
    assert (cancelled.status, body["order"]["status"]) == (200, "cancelled")
    assert body["order"]["detail"] == "The shop cancelled this order. You have not been charged."
    await all_is_well(service)


async def test_a_cancellation_is_202_while_the_gateway_is_slow(
    service: Service, client: Client
) -> None:
    order_id = await a_paid_order(service, token=REFUND_SLOW)
    operators = await signed_in(service, client)

    answer = await operators.cancel(order_id)

    body = await answer.json()
    assert (answer.status, body["order"]["status"]) == (202, "paid")
    assert body["order"]["refunding_minor"] == 2000
    assert (await service.orders.read(order_id)).state is OrderState.PAID


async def test_every_refund_and_cancellation_is_on_the_operators_record(
    service: Service, client: Client
) -> None:
    order_id: UUID = await a_paid_order(service)
    operators = await signed_in(service, client)

    await operators.refund(order_id, amount_minor=5)
    await operators.cancel(order_id)

    rows = await execute(
        service,
        "SELECT action, who, reason FROM operator_action WHERE action IN ('refund', 'cancel') "
        "ORDER BY action_id",
    )
    assert [tuple(row) for row in rows] == [
        ("refund", "operator", "broken"),
        ("cancel", "operator", "a fraud"),
    ]


async def test_operators_see_whether_orders_and_refunds_agree(
    service: Service, client: Client
) -> None:
    order_id = await a_paid_order(service)
    operators = await signed_in(service, client, "viewer")

    before = await operators.read("/admin/breaches/orders")
    await execute(service, "UPDATE purchase SET refunded_minor = 5")
    after = await operators.read("/admin/breaches/orders")

    assert before == {"breaches": []}
    assert {
        "breach": "refunded differs from the refunds done",
        "id": str(order_id),
        "kept": 5,
        "counted": 0,
    } in after["breaches"]
