"""The caller decides by the rules and the snapshot of its tick, whatever else goes wrong."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from waitroom.line.caller import FORECAST_MAX_S, READING_MAX_S, Caller
from waitroom.line.checkout_health import HealthLimit
from waitroom.line.forecast.learning.journey import Journey, Reading
from waitroom.line.policy import CallResult
from waitroom.line.snapshot import CallingRules, LineSnapshot, RoomSnapshot, Stock

START = datetime(2026, 1, 1, tzinfo=UTC)
ANY = HealthLimit(None, None)
RULES = CallingRules(seats_max=10_000, units_max=1)
LINE = LineSnapshot(line_id=1, gate=400, tail=5000)


def room_at(at_s: float, *, units: int = 240, held: int = 0, **changes: object) -> RoomSnapshot:
    room = RoomSnapshot(
        room_id=1,
        room="drop",
        now=START + timedelta(seconds=at_s),
        shopper_s=at_s,
        rules=RULES,
        stock=Stock(on_hand=units + held, held=held),
        seats_taken=0,
        lines=(LINE,),
    )
    return replace(room, **changes)  # type: ignore[arg-type]


def stayed_away(count: int, *, first: int = 5000) -> list[Journey]:
    """Return shoppers who were called and never came."""
    return [
        Journey(admission_id=first + n, state="missed", called_at=40.0, ended_at=160.0)
        for n in range(count)
    ]


def bought(count: int, *, units: int, first: int = 1) -> list[Journey]:
    """Return shoppers who came, held so many units each, and bought them."""
    return [
        Journey(
            admission_id=first + n,
            state="ended",
            called_at=100.0,
            claimed_at=105.0,
            held_at=120.0,
            hold_ended_at=180.0,
            ended_at=180.0,
            units_sold=units,
        )
        for n in range(count)
    ]


def holding(count: int, *, since: float, first: int = 1000) -> list[Journey]:
    return [
        Journey(
            admission_id=first + n,
            state="claimed",
            called_at=since - 20,
            claimed_at=since - 15,
            held_at=since,
            units_held=1,
        )
        for n in range(count)
    ]


def calls_of(caller: Caller, room: RoomSnapshot) -> int:
    """Return how many new numbers a tick calls; it carries nothing out."""
    caller.observe(room)
    caller.begin(room)
    heads = {line.line_id: line.head for line in room.lines}
    calls = caller.decide(room, checkout=ANY)
    return sum(call.decision.gate - heads[call.line_id] for call in calls)


def taught(room: RoomSnapshot, *, changed: Sequence[Journey] = ()) -> Caller:
    """Return a caller that has seen a hundred shoppers buy one unit each."""
    caller = Caller()
    caller.learn(Reading(room=room, changed=changed, closed=bought(100, units=1)))
    return caller


def test_a_limit_that_is_raised_in_mid_sale_is_known_at_once() -> None:
    room = room_at(200)
    four = replace(RULES, units_max=4)
    before = calls_of(taught(room), room)
    caller = taught(room)

    at_once = calls_of(caller, room_at(201, rules=four))
    caller.learn(Reading(room=room_at(201, rules=four)))

    assert before >= 240
    # They may take four; the imagined shoppers take two and a half in the mean.
    assert at_once < before / 2
    assert calls_of(caller, room_at(202, rules=four)) == at_once


def test_a_limit_that_is_lowered_is_known_too() -> None:
    caller = Caller()
    four = replace(RULES, units_max=4)
    caller.learn(Reading(room=room_at(200, rules=four), closed=bought(100, units=4)))
    before = calls_of(caller, room_at(201, rules=four))

    caller.learn(Reading(room=room_at(201)))

    assert calls_of(caller, room_at(202)) > 2 * before


def test_a_shorter_hold_keeps_what_was_seen_at_each_age() -> None:
    room = room_at(200)
    caller = taught(room)
    before = caller.outlook

    caller.learn(Reading(room=room_at(200, rules=replace(RULES, hold_s=60.0, session_s=200.0))))

    assert before is not None
    assert caller.outlook is not None
    assert caller.outlook.hold_share == pytest.approx(before.hold_share, abs=0.02)


def test_units_that_came_free_are_not_coming_back_as_well() -> None:
    """An expiry storm between two readings: the units are free, and no longer in baskets."""
    closed, expired = bought(100, units=1), holding(200, since=100.0)
    read = room_at(399, units=1, held=200)
    caller = Caller()
    caller.learn(Reading(room=read, changed=expired, closed=closed))
    after = room_at(402, units=201)
    fresh = Caller()
    over = [
        structs.replace(j, state="ended", units_held=0, hold_ended_at=400.0, ended_at=400.0)
        for j in expired
    ]
    fresh.learn(Reading(room=after, closed=[*closed, *over]))

    stale_calls, fresh_calls = calls_of(caller, after), calls_of(fresh, after)

    assert stale_calls <= fresh_calls


def test_calls_made_since_the_reading_are_not_made_again() -> None:
    room = room_at(200)
    caller = taught(room)
    called = calls_of(caller, room)
    caller.note(CallResult(gate=400 + called, tail=5000, called=called))
    moved = replace(LINE, gate=400 + called)

    again = calls_of(caller, room_at(201, lines=(moved,)))

    assert called > 200
    assert again <= called * 0.05


def test_a_tick_that_fails_before_its_calls_counts_no_call_twice() -> None:
    caller = Caller()
    caller.observe(room_at(1))
    caller.note(CallResult(gate=400, tail=5000, called_again=3))

    assert caller.observe(room_at(2)) == 3
    # The tick failed after it had observed; the next one begins again.
    assert caller.observe(room_at(3)) == 0


def test_a_restarted_line_leaves_no_pace_behind() -> None:
    caller = Caller()
    rate = replace(RULES, policy="rate")
    for second in range(20):
        line = replace(LINE, gate=400 + 7 * second)
        room = room_at(second, lines=(line,), rules=rate, stock=None)
        caller.observe(room)
        caller.decide(room, checkout=ANY)
        caller.forecast(room)
        told = caller.document(room, {})
    new = room_at(21, lines=(LineSnapshot(line_id=2, tail=50),), rules=rate, stock=None)
    caller.observe(new)

    assert told.calling_per_min is not None
    assert told.calling_per_min > 60
    assert caller.document(new, {}).calling_per_min is None


def test_without_a_recent_reading_a_room_calls_no_more_than_there_is() -> None:
    # Half of the called stay away, so more may be called than there are units.
    reading = Reading(room=room_at(200), closed=[*bought(100, units=1), *stayed_away(100)])
    soon, late = Caller(), Caller()
    soon.learn(reading)
    late.learn(reading)

    assert calls_of(soon, room_at(201)) > 270
    assert calls_of(late, room_at(201 + READING_MAX_S)) == 240


def test_a_new_leader_does_not_call_on_nothing() -> None:
    caller = Caller()
    room = room_at(200, seats_taken=300)
    caller.begin(room)

    assert not caller.has_read
    assert calls_of(caller, room) == 0
    assert calls_of(Caller(), room_at(200, seats_taken=40)) == 200


def test_a_forecast_that_is_too_old_says_so_in_the_document() -> None:
    caller = taught(room_at(200))
    caller.forecast(room_at(200))

    fresh = caller.document(room_at(201), {})
    old = caller.document(room_at(201 + FORECAST_MAX_S), {})

    assert fresh.figures_at is None
    assert old.figures_at == START + timedelta(seconds=200)
    assert [row.place for row in old.lines[0].table] == [row.place for row in fresh.lines[0].table]


@pytest.mark.parametrize(("policy", "promises"), [("guaranteed", True), ("expected", False)])
def test_what_was_bought_tells_a_new_leader_something_where_calls_promised_it(
    *, policy: str, promises: bool
) -> None:
    """Nothing is free when the leader takes office, and nothing says whether it was before."""
    caller = Caller()
    rules = replace(RULES, policy=policy, units_max=4)
    room = room_at(200, units=0, held=5, rules=rules)

    caller.learn(Reading(room=room, closed=bought(100, units=1)))

    assert caller.outlook is not None
    assert (caller.outlook.hold_share > 0.9) == promises
    assert (caller.outlook.units_mean < 1.2) == promises


@pytest.mark.parametrize(
    ("policy", "stock", "seats"),
    [
        ("expected", Stock(on_hand=5), 7),
        ("guaranteed", Stock(on_hand=5), 7),
        ("rate", Stock(on_hand=5), None),
        ("expected", Stock(on_hand=5, elsewhere=True), None),
        ("expected", None, None),
    ],
)
def test_seats_are_foreseen_where_the_crowd_inside_is_known(
    policy: str, stock: Stock | None, seats: int | None
) -> None:
    rules = replace(RULES, policy=policy, seats_max=7)

    assert room_at(0.0, rules=rules, stock=stock).seats_foreseen == seats
