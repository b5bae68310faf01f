"""The simulation's books answer as PostgreSQL does."""

import random
import time

import pytest
from simulation.books import Books
from simulation.comparison.side import CLOCK_STEP_S, LIMIT, RULES, STOCK, DirectPool, Side, same
from simulation.comparison.steps import Steps
from support import open_room, shift_clock, size

from waitroom.run.app import Service

STEPS = 90


async def both(service: Service, policy: str) -> tuple[Side, Side, Books]:
    await open_room(service, skus=STOCK, limit=LIMIT, policy=policy, **RULES)
    view = service.board.room("drop")
    real = Side(service.pool, view.rules.room_id, view.line_id, is_real=True)
    books = Books(time.monotonic)
    room = books.add_room("drop", policy=policy, **RULES)
    for sku, units in STOCK.items():
        books.receive(room, sku, units)
    (line,) = books.lines_of(room.room_id)
    return real, Side(DirectPool(books), room.room_id, line.line_id), books


@pytest.mark.parametrize("seed", range(1, 1 + size("COMPARED", 3)))
async def test_the_books_answer_as_postgres_does(service: Service, seed: int) -> None:
    policy = "rate" if seed % 3 == 1 else "guaranteed"
    real, simulated, books = await both(service, policy)
    steps, story = Steps(random.Random(seed)), []
    for _ in range(STEPS):
        name, values, named = steps.choose()
        for side in (real, simulated):
            await side.beat()
        if name == "shift":
            await shift_clock(service, CLOCK_STEP_S)
            books.stopped -= CLOCK_STEP_S
            continue

        wanted = await getattr(real, name)(*values, **named)
        answered = await getattr(simulated, name)(*values, **named)

        story.append(f"{name} {values}: {wanted}")
        assert same(wanted, answered), (answered, story[-12:])
        if name == "join" and isinstance(wanted, tuple) and wanted[4] is None:
            given = range(wanted[0], wanted[0] + len(values[1]))
            steps.places += [
                place for place in zip(given, values[1], strict=True) if place not in steps.places
            ]
        steps.sessions = sorted(real.sessions)
