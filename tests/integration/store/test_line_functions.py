"""The line's functions on PostgreSQL: numbers, calls, claims and leavings under attack."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from support import execute, log_is_whole, open_room, shift_clock, tick

from inventory.hold import HoldRequest, body_hash
from inventory.kit.problem import Refusal
from waitroom.leader.controller import Controller
from waitroom.line.policy import Call, CallResult, Decision
from waitroom.line.snapshot import RoomSnapshot
from waitroom.line.ticket import Ticket
from waitroom.run.app import Service
from waitroom.store.office_store import OfficeStore

OpenService = Callable[..., Awaitable[Service]]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
WAIT_S = 20.0


def line_of(service: Service, room: str = "drop") -> int:
    return service.board.room(room).line_id


def another_controller(service: Service, *, store: OfficeStore) -> Controller:
    return Controller(
        store=store,
        series=service.series,
        memory=service.memory,
        drawing=service.drawing,
        lease_s=5.0,
    )


async def join(service: Service, joins: int = 1, room: str = "drop") -> list[Ticket]:
    """Take the next numbers, each with a ticket of its own."""
    line_id = line_of(service, room)
    joined = await service.lines.join(line_id, joins, os.urandom(32))
    assert joined.refusal is None
    return [
        Ticket(line_id=line_id, number=joined.first + i, ticket_id=os.urandom(16))
        for i in range(joins)
    ]


async def claim(service: Service, ticket: Ticket) -> Any:
    return (await service.lines.claim([ticket]))[0]


async def line_row(service: Service, room: str = "drop") -> dict[str, Any]:
    sql = "SELECT l.*, o.term FROM line l JOIN room m USING (room_id), office o WHERE m.room = $1"
    return dict((await execute(service, sql, room))[0])


async def states(service: Service) -> dict[int, str]:
    rows = await execute(service, "SELECT number, state FROM admission ORDER BY number")
    return {row["number"]: row["state"] for row in rows}


async def promised(service: Service) -> int:
    return int((await execute(service, "SELECT promised FROM room_stock"))[0]["promised"])


async def call(
    service: Service, gate: int, *, term: int | None = None, again: tuple[int, ...] = ()
) -> CallResult:
    row = await line_row(service)
    return await service.office.call(
        Call(
            line_id=row["line_id"],
            gate_read=row["gate"],
            decision=Decision(gate=gate, again=again, reason="test"),
            heard_by=LONG_AGO,
        ),
        term=row["term"] if term is None else term,
    )


async def all_is_well(service: Service) -> None:
    assert await service.ledger.breaches() == []
    assert await log_is_whole(service)


# Joining.


async def test_numbers_are_consecutive_from_one(service: Service) -> None:
    await open_room(service)
    line_id = line_of(service)

    joined = [await service.lines.join(line_id, n, os.urandom(32)) for n in (1, 3, 2)]

    assert [j.first for j in joined] == [1, 2, 5]
    assert [j.tail for j in joined] == [1, 4, 6]
    await all_is_well(service)


async def test_two_services_never_give_one_number_twice(services: OpenService) -> None:
    one, other = await services(), await services()
    await open_room(one)
    await other.board.refresh(rooms=True)

    given = await asyncio.gather(
        *(join(service, 1 + i % 3) for i in range(20) for service in (one, other))
    )

    numbers = sorted(ticket.number for tickets in given for ticket in tickets)
    assert numbers == list(range(1, len(numbers) + 1))
    await all_is_well(one)


async def test_after_a_lost_reply_the_same_numbers_are_found(service: Service) -> None:
    await open_room(service)
    await tick(service)
    line_id, root = line_of(service), os.urandom(32)
    first = await service.lines.join(line_id, 3, root)
    await join(service, 2)

    sql = "SELECT * FROM join_line($1, 3, $2, true)"
    found = (await execute(service, sql, line_id, root))[0]

    assert (found["first_number"], found["called"]) == (first.first, first.called)
    assert found["seq"] == first.seq
    assert found["claim_until"] is not None
    assert (await line_row(service))["tail"] == 5
    assert found["refusal"] is None


async def test_after_a_lost_request_new_numbers_are_given_once(service: Service) -> None:
    await open_room(service)
    line_id, root = line_of(service), os.urandom(32)

    sql = "SELECT * FROM join_line($1, 3, $2, true)"
    first = (await execute(service, sql, line_id, root))[0]
    again = (await execute(service, sql, line_id, root))[0]

    assert first["first_number"] == again["first_number"] == 1
    assert (await line_row(service))["tail"] == 3


async def test_a_batch_is_found_again_even_when_the_room_has_closed_since(
    service: Service,
) -> None:
    await open_room(service)
    line_id, root = line_of(service), os.urandom(32)
    await service.lines.join(line_id, 2, root)
    await service.rooms.set_status("drop", "ended", who="test")

    found = (await execute(service, "SELECT * FROM join_line($1, 2, $2, true)", line_id, root))[0]

    assert (found["refusal"], found["first_number"]) == (None, 1)


@pytest.mark.parametrize(
    ("status", "refusal"),
    [("scheduled", "not_open"), ("open", None), ("paused", None), ("ended", "room_ended")],
)
async def test_a_room_takes_arrivals_while_it_is_open_or_paused(
    service: Service, status: str, refusal: str | None
) -> None:
    await open_room(service, status="open" if status == "paused" else status)
    if status == "paused":
        await service.rooms.set_status("drop", status, who="test")

    joined = await service.lines.join(line_of(service), 1, os.urandom(32))

    assert joined.refusal == refusal
    assert (await line_row(service))["tail"] == (0 if refusal else 1)


async def test_a_sold_out_room_takes_nobody(service: Service) -> None:
    await open_room(service)
    room_id = (await line_row(service))["room_id"]
    await execute(service, "UPDATE stock SET sold = on_hand")
    await execute(service, "UPDATE room_stock SET sold = on_hand")
    await service.office.note_sold_out(room_id)

    refused = await service.lines.join(line_of(service), 1, os.urandom(32))
    await service.ledger.move("mug", kind="received", quantity=1, who="test", reason="")
    await service.office.note_sold_out(room_id)
    joined = await service.lines.join(line_of(service), 1, os.urandom(32))

    assert refused.refusal == "sold_out"
    assert (joined.refusal, joined.first) == (None, 1)


async def test_an_arrival_at_or_below_the_gate_is_called_as_it_joins(service: Service) -> None:
    await open_room(service, skus={"mug": 3})
    await tick(service)

    joined = await service.lines.join(line_of(service), 5, os.urandom(32))

    assert (joined.gate, joined.called) == (3, 3)
    assert joined.claim_seconds == pytest.approx(120)
    assert await states(service) == {1: "called", 2: "called", 3: "called"}
    assert await promised(service) == 3
    await all_is_well(service)


async def test_a_guaranteed_room_never_promises_more_than_is_there(service: Service) -> None:
    await open_room(service, skus={"mug": 5})
    await tick(service)
    await service.ledger.move("mug", kind="adjusted", quantity=-3, who="test", reason="broken")

    joined = await service.lines.join(line_of(service), 4, os.urandom(32))

    assert (joined.called, joined.gate) == (2, 2)
    assert await promised(service) == 2
    await all_is_well(service)


async def test_a_call_may_promise_several_units(service: Service) -> None:
    await open_room(service, skus={"mug": 7}, units_promised=3)
    await tick(service)

    joined = await service.lines.join(line_of(service), 4, os.urandom(32))

    assert joined.called == 2
    assert await promised(service) == 6
    await all_is_well(service)


async def test_the_last_units_are_promised_though_they_are_fewer_than_a_call_promises(
    service: Service,
) -> None:
    await open_room(service, skus={"mug": 7}, units_promised=3)
    await tick(service)
    one, other, *_ = await join(service, 4)
    for ticket in (one, other):
        claimed = await claim(service, ticket)
        await hold(service, claimed.session_id, mug=3)
        await tick(service)

    # The units in baskets may come back.
    assert await states(service) == {1: "claimed", 2: "claimed"}

    sold = "SELECT end_holds(ARRAY(SELECT hold_id FROM hold), 'confirmed', false)"
    await execute(service, sold)
    await tick(service)

    assert (await states(service))[3] == "called"
    assert await promised(service) == 1


async def test_no_call_promises_the_last_units_once_there_are_more(service: Service) -> None:
    """A batch of joins reads what a call promises before it has the lock."""
    await open_room(service, skus={"mug": 7}, units_promised=3)

    (row,) = await execute(
        service,
        "SELECT calls_afforded(m, 1) AS of_last, calls_afforded(m, 3) AS of_all FROM room m",
    )

    assert (row["of_last"], row["of_all"]) == (0, 2)


async def test_a_pause_draws_the_gate_back_to_the_tail(service: Service) -> None:
    await open_room(service, skus={"mug": 3})
    await tick(service)
    await join(service, 1)
    await service.rooms.set_status("drop", "paused", who="test")

    joined = await service.lines.join(line_of(service), 1, os.urandom(32))

    assert (joined.called, joined.gate) == (0, 1)
    assert await states(service) == {1: "called"}


# Calling.


class FrozenStore(OfficeStore):
    """A real store whose reader stands still after reading, until it is let go on."""

    def __init__(self, pool: Any) -> None:
        super().__init__(pool)
        self.frozen = False
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    async def snapshot(self, room_id: int) -> RoomSnapshot | None:
        room = await super().snapshot(room_id)
        if self.frozen:
            self.reached.set()
            await self.go_on.wait()
        return room


async def frozen_leader(service: Service) -> tuple[Controller, FrozenStore]:
    store = FrozenStore(service.pool)
    old = another_controller(service, store=store)
    await old.tick()
    assert old.leading
    store.frozen = True
    return old, store


async def lease_runs_out(service: Service) -> None:
    await execute(service, "UPDATE office SET beat_at = beat_at - interval '60 seconds'")


async def test_old_leader_cannot_move_the_head(service: Service) -> None:
    await open_room(service, skus={"mug": 3}, seats_max=0)
    old, store = await frozen_leader(service)
    await join(service, 5)
    await service.rooms.change("drop", '{"seats_max": 10}', who="test")
    asleep = asyncio.create_task(old.tick())
    await asyncio.wait_for(store.reached.wait(), WAIT_S)
    await lease_runs_out(service)
    new = another_controller(service, store=service.office)
    await service.rooms.change("drop", '{"seats_max": 1}', who="test")
    await new.tick()
    before = await line_row(service), await states(service), await service.lines.states()

    store.go_on.set()
    await asleep

    assert before[0]["gate"] == 1
    assert (await line_row(service), await states(service), await service.lines.states()) == before
    assert new.leading
    assert not old.leading
    await all_is_well(service)


async def test_old_leader_cannot_open_a_room_that_was_paused_since(service: Service) -> None:
    await open_room(service, status="scheduled", opens_at="2020-01-01T00:00:00Z")
    store = FrozenStore(service.pool)
    store.frozen = True
    old = another_controller(service, store=store)
    asleep = asyncio.create_task(old.tick())
    await asyncio.wait_for(store.reached.wait(), WAIT_S)
    await lease_runs_out(service)
    new = another_controller(service, store=service.office)
    await new.tick()
    await service.rooms.set_status("drop", "paused", who="operator", reason="stop")

    store.go_on.set()
    await asleep

    assert (await service.rooms.read("drop")).status == "paused"


async def test_old_leader_cannot_say_sold_out(service: Service) -> None:
    await open_room(service, skus={"mug": 0})
    store = FrozenStore(service.pool)
    store.frozen = True
    old = another_controller(service, store=store)
    asleep = asyncio.create_task(old.tick())
    await asyncio.wait_for(store.reached.wait(), WAIT_S)
    await lease_runs_out(service)
    await service.ledger.move("mug", kind="received", quantity=5, who="test", reason="")
    new = another_controller(service, store=service.office)
    await new.tick()

    store.go_on.set()
    await asleep

    assert not (await service.rooms.read("drop")).sold_out


async def test_a_stale_term_writes_nothing(service: Service) -> None:
    await open_room(service)
    await tick(service)
    await join(service, 5)
    await execute(service, "UPDATE office SET term = 7")

    called = await call(service, 50, term=6)

    assert called.verdict == "stale_term"
    assert (await line_row(service))["gate"] == 5


async def test_a_decision_on_a_gate_that_has_moved_writes_nothing(service: Service) -> None:
    await open_room(service, skus={"mug": 9}, seats_max=0)
    await tick(service)
    await join(service, 5)
    row = await line_row(service)
    await call(service, 2)

    late = await service.office.call(
        Call(
            line_id=row["line_id"],
            gate_read=row["gate"],
            decision=Decision(gate=5, again=(), reason="late"),
            heard_by=LONG_AGO,
        ),
        term=row["term"],
    )

    assert late.verdict == "gate_moved"
    assert await states(service) == {1: "called", 2: "called"}
    await all_is_well(service)


async def test_the_gate_is_drawn_back_but_never_below_the_head(service: Service) -> None:
    await open_room(service, skus={"mug": 9})
    await tick(service)
    await join(service, 4)

    called = await call(service, 0)

    assert (called.verdict, called.gate, called.called) == ("done", 4, 0)
    assert set((await states(service)).values()) == {"called"}
    assert (await join(service, 1))[0].number == 5
    assert len(await states(service)) == 4


async def test_nobody_is_called_beyond_what_is_there(service: Service) -> None:
    await open_room(service, skus={"mug": 3}, seats_max=0)
    await tick(service)
    await join(service, 8)

    called = await call(service, 8)

    assert (called.called, called.gate) == (3, 3)
    assert await promised(service) == 3
    await all_is_well(service)


async def test_numbers_that_left_are_stepped_over(service: Service) -> None:
    await open_room(service, skus={"mug": 9}, seats_max=0)
    await tick(service)
    tickets = await join(service, 6)
    for ticket in (tickets[0], tickets[2]):
        assert await service.lines.leave(ticket) == "left"

    called = await call(service, 2)

    assert called.called == 2
    assert await states(service) == {1: "left", 2: "called", 3: "left", 4: "called"}
    assert called.gate == 4
    await all_is_well(service)


async def test_no_number_is_called_twice(service: Service) -> None:
    await open_room(service, skus={"mug": 9}, seats_max=0)
    await tick(service)
    await join(service, 5)

    await asyncio.gather(*(call(service, 5) for _ in range(6)))

    rows = await execute(service, "SELECT number, times_called FROM admission ORDER BY number")
    assert [(r["number"], r["times_called"]) for r in rows] == [(n, 1) for n in range(1, 6)]
    assert await promised(service) == 5
    await all_is_well(service)


async def test_a_paused_room_calls_nobody(service: Service) -> None:
    await open_room(service, skus={"mug": 9}, seats_max=0)
    await tick(service)
    await join(service, 5)
    await service.rooms.set_status("drop", "paused", who="test")

    called = await call(service, 5)

    assert (called.verdict, called.called) == ("done", 0)
    assert await states(service) == {}


async def test_the_claim_window_counts_from_when_a_number_was_told_to_ask_again(
    service: Service,
) -> None:
    await open_room(service, skus={"mug": 9}, seats_max=0, claim_window_s=60)
    await tick(service)
    (ticket,) = await join(service)
    row = await line_row(service)
    heard_by = datetime.now(UTC) + timedelta(seconds=500)

    await service.office.call(
        Call(
            line_id=row["line_id"],
            gate_read=row["gate"],
            decision=Decision(gate=1, again=(), reason="test"),
            heard_by=heard_by,
        ),
        term=row["term"],
    )

    (standing,) = await service.lines.places_on_file([ticket])
    assert standing.claim_until == heard_by + timedelta(seconds=60)


async def test_a_rate_room_keeps_to_its_calls_per_minute(service: Service) -> None:
    await open_room(service, skus={"mug": 9}, policy="rate", calls_per_minute=60)
    await join(service, 50)

    await tick(service)

    assert len(await states(service)) <= 2


# The shoppers' clock.


async def test_a_gap_without_a_leader_moves_every_deadline_by_the_gap(service: Service) -> None:
    await open_room(service, skus={"mug": 9})
    await tick(service)
    tickets = await join(service, 2)
    await claim(service, tickets[0])
    (before,) = await service.lines.places_on_file([tickets[1]])
    session_before = await claim(service, tickets[0])
    await execute(service, "UPDATE office SET beat_at = beat_at - interval '100 seconds'")

    await tick(service)

    (after,) = await service.lines.places_on_file([tickets[1]])
    session_after = await claim(service, tickets[0])
    assert before.claim_until is not None
    assert after.claim_until is not None
    moved = after.claim_until - before.claim_until
    # The clock runs on for three seconds without a beat, and never back.
    assert timedelta(seconds=97) <= moved < timedelta(seconds=115)
    assert session_after.expires_at - session_before.expires_at == moved
    assert await service.office.end_due(100) == (0, 0)


async def test_the_shoppers_clock_stands_still_while_nobody_leads(service: Service) -> None:
    await open_room(service)
    await tick(service)
    await execute(service, "UPDATE office SET beat_at = beat_at - interval '100 seconds'")

    first = (await execute(service, "SELECT shopper_now() AS t"))[0]["t"]
    later = (await execute(service, "SELECT shopper_now() AS t"))[0]["t"]

    assert first == later


async def test_a_steady_beat_moves_no_deadline(service: Service) -> None:
    await open_room(service)
    await tick(service)
    before = (await execute(service, "SELECT stopped FROM office"))[0]["stopped"]

    await tick(service, 5)

    assert (await execute(service, "SELECT stopped FROM office"))[0]["stopped"] == before


async def test_nobody_takes_office_before_the_lease_is_over(service: Service) -> None:
    one, other = "one", "other"
    leader, term = await service.office.beat(one, 0, lease_s=5.0)

    challenged = await service.office.beat(other, 0, lease_s=5.0)
    await execute(service, "UPDATE office SET beat_at = beat_at - interval '6 seconds'")
    taken = await service.office.beat(other, 0, lease_s=5.0)
    back = await service.office.beat(one, term, lease_s=5.0)

    assert (leader, term) == (one, 1)
    assert challenged == (one, 1)
    assert taken == (other, 2)
    assert back == (other, 2)


async def test_many_candidates_make_one_leader(service: Service) -> None:
    names = [f"candidate-{i}" for i in range(8)]

    answers = await asyncio.gather(*(service.office.beat(name, 0, lease_s=5.0) for name in names))

    assert len(set(answers)) == 1
    assert answers[0][1] == 1


async def test_a_leader_that_resigns_is_followed_at_once(service: Service) -> None:
    _, term = await service.office.beat("one", 0, lease_s=5.0)

    await service.office.resign("one", term)

    assert await service.office.beat("other", 0, lease_s=5.0) == ("other", 2)


# Claiming.


async def test_a_repeated_claim_gets_the_same_session(service: Service) -> None:
    await open_room(service)
    await tick(service)
    (ticket,) = await join(service)

    first, again = await claim(service, ticket), await claim(service, ticket)

    assert (first.verdict, first.fresh) == ("claimed", True)
    assert (again.verdict, again.fresh) == ("claimed", False)
    assert (again.session_id, again.expires_at) == (first.session_id, first.expires_at)


async def test_a_number_is_bound_to_the_ticket_that_claimed_it(service: Service) -> None:
    await open_room(service)
    await tick(service)
    (ticket,) = await join(service)
    forged = Ticket(line_id=ticket.line_id, number=ticket.number, ticket_id=os.urandom(16))
    await claim(service, ticket)

    refused = await claim(service, forged)

    assert refused.verdict == "other_ticket"
    assert await service.lines.leave(forged) == "other_ticket"
    assert await states(service) == {1: "claimed"}


async def test_two_tickets_of_one_number_in_one_batch_give_one_session(service: Service) -> None:
    await open_room(service)
    await tick(service)
    (ticket,) = await join(service)
    forged = Ticket(line_id=ticket.line_id, number=ticket.number, ticket_id=os.urandom(16))

    verdicts = await service.lines.claim([ticket, forged, ticket])

    assert [v.verdict for v in verdicts] == ["claimed", "other_ticket", "claimed"]
    assert verdicts[0].session_id == verdicts[2].session_id


async def test_fifty_claims_of_one_ticket_at_two_services_give_one_session(
    services: OpenService,
) -> None:
    one, other = await services(), await services()
    await open_room(one)
    await other.board.refresh(rooms=True)
    await tick(one)
    (ticket,) = await join(one)

    claimed = await asyncio.gather(
        *(claim(service, ticket) for _ in range(25) for service in (one, other))
    )

    assert {c.verdict for c in claimed} == {"claimed"}
    assert len({c.session_id for c in claimed}) == 1
    assert sum(c.fresh for c in claimed) == 1
    await all_is_well(one)


async def test_a_number_that_is_not_called_is_not_claimed(service: Service) -> None:
    await open_room(service, seats_max=0)
    await tick(service)
    (ticket,) = await join(service)

    refused = await claim(service, ticket)

    assert (refused.verdict, refused.session_id) == ("not_yet_called", 0)


async def test_a_late_claim_is_good_until_the_call_was_given_away(service: Service) -> None:
    await open_room(service)
    await tick(service)
    (ticket,) = await join(service)
    await shift_clock(service, 121)

    claimed = await claim(service, ticket)

    assert claimed.verdict == "claimed"


async def test_who_missed_and_came_back_is_called_before_anyone_new(service: Service) -> None:
    await open_room(service, skus={"mug": 2})
    await tick(service)
    tickets = await join(service, 4)
    await shift_clock(service, 121)
    assert await service.office.end_due(100) == (2, 0)
    assert await promised(service) == 0

    # They come back in the other order; the line's order counts.
    missed = [await claim(service, ticket) for ticket in (tickets[1], tickets[0])]
    await tick(service)

    assert [m.verdict for m in missed] == ["missed", "missed"]
    assert await states(service) == {1: "called", 2: "called"}
    assert (await claim(service, tickets[0])).verdict == "claimed"
    assert (await claim(service, tickets[2])).verdict == "not_yet_called"
    await all_is_well(service)


async def test_those_who_came_back_are_called_by_number(service: Service) -> None:
    await open_room(service, skus={"mug": 3})
    await tick(service)
    tickets = await join(service, 3)
    await shift_clock(service, 121)
    await service.office.end_due(100)
    await service.rooms.change("drop", '{"seats_max": 1}', who="test")

    for ticket in reversed(tickets):
        await claim(service, ticket)
    await tick(service)

    assert await states(service) == {1: "called", 2: "missed", 3: "missed"}


async def test_who_missed_and_stays_away_is_not_called_again(service: Service) -> None:
    await open_room(service, skus={"mug": 2})
    await tick(service)
    await join(service, 3)
    await shift_clock(service, 121)
    await service.office.end_due(100)

    await tick(service)

    assert await states(service) == {1: "missed", 2: "missed", 3: "called"}


async def test_who_comes_back_after_the_grace_has_no_place(service: Service) -> None:
    await open_room(service, skus={"mug": 2}, grace_s=60)
    await tick(service)
    (ticket,) = await join(service)
    await shift_clock(service, 121)
    await service.office.end_due(100)
    await shift_clock(service, 61)

    refused = await claim(service, ticket)
    await tick(service)

    assert refused.verdict == "over"
    assert await states(service) == {1: "missed"}


async def test_a_stranger_cannot_bring_a_missed_number_back(service: Service) -> None:
    await open_room(service, skus={"mug": 2})
    await tick(service)
    (ticket,) = await join(service)
    await shift_clock(service, 121)
    await service.office.end_due(100)
    await claim(service, ticket)
    forged = Ticket(line_id=ticket.line_id, number=ticket.number, ticket_id=os.urandom(16))

    assert (await claim(service, forged)).verdict == "other_ticket"


# Leaving, and what it gives back.


async def test_a_waiting_place_is_given_up_once_and_for_all(service: Service) -> None:
    await open_room(service, seats_max=0)
    await tick(service)
    (ticket,) = await join(service)

    assert await service.lines.leave(ticket) == "left"
    assert await service.lines.leave(ticket) == "left"
    assert (await claim(service, ticket)).verdict == "left"
    assert await states(service) == {1: "left"}


async def test_leaving_a_call_gives_its_promise_back(service: Service) -> None:
    await open_room(service, skus={"mug": 2})
    await tick(service)
    (ticket,) = await join(service)
    assert await promised(service) == 1

    assert await service.lines.leave(ticket) == "left"

    assert await promised(service) == 0
    assert await states(service) == {1: "left"}
    await all_is_well(service)


async def test_leaving_a_session_releases_its_holds_and_promise(service: Service) -> None:
    await open_room(service, skus={"mug": 4}, units_promised=2)
    await tick(service)
    (ticket,) = await join(service)
    claimed = await claim(service, ticket)
    await hold(service, claimed.session_id, mug=1)
    assert await promised(service) == 1

    assert await service.lines.leave(ticket) == "left"

    assert await promised(service) == 0
    assert (await service.stock.read("mug")).held == 0
    assert await states(service) == {1: "left"}
    await all_is_well(service)


async def test_a_missed_or_ended_place_can_be_left_too(service: Service) -> None:
    await open_room(service, skus={"mug": 2})
    await tick(service)
    missed, ended = await join(service, 2)
    session = (await claim(service, ended)).session_id
    await service.orders.leave(session)
    await shift_clock(service, 121)
    await service.office.end_due(100)

    assert await service.lines.leave(missed) == "left"
    assert await service.lines.leave(ended) == "left"

    assert await states(service) == {1: "left", 2: "ended"}
    assert await promised(service) == 0
    await all_is_well(service)


async def test_a_missed_call_and_an_ended_session_give_their_promises_back(
    service: Service,
) -> None:
    await open_room(service, skus={"mug": 4})
    await tick(service)
    tickets = await join(service, 3)
    sessions = [await claim(service, ticket) for ticket in tickets[:2]]
    assert await promised(service) == 3

    await service.orders.leave(sessions[0].session_id)
    left = await promised(service)
    await shift_clock(service, 601)
    ended = await service.office.end_due(100)

    assert left == 2
    assert ended == (1, 1)
    assert await promised(service) == 0
    assert await states(service) == {1: "ended", 2: "ended", 3: "missed"}
    await all_is_well(service)


async def test_an_overdue_session_waits_for_its_open_hold(service: Service) -> None:
    await open_room(service, skus={"mug": 4}, session_s=60, hold_s=300)
    await tick(service)
    (ticket,) = await join(service)
    session = (await claim(service, ticket)).session_id
    await hold(service, session, mug=1)
    await shift_clock(service, 61)

    kept = await service.office.end_due(100)
    await shift_clock(service, 300)
    await service.holds.expire(100)
    ended = await service.office.end_due(100)

    assert (kept, ended) == ((0, 0), (0, 1))
    await all_is_well(service)


async def test_a_leaving_and_a_claim_at_once_agree(services: OpenService) -> None:
    one, other = await services(), await services()
    await open_room(one, skus={"mug": 20})
    await other.board.refresh(rooms=True)
    await tick(one)
    tickets = await join(one, 20)

    await asyncio.gather(
        *(one.lines.leave(ticket) for ticket in tickets),
        *(claim(other, ticket) for ticket in tickets),
    )

    assert set((await states(one)).values()) == {"left"}
    assert await promised(one) == 0
    await all_is_well(one)


async def test_what_happens_in_one_line_leaves_another_alone(service: Service) -> None:
    await open_room(service, "drop", skus={"mug": 3})
    await open_room(service, "other", skus={"vase": 3})
    await tick(service)
    (ticket,) = await join(service, room="drop")
    elsewhere = Ticket(
        line_id=line_of(service, "other"), number=ticket.number, ticket_id=ticket.ticket_id
    )

    refused = await claim(service, elsewhere)

    assert refused.verdict == "not_yet_called"
    assert (await line_row(service, "other"))["tail"] == 0


async def test_the_log_is_only_ever_added_to(service: Service) -> None:
    await open_room(service)
    await join(service)

    for sql in ("UPDATE log_entry SET body = 'x'", "DELETE FROM log_entry"):
        with pytest.raises(asyncpg.RaiseError, match="only ever added"):
            await execute(service, sql)


async def hold(service: Service, session_id: int, **quantities: int) -> None:
    request = HoldRequest(
        session_id=session_id,
        key=uuid4(),
        body_hash=body_hash(quantities),
        quantities=quantities,
        hold_id=uuid4(),
    )
    (placed,) = await service.holds.place([request])
    assert not isinstance(placed, Refusal), placed


async def test_the_shoppers_clock_never_runs_backwards(service: Service) -> None:
    await open_room(service)
    await tick(service)

    for gap_s in (1.0, 3.5, 100.0):
        await execute(
            service, "UPDATE office SET beat_at = beat_at - make_interval(secs => $1)", gap_s
        )
        before = (await execute(service, "SELECT shopper_now() AS t"))[0]["t"]
        await tick(service)
        assert (await execute(service, "SELECT shopper_now() AS t"))[0]["t"] >= before
