"""A server that goes away says so on every connection, and hangs up a moment later."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from chaos.wire import Wire, wired
from support import Shopper, admitted, eventually, open_room, tick

from inventory import hold_store
from inventory.kit import database
from inventory.kit.database import Pool, ReplyLost, borrow, connection, open_pool
from inventory.kit.problem import EngineDown
from waitroom.store import office_store

# A statement that shoppers wait for is given up after so long here, and any other one never.
GIVEN_UP_S, NEVER_S = 0.3, 3600.0
WAIT_S = 60.0
# Both ends are in this loop: what was written is read when it has gone round a few times.
TURNS = 20


@pytest.fixture
async def wire(postgres_url: str, tmp_path: Path) -> AsyncIterator[tuple[Wire, str]]:
    """Return a wire to the test's database, and the URL by which to reach it."""
    async with wired(postgres_url, tmp_path) as made:
        yield made


async def test_a_connection_that_was_just_said_goodbye_to_is_an_engine_that_is_away(
    wire: tuple[Wire, str],
) -> None:
    carrier, url = wire
    pool = await open_pool(url, size_max=1)
    assert await _ask(pool) == 1

    await carrier.say_goodbye()
    for _ in range(TURNS):
        await asyncio.sleep(0)
    with pytest.raises(EngineDown):
        await _ask(pool)
    await carrier.hang_up()

    async def answers() -> bool:
        with suppress(EngineDown):
            return await _ask(pool) == 1
        return False

    assert await eventually(answers)
    await pool.close()


async def _ask(pool: Pool) -> int:
    async with connection(pool) as borrowed:
        answer: int = await borrowed.fetchval("SELECT 1")
    return answer


async def test_a_claim_a_hold_and_a_payment_pass_soon_after_replies_were_lost(
    wire: tuple[Wire, str],
    services: Callable[..., Awaitable[Any]],
    clients: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Soon is the time-out of statements that shoppers wait for: no step waits for another one."""
    for module in (database, hold_store, office_store):
        monkeypatch.setattr(module, "SHOPPER_TIMEOUT_S", GIVEN_UP_S)
    monkeypatch.setattr(database, "COMMAND_TIMEOUT_S", NEVER_S)
    carrier, url = wire
    service = await services(postgres_url=url)
    await open_room(service, skus={"mug": 9}, seats_max=9)
    await tick(service)
    client = await clients(service)
    called, inside, buyer = Shopper(client), await admitted(client), await admitted(client)
    await called.join()
    held = (await (await buyer.hold(mug=1)).json())["hold_id"]

    for step in (called.claim, lambda: inside.hold(mug=1), lambda: buyer.pay(held)):
        lost = carrier.lose_replies()

        async def passes(step: Callable[[], Awaitable[Any]] = step) -> bool:
            return (await step()).status in {200, 201}

        async with asyncio.timeout(WAIT_S):
            await eventually(passes)

        assert lost.is_set()


async def test_a_statement_whose_reply_is_late_ends_with_a_time_out(postgres_url: str) -> None:
    loop, faults = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: faults.append(context["message"]))
    try:
        async with await open_pool(postgres_url, size_max=1) as pool:
            with pytest.raises(ReplyLost):
                async with borrow(pool) as borrowed:
                    await borrowed.fetch("SELECT pg_sleep(60)", timeout=0.1)
            async with borrow(pool) as borrowed:
                again = await borrowed.fetchval("SELECT 1")
    finally:
        loop.set_exception_handler(None)

    assert (again, faults) == (1, [])


@pytest.mark.parametrize("within_transaction", [False, True])
async def test_a_task_that_is_cancelled_in_a_statement_hears_of_it(
    postgres_url: str, *, within_transaction: bool
) -> None:
    pool = await open_pool(postgres_url, size_max=1)
    under_way = asyncio.Event()

    async def ask_for_long() -> None:
        async with connection(pool) as borrowed:
            under_way.set()
            if within_transaction:
                async with borrowed.transaction():
                    await borrowed.execute("SELECT pg_sleep(60)")
            await borrowed.execute("SELECT pg_sleep(60)")

    task = asyncio.create_task(ask_for_long())
    await under_way.wait()
    for _ in range(TURNS):
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait([task], timeout=WAIT_S)

    assert task.cancelled()
    assert await _ask(pool) == 1
    await pool.close()
