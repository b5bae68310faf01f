"""The figures of the state document: ordered, bounded, and kept as promised."""

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from waitroom.wait import (
    EVEN_ROWS,
    KNEE_SHARES,
    POLL_MAX_S,
    POLL_MIN_S,
    STALE_S,
    CallRate,
    PollPromises,
    WaitRow,
    chance_at,
    places_for,
    row_at,
    wait_table,
)

START = datetime(2026, 5, 1, 12, tzinfo=UTC)

waiting = st.integers(0, 3_000_000)
rates = st.one_of(st.none(), st.floats(0, 1000, allow_nan=False))
units = st.integers(0, 100_000)
tables = st.builds(
    wait_table,
    waiting=waiting,
    calls_per_second=rates,
    units_free=st.integers(-10, 100_000),
    units_held=units,
    has_stock=st.booleans(),
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
        if low.wait_low_s is not None:
            assert high.wait_low_s is not None
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
        if low.wait_low_s is not None:
            assert high.wait_low_s is not None
            assert low.wait_low_s <= high.wait_low_s


@given(table=tables)
def test_a_row_of_the_table_is_what_its_place_gets(table: list[WaitRow]) -> None:
    for row in table:
        assert row_at(table, row.place) == row
    assert row_at(table, table[-1].place + 1) == table[-1]


@given(place=st.integers(1, 10**6), free=units, held=units)
def test_a_chance_is_a_chance_and_never_rises_with_the_place(
    place: int, free: int, held: int
) -> None:
    here = chance_at(place, units_free=free, units_held=held)
    behind = chance_at(place + 1, units_free=free, units_held=held)

    assert 0 <= behind <= here <= 1


@given(place=st.integers(1, 10**4), free=units)
def test_more_units_are_no_smaller_chance(place: int, free: int) -> None:
    assert chance_at(place, units_free=free, units_held=0) <= chance_at(
        place, units_free=free + 1, units_held=0
    )


def test_nothing_left_is_no_chance_and_a_room_without_stock_lets_everybody_in() -> None:
    table = wait_table(
        waiting=5,
        calls_per_second=1.0,
        units_free=0,
        units_held=0,
        has_stock=False,
        calling=True,
    )

    assert chance_at(1, units_free=0, units_held=0) == 0
    assert {row.chance for row in table} == {1.0}


def test_a_room_that_calls_nobody_knows_no_wait() -> None:
    table = wait_table(
        waiting=50,
        calls_per_second=2.0,
        units_free=9,
        units_held=0,
        has_stock=True,
        calling=False,
    )

    assert {row.wait_low_s for row in table} == {None}


@given(notes=st.lists(st.tuples(st.integers(0, 1000), st.floats(0.01, 5)), min_size=1, max_size=50))
def test_the_averaged_rate_lies_within_the_rates_seen(notes: list[tuple[int, float]]) -> None:
    rate = CallRate()

    for calls, passed_s in notes:
        rate.note(calls, passed_s=passed_s)

    seen = [calls / passed_s for calls, passed_s in notes]
    assert rate.per_second is not None
    assert min(seen) - 1e-6 <= rate.per_second <= max(seen) + 1e-6


def test_no_time_is_no_rate() -> None:
    rate = CallRate()

    rate.note(5, passed_s=0.0)

    assert rate.per_second is None


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
        table = wait_table(
            waiting=5000,
            calls_per_second=rate,
            units_free=100,
            units_held=0,
            has_stock=True,
            calling=True,
        )
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

    assert heard_by == START + timedelta(seconds=POLL_MAX_S + STALE_S)
