"""Bands are as wide as the waits that were told before turned out to be off."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.line.forecast.track_record import (
    ERROR_MAX,
    FIRST_LEVELS,
    HIGH_QUANTILE,
    LOW_QUANTILE,
    SPREAD_LEAST,
    TELL_EVERY_S,
    Record,
    Wait,
)

TEN_SECONDS = Wait(10.0, 0.5, 0.5)


@given(
    middle_s=st.floats(0, 10_000),
    shorter=st.floats(0.2, 2),
    longer=st.floats(0.2, 2),
    level=st.floats(-ERROR_MAX, ERROR_MAX),
)
def test_an_error_says_where_in_the_wait_its_actual_length_lies(
    middle_s: float, shorter: float, longer: float, level: float
) -> None:
    wait = Wait(middle_s, shorter, longer)

    actual_s = wait.at(level)

    # Nobody waits for less than no time at all.
    if actual_s > 0:
        assert wait.error(actual_s) == pytest.approx(level, abs=1e-6)


def test_one_great_surprise_does_not_make_all_bands_useless() -> None:
    record = Record()
    record.tell(0.0, [(number, TEN_SECONDS) for number in range(1, 100)])

    record.see(36_000.0, head=99)

    assert record.levels(36_000.0)[1] == ERROR_MAX


@given(low_s=st.floats(0, 100), more_s=st.floats(0, 1000), most_s=st.floats(0, 1000))
def test_a_wait_keeps_the_quantiles_it_is_made_of_unless_they_are_too_near(
    low_s: float, more_s: float, most_s: float
) -> None:
    middle_s, high_s = low_s + more_s, low_s + more_s + most_s

    wait = Wait.of(low_s, middle_s, high_s)

    assert wait.at(FIRST_LEVELS[0]) <= low_s + 1e-6
    assert wait.at(0.0) == pytest.approx(middle_s)
    assert wait.at(FIRST_LEVELS[1]) >= high_s - 1e-6
    assert min(wait.shorter, wait.longer) >= SPREAD_LEAST


def test_a_record_of_good_guesses_narrows_the_bands_and_one_of_bad_guesses_widens_them() -> None:
    rng = Random(1)
    good, bad, new = (Record() for _ in range(3))
    good.errors.extend(rng.gauss(0.0, 0.2) for _ in range(200))
    bad.errors.extend(rng.gauss(0.0, 2.0) for _ in range(200))

    (good_low, good_high), (bad_low, bad_high) = good.levels(0.0), bad.levels(0.0)
    new_low, new_high = new.levels(0.0)

    assert bad_low < new_low < good_low < 0 < good_high < new_high < bad_high


@given(seed=st.integers(0, 1000), spread=st.floats(0.3, 1.8), bias=st.floats(-1.0, 1.0))
def test_the_bands_of_a_long_record_hold_as_often_as_they_say(
    seed: int, spread: float, bias: float
) -> None:
    """Whatever the middle is off by: this is what conformal prediction is for."""
    rng, record = Random(seed), Record()
    record.errors.extend(rng.gauss(bias, spread) for _ in range(240))

    low, high = record.levels(0.0)

    held = sum(low <= rng.gauss(bias, spread) <= high for _ in range(2000)) / 2000
    assert held == pytest.approx(HIGH_QUANTILE - LOW_QUANTILE, abs=0.2)


def test_a_few_outcomes_move_the_bands_little() -> None:
    record = Record()
    record.errors.extend([2.5, 2.5, 2.5])

    low, high = record.levels(0.0)

    assert low == pytest.approx(FIRST_LEVELS[0], abs=0.2)
    assert high == pytest.approx(FIRST_LEVELS[1], abs=0.6)


def test_the_record_learns_from_those_whose_turn_came() -> None:
    record = Record()
    record.tell(0.0, [(10, TEN_SECONDS), (20, TEN_SECONDS)])

    record.see(100.0, head=10)

    assert list(record.errors) == [pytest.approx(TEN_SECONDS.error(100.0))]


def test_what_is_told_is_kept_now_and_then_only() -> None:
    record = Record()

    due = [second for second in range(30) if _told(record, float(second))]

    assert due == [0, TELL_EVERY_S, 2 * TELL_EVERY_S]


def _told(record: Record, now: float) -> bool:
    due = record.is_due(now)
    if due:
        record.tell(now, [(10, TEN_SECONDS)])
    return due


def test_who_waits_longer_than_told_widens_the_band_before_their_turn_comes() -> None:
    record = Record()
    record.tell(0.0, [(number, TEN_SECONDS) for number in range(1, 30)])

    _, soon = record.levels(5.0)
    _, late = record.levels(600.0)

    assert late > soon


def test_a_pause_lets_go_of_what_was_told() -> None:
    record = Record()
    record.tell(0.0, [(10, TEN_SECONDS)])

    record.forget_told()
    record.see(900.0, head=10)

    assert not record.errors


def test_a_clock_that_was_set_back_breaks_nothing() -> None:
    record = Record()
    record.tell(1000.0, [(1, Wait(60.0, 1.0, 1.0)), (2, Wait(60.0, 1.0, 1.0))])

    record.see(10.0, head=1)

    low, high = record.levels(10.0)
    assert -ERROR_MAX <= low < high <= ERROR_MAX
