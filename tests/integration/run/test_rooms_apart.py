"""A room whose locks are kept or whose work fills a worker: the other room sells and is led."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from shop import hold, sessions_in, wish
from support import (
    as_owner,
    execute,
    open_room,
    owner_url,
)

from inventory.hold_store import Placed
from inventory.kit.database import work_for
from inventory.kit.problem import Busy
from waitroom.line.ticket import Ticket
from waitroom.run.app import Service

# Against a hang. What is prompt is done before the lock's own time-out ends those who wait for it.
WAIT_S = 60.0
# On a busy machine the time-out may come first all the same. Work that waits for the lock is never
# done before.
TRIES = 5

LOCKS = {
    "stock": "SELECT FROM stock JOIN sku USING (sku_id) WHERE sku = 'mug' FOR UPDATE OF stock",
    "log": "SELECT FROM log_head JOIN room USING (room_id) WHERE room = 'stuck' FOR UPDATE",
}


@pytest.fixture
async def sale(service: Service) -> Service:
    await open_room(service, "stuck", policy="rate", skus={"mug": 500}, seats_max=500)
    await open_room(service, "calm", policy="rate", skus={"cup": 500}, seats_max=500)
    return service


@asynccontextmanager
async def locked(url: str, what: str) -> AsyncIterator[None]:
    """Keep rows of the stuck room locked, as an operator's forgotten transaction would."""
    other = await asyncpg.connect(owner_url(url))
    try:
        async with other.transaction():
            await other.execute(LOCKS[what])
            yield
    finally:
        await other.close()


async def place(service: Service, room: str, session: int, **quantities: int) -> Placed:
    return await service.checkout.hold_batchers.of(room).submit(wish(session, **quantities))


async def released(service: Service, room: str, session: int, held: Any) -> None:
    work_for(room)
    await service.holds.release(session, held)


async def test_a_locked_shelf_stops_no_holds_of_another_room(
    sale: Service, postgres_url: str
) -> None:
    stuck, calm = await sessions_in(sale, 3, "stuck"), await sessions_in(sale, 3, "calm")
    async with locked(postgres_url, "stock"):
        for _ in range(TRIES):
            waiting = [asyncio.create_task(place(sale, "stuck", one, mug=1)) for one in stuck]
            await asyncio.sleep(0)

            async with asyncio.timeout(WAIT_S):
                for session in calm:
                    assert not (await place(sale, "calm", session, cup=1)).replay

            prompt = not any(task.done() for task in waiting)
            # And the waiting is bounded: the shoppers are told to come again, together.
            ends = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(end, Busy) for end in ends), ends
            if prompt:
                break
        assert prompt
    assert not (await place(sale, "stuck", stuck[0], mug=1)).replay


async def test_a_locked_log_stops_no_joins_or_claims_of_another_room(
    sale: Service, postgres_url: str
) -> None:
    await sessions_in(sale, 1, "stuck")
    await sessions_in(sale, 1, "calm")
    async with locked(postgres_url, "log"):
        lines = {room: sale.board.room(room).line_id for room in ("stuck", "calm")}
        for _ in range(TRIES):
            work_for("stuck")
            waiting = asyncio.create_task(sale.lines.join(lines["stuck"], 1, os.urandom(32)))
            await asyncio.sleep(0)

            work_for("calm")
            async with asyncio.timeout(WAIT_S):
                joined = await sale.lines.join(lines["calm"], 1, os.urandom(32))
                ticket = Ticket(line_id=lines["calm"], number=joined.first, ticket_id=b"1" * 16)
                claimed = await sale.tickets.claim(sale.board.room("calm"), ticket)

            prompt = not waiting.done()
            assert claimed.fresh
            with pytest.raises(Busy):
                await waiting
            if prompt:
                break
        assert prompt


async def test_a_room_that_fills_its_share_leaves_others_theirs(
    sale: Service, postgres_url: str
) -> None:
    stuck, calm = await sessions_in(sale, 20, "stuck"), await sessions_in(sale, 1, "calm")
    mugs = [await hold(sale, session, mug=1) for session in stuck]
    cup = await hold(sale, calm[0], cup=1)
    term = sale.controller.term
    async with locked(postgres_url, "stock"):
        waiting = [
            asyncio.create_task(released(sale, "stuck", session, held))
            for session, held in zip(stuck, mugs, strict=True)
        ]
        await asyncio.sleep(0.05)

        async with asyncio.timeout(WAIT_S):
            await released(sale, "calm", calm[0], cup)
            await sale.controller.tick()

        assert sale.controller.leading
        assert sale.controller.term == term
        assert not any(task.done() for task in waiting)
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert not any(ends), ends


async def test_a_pool_without_a_free_connection_never_stops_the_beat(sale: Service) -> None:
    async with sale_filled(sale):
        async with asyncio.timeout(WAIT_S):
            await sale.controller.beat()

        assert sale.controller.leading


@asynccontextmanager
async def sale_filled(service: Service) -> AsyncIterator[None]:
    """Take every connection of the worker, as a defect of ours might."""
    size = service.pool.get_max_size()
    taken = [await service.pool.acquire() for _ in range(size)]
    try:
        yield
    finally:
        for one in taken:
            await service.pool.release(one)


async def test_a_poisoned_room_fails_alone(sale: Service) -> None:
    stuck, calm = await sessions_in(sale, 2, "stuck"), await sessions_in(sale, 2, "calm")
    async with as_owner(sale.pool) as borrowed:
        await borrowed.execute(
            """CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$
               BEGIN RAISE EXCEPTION 'poisoned'; END $$"""
        )
        await borrowed.execute(
            """CREATE TRIGGER poison BEFORE INSERT ON hold FOR EACH ROW
               WHEN (NEW.room_id = 1) EXECUTE FUNCTION poison()"""
        )

    ends = await asyncio.gather(
        *(place(sale, "stuck", session, mug=1) for session in stuck),
        *(place(sale, "calm", session, cup=1) for session in calm),
        return_exceptions=True,
    )

    assert [isinstance(end, Placed) for end in ends] == [False, False, True, True]
    (row,) = await execute(sale, "SELECT held FROM stock JOIN sku USING (sku_id) WHERE sku = 'cup'")
    assert row["held"] == 2
