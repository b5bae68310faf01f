"""Checkout against webhooks, sweepers and operators on the same SKUs: nobody waits in a circle."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from uuid import UUID

import pytest
from paying import all_is_well, gateway_decides, refund, settle_idle, start
from shop import ask, hold, open_gate, sessions_in, wish
from support import execute, shift_clock, size

from checkout.gateway.deterministic_gateway import APPROVE, CAPTURE_REFUSED, DECLINE, LATE
from checkout.order import MOVING
from inventory.hold_store import Placed
from inventory.kit.problem import Refusal
from inventory.refusals import SessionOver
from waitroom.run.app import Service

OpenService = Callable[..., Awaitable[Service]]
SKUS = {"lamp": 200, "mug": 200, "vase": 200}
ROUNDS = 12


async def deadlocks(*services: Service) -> int:
    """Return how many deadlocks this database has seen, also those that were got over."""
    for service in services:
        async with AsyncExitStack() as stack:
            # A connection keeps its figures to itself for a while, unless it is told not to.
            for _ in range(service.pool.get_size()):
                connection = await stack.enter_async_context(service.pool.acquire())
                await connection.execute("SELECT pg_stat_force_next_flush()")
    sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    return int((await execute(services[0], sql))[0]["deadlocks"])


async def settled(service: Service) -> None:
    """Let the gateway decide everything, and our books follow."""
    await gateway_decides(service)
    for row in await execute(service, "SELECT order_id FROM purchase"):
        await service.payments.hear(row["order_id"])
    await settle_idle(service, service.refunds)
    moving = [state.value for state in MOVING]
    sql = "SELECT order_id FROM purchase WHERE state = ANY ($1)"
    assert await execute(service, sql, moving) == []


def basket(dice: random.Random) -> dict[str, int]:
    """Return two SKUs in any order."""
    return dict.fromkeys(dice.sample(sorted(SKUS), 2), 1)


async def test_paying_hearing_releasing_and_expiring_on_the_same_skus_do_not_deadlock(
    services: OpenService,
) -> None:
    one, other = await services(), await services()
    dice = random.Random(7)
    await open_gate(one, skus=SKUS, limit=40, hold_s=60, seats_max=1000)
    orders: list[UUID] = []

    async def pay(service: Service, session: int, quantities: dict[str, int], token: str) -> None:
        with suppress(Refusal):
            answer = await ask(service, wish(session, **quantities))
            if isinstance(answer, SessionOver):
                return  # The session's payment at the other service was quicker and ended it.
            assert isinstance(answer, Placed), answer
            order_id, _ = await start(service, session, answer.hold_id, token=token)
            orders.append(order_id)
            await service.payments.drive(order_id)

    async def give_up(service: Service, session: int, quantities: dict[str, int]) -> None:
        with suppress(Refusal):
            held = await hold(service, session, **quantities)
            await service.holds.change(session, held, basket(dice))
            await service.holds.release(session, held)

    for _ in range(ROUNDS):
        sessions = await sessions_in(one, 6)
        # What was declined in the last round is paid late in this one, when its hold is overdue.
        await gateway_decides(one)
        await shift_clock(one, 130)
        known = orders[-8:]
        await asyncio.gather(
            *(
                pay(service, session, basket(dice), dice.choice([APPROVE, LATE, CAPTURE_REFUSED]))
                for session in sessions[:4]
                for service in (one, other)
            ),
            *(give_up(service, sessions[4], basket(dice)) for service in (one, other)),
            *(service.payments.hear(order_id) for order_id in known for service in (one, other)),
            *(settle_idle(service, service.payments) for service in (one, other)),
            *(service.holds.expire(2) for _ in range(6) for service in (one, other)),
            *(service.office.end_due(5) for service in (one, other)),
            one.orders.leave(sessions[5]),
        )
    await settled(one)

    assert len(orders) > ROUNDS * 4
    assert await deadlocks(one, other) == 0
    await all_is_well(one)


async def test_refunding_cancelling_and_hearing_at_once_do_not_deadlock(
    services: OpenService,
) -> None:
    one, other = await services(), await services()
    dice = random.Random(8)
    await open_gate(one, skus=SKUS, limit=40)
    sessions = await sessions_in(one, 12)
    orders = []
    for session in sessions:
        order_id, _ = await start(one, session, await hold(one, session, **basket(dice)))
        orders.append(order_id)
        if dice.random() < 0.7:
            await one.payments.drive(order_id)
    buyers = await sessions_in(one, 8)

    async def give_back(service: Service, order_id: UUID) -> None:
        with suppress(Refusal):
            line = dice.choice((await service.orders.read(order_id)).items)
            items = [{"sku": line.sku, "quantity": 1}]
            await service.refunds.drive(
                await refund(service, order_id, items=items, restock=dice.random() < 0.5)
            )

    async def cancel(service: Service, order_id: UUID) -> None:
        with suppress(Refusal):
            await service.refund_store.call_off(order_id, restock=True, who="night", reason="r")
            await service.payments.hear(order_id)

    await asyncio.gather(
        *(give_back(service, order_id) for order_id in orders for service in (one, other)),
        *(cancel(service, order_id) for order_id in orders[::2] for service in (one, other)),
        *(service.payments.hear(order_id) for order_id in orders for service in (one, other)),
        *(settle_idle(service, service.refunds) for service in (one, other)),
        *(ask(service, wish(b, **basket(dice))) for b in buyers for service in (one, other)),
    )
    await settled(one)

    called_off = await execute(one, "SELECT state FROM purchase WHERE called_off")
    assert len(called_off) == len(orders[::2])
    assert {row["state"] for row in called_off} <= {"cancelled", "refunded"}
    assert await deadlocks(one, other) == 0
    await all_is_well(one)


class Crowd:
    """Shoppers, operators and news at two services; each step is anybody's next one."""

    def __init__(self, one: Service, other: Service, seed: int) -> None:
        self.dice = random.Random(seed)
        self.services = (one, other)
        self.sessions: list[int] = []
        self.holds: list[tuple[int, UUID]] = []
        self.orders: list[UUID] = []

    async def act(self) -> None:
        service, dice = self.dice.choice(self.services), self.dice
        if not self.orders:
            await self.buy(service)
            return
        order_id, restock = dice.choice(self.orders[-10:]), dice.random() < 0.7
        steps: list[Callable[[], Awaitable[object]]] = [
            lambda: self.buy(service),
            lambda: self.buy(service),
            lambda: self.try_again(service),
            lambda: service.payments.drive(order_id),
            lambda: service.payments.drive(order_id),
            lambda: service.payments.hear(order_id),
            lambda: refund(service, order_id, full=True, restock=restock),
            lambda: refund(service, order_id, amount_minor=300),
            lambda: service.refund_store.call_off(order_id, restock=restock, who="n", reason="r"),
        ]
        # A refusal is an answer; what matters is that it has changed nothing by halves.
        with suppress(Refusal):
            await dice.choice(steps)()

    async def buy(self, service: Service) -> None:
        session = self.dice.choice(self.sessions)
        answer = await ask(service, wish(session, **basket(self.dice)))
        if isinstance(answer, Placed):
            self.holds.append((session, answer.hold_id))
            await self._start(service, session, answer.hold_id)

    async def try_again(self, service: Service) -> None:
        await self._start(service, *self.dice.choice(self.holds))

    async def _start(self, service: Service, session: int, held: UUID) -> None:
        token = self.dice.choice([APPROVE, APPROVE, DECLINE, LATE, LATE, CAPTURE_REFUSED])
        order_id, _ = await start(service, session, held, token=token)
        self.orders.append(order_id)


@pytest.mark.parametrize("seed", range(size("SEEDS", 1)))
async def test_money_and_units_agree_whatever_two_services_do_at_once(
    services: OpenService, seed: int
) -> None:
    one, other = await services(), await services()
    await open_gate(one, skus={"lamp": 9, "mug": 9, "vase": 9}, limit=9, hold_s=60)
    crowd = Crowd(one, other, seed)
    crowd.sessions = await sessions_in(one, 8)

    for turn in range(ROUNDS):
        await asyncio.gather(*(crowd.act() for _ in range(12)))
        if crowd.dice.random() < 0.3:
            await gateway_decides(one)
        assert await one.ledger.breaches() == [], f"seed {seed}, turn {turn}"
        assert await one.orders.breaches() == [], f"seed {seed}, turn {turn}"
    await settled(one)

    assert len(crowd.orders) > ROUNDS
    assert await deadlocks(one, other) == 0
    await all_is_well(one, f"seed {seed}")
