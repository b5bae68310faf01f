"""Mistakes that others have made with stock, where no other file has the test for them.

`docs/mistakes.md` lists them all; `make mutants` plants each and sees that the tests notice.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import asyncpg
import pytest
from lost_replies import LosesReplies
from shop import ask, hold, open_gate, sessions_in, wish
from support import (
    as_owner,
    execute,
)

from inventory.hold_store import HoldStore, Placed
from waitroom.run.app import Service
from waitroom.store.line_store import LineStore

OpenService = Callable[..., Awaitable[Service]]
SKUS = tuple(f"sku-{i}" for i in range(6))


async def test_movements_at_once_all_count(services: OpenService) -> None:
    one, other = await services(), await services()
    await open_gate(one, skus={"mug": 0})

    async def receive(service: Service) -> None:
        await service.ledger.move("mug", kind="received", quantity=1, who="test")

    await asyncio.gather(*(receive((one, other)[i % 2]) for i in range(40)))

    (row,) = await execute(one, "SELECT on_hand FROM stock")
    assert row["on_hand"] == 40
    assert await one.ledger.breaches() == []


async def test_figures_are_read_after_the_lock_is_had(services: OpenService) -> None:
    one, other = await services(), await services()
    # There is plenty of something else, so the room as a whole is never short.
    await open_gate(one, skus={**dict.fromkeys(SKUS, 5), "vase": 1000})
    sessions = await sessions_in(one, 40)
    for service in (one, other):
        # Connections that are open already, so that the callers really meet.
        await asyncio.gather(*(execute(service, "SELECT pg_sleep(0.1)") for _ in range(8)))

    for sku in SKUS:
        answers = await asyncio.gather(
            *(ask((one, other)[i % 2], wish(s, **{sku: 1})) for i, s in enumerate(sessions))
        )
        assert sum(isinstance(answer, Placed) for answer in answers) == 5

    assert await one.ledger.breaches() == []


async def test_holding_releasing_and_expiring_at_once_never_deadlock(
    services: OpenService,
) -> None:
    one, other = await services(), await services()
    await open_gate(one, skus=dict.fromkeys(SKUS, 1000), limit=1000, order_units_max=None)
    sessions = await sessions_in(one, 8)
    dice = random.Random(9)
    deadlocks: list[str] = []

    async def shopper(service: Service, session: int) -> None:
        for _ in range(20):
            basket = dict.fromkeys(dice.sample(SKUS, 4), 1)
            hold_id = await hold(service, session, **basket)
            await _raw(service, deadlocks, "SELECT end_holds($1, 'released', false)", [hold_id])

    async def sweeper(service: Service, session: int) -> None:
        for _ in range(10):
            ids = [await hold(service, session, **dict.fromkeys(SKUS, 1)) for _ in range(2)]
            await _raw(service, deadlocks, "SELECT end_holds($1, 'expired', false)", ids)

    await asyncio.gather(
        *(shopper((one, other)[i % 2], session) for i, session in enumerate(sessions[:4])),
        *(sweeper((one, other)[i % 2], session) for i, session in enumerate(sessions[4:])),
    )

    assert deadlocks == []
    assert await one.ledger.breaches() == []


async def _raw(service: Service, deadlocks: list[str], sql: str, ids: list[UUID]) -> None:
    """End holds without the store, which would try again after a deadlock and hide it."""
    try:
        await execute(service, sql, ids)
    except asyncpg.DeadlockDetectedError as error:
        deadlocks.append(str(error))


async def test_reading_the_catalogue_waits_for_no_hold_and_holds_write_nothing_to_it(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 5})
    alone, *others = await sessions_in(service, 3)
    rows = "SELECT xmin::text, ctid::text FROM sku"
    before = await execute(service, rows)
    await hold(service, alone, mug=1)
    await service.holds.place([wish(session, mug=1) for session in others])

    async with as_owner(service.pool) as connection:
        await connection.execute("SELECT FROM room_stock FOR UPDATE")
        await connection.execute("SELECT FROM stock FOR UPDATE")
        page = await asyncio.wait_for(service.stock.page(room="drop", private=True), 20)

    assert [sku.available for sku in page] == [2]
    assert await execute(service, rows) == before


@pytest.mark.parametrize("count", [1, 3])
async def test_a_hold_whose_answer_was_lost_is_placed_once(service: Service, count: int) -> None:
    await open_gate(service, skus={"mug": 5})
    sessions = await sessions_in(service, count)
    forgetful = HoldStore(LosesReplies(service.pool, losses=2))  # type: ignore[arg-type]

    answers = await forgetful.place([wish(session, mug=1) for session in sessions])

    assert all(isinstance(answer, Placed) and answer.replay for answer in answers)
    (row,) = await execute(service, "SELECT held FROM stock")
    assert row["held"] == count
    (holds,) = await execute(service, "SELECT count(*) FROM hold")
    assert holds["count"] == count


async def test_a_join_whose_answer_was_lost_takes_its_numbers_once(service: Service) -> None:
    await open_gate(service, skus={"mug": 5})
    line_id = service.board.room("drop").line_id
    forgetful = LineStore(LosesReplies(service.pool, losses=2))  # type: ignore[arg-type]

    joined = await forgetful.join(line_id, 3, os.urandom(32))

    assert (joined.first, joined.tail) == (1, 3)
    (line,) = await execute(service, "SELECT tail FROM line")
    assert line["tail"] == 3


async def test_a_replayed_key_answers_for_its_first_body_alone(service: Service) -> None:
    await open_gate(service, skus={"mug": 5})
    (session,) = await sessions_in(service, 1)
    key = uuid4()
    await ask(service, wish(session, key=key, mug=1))

    other = await ask(service, wish(session, key=key, mug=2))

    assert getattr(other, "code", "") == "idempotency_key_reused"
