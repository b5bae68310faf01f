"""Money that comes after its order was declined or cancelled buys the units, or goes back."""

from collections.abc import Awaitable, Callable

import pytest
from paying import (
    a_basket,
    a_hold,
    all_is_well,
    captured,
    declined,
    figures,
    gateway_decides,
    gateway_gave_back,
    gateway_says,
    hold_of,
    line_of,
    news,
    sell_out,
    session_state,
    settle_idle,
    start,
)
from shop import hold, sessions_in
from support import execute, open_room, shift_clock, tick

from checkout.gateway.deterministic_gateway import (
    CAPTURE_REFUSED,
    SLOW,
)
from checkout.gateway.gateway import Payment, PaymentState
from checkout.order import OrderState
from checkout.refund import RefundStage
from inventory.refusals import OutOfStock
from waitroom.run.app import Service

OpenService = Callable[..., Awaitable[Service]]
GONE = "The payment came after the items had gone to others."


async def test_late_money_buys_a_hold_that_is_still_there(service: Service) -> None:
    session, held = await a_hold(service)
    order_id = await declined(service, session, held)

    order = await news(service, order_id)

    assert (order.state, order.detail, order.hold_id) == (OrderState.PAID, "", held)
    assert await figures(service) == (0, 2)
    assert await session_state(service, session) == "ended"
    await all_is_well(service)


async def test_late_money_takes_units_again_when_there_are_any(service: Service) -> None:
    session, held = await a_hold(service, hold_s=60)
    order_id = await declined(service, session, held)
    await shift_clock(service, 1000)
    assert await service.holds.expire(100) == 1

    order = await news(service, order_id)

    assert order.state is OrderState.PAID
    assert order.hold_id != held
    again = await hold_of(service, order.hold_id)
    assert (again["state"], again["session_id"]) == ("confirmed", session)
    assert (await hold_of(service, held))["state"] == "expired"
    assert await figures(service) == (0, 2)
    await all_is_well(service)


async def test_late_money_that_finds_nothing_is_voided_and_the_order_says_so(
    service: Service,
) -> None:
    session, held = await a_hold(service, hold_s=60)
    order_id = await declined(service, session, held)
    await shift_clock(service, 1000)
    await service.holds.expire(100)
    await sell_out(service, leave=1)

    order = await news(service, order_id)

    assert order.state is OrderState.CANCELLED
    assert order.detail == f"{GONE} You have not been charged."
    assert await gateway_says(service, order_id) == "voided"
    assert (await figures(service))[1] == 4
    await all_is_well(service)


async def test_late_money_that_was_captured_is_refunded_by_itself(service: Service) -> None:
    session, held = await a_hold(service, hold_s=60)
    order_id = await declined(service, session, held)
    await shift_clock(service, 1000)
    await service.holds.expire(100)
    await sell_out(service)
    await captured(service, order_id)

    order = await news(service, order_id)

    assert order.state is OrderState.REFUNDED
    assert order.failed
    assert order.detail == f"{GONE} Your money has gone back to you."
    assert await gateway_gave_back(service, order_id) == 2000
    (refund,) = await service.refund_store.of_order(order_id)
    assert (refund.stage, refund.who, refund.restock) == (RefundStage.DONE, "waitroom", False)
    assert await line_of(service, order_id) == (2, 0)
    await all_is_well(service)


async def test_money_that_comes_after_a_payment_was_cancelled_is_late_too(
    service: Service,
) -> None:
    session, held = await a_hold(service, hold_s=60, payment_window_s=60)
    order_id, _ = await start(service, session, held)
    await shift_clock(service, 61)
    cancelled = await service.payments.drive(order_id)
    await captured(service, order_id)
    await execute(service, "UPDATE test_gateway.payment SET amount_minor = 2000")

    order = await news(service, order_id)

    assert cancelled.state is OrderState.CANCELLED
    assert order.state is OrderState.PAID
    await all_is_well(service)


async def test_late_money_leaves_what_is_promised_to_others(service: Service) -> None:
    await open_room(service, skus={"mug": 5}, seats_max=10, hold_s=60, units_promised=2)
    (session,) = await sessions_in(service, 1)
    held = await hold(service, session, mug=2)
    order_id = await declined(service, session, held)
    await shift_clock(service, 1000)
    await service.holds.expire(100)
    await service.office.end_due(100)
    # Two shoppers are called, and two units are promised to each; the fifth is free.
    await tick(service)
    await service.lines.join(service.board.room("drop").line_id, 2, bytes(32))

    order = await news(service, order_id)

    assert order.state is OrderState.CANCELLED
    assert order.detail.startswith(GONE)
    await all_is_well(service)


async def test_late_money_uses_the_promise_of_its_own_session(service: Service) -> None:
    await open_room(service, skus={"mug": 5}, seats_max=10, units_promised=2, session_s=3000)
    (session,) = await sessions_in(service, 1)
    await execute(service, "UPDATE room_stock SET promised = 5")
    await execute(service, "UPDATE admission SET promised = 5 WHERE admission_id = $1", session)
    held = await hold(service, session, mug=2)
    order_id = await declined(service, session, held)
    await service.holds.release(session, held)

    order = await news(service, order_id)

    # Of the five that were promised two went into the hold; the other three were still there.
    assert order.state is OrderState.PAID
    assert await figures(service) == (0, 2)
    await all_is_well(service)


async def test_late_money_leaves_what_refused_sessions_wait_for(service: Service) -> None:
    session, held = await a_hold(service, hold_s=60)
    order_id = await declined(service, session, held)
    (other,) = await sessions_in(service, 1)
    await sell_out(service)
    with pytest.raises(AssertionError) as raised:
        await hold(service, other, mug=1)
    await shift_clock(service, 61)

    order = await news(service, order_id)

    # Its own two came free with its hold, but one of them somebody has waited for.
    assert isinstance(raised.value.args[0], OutOfStock)
    assert order.state is OrderState.CANCELLED
    assert order.detail.startswith(GONE)
    assert await service.holds.serve(10) == 1
    await all_is_well(service)


async def test_what_is_due_is_ended_before_late_money_goes_back(service: Service) -> None:
    session, held = await a_hold(service, hold_s=60)
    order_id = await declined(service, session, held)
    await service.holds.release(session, held)
    (other,) = await sessions_in(service, 1)
    overdue = await hold(service, other, mug=4)
    await shift_clock(service, 61)

    order = await news(service, order_id)

    assert order.state is OrderState.PAID
    assert (await hold_of(service, overdue))["state"] == "expired"
    assert await figures(service) == (0, 2)
    await all_is_well(service)


async def test_a_hold_that_is_overdue_is_ended_and_its_units_taken_again(service: Service) -> None:
    session, held = await a_hold(service, hold_s=60)
    order_id = await declined(service, session, held)
    await shift_clock(service, 1000)

    order = await news(service, order_id)

    assert order.state is OrderState.PAID
    assert (await hold_of(service, held))["state"] == "expired"
    assert await figures(service) == (0, 2)
    await all_is_well(service)


@pytest.mark.parametrize("paid_first", [True, False])
async def test_late_money_goes_back_when_another_order_has_the_hold(
    service: Service, *, paid_first: bool
) -> None:
    session, held = await a_hold(service)
    late = await declined(service, session, held)
    second, _ = await start(service, session, held)
    if paid_first:
        await service.payments.drive(second)

    order = await news(service, late)
    other = await service.payments.drive(second)

    assert (order.state, other.state) == (OrderState.CANCELLED, OrderState.PAID)
    assert "another one for the same items" in order.detail
    assert await gateway_says(service, late) == "voided"
    assert await figures(service) == (0, 2)
    await all_is_well(service)


async def test_money_that_was_captured_for_a_hold_of_another_order_is_refunded(
    service: Service,
) -> None:
    session, held = await a_hold(service)
    late = await declined(service, session, held)
    await service.payments.drive((await start(service, session, held))[0])
    await captured(service, late)

    order = await news(service, late)

    assert order.state is OrderState.REFUNDED
    assert await gateway_gave_back(service, late) == 2000
    assert await figures(service) == (0, 2)
    await all_is_well(service)


async def test_money_that_is_on_its_way_back_leaves_the_hold_to_a_second_try(
    service: Service,
) -> None:
    session, held = await a_hold(service)
    late = await declined(service, session, held)
    second, _ = await start(service, session, held, token=SLOW)
    await gateway_decides(service)
    attempt = await service.orders.attempt(late)
    await service.orders.take_late(attempt, Payment(state=PaymentState.AUTHORIZED))
    assert (await service.orders.read(late)).state is OrderState.RETURNING
    await execute(
        service,
        "INSERT INTO test_gateway.payment VALUES ($1, 'r', 'declined', 2000, 'EUR')",
        str(second),
    )
    await service.payments.hear(second)
    assert (await service.orders.read(second)).state is OrderState.DECLINED

    third, _ = await start(service, session, held)
    paid = await service.payments.drive(third)
    await settle_idle(service, service.payments)

    assert paid.state is OrderState.PAID
    assert (await service.orders.read(late)).state is OrderState.CANCELLED
    await all_is_well(service)


async def test_two_late_payments_for_one_hold_buy_it_once(service: Service) -> None:
    session, held = await a_hold(service, limit=2)
    first = await declined(service, session, held)
    second = await declined(service, session, held)

    orders = [await news(service, order_id) for order_id in (first, second)]

    assert [order.state for order in orders] == [OrderState.PAID, OrderState.CANCELLED]
    assert "another one for the same items" in orders[1].detail
    assert await figures(service) == (0, 2)
    await all_is_well(service)


async def test_a_basket_that_was_changed_since_is_left_alone(service: Service) -> None:
    session, held = await a_hold(service)
    order_id = await declined(service, session, held)
    await service.holds.change(session, held, {"mug": 1})

    order = await news(service, order_id)

    assert (order.state, order.total_minor) == (OrderState.PAID, 2000)
    assert (await hold_of(service, held))["state"] == "held"
    assert await figures(service) == (1, 2)
    assert await session_state(service, session) == "claimed"
    await all_is_well(service)


async def test_late_money_does_not_lift_a_limit(service: Service) -> None:
    session, held = await a_hold(service, limit=3)
    order_id = await declined(service, session, held)
    await service.holds.release(session, held)
    await a_basket(service, session, mug=2)

    order = await news(service, order_id)

    assert order.state is OrderState.CANCELLED
    assert "more than one shopper may have" in order.detail
    assert await figures(service) == (0, 2)
    await all_is_well(service)


async def test_an_order_that_was_taken_back_is_not_sold_again(service: Service) -> None:
    session, held = await a_hold(service)
    order_id, _ = await start(service, session, held, token=CAPTURE_REFUSED)
    cancelled = await service.payments.drive(order_id)
    await captured(service, order_id)

    order = await news(service, order_id)

    assert cancelled.state is OrderState.CANCELLED
    assert order.state is OrderState.REFUNDED
    assert "after this order had been cancelled" in order.detail
    assert await figures(service) == (0, 0)
    await all_is_well(service)
