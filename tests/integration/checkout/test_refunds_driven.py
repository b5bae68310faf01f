"""Driving refunds: gateways that fail, are slow or lose their answers, and dead workers."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from paying import (
    a_hold,
    a_paid_order,
    all_is_well,
    captured,
    figures,
    gateway_decides,
    gateway_gave_back,
    line_of,
    refund,
    sell_out,
    settle_idle,
    start,
)
from support import execute

from checkout.driving.refunds import Refunds
from checkout.gateway.deterministic_gateway import (
    DECLINE,
    REFUND_FAILS,
    REFUND_SLOW,
    DeterministicGateway,
)
from checkout.gateway.gateway import GatewayError, Refunded
from checkout.order import OrderState
from checkout.refund import RefundStage
from checkout.refusals import NotRefundable
from waitroom.run.app import Service

OpenService = Callable[..., Awaitable[Service]]
ONE_MUG = [{"sku": "mug", "quantity": 1}]


async def test_a_refund_that_fails_gives_money_and_units_back_to_the_order(
    service: Service,
) -> None:
    order_id = await a_paid_order(service, token=REFUND_FAILS)

    failed = await service.refunds.drive(await refund(service, order_id, full=True, restock=True))

    order = await service.orders.read(order_id)
    assert (failed.stage, failed.detail) == (RefundStage.FAILED, "The card takes no refunds.")
    assert (order.state, order.refunding_minor) == (OrderState.PAID, 0)
    assert await line_of(service, order_id) == (0, 0)
    assert await figures(service) == (0, 2)
    await all_is_well(service)

    by_hand = await service.refunds.drive(
        await refund(service, order_id, full=True, restock=True, by_hand=True)
    )
    assert by_hand.stage is RefundStage.DONE
    assert (await service.orders.read(order_id)).state is OrderState.REFUNDED
    assert await gateway_gave_back(service, order_id) == 0
    assert await figures(service) == (0, 0)
    await all_is_well(service)


async def test_money_that_could_not_go_back_by_itself_is_given_back_by_hand(
    service: Service,
) -> None:
    session, held = await a_hold(service)
    order_id, _ = await start(service, session, held, token=DECLINE)
    await service.payments.drive(order_id)
    await service.holds.release(session, held)
    await sell_out(service)
    await captured(service, order_id)
    with pytest.raises(NotRefundable):
        await refund(service, order_id, full=True, restock=False)
    await execute(service, "UPDATE test_gateway.payment SET token = $1", REFUND_FAILS)
    await service.payments.hear(order_id)

    done = await service.refunds.drive(
        await refund(service, order_id, full=True, restock=True, by_hand=True)
    )

    assert (done.stage, done.restock) == (RefundStage.DONE, False)
    order = await service.orders.read(order_id)
    assert order.state is OrderState.REFUNDED
    assert order.detail.endswith("Your money has gone back to you.")
    await all_is_well(service)


async def test_a_slow_refund_is_done_when_the_gateway_says_so(service: Service) -> None:
    order_id = await a_paid_order(service, token=REFUND_SLOW)
    asked = await refund(service, order_id, full=True, restock=True)

    pending = await service.refunds.drive(asked)
    await settle_idle(service, service.refunds)
    between = await service.orders.read(order_id)
    await gateway_decides(service)
    await service.payments.hear(order_id)

    assert pending.stage is RefundStage.ASKED
    assert (between.state, between.refunding_minor) == (OrderState.PAID, 2000)
    assert (await service.orders.read(order_id)).state is OrderState.REFUNDED
    assert await gateway_gave_back(service, order_id) == 2000
    await all_is_well(service)


class Forgetful(DeterministicGateway):
    """A gateway that gives the money back, and whose answer is lost."""

    async def refund(self, payment_key: str, *, refund_key: str, amount_minor: int) -> Refunded:
        await super().refund(payment_key, refund_key=refund_key, amount_minor=amount_minor)
        raise GatewayError("the connection broke after the refund")


async def test_a_refund_whose_answer_was_lost_is_not_given_twice(service: Service) -> None:
    order_id = await a_paid_order(service)
    asked = await refund(service, order_id, items=ONE_MUG, restock=True)
    forgetful = Refunds(service.refund_store, Forgetful(service.pool))

    lost = await forgetful.drive(asked)
    given = await gateway_gave_back(service, order_id)
    looked_at = await settle_idle(service, service.refunds)

    assert (lost.stage, given, looked_at) == (RefundStage.ASKED, 1000, 1)
    assert (await service.refund_store.read(asked)).stage is RefundStage.DONE
    assert await gateway_gave_back(service, order_id) == 1000
    assert await settle_idle(service, service.refunds) == 0
    await all_is_well(service)


async def test_a_refund_left_by_a_dead_worker_is_given_once_by_many(
    services: OpenService,
) -> None:
    one, other = await services(), await services()
    order_id = await a_paid_order(one)
    asked = await refund(one, order_id, full=True, restock=True)

    await asyncio.gather(
        *(settle_idle(s, s.refunds) for s in (one, other, one, other)),
        *(s.refunds.drive(asked) for s in (one, other)),
        *(s.payments.hear(order_id) for s in (one, other)),
    )

    assert (await one.orders.read(order_id)).state is OrderState.REFUNDED
    assert await gateway_gave_back(one, order_id) == 2000
    assert await figures(one) == (0, 0)
    assert len(await execute(one, "SELECT 1 FROM stock_movement WHERE kind = 'returned'")) == 1
    await all_is_well(one)


async def test_a_refund_at_another_gateway_is_left_alone(service: Service) -> None:
    order_id = await a_paid_order(service)
    asked = await refund(service, order_id, full=True, restock=True)
    gateway = DeterministicGateway(service.pool)
    gateway.name = "other"
    refunds = Refunds(service.refund_store, gateway)

    assert await settle_idle(service, refunds) == 0
    assert (await refunds.drive(asked)).stage is RefundStage.ASKED
    assert await gateway_gave_back(service, order_id) == 0
