"""Waits and chances follow from what was learned, and say how little that is."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.line.forecast.flow import Flow
from waitroom.line.forecast.forecaster import Forecaster, Pace, Supply
from waitroom.line.forecast.learning.demand import Demand
from waitroom.line.forecast.learning.journey import Journey
from waitroom.line.forecast.outlook import Crowd, Outlook
from waitroom.line.forecast.prospects import Prospects, stock_prospects

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


def with_flow(prospects: Prospects, calls: Iterable[float]) -> Prospects:
    """Return prospects with a flow of these calls, of which everything is sure."""
    made = tuple(calls)
    nothing = (0.0,) * len(made)
    sure = Flow(made, asked=nothing, bought=nothing, turned_out=nothing)
    return replace(prospects, steady=False, flow=sure, flow_sd=nothing)


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
    here, behind = prospects.wait(place), prospects.wait(place + 1)

    assert 0 <= prospects.chance(place + 1) <= prospects.chance(place) <= 1
    # Nobody knows how long it takes where nothing is left to call for.
    assert (here is None) == (behind is None) == (prospects.calls_left == 0)
    if here is not None and behind is not None:
        assert 0 <= here.middle_s <= behind.middle_s < inf
        assert here.at(prospects.low) <= here.middle_s <= here.at(prospects.high) < inf


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
    stock = Prospects(per_second=99.0, calls_left=20.0, units=20.0, each_mean=1.0)
    prospects = with_flow(stock, (2.0 * n for n in range(1, 11)))

    # Half of all the calls have been made after five of the ten steps.
    middle, last = prospects.wait(10), prospects.wait(19)
    assert middle is not None
    assert last is not None
    assert middle.middle_s == pytest.approx(50.0, rel=0.1)
    assert last.middle_s > 80.0


@given(place=st.integers(1, 500), pace=st.floats(0.01, 10))
def test_the_wait_of_a_place_near_the_front_is_the_least_sure_for_its_length(
    place: int, pace: float
) -> None:
    """Of few calls each one matters; of many, only how well the pace is known."""
    prospects = Prospects(per_second=pace)
    near, far = prospects.wait(place), prospects.wait(4 * place)

    assert near is not None
    assert far is not None
    # Seconds more or less are no error, which is all that a short wait could be off by.
    if near.middle_s > 60:
        assert far.longer <= near.longer + 0.05
        assert far.shorter <= near.shorter + 0.05


def test_a_wait_that_hardly_anybody_there_will_have_is_that_of_those_who_have_it() -> None:
    """Who is reached at all beyond the likely last was so as more calls came, and sooner."""
    stock = stock_prospects(KEEN, units_free=10, units_held=0)
    prospects = with_flow(stock, (20 * (1 - 0.9**n) for n in range(1, 60)))

    waits = [prospects.wait(place) for place in (1, 10, 20, 30, 40)]

    assert all(wait is not None and wait.at(prospects.high) < inf for wait in waits)


def test_what_little_is_known_makes_chances_moderate() -> None:
    seen = observed(Demand(), shoppers=300, until=250.0)
    guess = Demand().outlook(0.0).ask_guess
    unseen = replace(seen, ask_guess=guess)
    sure, unsure = (stock_prospects(one, units_free=600, units_held=0) for one in (seen, unseen))

    place = int(sure.calls_left)

    assert unsure.chance(place * 3 // 4) < sure.chance(place * 3 // 4)
    assert unsure.chance(place * 5 // 4) > sure.chance(place * 5 // 4)


def test_whoever_was_refused_is_served_before_the_line() -> None:
    outlook = Demand().outlook(0.0)
    waiting = replace(outlook, crowd=Crowd(refused=5))

    before, after = (
        stock_prospects(one, units_free=0, units_held=20) for one in (outlook, waiting)
    )

    assert after.chance(1) < before.chance(1)


@pytest.mark.parametrize("held", [1, 2, 3])
def test_the_last_units_come_back_as_often_as_baskets_are_left(held: int) -> None:
    prospects = replace(
        stock_prospects(KEEN, units_free=0, units_held=held), doubt=0.0, pay_doubt=0.0
    )

    # Each basket is paid with four fifths; the normal of one to three trials is that good.
    assert prospects.chance(1) == pytest.approx(1 - 0.8**held, abs=0.08)


def test_a_pace_is_the_average_of_what_was_seen() -> None:
    pace = Pace()
    assert pace.per_second is None

    pace.note(5, passed_s=0.0)
    assert pace.per_second is None
    for calls in (1, 3, 2, 2):
        pace.note(calls, passed_s=1.0)

    assert pace.per_second == pytest.approx(2.0)


def test_a_pause_is_no_error_of_the_forecast() -> None:
    forecaster = Forecaster(prospects=Prospects(per_second=1.0))
    forecaster.tell(0.0, head=0, places=[5, 10], calling=True)

    forecaster.tell(10.0, head=0, places=[5, 10], calling=False)
    forecaster.see(900.0, head=10, calls=10, freed=10, bound="seats", passed_s=1.0)

    assert not forecaster.record.errors


def test_a_lane_has_its_share_of_what_the_stock_will_do_for() -> None:
    stock = Supply().look(0.0, outlook=KEEN, units_free=480, units_held=0, bound="expected")
    whole, part = (Forecaster().look(0.0, stock=stock, share=share) for share in (1.0, 0.25))

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

    prospects = forecaster.look(60.0, stock=None)

    wait = prospects.wait(120)
    assert wait is not None
    assert wait.middle_s == pytest.approx(60.0, rel=0.1)
    assert prospects.chance(10**6) == 1.0


def test_while_checkout_holds_the_calls_back_waits_are_longer_and_less_sure() -> None:
    stock = with_flow(stock_prospects(KEEN, units_free=100, units_held=0), [100.0] * 60)
    free, held = (
        Forecaster().look(0.0, stock=stock, share=0.5, held_to=rate).wait(20)
        for rate in (None, 0.2)
    )

    assert free is not None
    assert held is not None
    # At one call in ten seconds for this line it would be 195 s.
    assert free.middle_s < held.middle_s < 195 <= held.at(2.0)
    assert held.at(-2.0) <= free.middle_s


def test_where_seats_bound_the_calls_waits_follow_from_who_is_inside() -> None:
    """All seats were taken at once, so they come free at once, and not at the pace of lately."""
    crowd = Crowd(inside=Counter({500: 100}))
    outlook = replace(Demand().outlook(0.0), crowd=crowd)
    supply = partial(Supply().look, outlook=outlook, units_free=900, units_held=0, bound="seats")

    foreseen = Forecaster().look(0.0, stock=supply(0.0, seats_max=100, disappointed_max=0.01))
    unforeseen = supply(0.0)

    wait = foreseen.wait(50)
    assert wait is not None
    assert 60 < wait.middle_s < 130
    assert (unforeseen.steady, unforeseen.flow) == (True, None)
