"""The race for five units: 8 to 200 callers in several processes, and never a sixth."""

import asyncio
import json
import os
import random
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from pathlib import Path

from shop import open_gate, sessions_in
from support import execute, size

from waitroom.run.app import Service

SCRIPT = Path(__file__).parents[2] / "race.py"
RACES = size("RACES", 3)
PROCESSES = 3
UNITS = 5
CALLERS_MIN, CALLERS_MAX = 8, 200
# A session may hold ten units. So others race from time to time, before one has won as many.
RACES_EACH = 40


async def test_five_units_are_sold_five_times_however_many_race_for_them(
    service: Service, postgres_url: str
) -> None:
    await open_gate(service, skus={"bell": 1}, seats_max=100_000, batch_max=1000, session_s=10_000)
    sessions: list[int] = []
    processes = [await _start(postgres_url) for _ in range(PROCESSES)]
    choice = random.Random(5)

    for race in range(RACES):
        if race % RACES_EACH == 0:
            sessions = await sessions_in(service, CALLERS_MAX)
        sku = f"unit-{race}"
        callers = choice.choice([CALLERS_MIN, CALLERS_MAX, choice.randint(8, 200)])
        await service.stock.add(sku, room="drop", name=sku, price_minor=100)
        await service.ledger.move(sku, kind="received", quantity=UNITS, who="test")

        ends = await _race(processes, sku, choice.sample(sessions, callers))

        assert ends == {"placed": UNITS, "gone": callers - UNITS}, f"race {race}"
        (row,) = await execute(
            service, "SELECT held FROM stock JOIN sku USING (sku_id) WHERE sku = $1", sku
        )
        assert row["held"] == UNITS

    assert await service.ledger.breaches() == []
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        assert await process.wait() == 0


async def _start(url: str) -> Process:
    paths = os.pathsep.join([str(SCRIPT.parent), os.environ.get("PYTHONPATH", "")])
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(SCRIPT),
        url,
        stdin=PIPE,
        stdout=PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    )


async def _race(processes: list[Process], sku: str, sessions: list[int]) -> dict[str, int]:
    """Let every process race with its share of the sessions at once; return the ends together."""
    for number, process in enumerate(processes):
        assert process.stdin is not None
        share = sessions[number::PROCESSES]
        process.stdin.write(json.dumps({"sku": sku, "sessions": share}).encode() + b"\n")
    ends = Counter[str]()
    for process in processes:
        assert process.stdout is not None
        ends.update(json.loads(await process.stdout.readline()))
    return dict(ends)
