"""Waits and chances follow from what was learned, and bands are as wide as the record asks."""

from collections import Counter
from dataclasses import replace
from math import exp, inf, log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.demand import Crowd, Demand, Journey, Outlook
from waitroom.flow import Flow
from waitroom.prospects import (
    HIGH_QUANTILE,
    LOW_QUANTILE,
    TELL_EVERY_S,
    Forecaster,
    Pace,
    Prospects,
    Record,
    stock_prospects,
)

KEEN = Outlook(ask_share=0.6, units_mean=1.0, pay_share=0.8)

outlooks = st.builds(
    Outlook,
    askers_mean=st.floats(0, 1000),
    askers_var=st.floats(0, 1000),
    ask_share=st.floats(0.01, 1.0),
    ask_doubt=st.floats(0, 0.1),
    units_mean=st.floats(1.0, 4.0),
    units_var=st.floats(0, 2.0),
    pay_share=st.floats(0.05, 1.0),
)


@st.composite
def any_prospects(draw: st.DrawFn) -> Prospects:
    """Return prospects of any sale, with any pace."""
    of_stock = stock_prospects(
        draw(outlooks), units_free=draw(st.integers(0, 5000)), units_held=draw(st.integers(0, 500))
    )
    pace = draw(st.floats(0.01, 100))
    return replace(of_stock, per_second=pace, steady=draw(st.booleans()))


@given(prospects=any_prospects(), place=st.integers(1, 10**6))
def test_chances_fall_and_waits_grow_with_the_place(prospects: Prospects, place: int) -> None:
    here, behind = prospects.wait_s(place), prospects.wait_s(place + 1)

    assert 0 <= prospects.chance(place + 1) <= prospects.chance(place) <= 1
    # Nobody knows how long it takes where nothing is left to call for.
    assert (here is None) == (behind is None) == (prospects.calls_left == 0)
    if here is not None and behind is not None:
        assert 0 <= here <= behind < inf


@given(free=st.integers(0, 5000), more=st.integers(0, 500), place=st.integers(1, 20_000))
def test_more_units_are_no_smaller_chance(free: int, more: int, place: int) -> None:
    few = stock_prospects(KEEN, units_free=free, units_held=50)
    many = stock_prospects(KEEN, units_free=free + more, units_held=50)

    assert few.chance(place) <= many.chance(place)
    assert few.calls_left <= many.calls_left


def test_a_room_without_stock_has_something_for_all_and_one_that_is_empty_for_nobody() -> None:
    without_stock = Prospects(per_second=1.0)
    empty = stock_prospects(KEEN, units_free=0, units_held=0)

    assert {without_stock.chance(place) for place in (1, 10, 10**6)} == {1.0}
    assert {empty.chance(place) for place in (1, 10, 10**6)} == {0.0}


def test_what_is_in_baskets_comes_back_in_part() -> None:
    free = stock_prospects(KEEN, units_free=100, units_held=0)
    held = stock_prospects(KEEN, units_free=0, units_held=100)

    assert 0 < held.calls_left < free.calls_left


def observed(demand: Demand, *, shoppers: int, until: float) -> Outlook:
    """Return what is learned of shoppers who held at once; of these, four of five soon pay."""
    for now in range(0, int(until) + 1, 5):
        open_, closed = [], []
        for number in range(shoppers):
            paid = number % 5 and now >= 60
            journey = Journey(
                admission_id=number,
                state="ended" if paid else "claimed",
                called_at=0.0,
                claimed_at=1.0,
                held_at=2.0,
                hold_ended_at=60.0 if paid else None,
                ended_at=60.0 if paid else None,
                units_held=0 if paid else 1,
                units_sold=1 if paid else 0,
            )
            (closed if paid else open_).append(journey)
        demand.observe(float(now), open_, closed)
    return demand.outlook(until)


def test_a_basket_that_was_long_not_paid_will_likely_come_back() -> None:
    outlook = observed(Demand(), shoppers=100, until=250.0)

    prospects = stock_prospects(outlook, units_free=0, units_held=20)

    assert outlook.pay_share > 0.6
    assert prospects.spoken_mean < 10


def test_who_carries_a_promise_and_may_still_ask_counts_by_their_age() -> None:
    outlook = Demand().outlook(0.0)
    fresh = replace(outlook, crowd=Crowd(promised_inside=Counter({0: 10})))
    late = replace(outlook, crowd=Crowd(promised_inside=Counter({595: 10})))

    soon, hardly = (
        stock_prospects(one, units_free=0, units_held=0, units_promised=10) for one in (fresh, late)
    )

    assert soon.spoken_mean > 5
    assert hardly.spoken_mean < 2


def test_those_called_before_take_from_what_is_left() -> None:
    nobody = stock_prospects(KEEN, units_free=100, units_held=0)
    some = stock_prospects(KEEN.with_calls(50), units_free=100, units_held=0)

    assert some.calls_left == pytest.approx(nobody.calls_left - 50)


def test_the_chance_passes_the_half_where_the_stock_is_expected_to_end() -> None:
    prospects = stock_prospects(KEEN, units_free=480, units_held=0)

    assert prospects.chance(750) > 0.9
    assert prospects.chance(1000) == pytest.approx(0.5, abs=0.05)
    assert prospects.chance(1250) < 0.1


def test_where_stock_bounds_the_calls_a_wait_is_when_what_comes_back_will_do_for_it() -> None:
    calls = Flow(tuple(float(n) for n in range(1, 11)))
    prospects = Prospects(
        per_second=99.0, calls_left=20.0, steady=False, flow=calls, units=20.0, each_mean=1.0
    )

    # Half of all the calls have been made after five of the ten steps.
    assert prospects.wait_s(10) == pytest.approx(50.0, rel=0.05)
    assert (prospects.wait_s(19) or 0.0) > 90.0


def test_a_pace_is_the_average_of_what_was_seen() -> None:
    pace = Pace()
    assert pace.per_second is None

    pace.note(5, passed_s=0.0)
    assert pace.per_second is None
    for calls in (1, 3, 2, 2):
        pace.note(calls, passed_s=1.0)

    assert pace.per_second == pytest.approx(2.0)


def test_a_record_of_good_guesses_narrows_the_bands_and_one_of_bad_guesses_widens_them() -> None:
    rng = Random(1)
    good, bad, new = (Record() for _ in range(3))
    good.errors.extend(rng.gauss(0.0, 0.1) for _ in range(200))
    bad.errors.extend(rng.gauss(0.0, 1.5) for _ in range(200))

    (good_low, good_high), (bad_low, bad_high) = good.factors(0.0), bad.factors(0.0)
    new_low, new_high = new.factors(0.0)

    assert bad_low < new_low < good_low < 1 < good_high < new_high < bad_high


@given(seed=st.integers(0, 1000), spread=st.floats(0.05, 1.5), bias=st.floats(-1.0, 1.0))
def test_the_bands_of_a_long_record_hold_as_often_as_they_say(
    seed: int, spread: float, bias: float
) -> None:
    """Whatever the middle is off by: this is what conformal prediction is for."""
    rng, record = Random(seed), Record()
    record.errors.extend(rng.gauss(bias, spread) for _ in range(240))

    low, high = record.factors(0.0)

    held = sum(low <= exp(rng.gauss(bias, spread)) <= high for _ in range(2000)) / 2000
    assert held == pytest.approx(HIGH_QUANTILE - LOW_QUANTILE, abs=0.15)


def test_the_record_learns_from_those_whose_turn_came() -> None:
    record = Record()
    record.tell(0.0, [(10, 50.0, True), (20, 100.0, True)])

    record.see(100.0, head=10)

    assert list(record.errors) == [pytest.approx(log(103 / 53))]


def test_what_is_told_is_kept_now_and_then_only() -> None:
    record = Record()

    for second in range(int(TELL_EVERY_S) + 1):
        record.tell(float(second), [(10, 50.0, True)])
    record.see(60.0, head=10)

    assert len(record.errors) == 2


def test_who_waits_longer_than_told_widens_the_band_before_their_turn_comes() -> None:
    record = Record()
    record.tell(0.0, [(number, 10.0, True) for number in range(1, 30)])

    _, soon = record.factors(5.0)
    _, late = record.factors(600.0)

    assert late > soon


def test_who_will_hardly_be_called_says_nothing_about_how_long_the_others_wait() -> None:
    record, other = Record(), Record()
    record.tell(0.0, [(number, 10.0, False) for number in range(1, 30)])

    assert record.factors(600.0) == other.factors(600.0)


def test_a_pause_is_no_error_of_the_forecast() -> None:
    forecaster = Forecaster(prospects=Prospects(per_second=1.0))
    forecaster.tell(0.0, head=0, places=[5, 10], calling=True)

    forecaster.tell(10.0, head=0, places=[5, 10], calling=False)
    forecaster.see(900.0, head=10, calls=10, freed=10, bound="seats", passed_s=1.0)

    assert not forecaster.record.errors


def test_a_lane_has_its_share_of_what_the_stock_will_do_for() -> None:
    whole, part = (
        Forecaster().look(
            0.0, outlook=KEEN, units_free=480, units_held=0, bound="expected", share=share
        )
        for share in (1.0, 0.25)
    )

    assert part.calls_left == pytest.approx(whole.calls_left / 4)
    assert part.chance(250) == pytest.approx(whole.chance(1000), abs=0.05)


def test_where_seats_bound_the_calls_the_line_moves_as_fast_as_they_come_free() -> None:
    forecaster = Forecaster()
    for second in range(60):
        forecaster.see(
            float(second),
            head=0,
            calls=100 if second == 0 else 2,
            freed=2,
            bound="seats",
            passed_s=1.0,
        )

    prospects = forecaster.look(60.0, outlook=None, units_free=0, units_held=0, bound="seats")

    assert prospects.wait_s(120) == pytest.approx(60.0, rel=0.1)
    assert prospects.chance(10**6) == 1.0
