"""Functions that change several lines lock them in order of id, so none of them ever deadlock."""

import asyncio
from contextlib import suppress

import asyncpg
import pytest
from support import (
    as_owner,
    eventually,
    execute,
    open_room,
)

from inventory.kit.problem import Busy
from waitroom.run.app import Service

# A busy machine may take so many.
TRIES = 5
# Each changes every line of the room, and a reset may meet any of them.
CHANGES = {
    "pausing": "SELECT set_room_status('drop', 'paused', 'test', '')",
    "changing rules": "SELECT change_room('drop', '{\"seats_max\": 7}', 'test', '')",
    "resetting": "SELECT reset_room('drop', 'test', '')",
}


async def two_lines(service: Service) -> list[int]:
    """Open a room with two lanes; table and names have the first line behind the second."""
    await open_room(service)
    await execute(service, "SELECT set_lane('drop', 'early', 1, 'test')")
    rows = await execute(service, "SELECT line_id FROM line ORDER BY line_id")
    first, second = [row["line_id"] for row in rows]
    # An update puts the row's new version behind all others. Both gates stand ahead of the tail, so
    # that each of the changes has something to change.
    for line in (second, first):
        await execute(service, "UPDATE line SET gate = tail + 10 WHERE line_id = $1", line)
    return [first, second]


async def someone_waits(service: Service) -> bool:
    ours = "SELECT FROM pg_stat_activity WHERE datname = current_database()"
    return bool(await execute(service, f"{ours} AND wait_event_type = 'Lock'"))


@pytest.mark.parametrize("change", CHANGES)
async def test_lines_are_locked_in_order_of_id(service: Service, change: str) -> None:
    first, second = await two_lines(service)
    lock = "SELECT FROM line WHERE line_id = $1 FOR NO KEY UPDATE"
    async with as_owner(service.pool) as connection:
        await connection.execute(lock, first)
        changing = asyncio.create_task(execute(service, CHANGES[change]))
        await eventually(lambda: someone_waits(service))

        # Were the second line locked by then, each would wait for the other.
        await asyncio.wait_for(connection.execute(lock, second), 20)

    assert await changing


async def test_only_the_place_of_ones_own_is_taken_for_it(service: Service) -> None:
    """A number that has an admission already is a fault of ours, and no second place of anyone."""
    await open_room(service)
    (line,) = [row["line_id"] for row in await execute(service, "SELECT line_id FROM line")]
    await execute(service, "UPDATE line SET gate = tail + 10 WHERE line_id = $1", line)
    await execute(
        service,
        "INSERT INTO admission (room_id, line_id, number, state) VALUES (1, $1, 1, 'left')",
        line,
    )

    with pytest.raises(asyncpg.UniqueViolationError, match="number_called_once"):
        await service.lines.join(line, 1, b"\x01" * 32)


async def test_a_join_that_is_ended_for_a_migrations_sake_is_made_again(service: Service) -> None:
    """A migration may lock whole tables in an order that is not ours."""
    await open_room(service)
    line = service.board.room("drop").line_id
    # PostgreSQL ends whoever looks for a deadlock first, after a second of waiting: the join,
    # unless a busy machine comes to the second lock later than that.
    for number in range(1, TRIES + 1):
        try:
            async with as_owner(service.pool) as connection, connection.transaction():
                await connection.execute("LOCK TABLE log_entry IN ACCESS EXCLUSIVE MODE")
                joining = asyncio.create_task(service.lines.join(line, 1, bytes([number]) * 32))
                await eventually(lambda: someone_waits(service))

                # It gets this one only as the join, which waits for the other table, gives way.
                await connection.execute("LOCK TABLE line IN ACCESS EXCLUSIVE MODE")
        except asyncpg.DeadlockDetectedError:
            with suppress(Busy):
                await joining
        else:
            break
    else:
        pytest.fail("the migration was ended each time")

    assert 1 <= (await joining).first <= number
