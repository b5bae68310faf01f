"""Which numbers are near their turn, by the state document."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from waitroom.line.forecast.near import NEAR_S, NearLine, is_near, near_lines
from waitroom.line.state import LineState, RoomState
from waitroom.line.wait import WaitRow, row_at

NOW = datetime(2026, 10, 3, 13, 50, tzinfo=UTC)


def row(place: int, low_s: float | None) -> WaitRow:
    high_s = None if low_s is None else low_s + 60
    return WaitRow(place=place, wait_low_s=low_s, wait_high_s=high_s, chance=1.0, poll_s=2.0)


def state(table: list[WaitRow], *, head: int = 10, tail: int = 110, **changes: Any) -> RoomState:
    line = LineState(line="main-1", head=head, tail=tail, table=table)
    told = RoomState(
        version=1,
        room="drop",
        status="open",
        message="",
        message_at=None,
        updated_at=NOW,
        opens_at=None,
        available=1,
        held=0,
        has_stock=True,
        calling_per_min=None,
        lines=[line],
    )
    return msgspec.structs.replace(told, **changes)


@given(st.lists(st.floats(0, 900), min_size=1, max_size=8), st.integers(0, 9), st.integers(0, 40))
def test_those_are_near_whose_wait_may_end_within_the_time(
    lows: list[float], known: int, waiting: int
) -> None:
    waits = [low if nth < known else None for nth, low in enumerate(sorted(lows))]
    table = [row(3**nth, low) for nth, low in enumerate(waits)]

    found = near_lines(state(table, head=10, tail=10 + waiting))

    near = [place for place in range(1, waiting + 1) if is_near(row_at(table, place).wait_low_s)]
    assert found == ([NearLine(line="main-1", upto=10 + max(near))] if near else [])


def test_a_room_that_calls_no_one_or_does_not_know_brings_no_one_near() -> None:
    table = [row(1, 0.0), row(100, NEAR_S)]

    assert near_lines(state(table)) == [NearLine(line="main-1", upto=110)]
    for change in ({"status": "paused"}, {"admits": False}, {"figures_at": NOW}):
        assert near_lines(state(table, **change)) == []
    assert near_lines(state([])) == []
    assert not is_near(None)
