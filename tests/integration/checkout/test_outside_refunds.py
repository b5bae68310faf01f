"""Money that the shop gives back on the gateway's own pages while ours is still moving."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from paying import (
    WatchedGateway,
    a_basket,
    a_hold,
    a_paid_order,
    all_is_well,
    captured,
    declined,
    gateway_decides,
    gateway_gave_back,
    given_back,
    refund,
    sell_out,
    settle_idle,
)
from shop import sessions_in
from support import execute

from checkout.driving.comparison import Comparison
from checkout.driving.comparison_store import ComparisonStore
from checkout.driving.refunds import Refunds
from checkout.gateway.gateway import GatewayRefund
from checkout.order import OrderState
from checkout.refund import RefundStage
from waitroom.run.app import Service

END = "UPDATE test_gateway.refund SET state = $2 WHERE refund_key = $1"
NEVER_GIVEN = (
    "UPDATE test_gateway.payment SET refunded_minor = refunded_minor - $2 WHERE payment_key = $1"
)

Look = Callable[[Service, UUID], Awaitable[object]]


async def hear(service: Service, order_id: UUID) -> None:
    await service.payments.hear(order_id)


async def cancel(service: Service, order_id: UUID) -> None:
    await service.refund_store.call_off(order_id, restock=True, who="op", reason="rain")
    await service.payments.hear(order_id)


async def by_the_loop(service: Service, _: UUID) -> None:
    await settle_idle(service, service.payments)
    await settle_idle(service, service.refunds)


async def an_order_without_units(service: Service) -> UUID:
    """Return an order whose money comes at last, when its items are sold to others."""
    session, held = await a_hold(service)
    order_id = await declined(service, session, held)
    await service.holds.release(session, held)
    await sell_out(service)
    await gateway_decides(service)
    await captured(service, order_id)
    return order_id


@pytest.mark.parametrize(("amount", "look"), [(500, hear), (2000, hear), (500, by_the_loop)])
async def test_a_pending_refund_from_the_gateway_s_pages_is_never_asked_for(
    service: Service, amount: int, look: Look
) -> None:
    order_id = await a_paid_order(service)
    await given_back(service, order_id, amount, state="pending")
    first = await service.refunds.compare(order_id)

    await look(service, order_id)
    second = await service.refunds.compare(order_id)
    (between,) = await service.refund_store.of_order(order_id)
    await execute(service, END, "re_1", "done")
    third = await service.refunds.compare(order_id)

    order = await service.orders.read(order_id)
    assert (first, second, third) == (["outside"], [], ["ended"])
    assert between.stage is RefundStage.ASKED
    assert order.refunded_minor == await gateway_gave_back(service, order_id) == amount
    assert order.state is (OrderState.REFUNDED if amount == 2000 else OrderState.PAID)
    await all_is_well(service)


async def test_a_cancellation_gives_back_what_a_pending_refund_leaves(service: Service) -> None:
    order_id = await a_paid_order(service)
    await given_back(service, order_id, 500, state="pending")
    await service.refunds.compare(order_id)

    await cancel(service, order_id)
    between = await service.orders.read(order_id)
    await execute(service, END, "re_1", "done")
    await service.refunds.compare(order_id)

    after = await service.orders.read(order_id)
    assert (between.refunded_minor, between.refunding_minor) == (1500, 500)
    assert (after.state, await gateway_gave_back(service, order_id)) == (OrderState.REFUNDED, 2000)
    await all_is_well(service)


async def test_a_refund_that_was_called_failed_is_done_when_the_gateway_says_so(
    service: Service,
) -> None:
    order_id = await a_paid_order(service)
    await given_back(service, order_id, 500, state="pending")
    await service.refunds.compare(order_id)
    verdicts = []
    for state in ("failed", "done", "failed", "done"):
        await execute(service, END, "re_1", state)
        verdicts.append(await service.refunds.compare(order_id))
        if len(verdicts) == 2:
            assert (await service.orders.read(order_id)).refunded_minor == 500
            await all_is_well(service)

    # Money that a bank has sent back stays sent back.
    assert verdicts == [["ended"], ["ended"], ["failed_later"], []]
    assert (await service.orders.read(order_id)).refunded_minor == 0


async def test_a_refund_of_ours_that_failed_here_and_is_done_there_is_no_silent_difference(
    service: Service,
) -> None:
    order_id = await a_paid_order(service)
    asked = await refund(service, order_id, amount_minor=500)
    await execute(service, "SELECT finish_refund($1, 'failed', '')", asked)
    await given_back(service, order_id, 500, name=str(asked))

    assert await service.refunds.compare(order_id) == ["does_not_fit"]


@pytest.mark.parametrize("state", ["done", "pending", "failed"])
async def test_money_goes_back_by_itself_beside_a_part_from_the_gateway_s_pages(
    service: Service, state: str
) -> None:
    order_id = await an_order_without_units(service)
    await given_back(service, order_id, 500, state="pending" if state == "failed" else state)
    assert await service.payments.look_for_late_money(order_id)
    assert await service.refunds.compare(order_id) == ["outside"]
    if state == "failed":
        await execute(service, END, "re_1", "failed")
        await execute(service, NEVER_GIVEN, str(order_id), 500)
        await service.refunds.compare(order_id)

    await by_the_loop(service, order_id)
    between = await service.orders.read(order_id)
    await execute(service, END, "re_1", "failed" if state == "failed" else "done")
    await service.refunds.compare(order_id)

    after = await service.orders.read(order_id)
    assert between.refunded_minor == (1500 if state == "pending" else 2000)
    assert (after.state, after.refunded_minor) == (OrderState.REFUNDED, 2000)
    assert await gateway_gave_back(service, order_id) == 2000
    await all_is_well(service)


async def test_an_operator_may_give_the_rest_back_where_a_part_went_back(service: Service) -> None:
    order_id = await an_order_without_units(service)
    await given_back(service, order_id, 500)
    await service.payments.look_for_late_money(order_id)
    await service.refunds.compare(order_id)

    await service.refunds.drive(await refund(service, order_id, amount_minor=700))
    await by_the_loop(service, order_id)

    order = await service.orders.read(order_id)
    amounts = sorted(r.amount_minor for r in await service.refund_store.of_order(order_id))
    assert (order.state, amounts) == (OrderState.REFUNDED, [500, 700, 800])
    await all_is_well(service)


@pytest.mark.parametrize("amount", [2000, 500])
async def test_late_money_that_was_given_back_meanwhile_is_compared_in_one_round(
    service: Service, amount: int
) -> None:
    session, held = await a_hold(service)
    order_id = await declined(service, session, held)
    await gateway_decides(service)
    await captured(service, order_id)
    await given_back(service, order_id, amount)

    # An order whose money is still moving takes no refund in.
    await service.payments.look_for_late_money(order_id)
    early = await service.refunds.compare(order_id)
    await service.payments.drive(order_id)
    taken = await service.comparison.step()

    order = await service.orders.read(order_id)
    (round_,) = await execute(service, "SELECT compared, open FROM gateway_comparison")
    assert (early, taken, tuple(round_)) == (["does_not_fit"], 1, (1, 0))
    assert order.refunded_minor == amount
    assert order.state is (OrderState.REFUNDED if amount == 2000 else OrderState.PAID)
    await all_is_well(service)


class Puzzling(WatchedGateway):
    """A gateway whose list of refunds cannot be understood for one order."""

    def __init__(self, service: Service, puzzle: UUID) -> None:
        super().__init__(service)
        self.puzzle = puzzle

    async def refunds_of(self, payment_key: str) -> list[GatewayRefund]:
        if payment_key == str(self.puzzle):
            raise ValueError("a list of another form")
        return []


async def test_an_order_that_cannot_be_compared_keeps_no_other_from_it(service: Service) -> None:
    order_id = await a_paid_order(service, skus={"mug": 9}, limit=9)
    (session,) = await sessions_in(service, 1)
    await a_basket(service, session, mug=1)
    comparison = Comparison(
        ComparisonStore(service.pool),
        payments=service.payments,
        refunds=Refunds(service.refund_store, Puzzling(service, order_id)),
        gateway="test",
    )

    assert await comparison.step() == 2

    (row,) = await execute(service, "SELECT compared, found, open FROM gateway_comparison")
    assert tuple(row) == (2, 1, 1)


async def test_news_of_late_money_of_which_a_part_went_back_gives_the_rest_back(
    service: Service,
) -> None:
    order_id = await an_order_without_units(service)
    await given_back(service, order_id, 500)

    await service.payments.hear(order_id)

    order = await service.orders.read(order_id)
    assert (order.state, await gateway_gave_back(service, order_id)) == (OrderState.REFUNDED, 2000)
    await all_is_well(service)
