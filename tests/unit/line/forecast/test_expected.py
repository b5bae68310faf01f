"""How many calls the stock will do for: few find nothing, and nothing stands idle for that."""

from dataclasses import replace
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.line.forecast.expected import served, short
from waitroom.line.forecast.outlook import Crowd, Horizon, Outlook
from waitroom.line.policy import Expected, Guaranteed, PolicyInput, decide

MANY = 500
shares = st.floats(0.05, 1.0)
asking = st.integers(0, 200)


def room(units: int, demand: Outlook | None, *, each: int = 1, **rules: float) -> PolicyInput:
    """Return a room with people waiting and seats for all of them."""
    snapshot = PolicyInput(
        open=True,
        seats_max=10 * MANY,
        seats_taken=0,
        batch_max=2 * MANY,
        calls_allowed=10 * MANY,
        has_stock=True,
        units_available=units,
        units_promised_each=each,
        gate=0,
        tail=10 * MANY,
        demand=demand,
    )
    return replace(snapshot, **rules)


def outlook(
    asking: int = 0, *, reach: float = 0.5, share: float = 0.5, **figures: float
) -> Outlook:
    """Return what is expected when everybody who asks takes one, and that is well known."""
    known = Outlook(
        called=asking,
        asking=asking,
        askers_mean=asking * reach,
        askers_var=asking * reach * (1 - reach),
        ask_share=share,
        units_max=1,
    )
    return replace(known, **figures)


def calls(snapshot: PolicyInput) -> int:
    return Expected().calls_max(snapshot)


def finding_nothing(called: int, share: float, units: int) -> float:
    """Return how many of those called find nothing, from the binomial distribution itself."""
    return sum(
        (askers - units) * comb(called, askers) * share**askers * (1 - share) ** (called - askers)
        for askers in range(units + 1, called + 1)
    )


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("units", [1, 2, 5, 20, 100])
def test_of_those_called_no_more_find_nothing_than_the_bound_has_it(
    units: int, share: float
) -> None:
    called = calls(room(units, outlook(share=share)))

    assert called >= units
    # Beside the bound, a tenth of a shopper: the last units are not kept back for that.
    assert finding_nothing(called, share, units) <= max(0.01 * called, 0.1)


@given(units=st.integers(-5, MANY), asking=asking, reach=shares, share=shares)
def test_never_fewer_are_called_than_guaranteed_would(
    units: int, asking: int, reach: float, share: float
) -> None:
    demand = outlook(asking, reach=reach, share=share)

    # There each of those who may still ask would have a promise of one.
    promised = room(units - asking, None)

    assert calls(room(units, demand)) >= Guaranteed().calls_max(promised)


@given(units=st.integers(0, 60), each=st.integers(1, 5))
def test_without_figures_as_many_are_called_as_guaranteed_would(units: int, each: int) -> None:
    snapshot = room(units, None, each=each)

    assert calls(snapshot) == Guaranteed().calls_max(snapshot)


@given(units=st.integers(0, 200), more=st.integers(0, 50), asking=asking, share=shares)
def test_more_units_never_make_fewer_calls(
    units: int, more: int, asking: int, share: float
) -> None:
    demand = outlook(asking, share=share)

    assert calls(room(units + more, demand)) >= calls(room(units, demand))


@given(units=st.integers(0, 200), asking=asking, more=st.integers(0, 50))
def test_more_who_may_still_ask_never_make_more_calls(units: int, asking: int, more: int) -> None:
    here, there = outlook(asking, called=400), outlook(asking + more, called=400)

    assert calls(room(units, there)) <= calls(room(units, here))


@given(units=st.integers(0, 200), asking=asking, found=st.integers(0, 20))
def test_whoever_found_nothing_makes_the_next_calls_more_careful(
    units: int, asking: int, found: int
) -> None:
    demand = outlook(asking)

    careful = calls(room(units, replace(demand, disappointed=found)))

    assert careful <= calls(room(units, demand))


@given(units=st.integers(0, 200), asking=asking)
def test_who_knows_less_calls_fewer(units: int, asking: int) -> None:
    sure, unsure = outlook(asking), outlook(asking, ask_doubt=0.05)

    assert calls(room(units, unsure)) <= calls(room(units, sure))


def test_batches_shrink_with_the_stock() -> None:
    sizes = [calls(room(units, outlook())) for units in (100, 50, 20, 5, 1, 0)]

    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 0


@pytest.mark.parametrize("units_max", [None, 1, 4])
@pytest.mark.parametrize("each", [1, 2])
def test_the_last_unit_is_called_for(units_max: int | None, each: int) -> None:
    demand = outlook(share=0.9, units_max=units_max, called=1000, disappointed=10)

    assert calls(room(1, demand, each=each)) >= 1


def test_nobody_is_called_for_nothing() -> None:
    assert calls(room(0, outlook(called=5000))) == 0
    assert calls(room(-3, outlook(called=5000))) == 0


def test_a_bound_of_none_is_what_guaranteed_does() -> None:
    demand = outlook(20, called=1000)

    assert calls(room(50, demand, disappointed_max=0.0)) == 30


def test_units_that_come_back_before_a_new_call_asks_are_called_for() -> None:
    here = outlook(called=1000)

    def with_back(mean: float) -> Outlook:
        horizon = Horizon(
            asks_mean=0.0, asks_var=0.0, new_asks=0.5, back_mean=mean, later_mean=mean
        )
        return replace(here, horizons=(horizon,))

    assert calls(room(0, with_back(0.0))) == 0
    assert calls(room(0, with_back(3.0))) >= 3
    assert calls(room(5, with_back(3.0))) > calls(room(5, here))


def test_units_that_come_back_too_late_make_no_call() -> None:
    early = Horizon(asks_mean=0.0, asks_var=0.0, new_asks=0.5)
    late = replace(early, back_mean=20.0, later_mean=20.0)

    assert calls(room(0, outlook(called=1000, horizons=(early, late)))) == 0


def test_a_unit_is_called_for_however_much_of_the_bound_is_used_up() -> None:
    """One who stays inside without asking keeps no unit from the line."""
    demand = outlook(1, reach=0.01, called=500, disappointed=50, refused=50)

    assert calls(room(1, demand)) == 1


@pytest.mark.parametrize("units", [20, 100, 500])
@pytest.mark.parametrize(
    ("held_times", "part"), [(0, 1.0), (1, 1.5 / 4), (3, 1.5 / 16), (19, 1 / 32)]
)
def test_a_moment_risks_less_of_the_bound_the_more_of_the_units_are_held(
    units: int, held_times: int, part: float
) -> None:
    demand = outlook(called=1000, refused=15, units_held=held_times * units)
    made = calls(room(units, demand))

    for more, is_within in ((0, True), (1, False)):
        bound = 0.01 * (1000 + made + more) - 0.25
        refused, nothing = short(demand, units=units, calls=made + more)
        assert (nothing <= part * bound and refused <= part * (2 * bound - 15)) is is_within


def test_where_shoppers_take_several_a_moment_risks_less() -> None:
    demand = outlook(called=1000, units_max=2, units_mean=1.5, units_var=0.25)
    made = calls(room(500, demand))

    for more, is_within in ((0, True), (1, False)):
        _, nothing = short(demand, units=500, calls=made + more)
        assert (nothing <= (0.01 * (1000 + made + more) - 0.25) / 8) is is_within


def test_refused_shoppers_are_served_before_new_calls_are_made_for_a_unit() -> None:
    waiting = outlook(called=1000, crowd=Crowd(refused=5))

    assert calls(room(5, waiting)) < calls(room(5, outlook(called=1000)))


def test_where_shoppers_take_several_fewer_are_called() -> None:
    single = outlook(units_max=4)
    several = replace(single, units_mean=2.0, units_var=1.0)

    one_each, two_each = calls(room(100, single)), calls(room(100, several))

    assert two_each < 0.6 * one_each
    # Of a hundred units, at two each, fifty may have theirs, whoever comes.
    assert two_each >= 50


def test_what_covers_everybodys_usual_basket_is_called_for_however_many_found_nothing() -> None:
    demand = outlook(share=0.9, units_max=4, units_mean=1.5, units_var=0.5, disappointed=50)

    assert calls(room(150, demand)) == 100


def test_a_plain_gate_calls_as_many_as_a_tick_may() -> None:
    snapshot = room(0, outlook(), has_stock=False)

    assert calls(snapshot) == snapshot.batch_max


@pytest.mark.parametrize("units", [1, 3, 10, 40])
def test_units_fill_as_many_baskets_as_they_do_one_after_the_other(units: int) -> None:
    sizes = {1: 0.6, 2: 0.3, 4: 0.1}
    mean = sum(size * share for size, share in sizes.items())
    var = sum(size**2 * share for size, share in sizes.items()) - mean**2
    exact = [0.0] * (units + 1)
    for left in range(1, units + 1):
        exact[left] = 1 + sum(share * exact[max(left - size, 0)] for size, share in sizes.items())

    baskets, _ = served(Outlook(units_mean=mean, units_var=var), units)

    assert baskets == pytest.approx(exact[units], abs=0.15)


@given(asking=asking, units=st.integers(0, 100), some=st.integers(0, 50), more=st.integers(0, 50))
def test_more_calls_never_disappoint_fewer(asking: int, units: int, some: int, more: int) -> None:
    demand = outlook(asking)

    few = short(demand, units=units, calls=some)
    many = short(demand, units=units, calls=some + more)

    assert many[0] >= few[0] - 1e-9
    assert many[1] >= few[1] - 1e-9


def test_the_figures_of_a_decision_are_plain_numbers() -> None:
    demand = outlook(40, units_held=7, claim_share=0.91234, hold_share=0.654321)

    decision = decide(Expected(), room(100, demand))

    assert decision.reason == "expected"
    assert decision.figures["free"] == 100
    assert decision.figures["held"] == 7
    assert decision.figures["claim_share"] == 0.912
    assert decision.figures["hold_share"] == 0.654
    assert decision.figures["open_demand"] == 20.0
    assert all(type(figure) in {int, float} for figure in decision.figures.values())
