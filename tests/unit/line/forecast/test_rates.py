"""Rates by age, and the life table made of them."""

from math import exp, isclose
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.line.forecast.learning.rates import (
    AGES_S,
    AT_RISK,
    HALF_LIFE_OUTCOMES,
    LifeTable,
    Rates,
    Stage,
    Units,
    ages_for,
    life_table,
)

some_rates = st.lists(st.floats(1e-4, 2.0), min_size=len(AGES_S), max_size=len(AGES_S))
some_shares = st.lists(st.floats(0, 1), min_size=len(AGES_S), max_size=len(AGES_S))
tables = st.builds(
    lambda on, off, guess: life_table(AGES_S, on, off, guess=guess, weight=50.0),
    some_rates,
    some_rates,
    some_shares,
)


def observe(rates: Rates, *, shoppers: int, on_s: float, off_s: float, seed: int = 1) -> None:
    """Let shoppers go on and drop out at constant rates, one after the other."""
    rng = Random(seed)
    for _ in range(shoppers):
        on, off = rng.expovariate(1 / on_s), rng.expovariate(1 / off_s)
        rates.expose(0.0, min(on, off))
        rates.count(min(on, off), on=on < off)


@given(table=tables, age=st.floats(0, 2000))
def test_chances_are_chances(table: LifeTable, age: float) -> None:
    on, off = table.within(age, 60.0)

    assert 0 <= table.chance(age) <= 1 + 1e-9
    assert 0 <= on <= 1
    assert 0 <= off <= 1
    assert on + off <= 1 + 1e-9


@given(table=tables, bucket=st.integers(0, len(AGES_S) - 1))
def test_the_chance_to_go_on_is_that_of_going_on_within_any_time(
    table: LifeTable, bucket: int
) -> None:
    age = float(AGES_S[bucket])

    on, _ = table.within(age, 1e7)

    assert isclose(table.chance(age), on, abs_tol=1e-6)


@given(table=tables, age=st.floats(0, 900), first=st.floats(0, 300), more=st.floats(0, 300))
def test_more_happens_in_more_time(table: LifeTable, age: float, first: float, more: float) -> None:
    on, off = table.within(age, first)
    later_on, later_off = table.within(age, first + more)

    assert later_on >= on - 1e-12
    assert later_off >= off - 1e-12


def test_at_constant_rates_everything_is_as_in_the_textbook() -> None:
    on_s, off_s, nothing = ([rate] * len(AGES_S) for rate in (0.03, 0.01, 0.0))
    table = life_table(AGES_S, on_s, off_s, guess=nothing, weight=1.0)

    on, off = table.within(7.0, 50.0)

    assert isclose(table.share, 0.75)
    assert isclose(on, 0.75 * (1 - exp(-2)))
    assert isclose(off, 0.25 * (1 - exp(-2)))


def test_true_rates_are_found() -> None:
    rates = Rates(stage=Stage.INSIDE, deadline_s=600.0)

    observe(rates, shoppers=4000, on_s=40.0, off_s=120.0)

    # Known from about 150 shoppers, since the others have faded: 0.75 give or take two deviations.
    assert rates.table().share == pytest.approx(0.75, abs=0.075)
    assert rates.table().within(0.0, 30.0)[0] == pytest.approx(0.474, abs=0.08)


def test_who_is_still_there_counts_by_the_time_that_went_without_an_outcome() -> None:
    patient = Rates(stage=Stage.INSIDE, deadline_s=600.0)
    idle = Rates(stage=Stage.INSIDE, deadline_s=600.0)
    for rates in (patient, idle):
        observe(rates, shoppers=50, on_s=20.0, off_s=80.0)

    # Beside the same outcomes fifty have been here for eight minutes without one.
    idle.expose(0.0, 480.0, shoppers=50)

    assert idle.table().chance(120.0) < patient.table().chance(120.0) / 2


def test_before_anybody_was_seen_many_are_expected_to_ask_and_more_may() -> None:
    claim, hold = (Rates(stage=stage, deadline_s=300.0).table() for stage in AT_RISK[:2])

    assert claim.share + claim.guess[0] > 0.9
    assert hold.share + hold.guess[0] > 0.8


def test_what_was_observed_fades_with_what_comes_after_it() -> None:
    rates = Rates(stage=Stage.INSIDE, deadline_s=600.0)
    observe(rates, shoppers=1000, on_s=160.0, off_s=40.0)
    before = rates.table().share

    observe(rates, shoppers=3 * HALF_LIFE_OUTCOMES, on_s=40.0, off_s=160.0, seed=2)

    assert before < 0.35
    assert rates.table().share > 0.65


def test_figures_stay_finite_however_many_were_seen() -> None:
    rates = Rates(stage=Stage.PAYING, deadline_s=None)

    for _ in range(20_000):
        rates.expose(0.0, 2.0)
        rates.count(2.0, on=True)

    assert 0.9 < rates.table().share <= 1
    assert max(rates.on + rates.off + rates.exposed_s) < 1e12


@given(deadline_s=st.one_of(st.none(), st.floats(0.01, 5000)))
def test_ages_increase_from_nothing_and_stand_close_around_the_deadline(
    deadline_s: float | None,
) -> None:
    ages = ages_for(deadline_s)

    assert ages[0] == 0
    assert list(ages) == sorted(set(ages))
    if deadline_s is not None:
        assert any(abs(age - deadline_s) <= 1.0 for age in ages)


def test_what_happens_at_a_deadline_is_expected_there() -> None:
    rates = Rates(stage=Stage.HOLDING, deadline_s=300.0)
    for _ in range(50):
        rates.expose(0.0, 300.0)
        rates.count(300.0, on=False)

    table = rates.table()

    assert table.within(200.0, 60.0)[1] < 0.15
    assert table.within(295.0, 15.0)[1] > 0.9


def test_units_are_learned_and_fade() -> None:
    units = Units()
    for _ in range(1000):
        units.count(1)
    for _ in range(3 * HALF_LIFE_OUTCOMES):
        units.count(3)

    mean, var, weight = units.moments()

    assert 2.4 < mean < 3
    assert 0 < var < 1.2
    assert weight < 2 * HALF_LIFE_OUTCOMES


def test_where_one_may_have_one_there_is_nothing_to_learn() -> None:
    units = Units(units_max=1)

    units.count(1)

    assert units.moments()[:2] == (1.0, 0.0)


def test_what_nobody_was_seen_to_do_yet_is_a_guess_until_somebody_was() -> None:
    rates = Rates(stage=Stage.INSIDE, deadline_s=600)
    new = rates.table()
    observe(rates, shoppers=300, on_s=10, off_s=40)
    seen = rates.table()

    assert new.guess[0] > 0.1
    assert seen.guess[0] < new.guess[0] * 0.7


def test_a_slow_crowd_is_told_from_one_that_is_done() -> None:
    slow, done = (Rates(stage=Stage.INSIDE, deadline_s=600.0) for _ in range(2))
    # A minute has passed: the ones go on ever more often, the others did so at first.
    for age in (20, 30, 38, 44, 49, 53, 56, 58, 59, 60):
        slow.expose(0.0, float(age))
        slow.count(float(age), on=True)
    for age in (4, 5, 6, 7, 8, 9, 10, 12, 15, 20):
        done.expose(0.0, float(age))
        done.count(float(age), on=True)
    for rates in (slow, done):
        rates.expose(0.0, 60.0, shoppers=40)

    assert slow.table().chance(60.0) > 0.5
    assert done.table().chance(60.0) < 0.15


def test_a_crowd_that_changes_is_followed_within_a_hundred_shoppers() -> None:
    rates = Rates(stage=Stage.INSIDE, deadline_s=600.0)
    observe(rates, shoppers=1000, on_s=160.0, off_s=40.0)
    before = rates.table().share

    observe(rates, shoppers=100, on_s=10.0, off_s=160.0, seed=2)

    assert before < 0.35
    assert rates.table().share > 0.65


def test_one_who_leaves_at_a_new_age_does_not_say_what_all_others_will_do() -> None:
    rates = Rates(stage=Stage.INSIDE, deadline_s=600)
    # A crowd that came in together has been there for a minute and a half, and the first gives up.
    rates.expose(0.0, 91.0, shoppers=10)
    before = rates.table().chance(91.0)
    rates.count(91.0, on=False)

    assert rates.table().chance(91.0) > before / 2


def test_the_imagined_take_no_more_than_they_may() -> None:
    assert Units(units_max=1).moments()[:2] == (1.0, 0.0)
    assert Units(units_max=2).moments()[:2] == (1.5, 0.25)
    assert Units(units_max=9).moments()[:2] == Units().moments()[:2] == (2.0, pytest.approx(2 / 3))


def test_programs_that_go_on_at_once_do_not_make_the_others_look_done() -> None:
    """A third act within a second. The others have had half a minute, which is little time."""
    rates = Rates(stage=Stage.INSIDE, deadline_s=600)
    for _ in range(100):
        rates.expose(0.0, 0.5)
        rates.count(0.5, on=True)
    rates.expose(0.0, 30.0, shoppers=200)

    table = rates.table()

    assert table.chance(30.0) > 0.4
    assert table.within(0.0, 2.0)[0] == pytest.approx(1 / 3, abs=0.1)
