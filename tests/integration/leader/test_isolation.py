"""Nothing that happens in one room, and no error in a forecast, keeps another from calling."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from shop import hold, sessions_in
from support import (
    as_owner,
    eventually,
    execute,
    open_room,
    shift_clock,
    tick,
)

from inventory.kit.problem import Busy
from waitroom.leader.measures import FAILURES
from waitroom.line.forecast import flow
from waitroom.line.forecast.forecaster import Supply
from waitroom.line.forecast.learning.demand import Demand
from waitroom.run.app import Service


async def join(service: Service, count: int, room: str = "drop") -> None:
    await service.lines.join(service.board.room(room).line_id, count, os.urandom(32))


async def head(service: Service, room: str = "drop") -> int:
    sql = (
        "SELECT LEAST(gate, tail) AS head FROM line l JOIN room m USING (room_id) WHERE m.room = $1"
    )
    (line,) = await execute(service, sql, room)
    return int(line["head"])


async def version(service: Service, room: str = "drop") -> int:
    sql = "SELECT version FROM room_state JOIN room USING (room_id) WHERE room = $1"
    return int((await execute(service, sql, room))[0]["version"])


def failures(part: str) -> float:
    return FAILURES.labels(part)._value.get()  # noqa: SLF001 - the library has no other way


def divide(*_: Any, **__: Any) -> Any:
    return 1 / 0


@pytest.mark.parametrize(
    ("holder", "name", "part"),
    [(Supply, "look", "forecast"), (Demand, "outlook", "learn"), (Demand, "observe", "learn")],
)
async def test_an_error_in_figures_keeps_no_shopper_from_being_called(
    service: Service, monkeypatch: pytest.MonkeyPatch, holder: type, name: str, part: str
) -> None:
    await open_room(service, policy="expected", skus={"mug": 9}, limit=1, seats_max=500)
    await join(service, 50)
    monkeypatch.setattr(holder, name, divide)
    before, failed = await version(service), failures(part)

    await tick(service, 3)

    assert await head(service) == 9
    assert await version(service) >= before + 3
    assert failures(part) >= failed + 3


async def test_a_forecast_that_failed_leaves_the_last_one(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_room(service, policy="rate", skus={"mug": 90}, calls_per_minute=60, seats_max=500)
    await join(service, 50)
    await tick(service, 3)
    known = service.board.room("drop").state
    monkeypatch.setattr(flow, "flow", divide)
    monkeypatch.setattr(Supply, "look", divide)

    await tick(service, 2)

    told = service.board.room("drop").state
    assert known is not None
    assert told is not None
    assert told.lines[0].table[0].chance == known.lines[0].table[0].chance


async def test_a_locked_room_delays_no_other(service: Service) -> None:
    await open_room(service, "locked", skus={"mug": 5}, seats_max=3)
    await open_room(service, "other", skus={"cup": 500}, seats_max=500)
    stopping = asyncio.Event()
    leading = asyncio.create_task(service.controller.run(stopping))
    try:
        await eventually(lambda: _published_since(service, "other", 0))
        async with as_owner(service.pool) as connection:
            await connection.execute(
                "SELECT FROM log_head JOIN room USING (room_id) WHERE room = 'locked' FOR UPDATE"
            )
            await join(service, 30, "other")
            seen = await version(service, "other")
            asked = asyncio.create_task(join(service, 30, "locked"))

            # The other room calls and publishes on, second by second, beside the locked one.
            await eventually(lambda: _published_since(service, "other", seen + 3))

            assert await head(service, "other") == 30
            assert await head(service, "locked") == 0
        # Its own shoppers are told to come again when the lock outlasts their request.
        await asyncio.wait([asked])
        if isinstance(asked.exception(), Busy):
            await join(service, 30, "locked")
        await eventually(lambda: _called(service, "locked", 3))
    finally:
        stopping.set()
        await leading


async def test_a_locked_room_keeps_no_other_without_a_leader(
    service: Service, services: Callable[[], Awaitable[Service]]
) -> None:
    await open_room(service, "locked", skus={"mug": 5}, policy="rate", seats_max=50)
    await open_room(service, "other", skus={"cup": 500}, policy="rate", seats_max=50)
    await tick(service)
    await join(service, 80, "other")
    successor = await services()
    async with as_owner(service.pool) as borrowed:
        for table in ("log_head", "line", "room_stock", "room"):
            await borrowed.execute(
                f"SELECT FROM {table} WHERE room_id ="
                " (SELECT room_id FROM room WHERE room = 'locked') FOR UPDATE"
            )
        await execute(service, "UPDATE office SET beat_at = beat_at - interval '1 minute'")
        await service.rooms.change("other", '{"seats_max": 60}', who="test")

        await successor.controller.tick()

        assert successor.controller.leading
        assert await head(service, "other") == 60


async def _published_since(service: Service, room: str, seen: int) -> bool:
    return await version(service, room) > seen


async def _called(service: Service, room: str, count: int) -> bool:
    return await head(service, room) >= count


async def test_an_ended_room_is_led_only_when_it_changes(service: Service) -> None:
    await open_room(service, skus={"mug": 5}, seats_max=3)
    await sessions_in(service, 2)
    await service.rooms.set_status("drop", "ended", who="test")
    await tick(service, 2)
    # Two shoppers are inside and may still buy.
    assert len(await service.office.rooms_to_lead()) == 1
    await execute(service, "SELECT end_session(admission_id, 'left') FROM admission")

    await tick(service)
    quiet, last = await service.office.rooms_to_lead(), await version(service)
    await tick(service, 2)
    unchanged = await version(service)
    await service.rooms.change("drop", '{"message": "Thank you!"}', who="test")
    await tick(service)

    assert quiet == []
    assert unchanged == last
    state = service.board.room("drop").state
    assert state is not None
    assert (state.message, state.status) == ("Thank you!", "ended")
    assert await service.office.rooms_to_lead() == []


async def test_a_stop_of_the_clock_does_not_move_what_happened_before_it(service: Service) -> None:
    await open_room(service, policy="rate", skus={"mug": 50}, limit=1, seats_max=50)
    sessions = await sessions_in(service, 3)
    for session in sessions:
        await hold(service, session, mug=1)
    (room,) = await execute(service, "SELECT room_id FROM room")
    before = await service.office.all_journeys(room["room_id"])

    # Nobody led for two minutes.
    await execute(service, "UPDATE office SET beat_at = beat_at - interval '2 minutes'")
    await shift_clock(service, 120)
    await service.controller.beat()

    after = await service.office.all_journeys(room["room_id"])
    assert before is not None
    assert after is not None
    for was, now in zip(before.changed, after.changed, strict=True):
        assert was.held_at is not None
        assert now.held_at is not None
        # A hold lies after its call, on one clock.
        assert now.held_at >= now.called_at - 0.1
        assert now.has_held


async def test_moments_within_a_stop_are_the_moment_at_which_the_clock_stood(
    service: Service,
) -> None:
    now = datetime.now(UTC)
    await execute(service, "UPDATE office SET stopped = '100 seconds'")
    await execute(
        service,
        "INSERT INTO clock_stop SELECT t, '60 seconds', t - interval '100 seconds'"
        " FROM (SELECT $1::timestamptz AS t) x",
        now - timedelta(seconds=40),
    )

    async def at(seconds_ago: float) -> float:
        wall = now - timedelta(seconds=seconds_ago)
        (row,) = await execute(service, "SELECT shopper_at($1) AS at", wall)
        return float((now - row["at"]).total_seconds())

    async def back(seconds_ago: float) -> float:
        wall = now - timedelta(seconds=seconds_ago)
        (row,) = await execute(service, "SELECT wall_at(shopper_at($1)) AS at", wall)
        return float((now - row["at"]).total_seconds())

    # The clock stood from 100 to 40 seconds ago.
    assert await at(0) == pytest.approx(100)
    assert await at(40) == pytest.approx(140)
    assert await at(70) == pytest.approx(140)
    assert await at(100) == pytest.approx(140)
    assert await at(110) == pytest.approx(150)
    # What happened at a moment of the clock is told at the wall time at which it happened.
    assert await back(10) == pytest.approx(10)
    assert await back(200) == pytest.approx(200)


async def test_a_reading_takes_what_thousands_did_before_any_table_was_analysed(
    service: Service,
) -> None:
    """The plan looks each journey up by indexes, so no scan multiplies with those inside."""
    await open_room(service, policy="expected", skus={"mug": 9}, limit=1, seats_max=5000)
    await tick(service)
    async with service.pool.acquire() as connection:
        plan = "\n".join(
            row[0]
            for row in await connection.fetch(
                "EXPLAIN (FORMAT TEXT) SELECT * FROM journey j WHERE j.admission_id = ANY ('{1,2}')"
            )
        )
        async with connection.transaction():
            for way in ("hashjoin", "mergejoin", "seqscan"):
                await connection.execute(f"SET LOCAL enable_{way} = off")
            fixed = "\n".join(
                row[0]
                for row in await connection.fetch(
                    "EXPLAIN SELECT * FROM journey j WHERE j.admission_id = ANY ('{1,2}')"
                )
            )

    assert plan
    assert "Seq Scan on hold" not in fixed
    assert "Seq Scan on admission" not in fixed
    assert "Hash Join" not in fixed
