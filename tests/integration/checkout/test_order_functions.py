"""Orders on PostgreSQL: one for each hold and key, with lines of its own, through their life."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import asyncpg
import pytest
from paying import (
    a_hold,
    all_is_well,
    figures,
    gateway_says,
    hold_of,
    session_state,
    start,
)
from shop import hold, open_gate, sessions_in
from support import execute, shift_clock

from checkout import order_store
from checkout.gateway.deterministic_gateway import DECLINE
from checkout.order import TRANSITIONS, OrderState
from checkout.refusals import PaidTooSoon
from inventory.kit.problem import IdempotencyKeyReused
from inventory.refusals import AlreadyPaid, HoldExpired, OutOfStock, PaymentRunning, UnknownHold
from waitroom.run.app import Service

OpenService = Callable[..., Awaitable[Service]]


async def test_an_approved_payment_sells_the_units_and_ends_the_session(
    service: Service,
) -> None:
    session, held = await a_hold(service)

    order_id, fresh = await start(service, session, held)
    order = await service.payments.drive(order_id)

    assert fresh
    assert (order.state, order.total_minor, order.currency) == (OrderState.PAID, 2000, "EUR")
    assert await gateway_says(service, order_id) == "captured"
    assert await figures(service) == (0, 2)
    assert (await hold_of(service, held))["state"] == "confirmed"
    assert await session_state(service, session) == "ended"
    await all_is_well(service)


async def test_a_session_with_another_basket_goes_on_after_its_order(service: Service) -> None:
    session, held = await a_hold(service)
    await hold(service, session, mug=1)

    await service.payments.drive((await start(service, session, held))[0])

    assert await session_state(service, session) == "claimed"
    assert await figures(service) == (1, 2)
    await all_is_well(service)


async def test_a_declined_payment_leaves_the_hold_to_be_tried_again(service: Service) -> None:
    session, held = await a_hold(service)

    declined = await service.payments.drive((await start(service, session, held, token=DECLINE))[0])
    between = await figures(service), (await hold_of(service, held))["paying"]
    paid = await service.payments.drive((await start(service, session, held))[0])

    assert declined.state is OrderState.DECLINED
    assert declined.detail
    assert between == ((2, 0), False)
    assert paid.state is OrderState.PAID
    assert await figures(service) == (0, 2)
    await all_is_well(service)


async def test_a_payment_extends_a_hold_once_by_its_window(service: Service) -> None:
    session, held = await a_hold(service, hold_s=60, payment_window_s=600)
    (clock,) = await execute(service, "SELECT shopper_now() AS begun")

    for _ in range(5):
        order_id, _ = await start(service, session, held, token=DECLINE)
        paying = (await hold_of(service, held))["expires_at"]
        assert (paying - clock["begun"]).total_seconds() == pytest.approx(600, abs=15)
        await shift_clock(service, 112)
        await service.payments.drive(order_id)
        await shift_clock(service, 4)

    await shift_clock(service, 30)
    with pytest.raises(HoldExpired):
        await start(service, session, held)
    assert await service.holds.expire(100) == 1
    await all_is_well(service)


async def test_a_declined_payment_gives_the_hold_its_own_deadline_back(service: Service) -> None:
    session, held = await a_hold(service, hold_s=300, payment_window_s=600)
    before = (await hold_of(service, held))["expires_at"]

    await service.payments.drive((await start(service, session, held, token=DECLINE))[0])

    assert (await hold_of(service, held))["expires_at"] == before
    await shift_clock(service, 290)
    await service.payments.drive((await start(service, session, held, token=DECLINE))[0])
    # A minute to find another card, where less was left.
    extra = (await hold_of(service, held))["expires_at"] - before
    assert 40 < extra.total_seconds() <= 60
    await shift_clock(service, 61)
    assert await service.holds.expire(100) == 1
    await all_is_well(service)


async def test_nothing_is_paid_sooner_than_a_person_could(service: Service) -> None:
    session, held = await a_hold(service)
    await execute(service, "UPDATE room SET pay_after_s = DEFAULT")

    with pytest.raises(PaidTooSoon) as refused:
        await start(service, session, held)
    untouched = await hold_of(service, held)
    await shift_clock(service, 2)
    order_id, fresh = await start(service, session, held)

    assert refused.value.seconds_left in {1, 2}
    assert refused.value.headers == {"Retry-After": str(refused.value.seconds_left)}
    assert not untouched["paying"]
    assert fresh
    assert (await service.payments.drive(order_id)).state is OrderState.PAID
    await all_is_well(service)


async def test_a_payment_keeps_a_hold_from_expiring_by_the_clock(service: Service) -> None:
    session, held = await a_hold(service, hold_s=60, payment_window_s=60)
    (other,) = await sessions_in(service, 1)
    order_id, _ = await start(service, session, held)
    await shift_clock(service, 10_000)

    swept = await service.holds.expire(100)
    await service.office.end_due(100)

    assert swept == 0
    assert await figures(service) == (2, 0)
    assert await session_state(service, session) == "claimed"
    assert await session_state(service, other) == "ended"
    assert (await service.orders.attempt(order_id)).overdue
    await all_is_well(service)


async def test_a_hold_that_is_being_paid_is_not_released_changed_or_extended(
    service: Service,
) -> None:
    session, held = await a_hold(service)
    await start(service, session, held)

    for attack in (
        service.holds.release(session, held),
        service.holds.extend(session, held),
        service.holds.change(session, held, {"mug": 1}),
        service.orders.leave(session),
        start(service, session, held),
    ):
        with pytest.raises(PaymentRunning):
            await attack
    assert await figures(service) == (2, 0)
    await all_is_well(service)


async def test_an_order_moves_only_from_the_state_that_was_read(service: Service) -> None:
    session, held = await a_hold(service)
    order_id, _ = await start(service, session, held)
    read = await service.orders.attempt(order_id)

    states = await asyncio.gather(
        service.orders.settle(read, OrderState.DECLINED),
        service.orders.settle(read, OrderState.VOIDING),
        service.orders.settle(read, OrderState.AUTHORIZED),
    )

    assert len(set(states)) == 1
    assert (await service.orders.read(order_id)).state is states[0]


async def test_a_double_submit_makes_one_order(services: OpenService) -> None:
    one, other = await services(), await services()
    session, held = await a_hold(one)
    key = uuid4()

    started = await asyncio.gather(
        *(start(s, session, held, key=key) for _ in range(5) for s in (one, other))
    )

    assert len({order_id for order_id, _ in started}) == 1
    assert sum(fresh for _, fresh in started) == 1
    await one.payments.drive(started[0][0])
    assert await start(one, session, held, key=key) == (started[0][0], False)
    await all_is_well(one)


async def test_two_keys_for_one_hold_make_one_order(services: OpenService) -> None:
    one, other = await services(), await services()
    session, held = await a_hold(one)

    started = await asyncio.gather(
        *(start(s, session, held) for s in (one, other)), return_exceptions=True
    )

    refused = [answer for answer in started if isinstance(answer, PaymentRunning)]
    (order_id,) = [answer[0] for answer in started if isinstance(answer, tuple)]
    assert [r.fields["order_id"] for r in refused] == [str(order_id)]
    assert len(await execute(one, "SELECT 1 FROM purchase")) == 1


async def test_a_key_with_another_body_is_refused(service: Service) -> None:
    session, held = await a_hold(service)
    key = uuid4()
    await start(service, session, held, key=key)

    with pytest.raises(IdempotencyKeyReused):
        await start(service, session, held, key=key, body=b"other")


async def test_a_hold_that_is_over_or_is_not_ones_own_is_not_paid(service: Service) -> None:
    session, held = await a_hold(service)
    (other,) = await sessions_in(service, 1)
    await service.holds.release(session, held)

    with pytest.raises(HoldExpired):
        await start(service, session, held)
    with pytest.raises(UnknownHold):
        await start(service, other, held)
    with pytest.raises(UnknownHold):
        await start(service, session, uuid4())
    assert await execute(service, "SELECT 1 FROM purchase") == []


async def test_expiry_before_payment_gives_the_units_to_the_next(service: Service) -> None:
    session, held = await a_hold(service, hold_s=60)
    (other,) = await sessions_in(service, 1)
    await shift_clock(service, 61)
    await hold(service, other, mug=4)

    with pytest.raises(HoldExpired):
        await start(service, session, held)

    assert await figures(service) == (4, 0)
    await all_is_well(service)


async def test_expiry_and_payment_at_once_agree(services: OpenService) -> None:
    one, other = await services(), await services()
    await open_gate(one, skus={"mug": 40}, limit=40)
    sessions = await sessions_in(one, 20)
    holds = [await hold(one, session, mug=1) for session in sessions]
    await execute(one, "UPDATE hold SET expires_at = shopper_now() + interval '50 ms'")
    await execute(
        one,
        "UPDATE hold_line l SET due_at = h.expires_at FROM hold h WHERE h.hold_id = l.hold_id",
    )

    async def pay(session: int, held: UUID) -> str:
        try:
            order_id, _ = await start(one, session, held)
        except HoldExpired:
            return "expired"
        return (await one.payments.drive(order_id)).state.value

    answers = await asyncio.gather(
        *(pay(s, h) for s, h in zip(sessions, holds, strict=True)),
        *(other.holds.expire(3) for _ in range(30)),
    )
    while await one.holds.expire(100):
        continue

    assert (await figures(one))[1] == answers.count("paid")
    await all_is_well(one)


async def test_a_sold_unit_is_not_sold_again(service: Service) -> None:
    session, held = await a_hold(service)
    (other,) = await sessions_in(service, 1)
    await service.payments.drive((await start(service, session, held))[0])

    with pytest.raises(AssertionError) as raised:
        await hold(service, other, mug=4)

    assert isinstance(raised.value.args[0], OutOfStock) or "3 left of mug" in str(raised.value)
    await all_is_well(service)


# Lines of its own, a customer, and a life.


async def test_a_changed_basket_does_not_rewrite_a_declined_order(service: Service) -> None:
    session, held = await a_hold(service)
    declined, _ = await start(service, session, held, token=DECLINE)
    await service.payments.drive(declined)

    await service.holds.change(session, held, {"mug": 1})
    await execute(service, "UPDATE sku SET name = 'Renamed', price_minor = 1")
    paid, _ = await start(service, session, held)
    await service.payments.drive(paid)

    before, after = await service.orders.read(declined), await service.orders.read(paid)
    assert [(line.name, line.quantity, line.price_minor) for line in before.items] == [
        ("Mug", 2, 1000)
    ]
    assert [(line.name, line.quantity, line.price_minor) for line in after.items] == [
        ("Renamed", 1, 1000)
    ]
    assert (before.total_minor, after.total_minor) == (2000, 1000)
    await all_is_well(service)


async def test_a_line_that_was_taken_out_of_the_basket_is_not_ordered(service: Service) -> None:
    await open_gate(service, skus={"mug": 5, "vase": 5})
    (session,) = await sessions_in(service, 1)
    held = await hold(service, session, mug=1, vase=2)
    await service.holds.change(session, held, {"vase": 1})

    order = await service.payments.drive((await start(service, session, held))[0])

    assert [(line.sku, line.quantity) for line in order.items] == [("vase", 1)]
    assert (order.state, order.total_minor) == (OrderState.PAID, 1000)
    await all_is_well(service)


async def test_an_order_belongs_to_the_customer_of_its_session(service: Service) -> None:
    session, held = await a_hold(service)
    rows = await execute(
        service, "INSERT INTO customer (issuer, subject) VALUES ('i', 's') RETURNING customer_id"
    )
    customer_id = rows[0]["customer_id"]
    await execute(service, "UPDATE admission SET customer_id = $1", customer_id)

    order_id, _ = await start(service, session, held)

    rows = await execute(service, "SELECT order_id, customer_id FROM purchase")
    assert [tuple(row) for row in rows] == [(order_id, customer_id)]


async def test_the_life_of_an_order_is_the_same_in_python_and_in_sql(service: Service) -> None:
    rows = await execute(service, "SELECT from_state, to_state FROM order_transition")

    assert {(row["from_state"], row["to_state"]) for row in rows} == {
        (state.value, following.value) for state in TRANSITIONS for following in TRANSITIONS[state]
    }


async def test_no_order_moves_where_its_life_does_not_lead(service: Service) -> None:
    session, held = await a_hold(service)
    await start(service, session, held)
    await execute(service, "UPDATE purchase SET sold_at = clock_timestamp()")
    refused = 0

    for state, following in TRANSITIONS.items():
        for to in set(OrderState) - following - {state}:
            await execute(service, "ALTER TABLE purchase DISABLE TRIGGER orders_keep_to_their_life")
            await execute(service, "UPDATE purchase SET state = $1", state.value)
            await execute(service, "ALTER TABLE purchase ENABLE TRIGGER orders_keep_to_their_life")
            with pytest.raises(asyncpg.CheckViolationError, match="never becomes"):
                await execute(service, "UPDATE purchase SET state = $1", to.value)
            refused += 1

    assert refused == len(OrderState) * (len(OrderState) - 1) - sum(map(len, TRANSITIONS.values()))


async def test_a_hold_is_not_sold_to_two_orders(service: Service) -> None:
    session, held = await a_hold(service)
    for _ in range(2):
        declined, _ = await start(service, session, held, token=DECLINE)
        await service.payments.drive(declined)

    with pytest.raises(asyncpg.UniqueViolationError, match="hold_is_sold_once"):
        await execute(service, "UPDATE purchase SET sold_at = clock_timestamp()")
    with pytest.raises(asyncpg.CheckViolationError, match="money_is_taken_only_for_sold_units"):
        await execute(service, "UPDATE purchase SET state = 'authorized'")


async def test_two_orders_never_fail_for_drawing_the_same_number(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter(["AAAA2222", "AAAA2222", "BBBB3333"])
    monkeypatch.setattr(order_store, "new_reference", lambda: next(drawn))
    session, held = await a_hold(service)
    first, _ = await start(service, session, held, token=DECLINE)
    await service.payments.drive(first)

    second, is_new = await start(service, session, held)

    assert is_new
    assert (await service.orders.read(second)).number == "BBBB3333"
    await all_is_well(service)


async def test_a_hold_that_was_sold_names_the_order_it_was_sold_to(service: Service) -> None:
    session, held = await a_hold(service)
    declined, _ = await start(service, session, held, token=DECLINE)
    await service.payments.drive(declined)
    paid, _ = await start(service, session, held)
    await service.payments.drive(paid)
    await service.refund_store.call_off(paid, restock=True, who="night", reason="r")
    await service.payments.hear(paid)

    with pytest.raises(AlreadyPaid) as raised:
        await start(service, session, held)

    assert (await service.orders.read(paid)).state is OrderState.REFUNDED
    assert raised.value.fields == {"order_id": str(paid)}
