"""News of late money: told twice, by many at once, and to processes that die on it."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from paying import (
    a_hold,
    all_is_well,
    captured,
    declined,
    figures,
    gateway_decides,
    gateway_gave_back,
    news,
    sell_out,
    settle_idle,
    start,
)
from shop import hold, open_gate, sessions_in
from support import execute, shift_clock

from checkout.gateway.deterministic_gateway import DECLINE, REFUND_FAILS
from checkout.gateway.gateway import Payment, PaymentState
from checkout.order import OrderState
from checkout.refund import RefundStage
from checkout.refusals import UnknownOrder
from waitroom.run.app import Service

OpenService = Callable[..., Awaitable[Service]]


async def test_no_news_changes_an_order_that_is_right(service: Service) -> None:
    session, held = await a_hold(service)
    order_id, _ = await start(service, session, held, token=DECLINE)
    await service.payments.drive(order_id)

    for _ in range(2):
        await service.payments.hear(order_id)
    still = await service.orders.read(order_id)
    paid_id, _ = await start(service, session, held)
    for _ in range(3):
        await service.payments.hear(paid_id)

    assert still.state is OrderState.DECLINED
    assert (await service.orders.read(paid_id)).state is OrderState.PAID
    await all_is_well(service)


async def test_news_of_a_payment_that_is_none_of_ours_is_refused(service: Service) -> None:
    with pytest.raises(UnknownOrder):
        await service.payments.hear(uuid4())


@pytest.mark.parametrize("sold_out", [True, False])
async def test_the_same_news_many_times_at_two_services_counts_once(
    services: OpenService, *, sold_out: bool
) -> None:
    one, other = await services(), await services()
    session, held = await a_hold(one, hold_s=60)
    order_id = await declined(one, session, held)
    await shift_clock(one, 1000)
    await one.holds.expire(100)
    if sold_out:
        await sell_out(one)
        await captured(one, order_id)
    await gateway_decides(one)
    before = (await figures(one))[1]

    await asyncio.gather(*(s.payments.hear(order_id) for _ in range(6) for s in (one, other)))

    order = await one.orders.read(order_id)
    assert order.state is (OrderState.REFUNDED if sold_out else OrderState.PAID)
    assert (await figures(one))[1] == before + (0 if sold_out else 2)
    assert await gateway_gave_back(one, order_id) == (2000 if sold_out else 0)
    assert len(await one.refund_store.of_order(order_id)) == int(sold_out)
    await all_is_well(one)


async def test_late_money_of_many_buys_exactly_what_is_left(services: OpenService) -> None:
    one, other = await services(), await services()
    await open_gate(one, skus={"mug": 20, "vase": 20}, hold_s=60)
    orders = []
    for session in await sessions_in(one, 10):
        held = await hold(one, session, mug=2, vase=1)
        orders.append(await declined(one, session, held))
    await shift_clock(one, 1000)
    await one.holds.expire(100)
    await one.ledger.move("mug", kind="adjusted", quantity=-11, who="test", reason="broken")
    await gateway_decides(one)

    await asyncio.gather(*(s.payments.hear(order_id) for order_id in orders for s in (one, other)))

    states = [(await one.orders.read(order_id)).state for order_id in orders]
    assert (states.count(OrderState.PAID), states.count(OrderState.CANCELLED)) == (4, 6)
    assert (await figures(one), await figures(one, "vase")) == ((0, 8), (0, 4))
    await all_is_well(one)


@pytest.mark.parametrize("sold_out", [True, False])
async def test_a_worker_may_die_after_it_has_taken_late_money(
    service: Service, *, sold_out: bool
) -> None:
    session, held = await a_hold(service, hold_s=60)
    order_id = await declined(service, session, held)
    await service.holds.release(session, held)
    if sold_out:
        await sell_out(service)
    await gateway_decides(service)
    attempt = await service.orders.attempt(order_id)
    between = await service.orders.take_late(attempt, Payment(state=PaymentState.AUTHORIZED))

    await settle_idle(service, service.payments)

    assert between is (OrderState.RETURNING if sold_out else OrderState.AUTHORIZED)
    ended = (await service.orders.read(order_id)).state
    assert ended is (OrderState.CANCELLED if sold_out else OrderState.PAID)
    await all_is_well(service)


async def test_money_that_cannot_go_back_by_itself_waits_for_an_operator(service: Service) -> None:
    session, held = await a_hold(service)
    order_id, _ = await start(service, session, held, token=DECLINE)
    await service.payments.drive(order_id)
    await service.holds.release(session, held)
    await sell_out(service)
    await captured(service, order_id)
    await execute(service, "UPDATE test_gateway.payment SET token = $1", REFUND_FAILS)

    order = await news(service, order_id)
    await settle_idle(service, service.payments)

    assert order.state is OrderState.RETURNING
    (failed,) = await service.refund_store.of_order(order_id)
    assert (failed.stage, failed.detail) == (RefundStage.FAILED, "The card takes no refunds.")
    assert order.refunding_minor == 0
    assert await settle_idle(service, service.payments) == 0
    await all_is_well(service)
