"""Operators call orders off, wherever their payment stands; whatever comes late goes back."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest
from paying import (
    IMPATIENT_S,
    a_hold,
    a_paid_order,
    actions_of,
    all_is_well,
    an_order,
    captured,
    declined,
    driven_by,
    figures,
    gateway_gave_back,
    gateway_says,
    hold_of,
    line_of,
    news,
    refund,
    settle_idle,
    start,
)
from support import execute

from checkout.gateway.deterministic_gateway import (
    APPROVE,
    REFUND_FAILS,
    SLOW,
    DeterministicGateway,
)
from checkout.order import OrderState
from checkout.refund import RefundStage
from checkout.refusals import NotCancellable, UnknownOrder
from waitroom.run.app import Service

OpenService = Callable[..., Awaitable[Service]]


async def call_off(service: Service, order_id: UUID, *, restock: bool = True) -> None:
    await service.refund_store.call_off(order_id, restock=restock, who="night", reason="a fraud")


async def test_a_payment_that_is_not_decided_is_voided_at_the_gateway_first(
    service: Service,
) -> None:
    session, held = await a_hold(service)
    order_id, _ = await start(service, session, held, token=SLOW)
    await driven_by(service, DeterministicGateway(service.pool), timeout_s=IMPATIENT_S).drive(
        order_id
    )

    await call_off(service, order_id)
    between = await service.orders.read(order_id), await hold_of(service, held)
    await service.payments.hear(order_id)

    order = await service.orders.read(order_id)
    assert between[0].state is OrderState.VOIDING
    assert (between[1]["state"], between[1]["paying"]) == ("held", True)
    assert order.state is OrderState.CANCELLED
    assert order.detail == "The shop cancelled this order. You have not been charged."
    assert await gateway_says(service, order_id) == "voided"
    # The basket is the shopper's still, with its own deadline.
    assert not (await hold_of(service, held))["paying"]
    assert await actions_of(service, about=order.number) == ["cancel"]
    await all_is_well(service)


async def test_an_authorized_order_is_voided_and_its_units_go_back_at_once(
    service: Service,
) -> None:
    order_id = await an_order(service)
    gateway = DeterministicGateway(service.pool)
    await gateway.authorize(str(order_id), amount_minor=2000, currency="EUR", token=APPROVE)
    await service.orders.settle(await service.orders.attempt(order_id), OrderState.AUTHORIZED)

    await call_off(service, order_id)
    between = (await service.orders.read(order_id)).state, await figures(service)
    await settle_idle(service, service.payments)

    assert between == (OrderState.RETURNING, (0, 0))
    order = await service.orders.read(order_id)
    assert order.state is OrderState.CANCELLED
    assert order.detail == "The shop cancelled this order. You have not been charged."
    assert await gateway_says(service, order_id) == "voided"
    assert await line_of(service, order_id) == (0, 2)
    await all_is_well(service)


async def test_a_capture_that_was_faster_than_the_cancellation_is_refunded(
    service: Service,
) -> None:
    order_id = await an_order(service)
    gateway = DeterministicGateway(service.pool)
    await gateway.authorize(str(order_id), amount_minor=2000, currency="EUR", token=APPROVE)
    await service.orders.settle(await service.orders.attempt(order_id), OrderState.AUTHORIZED)
    await gateway.capture(str(order_id))

    await call_off(service, order_id)
    await service.payments.hear(order_id)

    order = await service.orders.read(order_id)
    assert order.state is OrderState.REFUNDED
    assert order.detail == "The shop cancelled this order. Your money has gone back to you."
    assert await gateway_gave_back(service, order_id) == 2000
    assert await figures(service) == (0, 0)
    await all_is_well(service)


@pytest.mark.parametrize(("restock", "sold"), [(True, 0), (False, 2)])
async def test_a_paid_order_is_refunded_in_full(
    service: Service, *, restock: bool, sold: int
) -> None:
    order_id = await a_paid_order(service)

    await call_off(service, order_id, restock=restock)
    await settle_idle(service, service.refunds)

    order = await service.orders.read(order_id)
    assert order.state is OrderState.REFUNDED
    assert order.detail == "The shop cancelled this order. Your money has gone back to you."
    assert await gateway_gave_back(service, order_id) == 2000
    assert await figures(service) == (0, sold)
    await all_is_well(service)


async def test_what_was_refunded_before_is_not_refunded_again_by_a_cancellation(
    service: Service,
) -> None:
    order_id = await a_paid_order(service)
    items = [{"sku": "mug", "quantity": 1}]
    await service.refunds.drive(await refund(service, order_id, items=items, restock=True))
    await refund(service, order_id, amount_minor=300)

    await call_off(service, order_id)
    await service.payments.hear(order_id)

    amounts = [r.amount_minor for r in await service.refund_store.of_order(order_id)]
    assert amounts == [1000, 300, 700]
    assert (await service.orders.read(order_id)).state is OrderState.REFUNDED
    assert await gateway_gave_back(service, order_id) == 2000
    assert await figures(service) == (0, 0)
    await all_is_well(service)


async def test_money_that_had_come_for_an_order_that_is_called_off_goes_back(
    service: Service,
) -> None:
    session, held = await a_hold(service)
    order_id, _ = await start(service, session, held)
    await call_off(service, order_id)
    await execute(
        service,
        "INSERT INTO test_gateway.payment VALUES ($1, 'r', 'captured', 2000, 'EUR')",
        str(order_id),
    )

    await service.payments.drive(order_id)

    order = await service.orders.read(order_id)
    assert order.state is OrderState.REFUNDED
    assert order.detail == "The shop cancelled this order. Your money has gone back to you."
    assert (await hold_of(service, held))["state"] == "held"
    assert await figures(service) == (2, 0)
    await all_is_well(service)


async def test_an_order_called_off_while_its_money_comes_is_not_paid(service: Service) -> None:
    session, held = await a_hold(service, hold_s=60, payment_window_s=60)
    order_id, _ = await start(service, session, held)
    read = await service.orders.attempt(order_id)
    await service.orders.settle(read, OrderState.VOIDING)
    voiding = await service.orders.attempt(order_id)
    await call_off(service, order_id)

    # Who read the order before it was called off heard from the gateway that the money is there.
    state = await service.orders.settle(voiding, OrderState.AUTHORIZED)

    assert state is OrderState.RETURNING
    assert await figures(service) == (2, 0)
    await all_is_well(service)


async def test_late_money_for_an_order_that_was_called_off_goes_back(service: Service) -> None:
    session, held = await a_hold(service)
    order_id, _ = await start(service, session, held, token=SLOW)
    await call_off(service, order_id)
    cancelled = await service.payments.drive(order_id)
    await captured(service, order_id)
    await execute(service, "UPDATE test_gateway.payment SET amount_minor = 2000")

    order = await news(service, order_id)

    assert cancelled.state is OrderState.CANCELLED
    assert order.state is OrderState.REFUNDED
    assert "after this order had been cancelled" in order.detail
    assert (await hold_of(service, held))["state"] == "held"
    await all_is_well(service)


async def test_an_order_that_is_over_is_not_cancelled(service: Service) -> None:
    session, held = await a_hold(service)
    over = await declined(service, session, held)
    paid, _ = await start(service, session, held)
    await service.payments.drive(paid)
    await service.refunds.drive(await refund(service, paid, full=True, restock=True))

    for order_id in (over, paid):
        with pytest.raises(NotCancellable):
            await call_off(service, order_id)
    with pytest.raises(UnknownOrder):
        await call_off(service, uuid4())

    assert await execute(service, "SELECT 1 FROM operator_action WHERE action = 'cancel'") == []


async def test_a_cancellation_asked_for_many_times_is_one(services: OpenService) -> None:
    one, other = await services(), await services()
    order_id = await a_paid_order(one)

    async def cancel(service: Service) -> None:
        await call_off(service, order_id)
        await service.payments.hear(order_id)

    await asyncio.gather(*(cancel(service) for _ in range(4) for service in (one, other)))

    order = await one.orders.read(order_id)
    assert order.state is OrderState.REFUNDED
    assert len(await one.refund_store.of_order(order_id)) == 1
    assert await actions_of(one, about=order.number) == ["cancel"]
    assert await gateway_gave_back(one, order_id) == 2000
    await all_is_well(one)


async def test_a_cancellation_whose_refund_failed_may_be_tried_again(service: Service) -> None:
    order_id = await a_paid_order(service, token=REFUND_FAILS)
    await call_off(service, order_id)
    await service.payments.hear(order_id)
    stuck = await service.orders.read(order_id)
    await execute(service, "UPDATE test_gateway.payment SET token = $1", APPROVE)

    await call_off(service, order_id)
    await service.payments.hear(order_id)

    assert (stuck.state, stuck.called_off) == (OrderState.PAID, True)
    stages = [r.stage for r in await service.refund_store.of_order(order_id)]
    assert stages == [RefundStage.FAILED, RefundStage.DONE]
    assert (await service.orders.read(order_id)).state is OrderState.REFUNDED
    await all_is_well(service)


async def test_cancelling_and_paying_at_once_agree(services: OpenService) -> None:
    one, other = await services(), await services()
    order_id = await an_order(one)

    await asyncio.gather(
        one.payments.drive(order_id), call_off(other, order_id), other.payments.drive(order_id)
    )
    await one.payments.hear(order_id)

    order = await one.orders.read(order_id)
    assert order.called_off
    assert order.state in {OrderState.CANCELLED, OrderState.REFUNDED}
    assert (await figures(one))[1] == 0
    await all_is_well(one)
