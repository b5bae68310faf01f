"""The state document is read as it was written."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from waitroom.line.state import LineState, RoomState, decode_state, encode_state, shown_status
from waitroom.line.wait import WaitRow

moments = st.integers(0, 4 * 10**15).map(
    lambda us: datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us)
)
numbers = st.integers(0, 10**12)
figures = st.floats(0, 1e6, allow_nan=False)
rows = st.builds(
    WaitRow,
    place=st.integers(1, 10**9),
    wait_low_s=st.one_of(st.none(), figures),
    wait_high_s=st.one_of(st.none(), figures),
    chance=st.floats(0, 1),
    poll_s=figures,
)
lines = st.builds(
    LineState, line=st.text(), head=numbers, tail=numbers, table=st.lists(rows, max_size=4)
)
states = st.builds(
    RoomState,
    version=numbers,
    room=st.text(),
    status=st.sampled_from(["scheduled", "open", "paused", "sold_out", "ended"]),
    message=st.text(),
    message_at=st.one_of(st.none(), moments),
    updated_at=moments,
    opens_at=st.one_of(st.none(), moments),
    available=st.integers(-100, 10**9),
    held=numbers,
    has_stock=st.booleans(),
    calling_per_min=st.one_of(st.none(), figures),
    lines=st.lists(lines, max_size=2),
)


@given(state=states)
def test_a_document_is_read_as_it_was_written(state: RoomState) -> None:
    raw = encode_state(state)

    assert decode_state(raw) == state
    assert encode_state(decode_state(raw)) == raw


def test_a_room_that_runs_is_shown_as_sold_out_and_another_as_it_is() -> None:
    shown = {
        status: shown_status(status, sold_out=True)
        for status in ("scheduled", "open", "paused", "ended")
    }

    assert shown == {
        "scheduled": "scheduled",
        "open": "sold_out",
        "paused": "sold_out",
        "ended": "ended",
    }
    assert shown_status("open", sold_out=False) == "open"
