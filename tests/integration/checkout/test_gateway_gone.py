"""Orders whose gateway is no longer configured: their holds end, and their money is looked for."""

import pytest
from paying import a_hold, all_is_well, driven_by, figures, refund, settle_idle, start
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from support import execute, shift_clock

from checkout.driving.money_watch import MoneyWatch
from checkout.gateway.deterministic_gateway import DeterministicGateway
from checkout.order import OrderState
from waitroom.run.app import Service


def stuck(kind: str, state: str) -> float | None:
    return REGISTRY.get_sample_value("waitroom_money_stuck", {"kind": kind, "state": state})


@pytest.mark.parametrize("is_called_off", [False, True])
async def test_an_order_of_a_gateway_that_is_gone_gives_its_units_up_and_says_so(
    service: Service, *, is_called_off: bool
) -> None:
    session, held = await a_hold(service)
    order_id, _ = await start(service, session, held, gateway="stripe")
    with capture_logs() as told:
        await service.payments.sweep(0)
        await service.payments.sweep(0)
    at_start = [line for line in told if line["event"] == "money_at_another_gateway"]
    if is_called_off:
        await service.refund_store.call_off(order_id, restock=False, who="op", reason="rain")

    await settle_idle(service, service.payments)
    in_time = await service.orders.read(order_id)
    await shift_clock(service, 10_000)
    with capture_logs() as told:
        await settle_idle(service, service.payments)
    await shift_clock(service, 10_000)
    await service.holds.expire(100)
    await MoneyWatch(service.pool).count()

    order = await service.orders.read(order_id)
    assert [(line["gateway"], line["orders"], line["refunds"]) for line in at_start] == [
        ("stripe", 1, 0)
    ]
    assert in_time.state is (OrderState.VOIDING if is_called_off else OrderState.AUTHORIZING)
    assert [line["gateway"] for line in told if line["event"] == "payment_not_known"] == ["stripe"]
    assert order.state is OrderState.RETURNING
    assert ("cancelled" if is_called_off else "could not find out") in order.detail
    assert await figures(service) == (0, 0)
    assert stuck("order", "returning") == 1
    await all_is_well(service)


async def test_a_process_with_the_gateway_of_before_has_its_time(service: Service) -> None:
    session, held = await a_hold(service)
    order_id, _ = await start(service, session, held, gateway="stripe")
    await shift_clock(service, 10_000)

    # Its lease of now may be another process's.
    await service.payments.settle_idle()

    assert (await service.orders.read(order_id)).state is OrderState.AUTHORIZING


async def test_a_gateway_that_comes_back_settles_what_waited_for_it(service: Service) -> None:
    session, held = await a_hold(service)
    order_id, _ = await start(service, session, held)
    other = DeterministicGateway(service.pool)
    other.name = "other"
    await shift_clock(service, 10_000)
    await settle_idle(service, driven_by(service, other))
    waiting = await service.orders.read(order_id)

    await settle_idle(service, service.payments)

    order = await service.orders.read(order_id)
    assert (waiting.state, order.state) == (OrderState.RETURNING, OrderState.CANCELLED)
    assert order.detail.endswith("You have not been charged.")
    await all_is_well(service)


async def test_an_operator_notes_by_hand_what_was_given_back_at_a_gateway_that_is_gone(
    service: Service,
) -> None:
    session, held = await a_hold(service)
    order_id, _ = await start(service, session, held, gateway="stripe")
    await shift_clock(service, 10_000)
    await settle_idle(service, service.payments)

    asked = await refund(service, order_id, full=True, restock=False, by_hand=True)
    await service.refunds.drive(asked)

    assert (await service.orders.read(order_id)).state is OrderState.REFUNDED
    assert await service.orders.breaches() == []


async def test_a_refund_that_no_process_takes_up_is_stuck(service: Service) -> None:
    session, held = await a_hold(service)
    order_id, _ = await start(service, session, held)
    await service.payments.drive(order_id)
    await refund(service, order_id, amount_minor=100)
    await MoneyWatch(service.pool).count()
    before = stuck("refund", "asked")
    await execute(service, "UPDATE refund SET driven_until = '2000-01-01'")
    await MoneyWatch(service.pool).count()

    assert (before, stuck("refund", "asked")) == (0, 1)
