"""The pool lends a connection in the borrower's own turn, and gets it back whatever happens."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from inventory.kit.database import Pool, borrow, open_pool


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[Pool]:
    opened = await open_pool(postgres_url, size_max=1)
    yield opened
    await opened.close()


async def test_a_connection_is_lent_and_taken_back_within_one_turn_of_the_loop(pool: Pool) -> None:
    turns: list[int] = []
    asyncio.get_running_loop().call_soon(turns.append, 1)

    for _ in range(3):
        async with borrow(pool) as borrowed:
            assert not borrowed.is_closed()

    assert turns == []
    assert pool.get_idle_size() == 1


async def test_a_borrower_for_whom_none_is_left_in_time_takes_none_with_it(pool: Pool) -> None:
    async with pool.acquire():
        with pytest.raises(TimeoutError):
            async with pool.acquire(timeout=0.01):
                pass

    async with pool.acquire(timeout=10) as borrowed:
        assert await borrowed.fetchval("SELECT 1") == 1


@pytest.mark.parametrize("statement", ["SELECT pg_sleep(60)", "SELECT 1"])
async def test_a_borrower_who_is_cancelled_gives_the_connection_back_or_ends_it(
    pool: Pool, statement: str
) -> None:
    began = asyncio.Event()

    async def work() -> None:
        async with borrow(pool) as borrowed:
            transaction = borrowed.transaction()
            await transaction.start()
            began.set()
            await borrowed.execute(statement)
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await began.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working

    async with pool.acquire(timeout=10) as borrowed:
        assert await borrowed.fetchval("SELECT 1") == 1
        assert not borrowed.is_in_transaction()
