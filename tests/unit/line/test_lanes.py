"""Lanes: budgets are kept, shares are met, nobody who came back is overtaken."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from waitroom.line.lanes import Lane, LaneTurns, decide_lanes
from waitroom.line.policy import POLICIES, PolicyInput, decide

RATE = POLICIES["rate"]
ROOM = PolicyInput(
    open=True,
    seats_max=10_000,
    seats_taken=0,
    batch_max=50,
    calls_allowed=10**9,
    has_stock=False,
    units_available=0,
    units_promised_each=1,
    gate=0,
    tail=0,
)


def lane(line_id: int, **changes: object) -> Lane:
    return replace(Lane(line_id=line_id, gate=0, tail=1000, share=1.0), **changes)  # type: ignore[arg-type]


def heads_after(lanes: list[Lane], *, ticks: int, room: PolicyInput = ROOM) -> list[int]:
    """Return how far each lane was called after so many ticks."""
    turns = LaneTurns()
    for _ in range(ticks):
        decided = decide_lanes(RATE, room, lanes, turns)
        lanes = [replace(one, gate=decided[one.line_id].gate) for one in lanes]
    return [one.head for one in lanes]


lanes_of_a_room = st.lists(
    st.builds(
        lambda gate, tail, share, back: (gate, tail, share, back),
        st.integers(0, 30),
        st.integers(0, 60),
        st.floats(0.05, 5),
        st.integers(0, 4),
    ),
    min_size=1,
    max_size=4,
).map(
    lambda given: [
        Lane(
            line_id=i,
            gate=gate,
            tail=tail,
            share=share,
            came_back=tuple(range(i * 100, i * 100 + back)),
            first_called=tuple(float(n) for n in range(back)),
        )
        for i, (gate, tail, share, back) in enumerate(given)
    ]
)


def test_the_lane_behind_is_called_only_while_no_other_lane_waits() -> None:
    lanes = [lane(1, tail=70), lane(2, tail=60, share=0.5), lane(3, tail=90, share=9, behind=True)]

    assert sum(heads_after(lanes, ticks=2)) == 100
    assert heads_after(lanes, ticks=2)[2] == 0, "whatever its share"
    assert heads_after(lanes, ticks=3) == [70, 60, 20], "it gets what the others leave over"
    assert heads_after(lanes, ticks=5) == [70, 60, 90]


def test_those_who_came_back_behind_wait_for_all_others_and_no_gate_stands_ahead_there() -> None:
    back = {"came_back": (7,), "first_called": (1.0,)}
    behind = lane(2, gate=3, tail=5, behind=True, **back)
    busy = decide_lanes(RATE, ROOM, [lane(1, tail=500), behind], LaneTurns())
    calm = decide_lanes(RATE, ROOM, [lane(1, tail=10), behind], LaneTurns())
    empty = decide_lanes(RATE, ROOM, [lane(1, tail=0), lane(2, tail=0, behind=True)], LaneTurns())

    assert (busy[2].again, busy[2].gate) == ((), 3)
    assert (calm[2].again, calm[2].gate) == ((7,), 5)
    assert calm[1].gate == 47, "the rest lets arrivals in at once"
    assert (empty[1].gate, empty[2].gate) == (50, 0)


def test_over_time_each_lane_has_its_share_of_the_calls() -> None:
    heads = heads_after([lane(1, share=0.7), lane(2, share=0.3)], ticks=10)

    assert heads == [350, 150]


def test_one_call_at_a_time_is_shared_too() -> None:
    room = replace(ROOM, batch_max=1)

    heads = heads_after([lane(1, share=3), lane(2, share=1)], ticks=40, room=room)

    assert heads == [30, 10]


def test_what_a_lane_cannot_use_goes_to_the_others() -> None:
    heads = heads_after([lane(1, share=0.5), lane(2, share=0.5, tail=5)], ticks=1)

    assert heads == [45, 5]


def test_a_lane_saves_nothing_up_while_nobody_waits_in_it() -> None:
    lanes, turns = [lane(1), lane(2, tail=0)], LaneTurns()
    for _ in range(10):
        decided = decide_lanes(RATE, ROOM, lanes, turns)
        lanes = [replace(lanes[0], gate=decided[1].gate), lanes[1]]

    decided = decide_lanes(RATE, ROOM, [lanes[0], lane(2, tail=1000)], turns)

    assert decided[1].gate - lanes[0].gate == 25
    assert decided[2].gate == 25


def test_who_came_back_goes_by_first_call_in_whatever_lane() -> None:
    # Admission 3 was written first, since its shopper stepped aside long before the turn came.
    lanes = [
        lane(1, came_back=(7, 9), first_called=(10.0, 20.0)),
        lane(2, came_back=(3, 8), first_called=(30.0, 30.0)),
    ]

    decided = decide_lanes(RATE, replace(ROOM, batch_max=3), lanes, LaneTurns())

    assert (decided[1].again, decided[2].again) == ((7, 9), (3,))
    assert [decided[1].gate, decided[2].gate] == [0, 0]


def test_when_nobody_waits_the_gates_stand_ahead_by_their_shares() -> None:
    lanes = [lane(1, gate=10, tail=10, share=3), lane(2, gate=4, tail=4)]

    decided = decide_lanes(RATE, replace(ROOM, batch_max=9), lanes, LaneTurns())

    assert (decided[1].gate, decided[2].gate) == (10 + 7, 4 + 2)


def test_a_room_that_is_not_open_draws_every_gate_back_to_its_head() -> None:
    lanes = [lane(1, gate=15, tail=10), lane(2, gate=3)]

    decided = decide_lanes(RATE, replace(ROOM, open=False), lanes, LaneTurns())

    assert (decided[1].gate, decided[2].gate) == (10, 3)


@given(lanes_of_a_room, st.integers(0, 80), st.integers(1, 50))
def test_no_more_is_called_than_the_budget_and_no_head_falls(
    lanes: list[Lane], seats: int, batch: int
) -> None:
    room = replace(ROOM, seats_max=seats, batch_max=batch)

    decided = decide_lanes(RATE, room, lanes, LaneTurns())

    calls = sum(d.gate - one.head for d, one in zip(decided.values(), lanes, strict=True))
    assert calls + sum(len(d.again) for d in decided.values()) == min(seats, batch)
    assert all(decided[one.line_id].gate >= one.head for one in lanes)


@given(lanes_of_a_room, st.integers(0, 80))
def test_one_lane_alone_is_decided_as_ever(lanes: list[Lane], seats: int) -> None:
    only = lanes[0]
    room = replace(ROOM, seats_max=seats)

    decided = decide_lanes(RATE, room, [only], LaneTurns())

    as_ever = decide(RATE, replace(room, gate=only.gate, tail=only.tail, came_back=only.came_back))
    assert decided == {only.line_id: as_ever}
