"""The fairness report of real lines, against what was done to them."""

import asyncio
import os
from dataclasses import replace
from typing import Any

import pytest
from shop import ask, hold, open_gate, sessions_in, wish
from support import (
    as_owner,
    eventually,
    execute,
    open_room,
    shift_clock,
    tick,
)

from checkout.refusals import UnknownRoom
from inventory.kit.problem import Busy, Refusal
from waitroom.line.ticket import Ticket
from waitroom.reports.fairness import fairness_store
from waitroom.reports.fairness.fairness_report import FairnessReport
from waitroom.reports.fairness.fairness_store import FairnessStore
from waitroom.reports.fairness.overtaking import Cause, Overtaken
from waitroom.reports.fairness.verdict import verdict
from waitroom.run.app import Service

NOBODY = Overtaken()
CLAIM_WINDOW_S = 120


async def report(service: Service) -> FairnessReport:
    """Count anew: a store keeps its reports for a while."""
    return await FairnessStore(service.pool).report("drop")


def causes(found: FairnessReport) -> dict[Cause, Overtaken]:
    return {cause: each for cause, each in found.overtaken.causes.items() if each != NOBODY}


async def join(service: Service, count: int = 1, lane: str = "main") -> list[Ticket]:
    sql = "SELECT line_id FROM line WHERE lane = $1 AND joinable"
    line_id = (await execute(service, sql, lane))[0]["line_id"]
    joined = await service.lines.join(line_id, count, os.urandom(32))
    assert joined.refusal is None
    return [
        Ticket(line_id=line_id, number=joined.first + i, ticket_id=os.urandom(16))
        for i in range(count)
    ]


async def claim(service: Service, *tickets: Ticket) -> list[str]:
    return [claimed.verdict for claimed in await service.lines.claim(tickets)]


async def at_place(service: Service, function: str, ticket: Ticket) -> str:
    sql = f"SELECT {function}($1, $2, $3) AS verdict"
    values = (ticket.line_id, ticket.number, ticket.ticket_id)
    return str((await execute(service, sql, *values))[0]["verdict"])


async def change(service: Service, **rules: Any) -> None:
    text = ", ".join(f'"{name}": {value}' for name, value in rules.items())
    await service.rooms.change("drop", "{" + text + "}", who="test")


async def miss_their_calls(service: Service) -> None:
    await shift_clock(service, CLAIM_WINDOW_S + 60)
    await service.office.end_due(1000)


async def test_a_line_in_order_overtakes_nobody_and_says_so(service: Service) -> None:
    await open_gate(service, skus={"mug": 50}, seats_max=4)
    await tick(service)
    tickets = await join(service, 10)
    await claim(service, *tickets[:4])
    await change(service, seats_max=6)
    await tick(service)

    found = await report(service)

    assert (found.joined, found.called, found.waiting) == (10, 6, 4)
    assert (found.counts.called, found.counts.claimed, found.counts.passed_over) == (6, 4, 0)
    assert found.overtaken.total == NOBODY
    assert verdict(found).startswith("So far, no one was overtaken: all 6 people were called")


async def test_whoever_missed_and_came_back_is_not_passed_by_the_line(service: Service) -> None:
    await open_gate(service, skus={"mug": 50}, seats_max=2)
    await tick(service)
    tickets = await join(service, 6)
    await miss_their_calls(service)
    assert await claim(service, *tickets[:2]) == ["missed", "missed"]
    await tick(service)
    await change(service, seats_max=5)
    await tick(service)

    found = await report(service)

    assert (found.counts.called, found.counts.came_back, found.counts.no_shows) == (5, 2, 0)
    assert found.overtaken.total == NOBODY


async def test_an_arrival_that_is_called_at_once_overtakes_whoever_came_back(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 50}, seats_max=9)
    await tick(service)
    (early,) = await join(service)
    await miss_their_calls(service)
    assert await claim(service, early) == ["missed"]

    await join(service, 3)
    before = causes(await report(service))
    await tick(service)
    await join(service, 2)

    passed = {Cause.CALLED_AT_ONCE: Overtaken(people=1, times=3, worst=3)}
    assert before == passed
    assert causes(await report(service)) == passed


async def test_who_was_called_before_somebody_came_back_has_not_overtaken_them(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 50}, seats_max=1)
    await tick(service)
    tickets = await join(service, 6)
    await miss_their_calls(service)
    await change(service, seats_max=2)
    await tick(service)
    assert await claim(service, tickets[0]) == ["missed"]
    await change(service, seats_max=4)
    await tick(service)

    found = await report(service)

    assert found.counts.called == 4
    assert found.overtaken.total == NOBODY


async def test_a_lane_overtakes_those_of_the_main_line_who_came_before(service: Service) -> None:
    await open_gate(service, skus={"mug": 50}, seats_max=0)
    sql = "SELECT set_lane('drop', 'members', 1, 'test')"
    await execute(service, sql)
    await join(service, 4)
    await join(service, 2, lane="members")
    await join(service, 3)
    sql = """SELECT call_numbers(line_id, office.term, gate, 2, '{}', clock_timestamp(), '', '{}')
             FROM line, office WHERE lane = 'members'"""
    await execute(service, sql)

    found = await report(service)

    assert causes(found) == {Cause.LANE: Overtaken(people=4, times=8, worst=2)}
    assert "4 by a lane that the operators had opened" in verdict(found)


async def test_whoever_steps_aside_lets_others_pass_and_it_says_so(service: Service) -> None:
    await open_gate(service, skus={"mug": 50}, seats_max=0)
    await tick(service)
    aside, gone, soon, *_ = await join(service, 6)
    for ticket in (aside, gone, soon):
        assert await at_place(service, "step_aside", ticket) == "aside"
    assert await at_place(service, "step_back", soon) == "waiting"
    await change(service, seats_max=2)
    await tick(service)
    assert await at_place(service, "step_back", aside) == "missed"

    waiting = await report(service)
    await change(service, seats_max=3)
    await tick(service)
    called = await report(service)

    # Numbers 3 and 4 were called; 2 never came back, and 3 had been back in time.
    passed = {Cause.STEPPED_ASIDE: Overtaken(people=1, times=2, worst=2)}
    assert causes(waiting) == passed
    assert causes(called) == passed
    assert (called.counts.called, called.called, called.counts.passed_over) == (3, 3, 0)


async def test_who_gave_up_or_was_revoked_is_told_apart_from_who_did_not_come(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 50}, seats_max=2)
    await tick(service)
    tickets = await join(service, 8)
    await service.lines.leave(tickets[0])
    await service.lines.leave(tickets[4])
    await execute(service, "SELECT revoke_place('drop', 'main-1', 6, 'test', 'a bot')")
    await miss_their_calls(service)
    await change(service, seats_max=9)
    await tick(service)

    found = await report(service)

    counts = found.counts
    assert (counts.left_waiting, counts.left_later, counts.no_shows) == (1, 1, 1)
    assert (counts.called, found.called, counts.passed_over) == (6, 6, 0)
    assert "revoked" in {act.kind for act in found.acts}
    assert found.overtaken.total == NOBODY


async def test_found_nothing_means_to_have_asked_and_never_held(service: Service) -> None:
    await open_gate(service, skus={"mug": 1, "cup": 9}, seats_max=9)
    lucky, unlucky, other, _ = await sessions_in(service, 4)
    await hold(service, lucky, mug=1)
    assert isinstance(await ask(service, wish(unlucky, mug=1)), Refusal)
    assert isinstance(await ask(service, wish(other, mug=1)), Refusal)
    await hold(service, other, cup=1)

    found = await report(service)

    assert found.counts.found_nothing == 1
    assert found.found_nothing_share == pytest.approx(1 / 4)
    assert "1 person of the 4 called (25%) came and found nothing left." in verdict(found)


async def test_it_is_remembered_that_somebody_found_nothing_when_their_session_is_over(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 1}, seats_max=9)
    lucky, unlucky = await sessions_in(service, 2)
    await hold(service, lucky, mug=1)
    await ask(service, wish(unlucky, mug=1))

    await execute(service, "SELECT end_session($1, 'left')", unlucky)

    assert await execute(service, "SELECT FROM wish") == []
    assert (await report(service)).counts.found_nothing == 1


async def test_a_number_that_was_passed_without_a_call_is_found(service: Service) -> None:
    await open_gate(service, skus={"mug": 50}, seats_max=3)
    await tick(service)
    await join(service, 5)
    await execute(service, "DELETE FROM admission WHERE number = 2")

    found = await report(service)

    assert found.counts.passed_over == 1
    assert "1 number was skipped without a call" in verdict(found)


async def test_a_draw_is_held_against_its_commitment(service: Service) -> None:
    await open_room(service, status="scheduled", order_by="draw", seats_max=0)
    await tick(service)
    await join(service, 7)
    before = await report(service)
    await service.rooms.set_status("drop", "open", who="test")
    await tick(service, 4)
    await change(service, seats_max=3)
    await tick(service)

    found = await report(service)

    assert [(draw.kept, draw.count) for draw in before.draws] == [(None, None)]
    assert [(draw.kept, draw.count, draw.flaws) for draw in found.draws] == [(True, 7, ())]
    assert (found.joined, found.called) == (7, 3)
    assert "drawn as announced" in verdict(found)


async def test_waits_that_were_told_are_held_against_the_calls(service: Service) -> None:
    await open_gate(service, skus={"mug": 50}, seats_max=0)
    await tick(service)
    await join(service, 10)
    facts = (
        '{"line": "main-1", "head": 0, "tail": 10, "rows": [[1, 0, 60, 1.0], [5, 600, 900, 0.5]]}'
    )
    sql = "SELECT note_forecast(room_id, 1000, $1) FROM room"
    await execute(service, sql, facts)
    await change(service, seats_max=5)
    await tick(service)

    found = (await report(service)).forecast

    assert (found.waits.judged, found.waits.inside, found.waits.sooner) == (2, 1, 1)
    assert [(c.rows, c.came_true) for c in found.chances] == [(1, 1.0), (1, 1.0)]


async def test_a_report_waits_for_nobody_and_holds_nobody_up(service: Service) -> None:
    await open_gate(service, skus={"mug": 50}, seats_max=2)
    await tick(service)
    await join(service, 5)

    async with as_owner(service.pool) as busy:
        for table in ("log_head", "room", "line", "admission", "room_stock", "stock"):
            await busy.execute(f"SELECT FROM {table} FOR UPDATE")
        found = await report(service)

    assert found.called == 2


async def test_a_report_is_made_once_for_all_who_ask(service: Service) -> None:
    await open_gate(service, skus={"mug": 50})
    store = FairnessStore(service.pool)

    first, *others = await asyncio.gather(*(store.report("drop") for _ in range(5)))

    assert all(other is first for other in others)


async def test_a_log_that_is_read_in_parts_has_the_same_report(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_gate(service, skus={"mug": 9})
    for _ in range(12):
        await join(service, 2)
    await tick(service)
    whole = await report(service)
    monkeypatch.setattr(fairness_store, "ENTRIES_AT_ONCE", 2)
    monkeypatch.setattr(fairness_store, "LAST_ENTRIES", 3)
    monkeypatch.setattr(fairness_store, "CALM_AFTER_S", 0)

    parts = await report(service)

    assert whole.log_seq > 12
    assert replace(parts, as_of=whole.as_of) == whole


async def test_a_report_that_takes_long_is_there_for_the_next_request(service: Service) -> None:
    await open_gate(service, skus={"mug": 50})
    store = FairnessStore(service.pool, answer_max_s=0.0)

    with pytest.raises(Busy):
        await store.report("drop")
    await eventually(lambda: made(store))

    assert (await store.report("drop")).room == "drop"
    with pytest.raises(Busy):
        await store.report("away")
    await store.close()


async def made(store: FairnessStore) -> bool:
    try:
        await store.report("drop")
    except Busy:
        return False
    return True


async def test_a_room_that_is_not_there_has_no_report(service: Service) -> None:
    with pytest.raises(UnknownRoom):
        await report(service)
