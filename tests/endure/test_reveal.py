"""A reveal after a crowd has left, while others go on leaving."""

import asyncio
import os
import time
from collections import Counter

from support import execute, open_room, size, tick

from waitroom.line.ticket import Ticket
from waitroom.run.app import Service

LEFT = size("REVEAL_LEFT", 60_000)
MORE = 2_000
LEAVERS_PER_S = 20
# A bound against a reveal that never ends, not an expectation.
PATIENCE_S = 60

# Entries that left, as a shopper's own leaving writes them.
THEY_LEFT = """
INSERT INTO place (line_id, entered, number, has_left)
SELECT $1, true, n, true FROM generate_series(1, $2::int) n"""


async def keep_leaving(service: Service, line_id: int, verdicts: Counter[str]) -> None:
    """Let one entry after the other leave, until it is cancelled."""
    for number in range(LEFT + 1, LEFT + MORE):
        ticket = Ticket(line_id=line_id, number=number, ticket_id=os.urandom(16), entered=True)
        verdicts[await service.lines.leave(ticket)] += 1
        await asyncio.sleep(1 / LEAVERS_PER_S)


async def test_a_crowd_that_left_holds_up_no_reveal(service: Service) -> None:
    await open_room(service, skus={"mug": 50}, seats_max=0, status="scheduled", order_by="draw")
    await tick(service)
    line_id = service.board.room("drop").line_id
    await service.lines.join(line_id, LEFT + MORE, os.urandom(32))
    await execute(service, THEY_LEFT, line_id, LEFT)
    verdicts = Counter[str]()
    leaving = asyncio.create_task(keep_leaving(service, line_id, verdicts))
    await asyncio.sleep(1)

    started = time.perf_counter()
    await service.rooms.set_status("drop", "open", who="test")
    async with asyncio.timeout(PATIENCE_S):
        while not await execute(service, "SELECT FROM draw WHERE drawn_at IS NOT NULL"):
            await service.controller.tick()
    took_s = time.perf_counter() - started

    await asyncio.sleep(1)
    leaving.cancel()
    told = f"{LEFT:,} entries left: the reveal took {took_s:.1f} s, leavers were told {verdicts}"
    print(told)  # noqa: T201 - the measurement
    # Nobody who was told that they left has a number that is called.
    (row,) = await execute(service, "SELECT count(*) AS n FROM admission WHERE state = 'left'")
    assert row["n"] == LEFT + verdicts["left"]
    assert verdicts["left"] > 0
    assert verdicts["drawn"] > 0
