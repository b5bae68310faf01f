"""Places that move, step aside, get more time or are taken away, on PostgreSQL, under attack."""

import asyncio
import os
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from support import execute, open_room, shift_clock, tick

from checkout.session import Session
from inventory.refusals import SessionOver
from waitroom.line.policy import Call, CallResult, Decision
from waitroom.line.ticket import Ticket
from waitroom.run.app import Service
from waitroom.store.place_store import PlaceStore

OTHER_ID = bytes(16)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
WAIT_S = 20.0
DRAW = {"status": "scheduled", "order_by": "draw"}


@pytest.fixture
def places(service: Service) -> PlaceStore:
    return PlaceStore(service.pool)


async def join(service: Service, joins: int = 1) -> list[Ticket]:
    """Take the next places, each with a ticket of its own."""
    line_id = service.board.room("drop").line_id
    joined = await service.lines.join(line_id, joins, os.urandom(32))
    assert joined.refusal is None
    return [
        Ticket(
            line_id=line_id,
            number=joined.first + i,
            ticket_id=os.urandom(16),
            entered=joined.entered,
        )
        for i in range(joins)
    ]


async def waiting(service: Service, joins: int, **rules: Any) -> list[Ticket]:
    """Open a room in which everybody waits, and join it."""
    await open_room(service, **{"skus": {"mug": 50}, "seats_max": 0, **rules})
    return await join(service, joins)


async def call(service: Service, gate: int, *, again: tuple[int, ...] = ()) -> CallResult:
    (line,) = await execute(service, "SELECT * FROM line, office")
    return await service.office.call(
        Call(
            line_id=line["line_id"],
            gate_read=line["gate"],
            decision=Decision(gate=gate, again=again, reason="test"),
            heard_by=LONG_AGO,
        ),
        term=line["term"],
    )


async def claimed(service: Service, ticket: Ticket) -> str:
    return (await service.lines.claim([ticket]))[0].verdict


async def row_of(service: Service, number: int) -> dict[str, Any]:
    sql = "SELECT * FROM admission WHERE number = $1"
    found = await execute(service, sql, number)
    return dict(found[0]) if found else {}


async def log_of(service: Service, kind: str) -> list[dict[str, Any]]:
    rows = await execute(service, "SELECT body FROM log_entry ORDER BY seq")
    bodies = [msgspec.json.decode(row["body"]) for row in rows]
    return [body for body in bodies if body["kind"] == kind]


async def call_again(service: Service) -> CallResult:
    """Call whoever came back, as the leader does."""
    rows = await execute(
        service, "SELECT admission_id FROM admission WHERE came_back_at IS NOT NULL"
    )
    (line,) = await execute(service, "SELECT LEAST(gate, tail) AS head FROM line")
    return await call(service, line["head"], again=tuple(row["admission_id"] for row in rows))


# Moving.


async def test_a_moved_place_belongs_to_the_new_ticket_alone(
    service: Service, places: PlaceStore
) -> None:
    old, *_ = await waiting(service, 3)
    new = os.urandom(16)

    assert await places.move(old, to_ticket=new) == "moved"
    await call(service, 1)

    assert await claimed(service, old) == "other_ticket"
    moved = Ticket(line_id=old.line_id, number=old.number, ticket_id=new)
    assert await claimed(service, moved) == "claimed"
    assert [entry["number"] for entry in await log_of(service, "moved")] == [1]
    assert await service.ledger.breaches() == []


async def test_of_two_moves_of_one_ticket_at_once_one_gets_the_place(
    service: Service, places: PlaceStore
) -> None:
    old, *_ = await waiting(service, 1)

    verdicts = await asyncio.gather(*(places.move(old, to_ticket=os.urandom(16)) for _ in range(8)))

    assert sorted(verdicts) == ["moved", *["other_ticket"] * 7]
    assert len(await log_of(service, "moved")) == 1


async def test_a_move_that_is_repeated_after_a_lost_answer_is_made_once(
    service: Service, places: PlaceStore
) -> None:
    old, *_ = await waiting(service, 1)
    new = os.urandom(16)

    verdicts = [await places.move(old, to_ticket=new) for _ in range(3)]

    assert verdicts == ["moved"] * 3
    assert len(await log_of(service, "moved")) == 1


async def test_whoever_wins_between_a_claim_and_a_move_has_the_place_alone(
    service: Service, places: PlaceStore
) -> None:
    tickets = await waiting(service, 20, seats_max=20)
    await call(service, 20)
    new_ids = [os.urandom(16) for _ in tickets]

    moves, claims = await asyncio.gather(
        asyncio.gather(
            *(places.move(t, to_ticket=n) for t, n in zip(tickets, new_ids, strict=True))
        ),
        asyncio.gather(*(claimed(service, ticket) for ticket in tickets)),
    )

    for old, new, move, claim in zip(tickets, new_ids, moves, claims, strict=True):
        owner = bytes((await row_of(service, old.number))["ticket_id"])
        assert (move, claim, owner) in {
            ("moved", "other_ticket", new),
            ("inside", "claimed", old.ticket_id),
        }
    assert await service.ledger.breaches() == []


async def test_a_place_that_moves_while_it_is_called_is_called_for_the_new_ticket(
    service: Service, places: PlaceStore
) -> None:
    tickets = await waiting(service, 30)
    new_ids = [os.urandom(16) for _ in tickets]

    moves, called = await asyncio.gather(
        asyncio.gather(
            *(places.move(t, to_ticket=n) for t, n in zip(tickets, new_ids, strict=True))
        ),
        call(service, 30),
    )

    assert (set(moves), called.called) == ({"moved"}, 30)
    for old, new in zip(tickets, new_ids, strict=True):
        assert await claimed(service, old) == "other_ticket"
        moved = Ticket(line_id=old.line_id, number=old.number, ticket_id=new)
        assert await claimed(service, moved) == "claimed"


async def test_what_is_over_or_given_up_does_not_move(service: Service, places: PlaceStore) -> None:
    left, inside, revoked = await waiting(service, 3, seats_max=3)
    await service.lines.leave(left)
    await places.revoke("drop", "main-1", revoked.number, who="test", reason="bought in bulk")
    await call(service, 3)
    await claimed(service, inside)

    verdicts = [
        await places.move(ticket, to_ticket=os.urandom(16)) for ticket in (left, inside, revoked)
    ]

    assert verdicts == ["over", "inside", "over"]
    assert await log_of(service, "moved") == []


# Before the draw.


async def drawn(service: Service) -> None:
    await service.rooms.set_status("drop", "open", who="test")
    await tick(service, 4)
    await service.board.refresh(rooms=True)


async def entered(service: Service, joins: int) -> list[Ticket]:
    await open_room(service, **{"skus": {"mug": 50}, "seats_max": 0, **DRAW})
    await tick(service)
    return await join(service, joins)


async def test_an_entry_that_moved_keeps_its_owner_through_the_draw(
    service: Service, places: PlaceStore
) -> None:
    first, *_ = await entered(service, 9)
    new = os.urandom(16)
    await places.move(first, to_ticket=new)
    await drawn(service)
    view = service.board.room("drop")
    number = view.lines[first.line_id].number_of(first.number)

    assert number is not None
    await call(service, 9)

    assert await claimed(service, service.board.drawn(view, first)) == "other_ticket"
    moved = Ticket(line_id=first.line_id, number=number, ticket_id=new)
    assert await claimed(service, moved) == "claimed"


async def test_an_entry_that_left_is_stepped_over_after_the_draw(
    service: Service,
) -> None:
    tickets = await entered(service, 5)
    assert await service.lines.leave(tickets[1]) == "left"
    await drawn(service)
    number = service.board.room("drop").lines[tickets[1].line_id].number_of(tickets[1].number)

    called = await call(service, 4)

    states = {row["number"]: row["state"] for row in await execute(service, "TABLE admission")}
    assert states == {n: "left" if n == number else "called" for n in range(1, 6)}
    assert called.called == 4


async def test_after_the_draw_an_entry_is_sent_to_its_number(
    service: Service, places: PlaceStore
) -> None:
    ticket, *_ = await entered(service, 3)
    await drawn(service)

    verdicts = [
        await service.lines.leave(ticket),
        await places.move(ticket, to_ticket=os.urandom(16)),
        await places.give_profile(ticket, "extra-time"),
    ]

    assert verdicts == ["drawn"] * 3
    assert await execute(service, "SELECT FROM place") == []


async def test_nothing_that_is_said_of_an_entry_at_the_draw_is_lost(
    service: Service,
) -> None:
    tickets = await entered(service, 40)
    await service.rooms.set_status("drop", "open", who="test")
    await tick(service)

    async def leave(ticket: Ticket) -> str:
        return await service.lines.leave(ticket)

    verdicts, _ = await asyncio.gather(
        asyncio.gather(*(leave(ticket) for ticket in tickets)), tick(service, 3)
    )
    await tick(service, 2)
    await service.board.refresh(rooms=True)

    view = service.board.room("drop")
    (made,) = await execute(service, "SELECT seed FROM draw")
    assert made["seed"] is not None
    for ticket, verdict in zip(tickets, verdicts, strict=True):
        number = service.board.drawn(view, ticket).number
        assert (await row_of(service, number)).get("state") == (
            "left" if verdict == "left" else None
        )


async def test_a_reveal_of_entries_that_may_still_change_is_not_made(service: Service) -> None:
    ticket, *_ = await entered(service, 3)
    await service.rooms.set_status("drop", "open", who="test")
    await tick(service)

    verdict = await service.draws.reveal(
        ticket.line_id, term=10, seed=b"s" * 32, key=b"k" * 32, entries=[], numbers=[]
    )

    assert verdict == "not_due"


async def test_leavers_cannot_make_a_reveal_begin_again(
    service: Service, places: PlaceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    early, late, mover, *_ = await entered(service, 5)
    await service.lines.leave(early)
    await service.rooms.set_status("drop", "open", who="test")
    await tick(service)
    fix, verdicts = service.draws.fix_entries, list[str]()

    async def fix_and_be_disturbed(line_id: int, *, term: int) -> list[int] | None:
        fixed = await fix(line_id, term=term)
        verdicts.append(await service.lines.leave(late))
        verdicts.append(await places.move(mover, to_ticket=os.urandom(16)))
        return fixed

    monkeypatch.setattr(service.draws, "fix_entries", fix_and_be_disturbed)
    await tick(service)

    assert verdicts == ["drawn", "drawn"]
    assert (await execute(service, "SELECT seed FROM draw"))[0]["seed"] is not None
    await service.board.refresh(rooms=True)
    view = service.board.room("drop")
    left = service.board.drawn(view, early).number
    rows = await execute(service, "SELECT number, state FROM admission WHERE state = 'left'")
    assert [row["number"] for row in rows] == [left]
    # The entry that left is not written once more.
    assert await execute(service, "SELECT FROM place WHERE NOT entered") == []


async def test_one_place_is_changed_a_bounded_number_of_times(
    service: Service, places: PlaceStore
) -> None:
    worn, other, moving = await waiting(service, 3)
    assert await places.step_aside(worn) == "aside"
    assert await places.move(moving, to_ticket=OTHER_ID) == "moved"
    moved = replace(moving, ticket_id=OTHER_ID)
    # Changes that change nothing count as well.
    for _ in range(99):
        await execute(service, "UPDATE place SET aside = aside")
    assert await places.step_back(worn) == "waiting"
    entries = await execute(service, "SELECT count(*) AS n FROM log_entry")

    refused = [
        await places.step_aside(worn),
        await places.move(worn, to_ticket=OTHER_ID),
        await places.step_aside(moved),
        await places.move(moved, to_ticket=os.urandom(16)),
    ]

    assert refused == ["too_many_changes"] * 4
    assert await execute(service, "SELECT count(*) AS n FROM log_entry") == entries
    # Others, coming back and leaving are as before.
    assert await places.step_aside(other) == "aside"
    assert await places.step_back(worn) == "waiting"
    assert await service.lines.leave(worn) == "left"


# Stepping aside.


async def test_whoever_steps_aside_and_back_before_the_turn_waits_as_before(
    service: Service, places: PlaceStore
) -> None:
    tickets = await waiting(service, 3)
    assert await places.step_aside(tickets[1]) == "aside"
    assert await places.step_back(tickets[1]) == "waiting"
    assert await places.step_back(tickets[1]) == "waiting"

    called = await call(service, 2)

    assert called.called == 2
    assert await claimed(service, tickets[1]) == "claimed"


async def test_the_line_goes_on_without_whoever_stepped_aside(
    service: Service, places: PlaceStore
) -> None:
    tickets = await waiting(service, 4)
    await places.step_aside(tickets[1])

    called = await call(service, 2)

    assert (called.called, called.gate) == (2, 3)
    assert await claimed(service, tickets[2]) == "claimed"


async def test_whoever_was_passed_aside_is_called_again_before_anyone_new(
    service: Service, places: PlaceStore
) -> None:
    tickets = await waiting(service, 4, grace_s=600)
    await places.step_aside(tickets[0])
    await call(service, 2)
    assert await places.step_back(tickets[0]) == "missed"
    assert await places.step_back(tickets[0]) == "missed"

    called = await call_again(service)

    assert called.called_again == 1
    assert await claimed(service, tickets[0]) == "claimed"


async def test_the_grace_begins_when_the_turn_passes_and_not_before(
    service: Service, places: PlaceStore
) -> None:
    early, late, _ = await waiting(service, 3, grace_s=60)
    await places.step_aside(early)
    await places.step_aside(late)
    await shift_clock(service, 600)
    await call(service, 1)

    assert await places.step_back(early) == "missed"
    await shift_clock(service, 61)

    assert await places.step_back(late) == "over"


async def test_a_called_shopper_who_steps_aside_gives_seat_and_promise_back(
    service: Service, places: PlaceStore
) -> None:
    ticket, *_ = await waiting(service, 2, seats_max=5)
    await call(service, 1)

    assert await places.step_aside(ticket) == "aside"

    (books,) = await execute(service, "SELECT promised, seats FROM room_stock")
    assert tuple(books) == (0, 0)
    assert await places.step_back(ticket) == "missed"
    assert (await call_again(service)).called_again == 1
    assert await service.ledger.breaches() == []


async def test_stepping_aside_while_being_called_ends_called_or_passed_and_never_both(
    service: Service, places: PlaceStore
) -> None:
    tickets = await waiting(service, 30)

    verdicts, called = await asyncio.gather(
        asyncio.gather(*(places.step_aside(ticket) for ticket in tickets[:10])),
        call(service, 10),
    )

    assert set(verdicts) == {"aside"}
    rows = await execute(service, "SELECT number, state, promised, called_at FROM admission")
    assert {row["number"]: row["state"] for row in rows if row["number"] <= 10} == dict.fromkeys(
        range(1, 11), "aside"
    )
    # Those who came before the call were stepped over for others, the rest gave their call back.
    now_called = sum(row["state"] == "called" for row in rows)
    assert now_called == called.gate - 10
    (books,) = await execute(service, "SELECT promised, seats FROM room_stock")
    assert tuple(books) == (now_called, now_called)
    assert await service.ledger.breaches() == []


async def state_of(service: Service, number: int) -> tuple[str | None, bool, bool]:
    """Return a number's state, whether it was called, and whether it was passed."""
    row = await row_of(service, number)
    times = (row.get("called_at"), row.get("passed_at"))
    return row.get("state"), *(time is not None for time in times)


async def test_a_number_that_is_passed_aside_was_not_called(
    service: Service, places: PlaceStore
) -> None:
    ticket, called, _ = await waiting(service, 3, grace_s=600)
    await places.step_aside(ticket)
    assert await state_of(service, 1) == ("aside", False, False)

    await call(service, 1)

    assert await state_of(service, 1) == ("aside", False, True)
    reading = await service.office.all_journeys((await row_of(service, 1))["room_id"])
    assert reading is not None
    # The learner sees one call. A turn that was let pass is no call that was missed.
    assert (len(reading.changed), len(reading.closed)) == (1, 0)
    assert await places.step_back(ticket) == "missed"
    assert await state_of(service, 1) == ("missed", False, True)
    assert await places.step_aside(called) == "aside"
    assert await state_of(service, 2) == ("aside", True, True)


async def test_staying_for_returns_while_aside_takes_no_turn_before_the_others(
    service: Service, places: PlaceStore
) -> None:
    *_, last = tickets = await waiting(service, 3, skus={"mug": 0}, policy="expected")
    await places.step_aside(last)

    assert await service.lines.stay_for_returns(last, email="") == "waits"

    assert (await call_again(service)).called_again == 0
    # Its turn passes with its ticket in line for returns: it is the first to be called again.
    assert (await call(service, 2)).called == 2
    assert await claimed(service, tickets[1]) == "claimed"
    await call(service, 3)
    await join(service)
    await call(service, 4)
    assert (await call_again(service)).called_again == 1
    assert await claimed(service, last) == "claimed"


async def test_nobody_inside_or_done_steps_aside(service: Service, places: PlaceStore) -> None:
    inside, left, _ = await waiting(service, 3, seats_max=3)
    await call(service, 1)
    await claimed(service, inside)
    await service.lines.leave(left)

    assert [await places.step_aside(t) for t in (inside, left)] == ["inside", "over"]


# More time.


async def window_of(service: Service, number: int) -> float:
    sql = (
        "SELECT extract(epoch FROM COALESCE(expires_at - claimed_at, claim_until - called_at))"
        "::float8 AS s FROM admission WHERE number = $1"
    )
    return round((await execute(service, sql, number))[0]["s"])


async def test_more_time_lengthens_claim_and_session_whenever_it_is_asked_for(
    service: Service, places: PlaceStore
) -> None:
    rules = {"claim_window_s": 100, "session_s": 500, "seats_max": 9}
    before, after, inside, plain = await waiting(service, 4, **rules)
    await places.give_profile(before, "extra-time")
    await call(service, 4)
    await places.give_profile(after, "extra-time")
    await claimed(service, inside)
    await places.give_profile(inside, "extra-time")

    windows = [await window_of(service, t.number) for t in (before, after, inside, plain)]

    assert windows == [200, 200, 1000, 100]
    await claimed(service, before)
    assert await window_of(service, before.number) == 1000


async def test_more_time_stays_with_whoever_steps_aside_moves_and_is_called_again(
    service: Service, places: PlaceStore
) -> None:
    ticket, _ = await waiting(service, 2, claim_window_s=100)
    new = os.urandom(16)
    await places.give_profile(ticket, "extra-time")
    await places.step_aside(ticket)
    await call(service, 1)
    await places.move(ticket, to_ticket=new)
    moved = Ticket(line_id=ticket.line_id, number=ticket.number, ticket_id=new)
    await places.step_back(moved)

    await call_again(service)

    assert await window_of(service, ticket.number) == 200
    assert await claimed(service, moved) == "claimed"


async def test_an_entry_keeps_its_more_time_through_the_draw(
    service: Service, places: PlaceStore
) -> None:
    ticket, *_ = await entered(service, 4)
    await service.rooms.change("drop", '{"claim_window_s": 100}', who="test")
    assert await places.give_profile(ticket, "extra-time") == "given"
    await drawn(service)
    number = service.board.room("drop").lines[ticket.line_id].number_of(ticket.number)

    await call(service, 4)

    assert number is not None
    assert await window_of(service, number) == 200


async def test_no_more_places_get_more_time_than_the_room_allows(
    service: Service, places: PlaceStore
) -> None:
    tickets = await waiting(service, 8)
    await execute(service, "UPDATE profile SET places_max = 3")

    verdicts = await asyncio.gather(
        *(places.give_profile(ticket, "extra-time") for ticket in tickets)
    )
    again = await places.give_profile(tickets[verdicts.index("given")], "extra-time")

    assert sorted(verdicts) == ["given"] * 3 + ["none_left"] * 5
    assert again == "given"
    assert len(await log_of(service, "extra_time")) == 3
    (offered,) = await places.profiles("drop")
    assert offered.left == 0


# Revoking.


async def revoke(places: PlaceStore, number: int) -> str:
    return await places.revoke("drop", "main-1", number, who="night", reason="Bought in bulk.")


async def test_a_revoked_place_is_stepped_over_and_its_reason_stays_private(
    service: Service, places: PlaceStore
) -> None:
    tickets = await waiting(service, 3)

    assert [await revoke(places, 1) for _ in range(2)] == ["revoked"] * 2
    called = await call(service, 1)

    assert (called.called, called.gate) == (1, 2)
    assert await claimed(service, tickets[0]) == "left"
    (entry,) = await log_of(service, "revoked")
    assert entry["number"] == 1
    assert len(bytes.fromhex(entry["reason_hash"])) == 32
    assert "bulk" not in str(entry)
    actions = await execute(
        service, "SELECT who, reason FROM operator_action WHERE action = 'revoke'"
    )
    assert [tuple(action) for action in actions] == [("night", "Bought in bulk.")]


async def test_a_revoked_session_gives_its_units_back(service: Service, places: PlaceStore) -> None:
    inside, called_one, *_ = await waiting(service, 3, seats_max=5)
    await call(service, 2)
    await claimed(service, inside)

    assert [await revoke(places, 1), await revoke(places, 2)] == ["revoked"] * 2

    (books,) = await execute(service, "SELECT promised, held, seats FROM room_stock")
    assert tuple(books) == (0, 0, 0)
    assert await claimed(service, called_one) == "left"
    assert await places.step_back(called_one) in {"left", "other_ticket"}
    assert await service.ledger.breaches() == []


async def test_what_cannot_be_revoked_is_said(service: Service, places: PlaceStore) -> None:
    left, *_ = await waiting(service, 2)
    await service.lines.leave(left)

    verdicts = [
        await revoke(places, 1),
        await revoke(places, 3),
        await places.revoke("drop", "other-1", 1, who="test", reason="x"),
        await places.revoke("gone", "main-1", 1, who="test", reason="x"),
    ]

    assert verdicts == ["over", "unknown", "unknown", "unknown"]
    assert await log_of(service, "revoked") == []


# Giving back what was taken away by mistake.


async def give_back(places: PlaceStore, number: int) -> str:
    return await places.give_back("drop", "main-1", number, who="night", reason="A mistake.")


async def test_a_waiting_number_that_is_given_back_is_called_at_its_turn_as_if_nothing_happened(
    service: Service, places: PlaceStore
) -> None:
    tickets = await waiting(service, 4, seats_max=9)
    await revoke(places, 2)

    assert [await give_back(places, 2) for _ in range(2)] == ["given_back", "not_revoked"]
    called = await call(service, 3)

    assert (called.called, called.called_again) == (3, 0)
    assert [await claimed(service, ticket) for ticket in tickets[:3]] == ["claimed"] * 3
    (entry,) = await log_of(service, "given_back")
    assert entry["number"] == 2
    assert "mistake" not in str(entry)
    assert len(bytes.fromhex(entry["reason_hash"])) == 32
    (action,) = await execute(
        service, "SELECT who, reason FROM operator_action WHERE action = 'give back'"
    )
    assert tuple(action) == ("night", "A mistake.")
    assert await service.ledger.breaches() == []


async def test_a_number_whose_turn_passed_meanwhile_is_called_before_anyone_new(
    service: Service, places: PlaceStore
) -> None:
    tickets = await waiting(service, 5, seats_max=9)
    await revoke(places, 2)
    await call(service, 3)

    assert await give_back(places, 2) == "given_back"
    assert await claimed(service, tickets[1]) == "missed"
    called = await call_again(service)

    assert (called.called, called.called_again) == (0, 1)
    assert await claimed(service, tickets[1]) == "claimed"
    assert (await log_of(service, "called"))[-1]["again"] == [2]
    assert await service.ledger.breaches() == []


async def test_a_session_that_was_taken_away_does_not_come_back_but_its_shopper_is_called_again(
    service: Service, places: PlaceStore
) -> None:
    tickets = await waiting(service, 2, seats_max=9)
    await call(service, 2)
    session = (await service.lines.claim(tickets[:1]))[0].session_id
    await revoke(places, 1)

    assert await give_back(places, 1) == "given_back"
    with pytest.raises(SessionOver):
        await service.checkout.live_session(Session(session_id=session, room="drop"))
    # Another ticket for the number gets nothing.
    assert await claimed(service, replace(tickets[0], ticket_id=OTHER_ID)) == "other_ticket"
    await call_again(service)

    assert await claimed(service, tickets[0]) == "claimed"
    assert (await row_of(service, 1))["times_called"] == 2
    assert await service.ledger.breaches() == []


async def test_who_stood_aside_stands_aside_again_and_more_time_stays(
    service: Service, places: PlaceStore
) -> None:
    tickets = await waiting(service, 4, seats_max=9)
    await service.rooms.set_profile(
        "drop", "slow", name="More time", time_factor=2.0, places_max=None, who="test"
    )
    await places.step_aside(tickets[0])
    await places.give_profile(tickets[1], "slow")
    for number in (1, 2):
        await revoke(places, number)
    assert await give_back(places, 1) == "given_back"
    await call(service, 2)
    assert await give_back(places, 2) == "given_back"

    states = [(await row_of(service, number))["state"] for number in (1, 2)]
    assert states == ["aside", "missed"]
    assert (await row_of(service, 2))["time_factor"] == 2.0
    assert await places.step_back(tickets[0]) == "missed"
    assert (await call_again(service)).called_again == 2
    assert [await claimed(service, ticket) for ticket in tickets[:2]] == ["claimed"] * 2


async def test_nothing_is_given_back_that_was_not_taken_away_or_is_over(
    service: Service, places: PlaceStore
) -> None:
    await waiting(service, 3)
    await revoke(places, 1)

    verdicts = [
        await give_back(places, 2),
        await give_back(places, 99),
        await places.give_back("drop", "other-1", 1, who="test", reason="x"),
        await places.give_back("gone", "main-1", 1, who="test", reason="x"),
    ]
    await service.rooms.set_status("drop", "ended", who="test")
    verdicts.append(await give_back(places, 1))

    assert verdicts == ["not_revoked", "not_revoked", "unknown", "unknown", "room_ended"]
    assert await log_of(service, "given_back") == []


async def test_of_revoking_and_giving_back_at_once_the_books_and_the_log_agree(
    service: Service, places: PlaceStore
) -> None:
    tickets = await waiting(service, 30, seats_max=60, skus={"mug": 60})
    await call(service, 15)
    for number in range(1, 31):
        await revoke(places, number)

    await asyncio.gather(
        *(give_back(places, number) for number in range(1, 31)),
        *(give_back(places, number) for number in range(1, 31)),
        *(revoke(places, number) for number in range(10, 20)),
        *(service.lines.leave(ticket) for ticket in tickets[:5]),
    )
    for number in range(1, 31):
        await give_back(places, number)

    assert await execute(service, "SELECT FROM admission WHERE end_reason = 'revoked'") == []
    assert await execute(service, "SELECT FROM place WHERE revoked") == []
    taken, back = await log_of(service, "revoked"), await log_of(service, "given_back")
    assert len(taken) == len(back) >= 30
    assert await service.ledger.breaches() == []


async def test_all_of_it_at_once_deadlocks_nobody_and_leaves_the_books_right(
    service: Service, places: PlaceStore
) -> None:
    tickets = await waiting(service, 60, seats_max=60, skus={"mug": 60})
    await call(service, 30)

    async def one(ticket: Ticket) -> str:
        acts = [
            lambda: places.step_aside(ticket),
            lambda: places.move(ticket, to_ticket=os.urandom(16)),
            lambda: places.give_profile(ticket, "extra-time"),
            lambda: claimed(service, ticket),
            lambda: service.lines.leave(ticket),
            lambda: revoke(places, ticket.number),
            lambda: places.step_back(ticket),
        ]
        first = ticket.number % len(acts)
        return " ".join([await act() for act in acts[first:] + acts[:first]])

    async with asyncio.timeout(WAIT_S):
        await asyncio.gather(*(one(ticket) for ticket in tickets), call(service, 60))

    assert await service.ledger.breaches() == []
