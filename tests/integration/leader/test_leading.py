"""The leader's tick with the policy that learns, over the real database."""

import asyncio
import os

import msgspec
import pytest
from shop import hold, sessions_in, wish
from support import (
    as_owner,
    eventually,
    execute,
    open_room,
    shift_clock,
    tick,
)

from waitroom.run.app import Service

CALL_WAITS = """
SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
AND query LIKE '%call_numbers%'"""


async def join(service: Service, count: int) -> None:
    await service.lines.join(service.board.room("drop").line_id, count, os.urandom(32))


async def called(service: Service) -> int:
    (line,) = await execute(service, "SELECT LEAST(gate, tail) AS head FROM line")
    return int(line["head"])


async def last_call(service: Service) -> dict[str, object]:
    rows = await execute(
        service, "SELECT body FROM log_entry WHERE body LIKE '%\"called\"%' ORDER BY seq DESC"
    )
    bodies = [msgspec.json.decode(row["body"]) for row in rows]
    return next(body for body in bodies if body["kind"] == "called")


async def test_the_default_policy_calls_no_more_than_it_learned_to_expect(
    service: Service,
) -> None:
    await open_room(service, policy="expected", skus={"mug": 20}, limit=1, seats_max=500)
    await join(service, 500)

    await tick(service, 3)

    # Nothing is known yet, and it is careful; but it does not call fewer than there are units.
    assert 20 <= await called(service) <= 30


async def test_what_a_call_was_decided_on_is_in_the_log(service: Service) -> None:
    await open_room(service, policy="expected", skus={"mug": 20}, limit=1, seats_max=500)
    await join(service, 500)

    await tick(service)

    entry = await last_call(service)
    assert entry["reason"] == "expected"
    figures = entry["figures"]
    assert isinstance(figures, dict)
    assert (figures["free"], figures["waiting"]) == (20, 500)
    assert 0 < figures["claim_share"] <= 1


async def test_no_shows_are_learned_and_made_up_for(service: Service) -> None:
    await open_room(
        service, policy="expected", skus={"mug": 20}, limit=1, seats_max=500, claim_window_s=60
    )
    await join(service, 500)
    await tick(service, 2)
    before = await called(service)

    # Nobody comes: the calls run out, and those after them are called.
    for _ in range(6):
        await shift_clock(service, 200)
        await service.office.end_due(1000)
        await tick(service)
    after = await called(service)

    assert after - before >= 60
    assert (await last_call(service))["figures"]["claim_share"] < 0.7  # type: ignore[index]


async def test_a_new_leader_learns_from_what_was(service: Service) -> None:
    await open_room(
        service, policy="expected", skus={"mug": 20}, limit=1, seats_max=500, claim_window_s=60
    )
    await join(service, 500)
    for _ in range(3):
        await tick(service)
        await shift_clock(service, 200)
        await service.office.end_due(1000)
    await tick(service)
    known = await last_call(service)

    service.controller._leads.clear()  # noqa: SLF001 - a new leader knows nothing
    await shift_clock(service, 200)
    await service.office.end_due(1000)
    await tick(service, 2)

    share = known["figures"]["claim_share"]  # type: ignore[index]
    assert (await last_call(service))["figures"]["claim_share"] <= share  # type: ignore[index]


async def test_who_found_nothing_is_not_taken_for_somebody_who_wanted_nothing(
    service: Service,
) -> None:
    await open_room(service, policy="rate", skus={"mug": 1}, seats_max=10)
    first, *others = await sessions_in(service, 4)
    await hold(service, first, mug=1)
    for session in others:
        await service.holds.place([wish(session, mug=1)])
    await tick(service)

    rows = await execute(service, "SELECT refused FROM admission ORDER BY number")

    assert [row["refused"] for row in rows] == [False, True, True, True]


async def test_what_was_told_to_those_who_wait_stands_in_the_log(service: Service) -> None:
    await open_room(service, skus={"mug": 3}, seats_max=2)
    await join(service, 50)

    await tick(service, 3)

    rows = await execute(service, "SELECT body FROM log_entry WHERE body LIKE '%forecast%'")
    (told,) = [msgspec.json.decode(row["body"]) for row in rows]
    assert (told["line"], told["tail"]) == ("main-1", 50)
    assert all(len(row) == 4 for row in told["rows"])


async def test_lanes_are_called_by_their_shares(service: Service) -> None:
    await open_room(service, policy="rate", skus={"mug": 500}, seats_max=40)
    await execute(service, "SELECT set_lane('drop', 'members', 0.3, 'test')")
    await execute(service, "UPDATE line SET share = 0.7 WHERE lane = 'main'")
    await service.board.refresh(rooms=True)
    for line_id in service.board.room("drop").lines:
        await service.lines.join(line_id, 100, os.urandom(32))

    await tick(service, 2)

    rows = await execute(service, "SELECT lane, LEAST(gate, tail) AS head FROM line")
    assert {row["lane"]: row["head"] for row in rows} == {"main": 28, "members": 12}


@pytest.mark.parametrize("awaited", ["log_head", "line", "room_stock"])
async def test_a_leader_of_the_past_calls_nobody_in_any_lane(
    service: Service, awaited: str
) -> None:
    await open_room(service, policy="rate", skus={"mug": 500}, seats_max=40)
    await execute(service, "SELECT set_lane('drop', 'members', 1, 'test')")
    await service.board.refresh(rooms=True)
    await tick(service)
    for line_id in service.board.room("drop").lines:
        await service.lines.join(line_id, 100, os.urandom(32))
    before = await execute(service, "SELECT line_id, gate FROM line ORDER BY line_id")
    await service.rooms.change("drop", '{"seats_max": 60}', who="test")

    async with as_owner(service.pool) as borrowed:
        # Its call waits for a lock of the room while a later leader takes office.
        await borrowed.execute(f"SELECT FROM {awaited} FOR NO KEY UPDATE")
        ticking = asyncio.create_task(service.controller.tick())
        await eventually(lambda: execute(service, CALL_WAITS))
        await execute(service, "UPDATE office SET term = term + 1, leader = 'later'")
    await ticking

    assert await execute(service, "SELECT line_id, gate FROM line ORDER BY line_id") == before
    assert not service.controller.leading


async def test_a_pause_is_the_reason_that_is_told(service: Service) -> None:
    await open_room(service, skus={"mug": 3}, seats_max=2)
    await join(service, 50)
    await tick(service, 2)

    await service.rooms.set_status("drop", "paused", who="test")
    await tick(service, 2)
    paused = service.board.room("drop").state
    await service.rooms.set_status("drop", "open", who="test")
    await tick(service, 2)
    resumed = service.board.room("drop").state

    assert paused is not None
    assert paused.wait_note == "paused"
    assert resumed is not None
    assert resumed.wait_note is None


async def test_a_checkout_that_fails_is_sent_hardly_anybody(service: Service) -> None:
    await open_room(service, policy="rate", skus={"mug": 500}, seats_max=5000, batch_max=5)
    await join(service, 4000)
    await tick(service, 2)

    async def calls_stand_still() -> bool:
        await service.memory.add_counts("/checkout", {"answered": 100, "failed": 60}, ttl_s=5)
        before = await called(service)
        await tick(service)
        return await called(service) == before

    assert await eventually(calls_stand_still, every_s=0.6)


async def test_who_came_and_went_between_two_looks_is_learned_from(service: Service) -> None:
    await open_room(
        service, policy="expected", skus={"mug": 9}, limit=1, seats_max=500, session_s=60
    )
    await tick(service, 2)
    await sessions_in(service, 4)
    await shift_clock(service, 61)
    await service.office.end_due(10)

    await tick(service)

    (lead,) = service.controller._leads.values()  # noqa: SLF001 - the log tells it with the next call
    assert lead._caller.outlook is not None  # noqa: SLF001
    assert lead._caller.outlook.called == 4  # noqa: SLF001
