"""A crowd, few units, two web processes; the books are watched all the while.

`make endure` sends two thousand shoppers.
"""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field, replace

import asyncpg
import pytest
import redis.asyncio as redis
from eager import eager
from programs import Running, all_know
from support import eventually, execute, open_room, size

from inventory.ledger_store import Breach
from waitroom.load.behaviour import Behaviour
from waitroom.load.crowd import Crowd
from waitroom.load.journey import Outcome
from waitroom.log.audit import audit
from waitroom.log.chain import LogEntry
from waitroom.log.verify.finding import all_holds
from waitroom.run.app import Service

SHOPPERS = size("CROWD", 120)
UNITS = max(20, SHOPPERS // 40)
CUT_OFF = min(SHOPPERS, 300)
LOOK_EVERY_S = 0.2

EAGER = eager(SHOPPERS)
HALF_HEARTED = Behaviour(
    shoppers=SHOPPERS // 4,
    arrive_s=3.0,
    leave_share=0.05,
    no_show_share=0.05,
    late_share=0.02,
    want_share=1,
    pay_share=0.85,
    second_unit_share=0,
    decline_share=0.1,
    double_click_share=1,
    pace=0.1,
)


@dataclass(slots=True)
class Watch:
    """Looks at the books again and again, from outside, and keeps what it saw."""

    service: Service
    heads: list[int] = field(default_factory=list)
    sold: list[int] = field(default_factory=list)
    breaches: list[Breach] = field(default_factory=list)

    async def run(self) -> None:
        while True:
            (row,) = await execute(
                self.service,
                "SELECT LEAST(gate, tail) AS head, sold FROM line JOIN room_stock USING (room_id)",
            )
            self.heads.append(row["head"])
            self.sold.append(row["sold"])
            self.breaches.extend(await self.service.ledger.breaches())
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), LOOK_EVERY_S)


async def lose_valkey(url: str, service: Service, *, once_sold: int) -> None:
    """Flush Valkey once the sale is under way."""

    async def under_way() -> bool:
        (row,) = await execute(service, "SELECT sold FROM room_stock")
        return bool(row["sold"] >= once_sold)

    await eventually(under_way, within_s=120)
    client = redis.from_url(url)
    await client.flushall()
    await client.aclose()


@pytest.mark.parametrize(
    ("behaviour", "units"),
    # What the half-hearted put back goes round and round before the last unit is sold.
    [(EAGER, UNITS), pytest.param(HALF_HEARTED, UNITS // 2, marks=pytest.mark.endure)],
    ids=["eager", "half-hearted"],
)
async def test_a_crowd_buys_exactly_what_there_is(
    service: Service, serving: Running, valkey_url: str, behaviour: Behaviour, units: int
) -> None:
    await open_room(
        service,
        skus={"mug": units},
        limit=1,
        seats_max=40,
        claim_window_s=6,
        session_s=12,
        hold_s=5,
        grace_s=60,
    )
    await all_know(serving)
    watch = Watch(service)
    watching = asyncio.create_task(watch.run())
    losing = asyncio.create_task(lose_valkey(valkey_url, service, once_sold=units // 5))
    crowd = Crowd(serving.url, "drop", behaviour)

    result = await crowd.run()

    await losing
    watching.cancel()
    journeys = crowd.journeys
    assert result.units_bought == units
    assert watch.sold[-1] == units
    assert watch.breaches == []
    assert await service.ledger.breaches() == []
    assert watch.heads == sorted(watch.heads)
    assert result.unfinished == 0
    assert result.found_nothing == 0
    assert result.outcomes.get(Outcome.FAILED, 0) == 0, result
    assert result.place_rises == 0
    assert result.errors == {}
    _nobody_has_what_another_has([str(j.number) for j in journeys if j.number])
    _nobody_has_what_another_has([j.session for j in journeys if j.session])
    _nobody_has_what_another_has([j.order_id for j in journeys if j.order_id])
    if behaviour is EAGER:
        assert result.outcomes == {Outcome.BOUGHT: UNITS, Outcome.SOLD_OUT: SHOPPERS - UNITS}
    await _calls_took_the_lowest_numbers(service)


async def break_connections(service: Service, times: int) -> None:
    """Cut every connection to the database again and again while the sale runs."""
    for turn in range(times):

        async def further(least: int = turn * UNITS // (2 * times)) -> bool:
            try:
                (row,) = await execute(service, "SELECT held + sold AS taken FROM room_stock")
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return False
            return bool(row["taken"] > least)

        await eventually(further, within_s=120)
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await execute(
                service,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )


@pytest.mark.endure
async def test_a_crowd_gets_through_lost_connections(service: Service, serving: Running) -> None:
    await open_room(
        service,
        skus={"mug": UNITS},
        limit=1,
        seats_max=10,
        claim_window_s=10,
        session_s=30,
        hold_s=10,
    )
    await all_know(serving)
    breaking = asyncio.create_task(break_connections(service, 5))
    crowd = Crowd(serving.url, "drop", replace(EAGER, shoppers=CUT_OFF))

    result = await crowd.run()

    await breaking
    assert result.units_bought == UNITS
    assert result.outcomes == {Outcome.BOUGHT: UNITS, Outcome.SOLD_OUT: CUT_OFF - UNITS}
    assert await service.ledger.breaches() == []
    _nobody_has_what_another_has([str(j.number) for j in crowd.journeys if j.number])
    _nobody_has_what_another_has([j.session for j in crowd.journeys if j.session])
    await _calls_took_the_lowest_numbers(service)


def _nobody_has_what_another_has(things: list[str]) -> None:
    assert len(things) == len(set(things))


async def _calls_took_the_lowest_numbers(service: Service) -> None:
    """Replay the public log: every call goes on where the one before ended, and the chain holds."""
    rows = await execute(service, "SELECT seq, body, hash FROM log_entry ORDER BY seq")
    entries = [LogEntry(**dict(row)) for row in rows]
    assert all_holds(audit(entries))
    head = tail = called = 0
    for entry in entries:
        said = json.loads(entry.body)
        if said["kind"] == "joined":
            assert said["first"] == tail + 1
            tail = said["last"]
            if said["called"]:
                # Called as they joined: only when nobody waited.
                assert head == said["first"] - 1
                head += said["called"]
                called += said["called"]
        elif said["kind"] == "called":
            assert said["from"] == head + 1
            assert said["to"] >= head
            assert said["to"] <= tail
            head = said["to"]
            called += said["called"]
    rows = await execute(
        service,
        "SELECT count(*) AS n, max(number) AS top FROM admission WHERE called_at IS NOT NULL",
    )
    assert called == rows[0]["n"]
    assert rows[0]["top"] <= head
