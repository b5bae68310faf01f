"""Money that moved at the gateway without our asking, with news of it and without."""

import asyncio
from uuid import UUID

import asyncpg
import pytest
from paying import WatchedGateway, a_paid_order, all_is_well, given_back, line_of, refund
from prometheus_client import REGISTRY
from support import execute

from checkout.driving.comparison import BATCH_MAX, Comparison
from checkout.driving.comparison_store import ComparisonStore
from checkout.driving.leased import TRIES_ALARM
from checkout.driving.money_watch import MoneyWatch
from checkout.driving.refunds import Refunds
from checkout.order import OrderState, shopper_status
from checkout.refund import RefundStage, shopper_refund_bodies
from waitroom.run.app import Service

FAIL = """
    WITH gone AS (UPDATE test_gateway.refund SET state = 'failed' WHERE payment_key = $1)
    UPDATE test_gateway.payment SET refunded_minor = 0 WHERE payment_key = $1"""


async def a_full_refund(service: Service, order_id: UUID, *, restock: bool) -> None:
    await service.refunds.drive(await refund(service, order_id, full=True, restock=restock))


async def test_money_given_back_at_the_gateway_is_on_the_books_once(service: Service) -> None:
    order_id = await a_paid_order(service)
    total = (await service.orders.read(order_id)).total_minor
    await given_back(service, order_id, 300)
    await given_back(service, order_id, 200, name="re_2", state="pending")

    first = await service.refunds.compare(order_id)
    partly = await service.orders.read(order_id)
    await execute(service, "UPDATE test_gateway.refund SET state = 'done'")
    twice = await asyncio.gather(*(service.refunds.compare(order_id) for _ in range(2)))
    await service.refunds.settle_idle()
    both = await service.orders.read(order_id)
    refunds = await service.refund_store.of_order(order_id)
    await given_back(service, order_id, total - 500, name="re_3")
    await service.refunds.compare(order_id)
    after = await service.orders.read(order_id)

    assert first == ["outside", "outside"]
    assert (partly.refunded_minor, partly.refunding_minor) == (300, 200)
    assert sorted(map(len, twice)) == [0, 1]
    assert (both.refunded_minor, both.refunding_minor, both.state) == (500, 0, OrderState.PAID)
    assert [(each.outside, each.stage, each.who) for each in refunds] == [
        (True, RefundStage.DONE, "gateway")
    ] * 2
    assert (after.state, after.refunded_minor) == (OrderState.REFUNDED, total)
    await all_is_well(service)


@pytest.mark.parametrize("restock", [True, False])
async def test_a_refund_that_fails_after_it_was_done_is_owed_again(
    service: Service, *, restock: bool
) -> None:
    order_id = await a_paid_order(service)
    await a_full_refund(service, order_id, restock=restock)
    done = await service.orders.read(order_id)
    units = await line_of(service, order_id)
    await execute(service, FAIL, str(order_id))

    found = await service.refunds.compare(order_id)
    again = await service.refunds.compare(order_id)
    owed = await service.orders.read(order_id)
    (failed,) = await service.refund_store.of_order(order_id)
    await all_is_well(service)
    await a_full_refund(service, order_id, restock=restock)
    after = await service.orders.read(order_id)

    assert (done.state, found, again) == (OrderState.REFUNDED, ["failed_later"], [])
    assert (owed.state, owed.refunded_minor) == (OrderState.PAID, 0)
    assert shopper_status(owed) == "paid"
    assert "did not accept a refund" in owed.detail
    assert (failed.stage, failed.done_at is None) == (RefundStage.FAILED, False)
    assert shopper_refund_bodies([failed]) == []
    assert (after.state, after.refunded_minor) == (OrderState.REFUNDED, after.total_minor)
    # What is on the shelf is not put there twice.
    assert (await line_of(service, order_id)) == units
    await all_is_well(service)


async def test_what_does_not_fit_waits_and_a_release_is_no_refund(service: Service) -> None:
    order_id = await a_paid_order(service)
    total = (await service.orders.read(order_id)).total_minor
    await given_back(service, order_id, total + 1)
    await given_back(service, order_id, 10, name="re_2", state="failed")

    found = await service.refunds.compare(order_id)

    assert found == ["does_not_fit"]
    assert (await service.orders.read(order_id)).refunded_minor == 0
    await all_is_well(service)


async def test_a_refund_keeps_to_its_life(service: Service) -> None:
    order_id = await a_paid_order(service)
    await a_full_refund(service, order_id, restock=True)
    for wrong in (
        "UPDATE refund SET done_at = NULL",
        "UPDATE refund SET state = 'asked', ended_at = NULL, done_at = NULL",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await execute(service, wrong)


async def test_a_daily_round_finds_what_no_news_told_and_goes_on_where_it_stopped(
    service: Service,
) -> None:
    order_id = await a_paid_order(service)
    await given_back(service, order_id, 300)
    away = WatchedGateway(service)
    away.away = True
    blind = Comparison(
        ComparisonStore(service.pool),
        payments=service.payments,
        refunds=Refunds(service.refund_store, away),
        gateway="test",
    )

    unanswered = await blind.step()
    held = await service.comparison.step()
    await execute(service, "UPDATE gateway_comparison SET driven_until = '-infinity'")
    first = await service.comparison.step()
    last = await service.comparison.step()
    rest = await service.comparison.step()
    (row,) = await execute(service, "SELECT * FROM gateway_comparison")
    await execute(
        service, "UPDATE gateway_comparison SET started_at = started_at - interval '25 hours'"
    )
    tomorrow = await service.comparison.step()

    assert BATCH_MAX > 1
    assert (unanswered, held, first, last, rest, tomorrow) == (1, 0, 1, 0, 0, 1)
    assert (row["compared"], row["found"], row["open"]) == (1, 1, 0)
    assert row["finished_at"] is not None
    assert (await service.orders.read(order_id)).refunded_minor == 300
    await all_is_well(service)


async def test_the_metrics_tell_of_money_that_moves_and_for_how_long(service: Service) -> None:
    order_id = await a_paid_order(service)
    await refund(service, order_id, full=True, restock=True)
    late = "UPDATE refund SET asked_at = asked_at - interval '1 hour', drives = $1"
    await execute(service, late, TRIES_ALARM)
    asked = {"kind": "refund", "state": "asked"}

    await MoneyWatch(service.pool).count()
    names = ("moving", "oldest_seconds", "stuck")
    found = [REGISTRY.get_sample_value(f"waitroom_money_{name}", asked) for name in names]
    paid = REGISTRY.get_sample_value("waitroom_payments_last_hour", {"state": "paid"})
    await service.refunds.drive((await service.refund_store.of_order(order_id))[0].refund_id)
    await MoneyWatch(service.pool).count()
    after = REGISTRY.get_sample_value("waitroom_money_moving", asked)

    moving, oldest, stuck = found
    assert (moving, stuck, paid, after) == (1, 1, 1, 0)
    assert oldest is not None
    assert oldest >= 3600
