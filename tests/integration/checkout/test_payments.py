"""Driving payments: the gateway slow, away or answering twice, and processes that die anywhere."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from paying import (
    IMPATIENT_S,
    WatchedGateway,
    a_hold,
    all_is_well,
    an_order,
    driven_by,
    figures,
    gateway_gave_back,
    gateway_says,
    line_of,
    settle_idle,
    start,
)
from shop import hold, open_gate, sessions_in
from support import execute, shift_clock

from checkout.driving.payments import Payments
from checkout.driving.refunds import Refunds
from checkout.gateway.deterministic_gateway import (
    APPROVE,
    CAPTURE_REFUSED,
    FAIL_AFTER_CHARGE,
    LATE,
    SLOW,
    DeterministicGateway,
)
from checkout.gateway.gateway import Payment, PaymentState, Refunded
from checkout.order import OrderState
from inventory.kit.turns import Turns
from waitroom.run.app import Service

OpenService = Callable[..., Awaitable[Service]]


async def test_an_overdue_payment_is_voided_at_the_gateway_before_the_units_are_freed(
    service: Service,
) -> None:
    session, held = await a_hold(service, hold_s=60, payment_window_s=60)
    order_id, _ = await start(service, session, held, token=SLOW)
    gateway = WatchedGateway(service)
    payments = driven_by(service, gateway, timeout_s=IMPATIENT_S)
    undecided = await payments.drive(order_id)
    await shift_clock(service, 61)

    cancelled = await payments.drive(order_id)

    assert undecided.state is OrderState.AUTHORIZING
    assert cancelled.state is OrderState.CANCELLED
    assert gateway.when_voided == ("voiding", "held", (2, 0))
    assert await gateway_says(service, order_id) == "voided"
    assert await service.holds.expire(100) == 1
    assert await figures(service) == (0, 0)
    await all_is_well(service)


async def test_a_payment_that_got_no_turn_was_not_sent_and_is_made_later(service: Service) -> None:
    order_id = await an_order(service)
    turns = Turns(at_once=1, waiting_max=9, wait_max_s=0.01, busy="Busy.")
    gateway = DeterministicGateway(service.pool)
    refunds = Refunds(service.refund_store, gateway, turns=turns)
    payments = Payments(service.orders, gateway, refunds=refunds)

    async with turns.take():
        waiting = await payments.drive(order_id)
        said = await execute(service, "SELECT said FROM payment_event")
        known = await execute(service, "SELECT FROM test_gateway.payment")
    paid = await payments.drive(order_id)

    assert (waiting.state, said, known) == (OrderState.AUTHORIZING, [], [])
    assert paid.state is OrderState.PAID
    await all_is_well(service)


async def test_units_stay_held_while_the_gateway_cannot_be_asked_to_void(
    service: Service,
) -> None:
    session, held = await a_hold(service, hold_s=60, payment_window_s=60)
    order_id, _ = await start(service, session, held, token=SLOW)
    gateway = WatchedGateway(service)
    payments = driven_by(service, gateway, timeout_s=IMPATIENT_S)
    await payments.drive(order_id)
    await shift_clock(service, 61)
    gateway.away = True

    stuck = await payments.drive(order_id)
    swept = await service.holds.expire(100)
    gateway.away = False
    cancelled = await payments.drive(order_id)

    assert (stuck.state, swept) == (OrderState.VOIDING, 0)
    assert cancelled.state is OrderState.CANCELLED
    await all_is_well(service)


async def test_money_that_had_come_when_it_was_to_be_voided_buys_the_units(
    service: Service,
) -> None:
    session, held = await a_hold(service, hold_s=60, payment_window_s=60)
    order_id, _ = await start(service, session, held)
    await execute(
        service,
        "INSERT INTO test_gateway.payment VALUES ($1, 'r', 'captured', 2000, 'EUR')",
        str(order_id),
    )
    await shift_clock(service, 61)

    order = await service.payments.drive(order_id)

    assert order.state is OrderState.PAID
    assert await figures(service) == (0, 2)
    await all_is_well(service)


async def test_a_payment_that_never_arrived_is_barred_when_it_is_voided(
    service: Service,
) -> None:
    session, held = await a_hold(service, hold_s=60, payment_window_s=60)
    order_id, _ = await start(service, session, held)
    await shift_clock(service, 61)

    cancelled = await service.payments.drive(order_id)

    assert cancelled.state is OrderState.CANCELLED
    assert await gateway_says(service, order_id) == "voided"
    await all_is_well(service)


async def test_a_charge_whose_answer_was_lost_is_found_again(service: Service) -> None:
    session, held = await a_hold(service)

    order = await service.payments.drive(
        (await start(service, session, held, token=FAIL_AFTER_CHARGE))[0]
    )

    assert order.state is OrderState.PAID
    assert await figures(service) == (0, 2)
    assert len(await execute(service, "SELECT 1 FROM test_gateway.payment")) == 1
    await all_is_well(service)


async def test_a_slow_payment_is_settled_when_the_gateway_has_decided(
    service: Service,
) -> None:
    session, held = await a_hold(service)
    order_id, _ = await start(service, session, held, token=SLOW)
    impatient = driven_by(service, WatchedGateway(service), timeout_s=IMPATIENT_S)
    undecided = await impatient.drive(order_id)
    await execute(service, "UPDATE test_gateway.payment SET state = 'authorized'")

    looked_at = await settle_idle(service, service.payments)

    assert undecided.state is OrderState.AUTHORIZING
    assert looked_at == 1
    assert (await service.orders.read(order_id)).state is OrderState.PAID
    assert await settle_idle(service, service.payments) == 0
    await all_is_well(service)


async def test_an_order_left_by_a_dead_worker_is_settled_once_by_many(
    services: OpenService,
) -> None:
    one, other = await services(), await services()
    session, held = await a_hold(one)
    order_id, _ = await start(one, session, held)

    await asyncio.gather(
        *(settle_idle(s, s.payments) for s in (one, other, one, other)),
        *(s.payments.drive(order_id) for s in (one, other)),
    )

    assert (await one.orders.read(order_id)).state is OrderState.PAID
    assert await figures(one) == (0, 2)
    await all_is_well(one)


@pytest.mark.parametrize("step", ["authorizing", "authorized"])
async def test_a_worker_may_die_after_any_step(service: Service, step: str) -> None:
    session, held = await a_hold(service)
    order_id, _ = await start(service, session, held)
    attempt = await service.orders.attempt(order_id)
    await execute(
        service,
        "INSERT INTO test_gateway.payment VALUES ($1, 'r', 'authorized', 2000, 'EUR')",
        str(order_id),
    )
    if step == "authorized":
        await service.orders.settle(attempt, OrderState.AUTHORIZED)

    await settle_idle(service, service.payments)

    assert (await service.orders.read(order_id)).state is OrderState.PAID
    await all_is_well(service)


async def test_the_test_gateway_may_be_asked_twice_at_once(service: Service) -> None:
    gateway = DeterministicGateway(service.pool)

    for turn in range(50):
        answers = await asyncio.gather(
            *(
                gateway.authorize(f"key-{turn}", amount_minor=100, currency="EUR", token=APPROVE)
                for _ in range(4)
            )
        )
        assert {answer.state for answer in answers} == {PaymentState.AUTHORIZED}


async def test_a_capture_that_is_refused_for_good_gives_the_units_and_the_money_back(
    service: Service,
) -> None:
    order_id = await an_order(service, token=CAPTURE_REFUSED)

    order = await service.payments.drive(order_id)

    assert order.state is OrderState.CANCELLED
    assert order.failed
    assert "did not hand over the money" in order.detail
    assert "You have not been charged" in order.detail
    assert await gateway_says(service, order_id) == "voided"
    assert await figures(service) == (0, 0)
    assert await line_of(service, order_id) == (0, 2)
    await all_is_well(service)


async def test_units_are_back_on_the_shelf_before_the_gateway_has_voided(service: Service) -> None:
    order_id = await an_order(service)
    gateway = WatchedGateway(service)
    payments = driven_by(service, gateway)
    attempt = await service.orders.attempt(order_id)
    await gateway.authorize(str(order_id), amount_minor=2000, currency="EUR", token=APPROVE)
    await service.orders.settle(attempt, OrderState.AUTHORIZED)
    sold = await figures(service)
    attempt = await service.orders.attempt(order_id)

    await service.orders.settle(attempt, OrderState.RETURNING, detail="It was refused.")
    ended = await payments.drive(order_id)

    assert sold == (0, 2)
    assert gateway.when_voided == ("returning", "confirmed", (0, 0))
    assert ended.detail == "It was refused. You have not been charged."
    await all_is_well(service)


async def test_a_payment_that_the_gateway_has_lost_is_barred_and_frees_the_units(
    service: Service,
) -> None:
    order_id = await an_order(service)
    await service.orders.settle(await service.orders.attempt(order_id), OrderState.AUTHORIZED)

    order = await service.payments.drive(order_id)

    assert order.state is OrderState.CANCELLED
    assert await gateway_says(service, order_id) == "voided"
    assert await figures(service) == (0, 0)
    await all_is_well(service)


async def test_a_gateway_that_is_away_at_the_capture_is_asked_again(service: Service) -> None:
    order_id = await an_order(service)
    gateway = WatchedGateway(service)
    payments = driven_by(service, gateway)
    await gateway.authorize(str(order_id), amount_minor=2000, currency="EUR", token=APPROVE)
    await service.orders.settle(await service.orders.attempt(order_id), OrderState.AUTHORIZED)
    gateway.away = True

    stuck = await payments.drive(order_id)
    looked_at = await settle_idle(service, payments)
    gateway.away = False
    await settle_idle(service, payments)

    assert (stuck.state, looked_at) == (OrderState.AUTHORIZED, 1)
    assert (await service.orders.read(order_id)).state is OrderState.PAID
    await all_is_well(service)


class Contrary(DeterministicGateway):
    """A gateway that takes the money and says that it did not."""

    async def capture(self, payment_key: str) -> Payment:
        await super().capture(payment_key)
        return Payment(state=PaymentState.DECLINED)


async def test_money_that_was_captured_all_the_same_goes_back(service: Service) -> None:
    order_id = await an_order(service)

    order = await driven_by(service, Contrary(service.pool)).drive(order_id)

    assert order.state is OrderState.REFUNDED
    assert order.refunded_minor == order.total_minor == 2000
    assert "Your money has gone back to you" in order.detail
    assert await gateway_gave_back(service, order_id) == 2000
    assert await figures(service) == (0, 0)
    await all_is_well(service)


async def test_a_worker_may_die_after_any_step_of_a_refused_capture(service: Service) -> None:
    order_id = await an_order(service)
    gateway = Contrary(service.pool)
    payments = driven_by(service, gateway)
    await gateway.authorize(str(order_id), amount_minor=2000, currency="EUR", token=APPROVE)
    await service.orders.settle(await service.orders.attempt(order_id), OrderState.AUTHORIZED)
    await gateway.capture(str(order_id))
    attempt = await service.orders.attempt(order_id)
    await service.orders.settle(attempt, OrderState.RETURNING, detail="It was refused.")
    written = await service.refund_store.give_back(order_id)
    await all_is_well(service)

    await settle_idle(service, payments)

    assert [r.refund_id for r in await service.refund_store.of_order(order_id)] == [written]
    assert (await service.orders.read(order_id)).state is OrderState.REFUNDED
    await all_is_well(service)


async def test_a_payment_at_another_gateway_is_left_alone(service: Service) -> None:
    session, held = await a_hold(service)
    order_id, _ = await start(service, session, held, gateway="other")

    order = await service.payments.drive(order_id)
    await service.payments.hear(order_id)

    assert order.state is OrderState.AUTHORIZING
    assert await settle_idle(service, service.payments) == 0
    assert await gateway_says(service, order_id) is None


class Patient(DeterministicGateway):
    """A gateway that counts how often it is asked to authorize."""

    authorized = 0

    async def authorize(
        self, payment_key: str, *, amount_minor: int, currency: str, token: str
    ) -> Payment:
        self.authorized += 1
        return await super().authorize(
            payment_key, amount_minor=amount_minor, currency=currency, token=token
        )


async def test_a_payment_that_has_begun_is_asked_for_and_not_sent_again(service: Service) -> None:
    order_id = await an_order(service, token=SLOW)
    gateway = Patient(service.pool)
    payments = driven_by(service, gateway, timeout_s=IMPATIENT_S)
    await payments.drive(order_id)

    await settle_idle(service, payments)
    await payments.hear(order_id)

    assert gateway.authorized == 1
    assert (await service.orders.read(order_id)).state is OrderState.AUTHORIZING


class Observed(DeterministicGateway):
    """The test gateway, noting at each call what our connections have open at that moment."""

    OPEN = """
        SELECT a.pid, a.state, a.query, l.mode, l.relation::regclass::text AS locked
        FROM pg_stat_activity a LEFT JOIN pg_locks l ON l.pid = a.pid
        WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
            AND (a.xact_start IS NOT NULL OR l.pid IS NOT NULL)"""

    def __init__(self, service: Service) -> None:
        super().__init__(service.pool, slow_decides_s=0.0)
        self._service = service
        self.asked: dict[str, list[object]] = {}

    async def _write(self, query: str, *values: object) -> Payment:
        await self._look(query)
        return await super()._write(query, *values)

    async def refund(self, payment_key: str, *, refund_key: str, amount_minor: int) -> Refunded:
        await self._look("gateway_refund")
        return await super().refund(payment_key, refund_key=refund_key, amount_minor=amount_minor)

    async def _look(self, query: str) -> None:
        self.asked.setdefault(query, []).extend(await execute(self._service, self.OPEN))


async def test_no_transaction_and_no_lock_is_open_while_the_gateway_is_asked(
    service: Service,
) -> None:
    gateway = Observed(service)
    payments = driven_by(service, gateway)
    await open_gate(service, skus={"mug": 20}, hold_s=60, payment_window_s=60)
    orders = []
    for token in (APPROVE, CAPTURE_REFUSED, LATE, SLOW, APPROVE):
        (session,) = await sessions_in(service, 1)
        held = await hold(service, session, mug=2)
        orders.append((await start(service, session, held, token=token))[0])

    for order_id in orders[:-1]:
        await payments.drive(order_id)
        await payments.hear(order_id)
    await shift_clock(service, 61)
    await payments.drive(orders[-1])
    await service.refund_store.call_off(orders[0], restock=True, who="night", reason="r")
    await payments.hear(orders[0])

    states = [(await service.orders.read(order_id)).state.value for order_id in orders]
    assert states == ["refunded", "cancelled", "paid", "paid", "cancelled"]
    assert set(gateway.asked) == {
        "gateway_authorize",
        "gateway_capture",
        "gateway_void",
        "gateway_look_up",
        "gateway_refund",
    }
    assert [found for found in gateway.asked.values() if found] == []
    await all_is_well(service)
