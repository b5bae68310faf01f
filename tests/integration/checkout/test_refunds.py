"""Refunds on PostgreSQL: no more than was paid, each unit once, whoever dies and asks again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from paying import (
    a_basket,
    a_hold,
    a_paid_order,
    actions_of,
    all_is_well,
    figures,
    gateway_gave_back,
    line_of,
    refund,
    start,
)
from shop import open_gate, sessions_in
from support import execute

from checkout.gateway.deterministic_gateway import (
    DECLINE,
)
from checkout.order import OrderState
from checkout.refund import RefundStage, RefundWish
from checkout.refusals import (
    NotRefundable,
    RefundTooLarge,
    SkuNotOrdered,
    TooManyUnits,
    UnknownOrder,
    UnknownRefund,
)
from inventory.hold import Item
from inventory.kit.doors.decoding import convert
from inventory.kit.problem import IdempotencyKeyReused, Refusal, Unprocessable
from waitroom.run.app import Service

OpenService = Callable[..., Awaitable[Service]]
ONE_MUG = [{"sku": "mug", "quantity": 1}]
TWO_MUGS = [{"sku": "mug", "quantity": 2}]


@pytest.mark.parametrize(("restock", "sold"), [(True, 0), (False, 2)])
async def test_a_full_refund_gives_all_the_money_back(
    service: Service, *, restock: bool, sold: int
) -> None:
    order_id = await a_paid_order(service)

    done = await service.refunds.drive(await refund(service, order_id, full=True, restock=restock))

    order = await service.orders.read(order_id)
    assert (done.stage, done.amount_minor) == (RefundStage.DONE, 2000)
    assert done.items == [Item(sku="mug", quantity=2)]
    assert (order.state, order.refunded_minor) == (OrderState.REFUNDED, 2000)
    assert order.detail == "The shop has given your money back."
    assert not order.failed
    assert await gateway_gave_back(service, order_id) == 2000
    assert await figures(service) == (0, sold)
    await all_is_well(service)


async def test_units_are_back_on_the_shelf_when_the_money_is_back_and_not_before(
    service: Service,
) -> None:
    order_id = await a_paid_order(service)

    asked = await refund(service, order_id, items=ONE_MUG, restock=True)
    before = await figures(service), await line_of(service, order_id)
    await service.refunds.drive(asked)

    assert before == ((0, 2), (1, 0))
    assert await figures(service) == (0, 1)
    assert await line_of(service, order_id) == (1, 1)
    (movement, *_) = await service.ledger.movements("mug")
    assert (movement.kind, movement.quantity, movement.who) == ("returned", 1, "night")
    assert movement.order_id == order_id
    await all_is_well(service)


async def test_returned_units_are_sold_again(service: Service) -> None:
    order_id = await a_paid_order(service)
    (other,) = await sessions_in(service, 1)
    await a_basket(service, other, mug=3)
    await service.refunds.drive(await refund(service, order_id, items=ONE_MUG, restock=True))

    (third,) = await sessions_in(service, 1)
    await a_basket(service, third, mug=1)

    assert await figures(service) == (0, 5)
    await all_is_well(service)


async def test_lines_and_amounts_are_refunded_until_nothing_is_left(service: Service) -> None:
    await open_gate(service, skus={"mug": 5, "vase": 5})
    (session,) = await sessions_in(service, 1)
    order_id = await a_basket(service, session, mug=2, vase=1)

    states = []
    for wish in (
        {"items": ONE_MUG, "restock": True},
        {"amount_minor": 300},
        {"items": ONE_MUG, "amount_minor": 700, "restock": False},
        {"full": True, "restock": True},
    ):
        await service.refunds.drive(await refund(service, order_id, **wish))
        order = await service.orders.read(order_id)
        states.append((order.state.value, order.refunded_minor))
        await all_is_well(service)

    assert states == [("paid", 1000), ("paid", 1300), ("paid", 2000), ("refunded", 3000)]
    assert await figures(service) == (0, 1)
    assert await figures(service, "vase") == (0, 0)
    with pytest.raises(NotRefundable):
        await refund(service, order_id, amount_minor=1)


@pytest.mark.parametrize(
    ("wish", "expected", "fields"),
    [
        ({"amount_minor": 2001}, RefundTooLarge, {"left_minor": 2000}),
        (
            {"items": ONE_MUG, "amount_minor": 1001, "restock": True},
            RefundTooLarge,
            {"left_minor": 1000},
        ),
        (
            {"items": [{"sku": "mug", "quantity": 3}], "restock": True},
            TooManyUnits,
            {"sku": "mug", "left": 2},
        ),
        (
            {"items": [*TWO_MUGS, *ONE_MUG], "restock": True},
            TooManyUnits,
            {"sku": "mug", "left": 2},
        ),
        (
            {"items": [*ONE_MUG, {"sku": "vase", "quantity": 1}], "restock": True},
            SkuNotOrdered,
            {"sku": "vase"},
        ),
        (
            {"items": [{"sku": "nothing", "quantity": 1}], "restock": True},
            SkuNotOrdered,
            {"sku": "nothing"},
        ),
    ],
)
async def test_a_refund_that_goes_too_far_changes_nothing(
    service: Service, wish: dict[str, Any], expected: type[Refusal], fields: dict[str, Any]
) -> None:
    order_id = await a_paid_order(service, skus={"mug": 5, "vase": 5})

    with pytest.raises(expected) as raised:
        await refund(service, order_id, **wish)

    assert raised.value.fields == fields
    assert await service.refund_store.of_order(order_id) == []
    await all_is_well(service)


async def test_what_is_under_way_counts_as_given_back(service: Service) -> None:
    order_id = await a_paid_order(service)
    await refund(service, order_id, items=ONE_MUG, restock=True)

    with pytest.raises(RefundTooLarge) as raised:
        await refund(service, order_id, amount_minor=1001)
    with pytest.raises(TooManyUnits):
        await refund(service, order_id, items=TWO_MUGS, restock=True)

    assert raised.value.fields == {"left_minor": 1000}
    await all_is_well(service)


async def test_a_unit_is_not_paid_for_beyond_what_is_left_after_goodwill(service: Service) -> None:
    order_id = await a_paid_order(service)
    await service.refunds.drive(await refund(service, order_id, amount_minor=1500))

    with pytest.raises(RefundTooLarge) as raised:
        await refund(service, order_id, items=ONE_MUG, restock=True)
    await service.refunds.drive(await refund(service, order_id, full=True, restock=True))

    assert raised.value.fields == {"left_minor": 500}
    assert await figures(service) == (0, 0)
    assert (await service.orders.read(order_id)).state is OrderState.REFUNDED
    await all_is_well(service)


@pytest.mark.parametrize("state", ["authorizing", "authorized", "declined", "cancelled"])
async def test_an_order_that_was_not_paid_has_nothing_to_refund(
    service: Service, state: str
) -> None:
    session, held = await a_hold(service, payment_window_s=60)
    token = DECLINE if state == "declined" else "tok_approve"
    order_id, _ = await start(service, session, held, token=token)
    attempt = await service.orders.attempt(order_id)
    if state == "authorized":
        await service.orders.settle(attempt, OrderState.AUTHORIZED)
    elif state == "cancelled":
        await service.refund_store.call_off(order_id, restock=True, who="night", reason="r")
    if state in {"declined", "cancelled"}:
        await service.payments.drive(order_id)

    with pytest.raises(NotRefundable):
        await refund(service, order_id, full=True, restock=True)

    assert (await service.orders.read(order_id)).state == state


async def test_an_order_or_a_refund_that_is_not_there_is_said_to_be_unknown(
    service: Service,
) -> None:
    with pytest.raises(UnknownOrder):
        await refund(service, uuid4(), amount_minor=1)
    with pytest.raises(UnknownRefund):
        await service.refunds.drive(uuid4())


async def test_an_order_that_cost_nothing_is_refunded_without_the_gateway(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 5})
    await execute(service, "UPDATE sku SET price_minor = 0")
    (session,) = await sessions_in(service, 1)
    order_id = await a_basket(service, session, mug=2)

    await service.refunds.drive(await refund(service, order_id, items=ONE_MUG, restock=True))
    between = (await service.orders.read(order_id)).state
    await service.refunds.drive(await refund(service, order_id, full=True, restock=True))

    assert between is OrderState.PAID
    assert (await service.orders.read(order_id)).state is OrderState.REFUNDED
    assert await figures(service) == (0, 0)
    assert await execute(service, "SELECT 1 FROM test_gateway.refund") == []
    await all_is_well(service)


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"full": True},
        {"full": True, "restock": True, "amount_minor": 1},
        {"full": True, "restock": True, "items": ONE_MUG},
        {"items": ONE_MUG},
        {"amount_minor": 5, "restock": True},
    ],
)
def test_a_wish_that_says_too_little_or_too_much_is_none(wish: dict[str, Any]) -> None:
    with pytest.raises(Unprocessable):
        msgspec.convert({"reason": "broken", **wish}, RefundWish).check()


@pytest.mark.parametrize(
    "wish",
    [
        {"full": True, "restock": True},
        {"full": True, "restock": True, "reason": " "},
        {"amount_minor": 0, "reason": "r"},
        {"items": [], "restock": True, "reason": "r"},
        {"items": [{"sku": "mug", "quantity": 0}], "restock": True, "reason": "r"},
        {"amount_minor": 5, "reason": "r", "card": "4242"},
    ],
)
def test_a_wish_that_cannot_be_right_is_not_read(wish: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        convert(wish, RefundWish)


# Keys and records.


async def test_a_repeated_key_finds_the_same_refund(service: Service) -> None:
    order_id, key = await a_paid_order(service), uuid4()

    asked = await asyncio.gather(
        *(refund(service, order_id, key=key, amount_minor=500) for _ in range(6))
    )
    await service.refunds.drive(asked[0])
    again = await refund(service, order_id, key=key, amount_minor=500)

    assert {*asked, again} == {asked[0]}
    with pytest.raises(IdempotencyKeyReused):
        await refund(service, order_id, key=key, amount_minor=501)
    order = await service.orders.read(order_id)
    assert order.refunded_minor == 500
    assert await actions_of(service, about=order.number) == ["refund"]
    await all_is_well(service)


async def test_a_refund_is_on_record_or_it_is_not_at_all(service: Service) -> None:
    order_id = await a_paid_order(service)
    await execute(
        service,
        "ALTER TABLE operator_action ADD CONSTRAINT nothing_more CHECK ("
        "action NOT IN ('refund', 'cancel'))",
    )

    with pytest.raises(asyncpg.CheckViolationError):
        await refund(service, order_id, full=True, restock=True)
    with pytest.raises(asyncpg.CheckViolationError):
        await service.refund_store.call_off(order_id, restock=True, who="night", reason="r")

    assert await service.refund_store.of_order(order_id) == []
    assert not (await service.orders.read(order_id)).called_off
    await all_is_well(service)


async def test_the_record_says_who_gave_what_back_and_why(service: Service) -> None:
    order_id = await a_paid_order(service)

    await refund(service, order_id, items=ONE_MUG, restock=False, reason="chipped", who="night")

    (action,) = await execute(
        service,
        "SELECT who, reason, detail ->> 'amount_minor' AS amount, "
        "(detail -> 'items')::text AS items FROM operator_action WHERE action = 'refund'",
    )
    assert (action["who"], action["reason"], action["amount"]) == ("night", "chipped", "1000")
    assert msgspec.json.decode(action["items"]) == ONE_MUG


async def test_two_halves_and_one_more_asked_at_once_are_two_halves(services: OpenService) -> None:
    one, other = await services(), await services()
    order_id = await a_paid_order(one)

    asked = await asyncio.gather(
        *(refund(s, order_id, items=ONE_MUG, restock=True) for s in (one, other, one)),
        *(refund(s, order_id, amount_minor=1000) for s in (one, other)),
        return_exceptions=True,
    )
    granted = [found for found in asked if not isinstance(found, BaseException)]
    refused = [found for found in asked if isinstance(found, BaseException)]
    await asyncio.gather(*(one.refunds.drive(found) for found in granted))

    assert len(granted) == 2
    too_much = RefundTooLarge | TooManyUnits | NotRefundable
    assert all(isinstance(found, too_much) for found in refused)
    order = await one.orders.read(order_id)
    assert (order.state, order.refunded_minor) == (OrderState.REFUNDED, 2000)
    assert await gateway_gave_back(one, order_id) == 2000
    await all_is_well(one)


async def test_the_books_themselves_refuse_to_give_back_too_much(service: Service) -> None:
    order_id = await a_paid_order(service)
    await refund(service, order_id, items=ONE_MUG, restock=True)

    for change, constraint in (
        ("UPDATE purchase SET refunding_minor = 2001", "never_refunded_beyond_paid"),
        ("UPDATE purchase_line SET refunded = 3", "unit_refunded_once"),
        ("UPDATE purchase_line SET returned = 3", "unit_returned_once"),
        ("UPDATE refund SET state = 'done'", "only_an_asked_refund_is_open"),
    ):
        with pytest.raises(asyncpg.CheckViolationError, match=constraint):
            await execute(service, change)


async def test_a_breach_of_the_money_is_seen(service: Service) -> None:
    order_id = await a_paid_order(service)
    await refund(service, order_id, items=ONE_MUG, restock=True)

    for table, change in (
        ("purchase", "refunding_minor = 500"),
        ("purchase", "refunded_minor = 500"),
        ("purchase_line", "refunded = 2"),
        ("purchase_line", "returned = 1"),
        ("purchase_line", "quantity = 1"),
    ):
        assert await service.orders.breaches() == []
        saved = dict((await execute(service, f"SELECT * FROM {table}"))[0])
        await execute(service, f"UPDATE {table} SET {change}")
        assert await service.orders.breaches() != [], change
        column = change.partition(" ")[0]
        await execute(service, f"UPDATE {table} SET {column} = $1", saved[column])
