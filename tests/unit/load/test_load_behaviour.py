"""The crowd's pure parts: plans, tastes, outcomes, and whom a crowd may be sent to."""

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.cli.remote.load import is_loopback
from waitroom.client.http_client import BACKOFF_MAX_S, RETRY_AFTER_MAX_S, Answer, pause_s
from waitroom.load.behaviour import (
    TIME_TIMES_MEAN_MAX,
    Behaviour,
    Plan,
    choose_sku,
    draw_plan,
    rng_of,
)
from waitroom.load.bodies import SkuBody
from waitroom.load.crowd import Crowd, quantile
from waitroom.load.journey import SURPRISES_MAX, Journey, Outcome
from waitroom.load.wire import ATTEMPTS_MAX, problem_of

SHARES = [name for name in Behaviour.__dataclass_fields__ if name.endswith("_share")]
seeds = st.integers(0, 2**32)
skus = st.lists(
    st.builds(SkuBody, sku=st.text(min_size=1, max_size=3), available=st.integers(0, 5)),
    max_size=8,
    unique_by=lambda sku: sku.sku,
)
tastes = st.floats(0, 1, exclude_max=True)


def plans_of(behaviour: Behaviour) -> list[Plan]:
    return [draw_plan(behaviour, rng_of(behaviour, n)) for n in range(behaviour.shoppers)]


@given(seeds)
def test_the_same_seed_draws_the_same_crowd(seed: int) -> None:
    behaviour = Behaviour(shoppers=20, seed=seed)

    assert plans_of(behaviour) == plans_of(behaviour)


def test_a_larger_crowd_begins_with_the_smaller_one() -> None:
    small, large = Behaviour(shoppers=50), Behaviour(shoppers=80)

    assert plans_of(large)[:50] == plans_of(small)


def test_another_seed_draws_another_crowd() -> None:
    assert plans_of(Behaviour(shoppers=5, seed=1)) != plans_of(Behaviour(shoppers=5, seed=2))


@given(seeds)
def test_times_keep_their_bounds(seed: int) -> None:
    behaviour = Behaviour(arrive_s=30, react_s=2, browse_s=5, pay_s=6, stay_max_s=90)

    plan = draw_plan(behaviour, Random(seed))

    assert 0 <= plan.arrive_s <= 30
    assert 0 <= plan.react_s <= 2 * TIME_TIMES_MEAN_MAX
    assert 0 <= plan.browse_s <= 5 * TIME_TIMES_MEAN_MAX
    assert 0 <= plan.pay_s <= 6 * TIME_TIMES_MEAN_MAX
    assert 0 < plan.patience_s <= 90
    assert plan.quantity in {1, 2}


@given(seeds, st.floats(0.01, 10))
def test_the_pace_scales_every_time_and_decides_nothing(seed: int, pace: float) -> None:
    behaviour = Behaviour()

    plan = draw_plan(behaviour, Random(seed))
    scaled = draw_plan(replace(behaviour, pace=pace), Random(seed))

    times = {name for name in plan.__dataclass_fields__ if name.endswith("_s")}
    for name in plan.__dataclass_fields__:
        was, now = getattr(plan, name), getattr(scaled, name)
        assert now == (pytest.approx(was * pace) if name in times else was)


@given(seeds, st.sampled_from(SHARES))
def test_a_changed_share_changes_only_what_it_is_about(seed: int, share: str) -> None:
    """Otherwise two runs that differ in one figure could not be compared."""
    low = draw_plan(replace(Behaviour(), **{share: 0.0}), Random(seed))
    high = draw_plan(replace(Behaviour(), **{share: 1.0}), Random(seed))

    changed = [n for n in low.__dataclass_fields__ if getattr(low, n) != getattr(high, n)]

    assert len(changed) == 1


def test_shares_are_met_by_a_large_crowd() -> None:
    behaviour = Behaviour(shoppers=4000, seed=1)

    plans = plans_of(behaviour)

    def share(name: str) -> float:
        return sum(getattr(plan, name) for plan in plans) / len(plans)

    assert share("no_show") == pytest.approx(behaviour.no_show_share, abs=0.02)
    assert share("wants") == pytest.approx(behaviour.want_share, abs=0.02)
    assert share("pays") == pytest.approx(behaviour.pay_share, abs=0.02)
    assert share("polite") == pytest.approx(behaviour.polite_share, abs=0.03)
    assert share("browse_s") == pytest.approx(behaviour.browse_s, rel=0.05)
    assert share("quantity") == pytest.approx(1 + behaviour.second_unit_share, abs=0.03)


@pytest.mark.parametrize(
    "wrong",
    [{name: 1.5} for name in SHARES]
    + [{"shoppers": 0}, {"pace": 0.0}, {"browse_s": -1.0}, {"skus_tried_max": 0}],
)
def test_a_behaviour_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Behaviour(**wrong)


def test_a_crowd_that_arrives_at_once_is_possible() -> None:
    assert {plan.arrive_s for plan in plans_of(Behaviour(shoppers=9, arrive_s=0))} == {0}


@given(skus, tastes)
def test_every_sku_is_tried_once_and_available_ones_first(
    catalogue: list[SkuBody], taste: float
) -> None:
    tried: list[str] = []
    order: list[SkuBody] = []
    while (sku := choose_sku(catalogue, tried, taste)) is not None:
        tried.append(sku.sku)
        order.append(sku)

    assert sorted(tried) == sorted(sku.sku for sku in catalogue)
    shown = [sku.available > 0 for sku in order]
    assert shown == sorted(shown, reverse=True)


@given(st.lists(st.integers(-1000, 1000), min_size=1))
def test_the_largest_rise_of_a_place_is_kept(places: list[int]) -> None:
    journey = Journey(shopper=0)

    for place in places:
        journey.see_place(place)

    rises = [after - before for before, after in pairwise(places)]
    assert journey.place_rise_max == max([0, *rises])
    assert (journey.place_first, journey.place_last) == (places[0], places[-1])


def test_surprises_of_one_shopper_are_bounded() -> None:
    journey = Journey(shopper=0)

    for _ in range(SURPRISES_MAX + 5):
        journey.surprised(503, "busy")

    assert journey.surprises == [(503, "busy")] * SURPRISES_MAX


@given(st.lists(st.floats(0, 1e6), min_size=1).map(sorted), st.floats(0.01, 1))
def test_a_quantile_is_a_value_with_that_share_at_or_below_it(
    values: list[float], share: float
) -> None:
    found = quantile(values, share)

    below = sum(round(value, 2) <= found for value in values)
    assert found in {round(value, 2) for value in values}
    assert below >= share * len(values) - 1e-6


def test_nothing_has_no_quantile() -> None:
    assert quantile([], 0.5) is None


@given(st.integers(0, ATTEMPTS_MAX), st.floats(0, 1e6))
def test_a_repeat_comes_no_earlier_than_told_and_within_a_bound(
    attempt: int, told_s: float
) -> None:
    answer = Answer(status=503, raw=b"", retry_after_s=told_s)

    waits_s = pause_s(attempt, answer)

    assert waits_s >= min(told_s, RETRY_AFTER_MAX_S)
    assert waits_s <= 1.2 * max(RETRY_AFTER_MAX_S, BACKOFF_MAX_S)


@pytest.mark.parametrize("raw", [b"", b"<html>", b'{"code": 7}', b"\xff"])
def test_a_refusal_that_is_no_problem_document_still_has_a_code(raw: bytes) -> None:
    assert problem_of(Answer(status=502, raw=raw)).code == "http_502"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "shop.localhost"])
def test_this_machine_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["example.com", "10.0.0.1", "0.0.0.0", "127.0.0.1.example.com", "localhost.example"]
)
def test_strangers_are_known(host: str) -> None:
    assert not is_loopback(host)


def test_a_result_adds_up_before_anybody_has_come() -> None:
    crowd = Crowd("http://127.0.0.1:1", "room", Behaviour(shoppers=3))
    crowd.journeys[0].outcome = Outcome.BOUGHT
    crowd.journeys[0].units = 2

    result = crowd.result()

    assert result.outcomes == {"bought": 1}
    assert (result.unfinished, result.units_bought, result.wait_p50_s) == (2, 2, None)
