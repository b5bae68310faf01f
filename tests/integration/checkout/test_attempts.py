"""Payment attempts and what gateways said of them: kept for good, and equal to the books."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from paying import (
    IMPATIENT_S,
    WatchedGateway,
    a_paid_order,
    all_is_well,
    an_order,
    driven_by,
    refund,
    settle_idle,
)
from structlog.testing import capture_logs
from support import Shopper, admitted, authorization, execute, open_room, shift_clock, tick

from checkout.customers.customer import Customer
from checkout.driving.leased import AWAITED_WAIT_MAX_S, LEASE, RETRY, TRIES_ALARM
from checkout.gateway.deterministic_gateway import (
    APPROVE,
    CAPTURE_REFUSED,
    DECLINE,
    REFUND_FAILS,
    SLOW,
    DeterministicGateway,
)
from checkout.gateway.gateway import Payment, PaymentState
from checkout.order import OrderState
from checkout.refusals import CustomerBusy
from inventory.ledger_store import Breach
from waitroom.run.app import Service

Serve = Callable[[Service], Awaitable[TestClient[Any, Any]]]
OpenService = Callable[..., Awaitable[Service]]


async def said(service: Service, order_id: UUID) -> list[tuple[str, int]]:
    """Return what the gateway said of an order, and the money that moved with it."""
    answers = (await service.history.file(order_id)).answers
    return [(answer.said, answer.amount_minor) for answer in answers]


async def test_a_sale_is_told_by_what_the_gateway_said(service: Service) -> None:
    order_id = await a_paid_order(service)
    await service.refunds.drive(await refund(service, order_id, amount_minor=300))
    await service.payments.hear(order_id)

    assert await said(service, order_id) == [("authorized", 0), ("captured", 2000), ("done", 300)]
    await all_is_well(service)


async def test_a_refusal_at_the_capture_is_kept_and_nothing_was_taken(service: Service) -> None:
    order_id = await an_order(service, token=CAPTURE_REFUSED)
    await service.payments.drive(order_id)

    assert await said(service, order_id) == [("authorized", 0), ("declined", 0), ("voided", 0)]


async def test_a_failed_refund_is_kept_with_its_reason(service: Service) -> None:
    order_id = await a_paid_order(service, token=REFUND_FAILS)
    asked = await refund(service, order_id, full=True, restock=True)
    await service.refunds.drive(asked)

    last = (await service.history.file(order_id)).answers[-1]
    assert (last.said, last.refund_id, last.amount_minor) == ("failed", asked, 0)
    assert last.detail == "The card takes no refunds."


async def test_the_same_answer_again_and_again_is_one_event(service: Service) -> None:
    order_id = await an_order(service)
    gateway = WatchedGateway(service)
    payments = driven_by(service, gateway)
    gateway.away = True
    for _ in range(3):
        await payments.drive(order_id)
    gateway.away = False
    await payments.drive(order_id)

    assert await said(service, order_id) == [
        ("unanswered", 0),
        ("authorized", 0),
        ("captured", 2000),
    ]


class Generous(DeterministicGateway):
    """A gateway that takes another amount than it was asked for."""

    async def capture(self, payment_key: str) -> Payment:
        taken = await super().capture(payment_key)
        return Payment(state=taken.state, gateway_ref=taken.gateway_ref, captured_minor=1999)


async def test_another_amount_than_the_total_is_a_breach_of_the_books(service: Service) -> None:
    order_id = await an_order(service)

    order = await driven_by(service, Generous(service.pool)).drive(order_id)

    assert order.state is OrderState.PAID
    assert await service.orders.breaches() == [
        Breach(breach="captured differs from the total", id=order_id, kept=2000, counted=1999)
    ]


@pytest.mark.parametrize("table", ["payment_attempt", "payment_event"])
@pytest.mark.parametrize("change", ["UPDATE {} SET amount_minor = 0", "DELETE FROM {}"])
async def test_attempts_and_events_are_only_ever_added(
    service: Service, table: str, change: str
) -> None:
    await a_paid_order(service)

    with pytest.raises(asyncpg.RaiseError, match="only ever added"):
        await execute(service, change.format(table))


async def test_money_is_captured_once_and_only_money_that_moved_has_an_amount(
    service: Service,
) -> None:
    order_id = await a_paid_order(service)
    add = "INSERT INTO payment_event (order_id, said, amount_minor) VALUES ($1, $2, $3)"

    with pytest.raises(asyncpg.UniqueViolationError, match="payment_is_captured_once"):
        await execute(service, add, order_id, "captured", 2000)
    with pytest.raises(asyncpg.CheckViolationError, match="only_money_that_moved"):
        await execute(service, add, order_id, "authorized", 2000)
    with pytest.raises(asyncpg.CheckViolationError, match="a_word_that_we_know"):
        await execute(service, add, order_id, "perhaps", 0)


async def test_every_word_of_a_gateway_can_be_kept(service: Service) -> None:
    order_id = await an_order(service)
    # What was not sent was no attempt, and is not noted.
    words = [state for state in PaymentState if state is not PaymentState.UNSENT]

    for state in words:
        await service.orders.note(order_id, Payment(state=state))

    assert [word for word, _ in await said(service, order_id)] == words


# One driver at a time.


class Counting(DeterministicGateway):
    """A gateway that counts what it is asked."""

    asked = 0

    async def authorize(
        self, payment_key: str, *, amount_minor: int, currency: str, token: str
    ) -> Payment:
        self.asked += 1
        return await super().authorize(
            payment_key, amount_minor=amount_minor, currency=currency, token=token
        )

    async def look_up(self, payment_key: str) -> Payment:
        self.asked += 1
        return await super().look_up(payment_key)


@pytest.fixture
async def counted(services: OpenService) -> tuple[Service, Counting]:
    """Return a service that answers soon, with a gateway that counts."""
    service = await services(payment_wait_s=IMPATIENT_S)
    gateway = Counting(service.pool)
    service.checkout._payments = driven_by(service, gateway)  # noqa: SLF001 - see above
    return service, gateway


async def test_a_payment_that_is_sent_again_and_again_is_asked_for_once(
    counted: tuple[Service, Counting], clients: Serve
) -> None:
    service, gateway = counted
    client = await clients(service)
    await open_room(service)
    await tick(service)
    shopper = await admitted(client)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]
    key = str(uuid4())

    answers = await asyncio.gather(
        *(shopper.pay(held, token=SLOW, key=key) for _ in range(20)),
    )
    later = await shopper.pay(held, token=SLOW, key=key)
    asked = gateway.asked
    await service.checkout.close()

    assert {answer.status for answer in [*answers, later]} == {202}
    assert asked == 1


async def test_a_repeat_takes_over_from_a_process_that_died_once_its_lease_is_over(
    counted: tuple[Service, Counting], clients: Serve
) -> None:
    service, gateway = counted
    client = await clients(service)
    await open_room(service)
    await tick(service)
    shopper = await admitted(client)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]
    key = str(uuid4())
    await shopper.pay(held, token=SLOW, key=key)
    await service.checkout.close()
    await execute(service, "UPDATE test_gateway.payment SET decides_at = clock_timestamp()")

    early = await shopper.pay(held, token=SLOW, key=key)
    await execute(service, "UPDATE purchase SET driven_until = clock_timestamp()")
    late = await shopper.pay(held, token=SLOW, key=key)

    assert (early.status, late.status) == (202, 201)
    # It was sent once, and looked up once.
    assert gateway.asked == 2
    await all_is_well(service)


async def test_a_row_has_its_writer_for_a_driver_until_the_lease_is_over(service: Service) -> None:
    order_id = await a_paid_order(service)
    await refund(service, order_id, amount_minor=1)

    for table, since in (("purchase", "created_at"), ("refund", "asked_at")):
        (row,) = await execute(service, f"SELECT driven_until - {since} AS lease FROM {table}")
        assert abs(row["lease"] - timedelta(seconds=LEASE.length_s)) < timedelta(seconds=1)
    assert await service.refunds.settle_idle() == 0
    assert await settle_idle(service, service.refunds) == 1


async def test_work_that_stands_still_is_tried_at_longer_intervals_and_raises_an_alarm(
    service: Service,
) -> None:
    order_id = await an_order(service, hold_s=60, payment_window_s=60)
    gateway = WatchedGateway(service)
    gateway.away = True
    payments = driven_by(service, gateway)

    async def tries(count: int) -> list[tuple[float, float]]:
        """Return the least and the longest that each wait may have been when it was chosen."""
        waits = []
        for _ in range(count):
            before = (await execute(service, "SELECT clock_timestamp() AS t"))[0]["t"]
            assert await settle_idle(service, payments) == 1
            sql = "SELECT driven_until AS until, clock_timestamp() AS t FROM purchase"
            (row,) = await execute(service, sql)
            waits.append(tuple((row["until"] - t).total_seconds() for t in (row["t"], before)))
        return waits

    with capture_logs() as logged:
        awaited = await tries(TRIES_ALARM)
        await shift_clock(service, 61)
        await tries(1)
        waits = await tries(TRIES_ALARM)

    assert max(least_s for least_s, _ in awaited) <= AWAITED_WAIT_MAX_S
    for (least_s, longest_s), planned_s in zip(waits, RETRY.waits_s, strict=False):
        assert planned_s <= longest_s
        assert least_s <= planned_s * (1 + RETRY.jitter)
    assert sum(entry["event"] == "stands_still" for entry in logged) == 1
    await settle_idle(service, service.payments)
    assert (await service.orders.read(order_id)).state is OrderState.CANCELLED


# What a shopper is told of a decline.


async def test_all_declines_are_told_to_the_shopper_in_one_sentence(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await open_room(service)
    await tick(service)
    shopper = await admitted(client)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]

    bodies = [await (await shopper.pay(held, token=t)).json() for t in (DECLINE, "tok_stolen")]
    paid = await shopper.pay(held, token=APPROVE)

    sentences = {body["detail"] for body in bodies}
    assert sentences == {
        "The payment was declined. You have not been charged. Try another card, or ask your bank."
    }
    file = await service.history.file(UUID(bodies[0]["order_id"]))
    assert [answer.detail for answer in file.answers] == ["Declined by its token."]
    assert paid.status == 201


async def test_a_thief_cannot_try_one_card_after_the_other(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await open_room(service, skus={"mug": 9}, limit=9)
    await tick(service)
    shopper = await admitted(client)
    held, other = [(await (await shopper.hold(mug=1)).json())["hold_id"] for _ in range(2)]

    of_one_hold = [(await shopper.pay(held, token=DECLINE)).status for _ in range(6)]
    of_another = [(await shopper.pay(other, token=DECLINE)).status for _ in range(6)]

    assert of_one_hold == [402] * 5 + [429]
    assert of_another == [402] * 5 + [429]
    code = (await (await shopper.pay(other)).json())["code"]
    assert code == "too_many_declines"
    assert (await service.stock.read("mug")).sold == 0
    await all_is_well(service)


async def test_a_thief_who_is_a_customer_finds_no_way_around_with_new_sessions_and_holds(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await open_room(service, skus={"mug": 99}, limit=99)
    await tick(service)
    first, second, third, other = [await admitted(client) for _ in range(4)]
    await execute(service, OF_ANN, [shopper.number for shopper in (first, second, third)])

    tried = [
        await decline(shopper, times=5) for shopper in (first, first, second, second, third, other)
    ]

    assert tried[:4] == [[402] * 5] * 4
    assert tried[4] == [429] * 5
    assert tried[5] == [402] * 5
    # A day later the customer may have found their card.
    await execute(service, "UPDATE purchase SET created_at = created_at - interval '1 hour'")
    assert await decline(third, times=1) == [402]
    # Nor is it a way around to be forgotten and known again.
    for shopper in (first, second, third):
        await service.orders.leave(await session_id(service, shopper))
    ann = Customer(issuer="https://id.example", subject="ann")
    with pytest.raises(CustomerBusy) as busy:
        await service.customers.erase(ann)
    assert busy.value.fields["reason"] == "declined_lately"
    await all_is_well(service)


async def test_many_payments_at_once_are_no_way_around_either(
    services: OpenService, clients: Serve
) -> None:
    service = await services(payment_wait_s=0.01)
    client = await clients(service)
    await open_room(service, skus={"mug": 99}, limit=99)
    await tick(service)
    shoppers = [await admitted(client) for _ in range(3)]
    await execute(service, OF_ANN, [shopper.number for shopper in shoppers])
    holds = [(s, (await (await s.hold(mug=1)).json())["hold_id"]) for s in shoppers * 9]

    answers = await asyncio.gather(*(s.pay(held, token=SLOW) for s, held in holds))

    counts = Counter(answer.status for answer in answers)
    assert counts == {202: 20, 429: 7}
    of_one = Counter(a.status for a, (s, _) in zip(answers, holds, strict=True) if s is shoppers[0])
    assert of_one[202] <= 10


OF_ANN = """
    WITH ann AS (INSERT INTO customer (issuer, subject) VALUES ('https://id.example', 'ann')
                 RETURNING customer_id)
    UPDATE admission SET customer_id = ann.customer_id FROM ann WHERE number = ANY ($1::bigint[])"""


async def session_id(service: Service, shopper: Shopper) -> int:
    sql = "SELECT admission_id AS id FROM admission WHERE number = $1"
    return int((await execute(service, sql, shopper.number))[0]["id"])


async def decline(shopper: Shopper, *, times: int) -> list[int]:
    """Try to pay a new hold again and again with a card that is declined."""
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]
    return [(await shopper.pay(held, token=DECLINE)).status for _ in range(times)]


# The total that the shopper saw.


async def test_no_other_total_is_charged_than_the_one_that_was_shown(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await open_room(service)
    await tick(service)
    shopper = await admitted(client)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]
    headers = authorization(shopper.session)
    more = {"items": [{"sku": "mug", "quantity": 3}]}
    assert (await client.patch(f"/checkout/holds/{held}", json=more, headers=headers)).status == 200

    async def pay(total: int) -> tuple[int, dict[str, Any]]:
        body = {"hold_id": held, "payment": {"token": APPROVE}, "total_minor": total}
        keyed = {**headers, "Idempotency-Key": str(uuid4())}
        answer = await client.post("/checkout/orders", json=body, headers=keyed)
        return answer.status, await answer.json()

    status, refused = await pay(1000)
    paid = await pay(3000)

    assert (status, refused["code"], refused["total_minor"]) == (409, "total_changed", 3000)
    assert (paid[0], paid[1]["total_minor"]) == (201, 3000)
    await all_is_well(service)


@pytest.mark.parametrize("is_page", [True, False])
async def test_nothing_else_is_bought_than_what_was_shown_at_the_same_total(
    service: Service, client: TestClient[Any, Any], *, is_page: bool
) -> None:
    await open_room(service, skus={"mug": 5, "cup": 5})
    await tick(service)
    shopper = await admitted(client)
    held = await (await shopper.hold(mug=2)).json()
    headers = authorization(shopper.session)
    url = f"/checkout/holds/{held['hold_id']}"
    assert (await (await client.get(url, headers=headers)).json())["content"] == held["content"]
    swapped = {"items": [{"sku": "cup", "quantity": 2}]}
    changed = await (await client.patch(url, json=swapped, headers=headers)).json()
    assert changed["total_minor"] == held["total_minor"]

    async def pay(content: str) -> ClientResponse:
        hold_id, total = held["hold_id"], held["total_minor"]
        if is_page:
            fields = {"key": str(uuid4()), "hold_id": hold_id, "token": APPROVE}
            shown = {f"total-{hold_id}": str(total), f"content-{hold_id}": content}
            return await client.post(
                "/checkout/pay",
                data={**fields, **shown},
                headers={"Accept": "text/html", **headers},
                allow_redirects=False,
            )
        body = {"hold_id": hold_id, "payment": {"token": APPROVE}, "total_minor": total}
        keyed = {**headers, "Idempotency-Key": str(uuid4())}
        return await client.post(
            "/checkout/orders", json={**body, "content": content}, headers=keyed
        )

    refused = await pay(held["content"])
    assert refused.status == 409
    if is_page:
        page = await refused.text()
        assert "The items have changed" in page
        assert f'value="{changed["content"]}"' in page
    else:
        told = await refused.json()
        assert [(item["sku"], item["quantity"]) for item in told["items"]] == [("cup", 2)]
        assert (told["code"], told["content"]) == ("content_changed", changed["content"])
    assert (await pay(changed["content"])).status == (303 if is_page else 201)
    assert (await service.stock.read("cup")).sold == 2
    await all_is_well(service)
