"""What one shopper may have: by order, by session, by customer, by SKU, in its time of sale."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from shop import ask, hold, open_gate, sessions_in, wish
from support import Shopper, authorization, execute, open_room, tick

from inventory.hold_store import Placed
from inventory.kit.problem import Refusal
from inventory.refusals import CustomerNeeded, ExtensionRefused, LimitReached, NotOnSale, OutOfStock
from waitroom.run.app import Service

OpenService = Callable[..., Awaitable[Service]]


async def set_sku(service: Service, sku: str = "mug", **values: Any) -> None:
    for column, value in values.items():
        await execute(service, f"UPDATE sku SET {column} = $2 WHERE sku = $1", sku, value)


async def set_customer(service: Service, session_id: int, subject: str) -> None:
    sql = """WITH c AS (INSERT INTO customer (issuer, subject) VALUES ('shop', $2)
                 ON CONFLICT (issuer, subject) DO UPDATE SET subject = EXCLUDED.subject
                 RETURNING customer_id)
             UPDATE admission SET customer_id = c.customer_id FROM c WHERE admission_id = $1"""
    await execute(service, sql, session_id, subject)


def given(answer: Placed | Refusal) -> dict[str, int]:
    assert isinstance(answer, Placed), answer
    return {line.sku: line.quantity for line in answer.lines}


def limited(answer: Placed | Refusal) -> dict[str, Any]:
    assert isinstance(answer, LimitReached), answer
    return answer.fields


# What can be given.


async def test_a_partial_basket_gets_what_there_is(service: Service) -> None:
    await open_gate(service, skus={"mug": 2, "vase": 0, "lamp": 9}, limit=5)
    (session,) = await sessions_in(service, 1)

    answer = await ask(service, wish(session, partial=True, mug=4, vase=1, lamp=3))

    assert given(answer) == {"mug": 2, "lamp": 3}
    assert await service.ledger.breaches() == []


async def test_a_partial_basket_with_nothing_in_it_is_refused(service: Service) -> None:
    await open_gate(service, skus={"mug": 0, "vase": 1})
    (session,) = await sessions_in(service, 1)

    answer = await ask(service, wish(session, partial=True, mug=1))

    assert isinstance(answer, OutOfStock)
    assert answer.fields == {"sku": "mug", "available": 0}


async def test_a_partial_basket_keeps_to_the_limits(service: Service) -> None:
    await open_gate(service, skus={"mug": 9, "vase": 9}, limit=3)
    await set_sku(service, "vase", limit_per_order=1)
    (session,) = await sessions_in(service, 1)

    first = await ask(service, wish(session, partial=True, mug=2, vase=5))
    second = await ask(service, wish(session, partial=True, mug=5))

    assert given(first) == {"mug": 2, "vase": 1}
    assert given(second) == {"mug": 1}


@pytest.mark.parametrize(
    ("order", "session_", "scope"), [(3, 2, "session"), (2, 3, "order"), (2, 2, "order")]
)
async def test_placing_and_changing_name_the_tightest_limit(
    service: Service, order: int, session_: int, scope: str
) -> None:
    await open_gate(service, skus={"mug": 9}, limit=session_)
    await set_sku(service, limit_per_order=order)
    one, other = await sessions_in(service, 2)
    hold_id = await hold(service, other, mug=1)

    placing = await ask(service, wish(one, mug=4))
    with pytest.raises(LimitReached) as changing:
        await service.holds.change(other, hold_id, {"mug": 4})

    expected = {"sku": "mug", "limit": 2, "scope": scope}
    assert (limited(placing), limited(changing.value)) == (expected, expected)


async def test_a_repeated_partial_basket_is_the_same_hold(service: Service) -> None:
    await open_gate(service, skus={"mug": 2})
    (session,) = await sessions_in(service, 1)
    key = uuid4()
    first = await ask(service, wish(session, key=key, partial=True, mug=4))
    await service.ledger.move("mug", kind="received", quantity=9, who="test")

    again = await ask(service, wish(session, key=key, partial=True, mug=4))
    otherwise = await ask(service, wish(session, key=key, mug=4))

    assert isinstance(first, Placed)
    assert isinstance(again, Placed)
    assert again.replay
    held = await service.holds.replayed(session, key)
    assert (held.hold_id, held.lines[0].quantity) == (first.hold_id, 2)
    assert getattr(otherwise, "code", "") == "idempotency_key_reused"


# Limits.


async def test_an_order_has_at_most_so_many_of_a_sku(service: Service) -> None:
    await open_gate(service, skus={"mug": 9}, limit=4)
    await set_sku(service, limit_per_order=2)
    (session,) = await sessions_in(service, 1)

    over = await ask(service, wish(session, mug=3))
    first = await hold(service, session, mug=2)
    await hold(service, session, mug=2)
    beyond = await ask(service, wish(session, mug=1))

    assert limited(over) == {"sku": "mug", "limit": 2, "scope": "order"}
    assert limited(beyond) == {"sku": "mug", "limit": 4, "scope": "session"}
    with pytest.raises(LimitReached):
        await service.holds.change(session, first, {"mug": 3})


async def test_an_order_has_at_most_so_many_units_of_everything(service: Service) -> None:
    await open_gate(service, skus={"mug": 9, "vase": 9}, order_units_max=3)
    (session,) = await sessions_in(service, 1)

    over = await ask(service, wish(session, mug=2, vase=2))
    partial = await ask(service, wish(session, partial=True, mug=2, vase=2))

    assert limited(over) == {"limit": 3, "scope": "order"}
    assert given(partial) == {"mug": 2, "vase": 1}
    assert isinstance(partial, Placed)
    with pytest.raises(LimitReached):
        await service.holds.change(session, partial.hold_id, {"mug": 2, "vase": 2})
    await service.holds.change(session, partial.hold_id, {"mug": 3})


@pytest.mark.parametrize("same_batch", [True, False])
async def test_a_customers_sessions_share_a_limit(service: Service, *, same_batch: bool) -> None:
    await open_gate(service, skus={"mug": 20})
    await set_sku(service, limit_per_customer=3)
    one, two, other, guest = await sessions_in(service, 4)
    await set_customer(service, one, "ada")
    await set_customer(service, two, "ada")
    await set_customer(service, other, "bob")
    wishes = [wish(one, mug=2), wish(two, mug=2), wish(two, mug=1), wish(other, mug=3)]
    wishes.append(wish(guest, mug=4))

    if same_batch:
        answers = await service.holds.place(wishes)
    else:
        answers = [await ask(service, request) for request in wishes]

    assert [type(answer) for answer in answers] == [Placed, LimitReached, Placed, Placed, Placed]
    assert limited(answers[1]) == {"sku": "mug", "limit": 3, "scope": "customer"}


async def test_a_customer_at_two_services_at_once_stays_within_the_limit(
    services: OpenService,
) -> None:
    first, second = await services(), await services()
    await open_gate(first, skus={"mug": 50})
    await set_sku(first, limit_per_customer=3)
    sessions = await sessions_in(first, 10)
    for session in sessions:
        await set_customer(first, session, "ada")

    async def caller(service: Service, mine: list[int]) -> list[Placed | Refusal]:
        return [await ask(service, wish(session, mug=1)) for session in mine]

    answers = await asyncio.gather(caller(first, sessions[::2]), caller(second, sessions[1::2]))

    assert sum(isinstance(a, Placed) for found in answers for a in found) == 3


async def test_a_customers_released_units_count_no_more(service: Service) -> None:
    await open_gate(service, skus={"mug": 20})
    await set_sku(service, limit_per_customer=2)
    one, two = await sessions_in(service, 2)
    await set_customer(service, one, "ada")
    await set_customer(service, two, "ada")
    hold_id = await hold(service, one, mug=2)

    full = await ask(service, wish(two, mug=1))
    await service.holds.release(one, hold_id)

    assert isinstance(full, LimitReached)
    await hold(service, two, mug=2)
    with pytest.raises(LimitReached):
        await service.holds.change(two, (await service.holds.held(two))[0].hold_id, {"mug": 3})


async def test_a_room_for_customers_sells_to_nobody_else(service: Service) -> None:
    await open_gate(service, skus={"mug": 5}, customers_only=True)
    guest, customer = await sessions_in(service, 2)
    await set_customer(service, customer, "ada")

    refused = await ask(service, wish(guest, mug=1))

    assert isinstance(refused, CustomerNeeded)
    await hold(service, customer, mug=1)


# Times of sale.


async def test_a_sku_is_sold_in_its_time_only(service: Service) -> None:
    await open_gate(service, skus={"mug": 5, "vase": 5, "lamp": 5})
    await execute(
        service,
        """UPDATE sku SET on_sale_from = CASE sku WHEN 'mug' THEN now() + interval '1 hour' END,
               on_sale_until = CASE sku WHEN 'vase' THEN now() - interval '1 hour'
                                        ELSE now() + interval '2 hours' END""",
    )
    (session,) = await sessions_in(service, 1)

    early = await ask(service, wish(session, mug=1))
    late = await ask(service, wish(session, vase=1))
    partial = await ask(service, wish(session, partial=True, mug=1, vase=1, lamp=1))

    assert isinstance(early, NotOnSale)
    assert isinstance(late, NotOnSale)
    assert given(partial) == {"lamp": 1}


# Changing.


async def test_less_is_never_refused(service: Service) -> None:
    await open_gate(service, skus={"mug": 5})
    (session,) = await sessions_in(service, 1)
    hold_id = await hold(service, session, mug=4)
    await set_sku(service, limit_per_order=1, limit_per_session=1)

    await service.holds.change(session, hold_id, {"mug": 3})

    assert (await service.holds.read(session, hold_id)).lines[0].quantity == 3


async def test_a_line_taken_out_and_in_again_has_the_price_of_the_day(service: Service) -> None:
    await open_gate(service, skus={"mug": 5, "vase": 5})
    (session,) = await sessions_in(service, 1)
    hold_id = await hold(service, session, mug=1, vase=1)
    await set_sku(service, price_minor=2000)

    await service.holds.change(session, hold_id, {"vase": 1})
    without = await service.holds.read(session, hold_id)
    await service.holds.change(session, hold_id, {"vase": 1, "mug": 1})

    again = await service.holds.read(session, hold_id)
    assert [(line.sku, line.price_minor) for line in without.lines] == [("vase", 1000)]
    assert {line.sku: line.price_minor for line in again.lines} == {"vase": 1000, "mug": 2000}
    assert await service.ledger.breaches() == []


async def test_a_repeated_extension_extends_once(service: Service) -> None:
    await open_gate(service, skus={"mug": 5}, hold_extensions_max=1)
    (session,) = await sessions_in(service, 1)
    hold_id = await hold(service, session, mug=1)
    key = uuid4()
    await service.holds.extend(session, hold_id, key=key)

    await service.holds.extend(session, hold_id, key=key)

    assert (await service.holds.read(session, hold_id)).extensions_left == 0
    with pytest.raises(ExtensionRefused):
        await service.holds.extend(session, hold_id, key=uuid4())


async def test_limits_and_partial_baskets_are_said_over_http(service: Service, client: Any) -> None:
    await open_room(service, skus={"mug": 3}, policy="rate", customers_only=True)
    await tick(service)
    shopper = Shopper(client)
    await shopper.join()
    await shopper.claim()
    asked = {"items": [{"sku": "mug", "quantity": 4}], "partial": True}
    headers = {**authorization(shopper.session), "Idempotency-Key": "one"}

    guest = await client.post("/checkout/holds", json=asked, headers=headers)
    (row,) = await execute(service, "SELECT admission_id FROM admission")
    await set_customer(service, row["admission_id"], "ada")
    customer = await client.post("/checkout/holds", json=asked, headers=headers)

    assert (guest.status, (await guest.json())["code"]) == (403, "customer_needed")
    body = await customer.json()
    assert customer.status == 201
    assert [(item["sku"], item["quantity"]) for item in body["items"]] == [("mug", 3)]
