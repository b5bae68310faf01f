"""Orders on PostgreSQL: money and units agree, whoever dies and whatever is sent twice."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp.test_utils import TestClient
from support import admitted, execute, open_room, shift_clock, tick

from checkout.deterministic_gateway import (
    APPROVE,
    DECLINE,
    FAIL_AFTER_CHARGE,
    SLOW,
    DeterministicGateway,
)
from checkout.order import Order, OrderState
from checkout.payment import GatewayError, Payment, PaymentState
from checkout.payments import Payments
from inventory.hold import (
    HoldExpired,
    HoldRequest,
    OutOfStock,
    PaymentRunning,
    UnknownHold,
    body_hash,
)
from inventory.hold_store import Placed
from inventory.kit.problem import IdempotencyKeyReused
from waitroom.app import Service
from waitroom.ticket import Ticket

OpenService = Callable[..., Awaitable[Service]]
Serve = Callable[[Service], Awaitable[TestClient[Any, Any]]]
IMPATIENT_S = 0.05


async def sessions_in(service: Service, count: int) -> list[int]:
    await tick(service)
    line_id = service.board.room("drop").line_id
    joined = await service.lines.join(line_id, count, os.urandom(32))
    claimed = await service.lines.claim(
        [
            Ticket(line_id=line_id, number=joined.first + i, ticket_id=os.urandom(16))
            for i in range(count)
        ]
    )
    assert {c.verdict for c in claimed} == {"claimed"}
    return [c.session_id for c in claimed]


async def hold(service: Service, session_id: int, **quantities: int) -> UUID:
    (placed,) = await service.holds.place(
        [
            HoldRequest(
                session_id=session_id,
                key=uuid4(),
                body_hash=body_hash(quantities),
                quantities=quantities,
                hold_id=uuid4(),
            )
        ]
    )
    assert isinstance(placed, Placed), placed
    return placed.hold_id


async def start(
    service: Service,
    session_id: int,
    hold_id: UUID,
    *,
    token: str = APPROVE,
    key: UUID | None = None,
    body: bytes = b"body",
) -> tuple[UUID, bool]:
    return await service.orders.start(
        session_id,
        hold_id=hold_id,
        key=key or uuid4(),
        body_hash=body,
        gateway="test",
        token=token,
    )


async def a_hold(service: Service, **rules: Any) -> tuple[int, UUID]:
    """Return a session with two of five mugs in its basket."""
    await open_room(service, skus={"mug": 5}, policy="rate", **rules)
    (session,) = await sessions_in(service, 1)
    return session, await hold(service, session, mug=2)


async def figures(service: Service) -> tuple[int, int]:
    found = await service.stock.read("mug")
    return found.held, found.sold


async def gateway_says(service: Service, order_id: UUID) -> str | None:
    rows = await execute(
        service, "SELECT state FROM test_gateway_payment WHERE payment_key = $1", str(order_id)
    )
    return rows[0]["state"] if rows else None


async def hold_of(service: Service, hold_id: UUID) -> dict[str, Any]:
    return dict((await execute(service, "SELECT * FROM hold WHERE hold_id = $1", hold_id))[0])


async def session_state(service: Service, session_id: int) -> str:
    sql = "SELECT state FROM admission WHERE admission_id = $1"
    return str((await execute(service, sql, session_id))[0]["state"])


async def all_is_well(service: Service) -> None:
    assert await service.ledger.breaches() == []
    sql = """SELECT h.hold_id FROM hold h JOIN hold_line l USING (hold_id)
             WHERE l.due_at IS DISTINCT FROM
                 CASE WHEN h.state = 'held' AND NOT h.paying THEN h.expires_at END"""
    assert await execute(service, sql) == []
    # Whoever was charged has the units, and whoever has the units was charged.
    sql = """SELECT p.order_id, p.state, g.state AS gateway FROM purchase p
             LEFT JOIN test_gateway_payment g ON g.payment_key = p.order_id::text
             WHERE (g.state = 'captured') <> (p.state = 'paid')"""
    assert await execute(service, sql) == []


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
    begun = (await hold_of(service, held))["placed_at"]

    for _ in range(20):
        order_id, _ = await start(service, session, held, token=DECLINE)
        paying = (await hold_of(service, held))["expires_at"]
        assert (paying - begun).total_seconds() == pytest.approx(600, abs=15)
        await service.payments.drive(order_id)
        await shift_clock(service, 29)

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


async def test_a_payment_keeps_a_hold_from_expiring_by_the_clock(service: Service) -> None:
    session, held = await a_hold(service, hold_s=60, payment_window_s=60)
    (other,) = await sessions_in(service, 1)
    order_id, _ = await start(service, session, held)
    await shift_clock(service, 10_000)

    swept = await service.holds.expire(100)
    await service.lines.end_due(100)

    assert swept == 0
    assert await figures(service) == (2, 0)
    assert await session_state(service, session) == "claimed"
    assert await session_state(service, other) == "ended"
    assert (await service.orders.read(order_id)).overdue
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


async def test_an_overdue_payment_is_voided_at_the_gateway_before_the_units_are_freed(
    service: Service,
) -> None:
    session, held = await a_hold(service, hold_s=60, payment_window_s=60)
    order_id, _ = await start(service, session, held, token=SLOW)
    gateway = WatchedGateway(service)
    payments = Payments(service.orders, gateway, timeout_s=IMPATIENT_S)
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


class WatchedGateway:
    """The test gateway, noting how our books stand at the moment it is asked to void.

    `away` makes it give no answer, as a broken connection would.
    """

    name = "test"

    def __init__(self, service: Service) -> None:
        self._service = service
        self.when_voided: tuple[str, str, tuple[int, int]] | None = None
        self.away = False

    async def authorize(
        self, payment_key: str, *, amount_minor: int, currency: str, token: str
    ) -> Payment:
        self._answer()
        row = await execute(
            self._service,
            "INSERT INTO test_gateway_payment (payment_key, gateway_ref, state, amount_minor, "
            "currency) VALUES ($1, $1, $2, $3, $4) ON CONFLICT (payment_key) "
            "DO UPDATE SET payment_key = EXCLUDED.payment_key RETURNING state",
            payment_key,
            "processing" if token == SLOW else "authorized",
            amount_minor,
            currency,
        )
        return Payment(state=PaymentState(row[0]["state"]))

    async def capture(self, payment_key: str) -> Payment:
        return await self._move(payment_key, "captured")

    async def void(self, payment_key: str) -> Payment:
        order = await self._service.orders.read(UUID(payment_key))
        held = (await hold_of(self._service, order.hold_id))["state"]
        self.when_voided = order.state.value, held, await figures(self._service)
        return await self._move(payment_key, "voided")

    async def look_up(self, payment_key: str) -> Payment:
        self._answer()
        state = await gateway_says(self._service, UUID(payment_key))
        return Payment(state=PaymentState(state or "unknown"))

    async def _move(self, payment_key: str, state: str) -> Payment:
        self._answer()
        await execute(
            self._service,
            "UPDATE test_gateway_payment SET state = $2 WHERE payment_key = $1",
            payment_key,
            state,
        )
        return Payment(state=PaymentState(state))

    def _answer(self) -> None:
        if self.away:
            raise GatewayError("no answer")


async def test_units_stay_held_while_the_gateway_cannot_be_asked_to_void(
    service: Service,
) -> None:
    session, held = await a_hold(service, hold_s=60, payment_window_s=60)
    order_id, _ = await start(service, session, held, token=SLOW)
    gateway = WatchedGateway(service)
    payments = Payments(service.orders, gateway, timeout_s=IMPATIENT_S)
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
        "INSERT INTO test_gateway_payment VALUES ($1, 'r', 'captured', 2000, 'EUR')",
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
    assert len(await execute(service, "SELECT 1 FROM test_gateway_payment")) == 1
    await all_is_well(service)


async def test_a_slow_payment_is_settled_when_the_gateway_has_decided(
    service: Service,
) -> None:
    session, held = await a_hold(service)
    order_id, _ = await start(service, session, held, token=SLOW)
    impatient = Payments(service.orders, WatchedGateway(service), timeout_s=IMPATIENT_S)
    undecided = await impatient.drive(order_id)
    await execute(service, "UPDATE test_gateway_payment SET state = 'authorized'")

    looked_at = await service.payments.settle_idle(idle_s=0)

    assert undecided.state is OrderState.AUTHORIZING
    assert looked_at == 1
    assert (await service.orders.read(order_id)).state is OrderState.PAID
    assert await service.payments.settle_idle(idle_s=0) == 0
    await all_is_well(service)


async def test_an_order_left_by_a_dead_worker_is_settled_once_by_many(
    services: OpenService,
) -> None:
    one, other = await services(), await services()
    session, held = await a_hold(one)
    order_id, _ = await start(one, session, held)

    await asyncio.gather(
        *(s.payments.settle_idle(idle_s=0) for s in (one, other, one, other)),
        *(s.payments.drive(order_id) for s in (one, other)),
    )

    assert (await one.orders.read(order_id)).state is OrderState.PAID
    assert await figures(one) == (0, 2)
    await all_is_well(one)


@pytest.mark.parametrize("step", ["authorizing", "authorized"])
async def test_a_worker_may_die_after_any_step(service: Service, step: str) -> None:
    session, held = await a_hold(service)
    order_id, _ = await start(service, session, held)
    order = await service.orders.read(order_id)
    await execute(
        service,
        "INSERT INTO test_gateway_payment VALUES ($1, 'r', 'authorized', 2000, 'EUR')",
        str(order_id),
    )
    if step == "authorized":
        await service.orders.settle(order, OrderState.AUTHORIZED, gateway_ref="r")

    await service.payments.settle_idle(idle_s=0)

    assert (await service.orders.read(order_id)).state is OrderState.PAID
    await all_is_well(service)


async def test_an_order_moves_only_from_the_state_that_was_read(service: Service) -> None:
    session, held = await a_hold(service)
    order_id, _ = await start(service, session, held)
    read: Order = await service.orders.read(order_id)

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
    await open_room(one, skus={"mug": 40}, policy="rate", limit=40)
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


# The same over HTTP.


async def test_a_declined_order_is_402_and_a_retry_is_201(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await open_room(service)
    await tick(service)
    shopper = await admitted(client)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]

    declined = await shopper.pay(held, token=DECLINE)
    paid = await shopper.pay(held)

    assert declined.status == 402
    assert (await declined.json())["code"] == "payment_declined"
    assert paid.status == 201
    assert (await paid.json())["status"] == "paid"
    await all_is_well(service)


async def test_a_slow_order_is_202_until_it_is_settled(
    services: OpenService, clients: Serve
) -> None:
    service = await services(payment_wait_s=IMPATIENT_S)
    client = await clients(service)
    await open_room(service)
    await tick(service)
    shopper = await admitted(client)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]

    key = str(uuid4())
    pending = await shopper.pay(held, token=SLOW, key=key)
    again = await shopper.pay(held, token=SLOW, key=key)
    order_id = UUID((await pending.json())["order_id"])
    await service.checkout.close()
    await execute(service, "UPDATE test_gateway_payment SET decides_at = clock_timestamp()")
    await service.payments.drive(order_id)
    settled = await shopper.pay(held, token=SLOW, key=key)

    assert (pending.status, again.status, settled.status) == (202, 202, 201)
    assert pending.headers["Retry-After"] == "2"
    assert (await again.json())["order_id"] == str(order_id)
    assert (await settled.json())["order_id"] == str(order_id)
    await all_is_well(service)


async def test_an_order_for_an_expired_hold_is_410(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await open_room(service, hold_s=60)
    await tick(service)
    shopper = await admitted(client)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]
    await shift_clock(service, 61)

    answer = await shopper.pay(held)

    assert answer.status == 410
    assert (await answer.json())["code"] == "hold_expired"


async def test_a_double_submit_over_http_is_one_order(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await open_room(service)
    await tick(service)
    shopper = await admitted(client)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]
    key = str(uuid4())

    answers = await asyncio.gather(*(shopper.pay(held, key=key) for _ in range(8)))

    assert {answer.status for answer in answers} <= {201, 202}
    assert len({(await answer.json())["order_id"] for answer in answers}) == 1
    assert (await service.stock.read("mug")).sold == 1
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
