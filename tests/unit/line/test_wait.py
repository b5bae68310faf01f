"""The figures of the state document: ordered, bounded, and kept as promised."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.line.forecast.outlook import Outlook
from waitroom.line.forecast.prospects import Prospects, stock_prospects
from waitroom.line.wait import (
    CHANCE_LEAST,
    EVEN_ROWS,
    KNEE_SHARES,
    POLL_IDLE_S,
    POLL_MAX_S,
    POLL_MIN_S,
    STALE_S,
    Circumstances,
    PollPromises,
    WaitRow,
    places_for,
    poll_at,
    row_at,
    wait_table,
    why_longer,
)

START = datetime(2026, 5, 1, 12, tzinfo=UTC)

waiting = st.integers(0, 3_000_000)
levels = st.floats(0.05, 4.0)
any_prospects = st.builds(
    replace,
    st.builds(
        stock_prospects,
        st.builds(
            Outlook,
            askers_mean=st.floats(0, 1e4),
            ask_share=st.floats(0.01, 1.0),
            ask_doubt=st.floats(0, 0.1),
            units_mean=st.floats(1.0, 4.0),
            pay_share=st.floats(0.05, 1.0),
        ),
        units_free=st.integers(0, 100_000),
        units_held=st.integers(0, 10_000),
    ),
    per_second=st.one_of(st.none(), st.floats(0, 1000, allow_nan=False)),
    steady=st.booleans(),
    low=levels.map(lambda level: -level),
    high=levels,
)
without_stock = st.builds(
    Prospects, per_second=st.one_of(st.none(), st.floats(0, 1000, allow_nan=False))
)
tables = st.builds(
    wait_table,
    waiting=waiting,
    prospects=st.one_of(any_prospects, without_stock),
    calling=st.booleans(),
)


@given(waiting=waiting, knee=st.floats(0, 1e9))
def test_the_places_increase_and_reach_beyond_the_line(waiting: int, knee: float) -> None:
    places = places_for(waiting, knee=knee)

    assert places[0] == 1
    assert all(low < high for low, high in itertools.pairwise(places))
    assert places[-1] > waiting
    assert len(places) <= EVEN_ROWS + len(KNEE_SHARES) + 1


@given(table=tables)
def test_a_table_is_ordered_by_place_and_no_figure_runs_against_it(table: list[WaitRow]) -> None:
    for low, high in itertools.pairwise(table):
        assert low.place < high.place
        assert low.chance >= high.chance
        assert low.poll_s <= high.poll_s
        if high.wait_low_s is not None:
            assert low.wait_low_s is not None
            assert low.wait_low_s <= high.wait_low_s


@given(table=tables)
def test_every_row_is_within_bounds(table: list[WaitRow]) -> None:
    for row in table:
        assert 0 <= row.chance <= 1
        assert POLL_MIN_S <= row.poll_s <= POLL_MAX_S
        assert (row.wait_low_s is None) == (row.wait_high_s is None)
        if row.wait_low_s is not None and row.wait_high_s is not None:
            assert 0 <= row.wait_low_s < row.wait_high_s


@given(table=tables, place=st.integers(1, 4_000_000))
def test_between_two_rows_a_place_lies_between_their_figures(
    table: list[WaitRow], place: int
) -> None:
    row = row_at(table, place)
    assert poll_at(table, place) == row.poll_s

    below = [r for r in table if r.place <= place] or table[:1]
    above = [r for r in table if r.place >= place] or table[-1:]
    low, high = below[-1], above[0]
    slack = 0.001
    assert low.chance + slack >= row.chance >= high.chance - slack
    assert low.poll_s - slack <= row.poll_s <= high.poll_s + slack
    if low.wait_high_s is not None and high.wait_high_s is not None:
        assert row.wait_high_s is not None
        assert low.wait_high_s - slack <= row.wait_high_s <= high.wait_high_s + slack


@given(table=tables, places=st.lists(st.integers(1, 4_000_000), min_size=2, max_size=10))
def test_a_later_place_never_has_a_better_figure(table: list[WaitRow], places: list[int]) -> None:
    rows = [row_at(table, place) for place in sorted(places)]

    for low, high in itertools.pairwise(rows):
        assert low.chance >= high.chance
        assert low.poll_s <= high.poll_s
        if high.wait_low_s is not None:
            assert low.wait_low_s is not None
            assert low.wait_low_s <= high.wait_low_s


@given(table=tables)
def test_a_row_of_the_table_is_what_its_place_gets(table: list[WaitRow]) -> None:
    for row in table:
        assert row_at(table, row.place) == row
    assert row_at(table, table[-1].place + 1) == table[-1]


def test_nobody_is_told_a_wait_for_what_will_hardly_last() -> None:
    prospects = Prospects(per_second=1.0, calls_left=10.0, steady=False, units=10.0)

    table = wait_table(waiting=1000, prospects=prospects, calling=True)

    assert table[0].wait_low_s is not None
    assert table[-1].chance < CHANCE_LEAST
    assert table[-1].wait_low_s is None


def test_a_room_that_calls_nobody_knows_no_wait_and_asks_everybody_to_come_back_alike() -> None:
    prospects = Prospects(per_second=2.0, units=9.0)

    table = wait_table(waiting=50, prospects=prospects, calling=False)

    assert {row.wait_low_s for row in table} == {None}
    assert {row.poll_s for row in table} == {POLL_IDLE_S}


def test_the_middle_of_a_wait_lies_in_its_band() -> None:
    prospects = Prospects(per_second=2.0, low=-2.0, high=3.0)

    row = row_at(wait_table(waiting=600, prospects=prospects, calling=True), 600)

    assert row.wait_low_s is not None
    assert row.wait_high_s is not None
    assert row.wait_low_s < 300 / 1.5
    assert row.wait_high_s > 300 * 2.5


documents = st.lists(
    st.tuples(
        st.floats(0.05, 3.0),
        st.integers(0, 50),
        st.one_of(st.none(), st.floats(0.002, 50)),
    ),
    min_size=1,
    max_size=60,
)


@given(documents=documents, first=st.integers(1, 200), size=st.integers(0, 200))
def test_nobody_was_told_to_ask_later_than_they_are_waited_for(
    documents: list[tuple[float, int, float | None]], first: int, size: int
) -> None:
    promises = PollPromises(since=START)
    at, head, told = START, 0, []
    for passed_s, calls, rate in documents:
        if told:
            told[-1][1] = at + timedelta(seconds=passed_s)
        at, head = at + timedelta(seconds=passed_s), head + calls
        prospects = Prospects(per_second=rate, units=100.0)
        table = wait_table(waiting=5000, prospects=prospects, calling=True)
        promises.note(at=at, head=head, table=table)
        told.append([at, at, head, table])
    first += head

    heard_by = promises.heard_by(first, first + size, now=at)

    for _, replaced_at, noted_head, table in told:
        # Until its successor has spread, a document may still be fetched.
        fetched = replaced_at + timedelta(seconds=STALE_S)
        for number in (first, first + size // 2, first + size):
            asked = fetched + timedelta(seconds=row_at(table, number - noted_head).poll_s)
            # What lies in the past was obeyed already, and found the number not yet called.
            assert heard_by >= asked or asked <= at


def test_a_new_leader_assumes_the_longest_promise() -> None:
    promises = PollPromises(since=START)

    heard_by = promises.heard_by(1, 10, now=START)

    assert heard_by >= START + timedelta(seconds=POLL_MAX_S + STALE_S)


CALM = Circumstances(
    paused=False,
    calls_per_minute=None,
    seats_max=100,
    on_hand=500,
    came_back=0,
    checkout_slow=False,
    wait_s=100.0,
)
LONGER = replace(CALM, wait_s=200.0)


@pytest.mark.parametrize(
    ("after", "cause"),
    [
        (replace(CALM, paused=True), "paused"),
        (replace(LONGER, calls_per_minute=30), "rate_lowered"),
        (replace(LONGER, seats_max=50), "rate_lowered"),
        (replace(LONGER, on_hand=400), "stock_fell"),
        (replace(LONGER, checkout_slow=True), "slower_checkout"),
        (replace(LONGER, came_back=7), "more_came_back"),
        (LONGER, None),
    ],
)
def test_what_made_a_wait_grow_is_told(after: Circumstances, cause: str | None) -> None:
    assert why_longer(CALM, after) == cause


@pytest.mark.parametrize("wait_s", [None, 50.0, 100.0, 114.0, 129.0])
def test_a_wait_that_hardly_grew_needs_no_reason(wait_s: float | None) -> None:
    after = replace(CALM, on_hand=1, seats_max=1, checkout_slow=True, wait_s=wait_s)

    assert why_longer(CALM, after) is None


def test_a_rate_that_was_raised_is_no_reason() -> None:
    before = replace(CALM, calls_per_minute=30)

    assert why_longer(before, replace(LONGER, calls_per_minute=60)) is None
    assert why_longer(before, LONGER) is None


def test_what_the_operator_did_is_told_before_what_the_shoppers_did() -> None:
    after = replace(LONGER, calls_per_minute=30, came_back=7)

    assert why_longer(CALM, after) == "rate_lowered"
