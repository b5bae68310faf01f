"""Calls follow what comes back, and a rush at the opening comes back in a rush too."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.line.assortment.depletion import Depletion, Gone
from waitroom.line.forecast.flow import Flow, Limits, flow
from waitroom.line.forecast.learning.demand import Demand
from waitroom.line.forecast.outlook import Crowd, Outlook

ages = st.dictionaries(st.integers(0, 700), st.integers(1, 50), max_size=8).map(Counter)


def even(*calls: float) -> Flow:
    """Return a flow of these calls, of which everything is sure."""
    nothing = (0.0,) * len(calls)
    return Flow(calls, asked=nothing, bought=nothing, turned_out=nothing)


def with_crowd(crowd: Crowd) -> Outlook:
    """Return what is expected of a crowd before anything was learned."""
    return replace(Demand().outlook(0.0), crowd=crowd)


@given(called=ages, inside=ages, holding=ages, free=st.integers(0, 500), each=st.integers(0, 2))
def test_calls_only_ever_grow_and_so_do_the_waits(
    called: Counter[int], inside: Counter[int], holding: Counter[int], free: int, each: int
) -> None:
    crowd = Crowd(holding=holding)
    if each:
        crowd = Crowd(holding=holding, promised_called=called, promised_inside=inside)
    promised = float(each * (sum(called.values()) + sum(inside.values())))

    calls = flow(with_crowd(crowd), units_free=free, units_promised=promised)

    assert calls is not None
    assert list(calls.calls) == sorted(calls.calls)
    if calls.total > 0:
        most = calls.total + 5.0
        waits = [calls.time_of(most * share / 20, of=most) for share in range(1, 21)]
        assert waits == sorted(waits)
        assert 0 <= waits[0] <= waits[-1] < inf


def test_nothing_learned_is_no_flow() -> None:
    assert flow(Outlook(), units_free=10) is None


def test_where_nothing_can_come_back_nobody_more_is_called() -> None:
    nothing = flow(with_crowd(Crowd()), units_free=0)

    assert nothing is not None
    assert nothing.total == 0


def test_baskets_whose_holds_run_out_come_back_at_once_and_new_ones_later() -> None:
    new, old = (
        flow(with_crowd(Crowd(holding=Counter({age: 100}))), units_free=0) for age in (0, 290)
    )

    assert new is not None
    assert old is not None
    assert old.calls[3] > 3 * new.calls[3] > 0


def test_nobody_is_lost_or_made_on_the_way() -> None:
    """Who is promised one unit each gives back in the end what is not bought, and that is all."""
    demand = Demand(units_max=1)
    crowd = Crowd(promised_called=Counter({0: 100}))
    outlook = replace(demand.outlook(0.0), crowd=crowd)

    calls = flow(outlook, units_free=0, units_promised=100.0)

    assert calls is not None
    sold_each = outlook.ask_share * outlook.pay_share
    assert calls.total == pytest.approx(100 * (1 - sold_each) / sold_each, rel=0.2)


def test_what_is_promised_comes_back_when_the_window_is_over() -> None:
    crowd = Crowd(promised_called=Counter({110: 10}))

    calls = flow(with_crowd(crowd), units_free=0, units_promised=20.0)

    # Each call takes the two units that the one before it was promised.
    assert calls is not None
    assert calls.calls[3] == pytest.approx(10, rel=0.2)


def test_who_asked_in_vain_keeps_the_promise_until_the_session_ends() -> None:
    late, early = (
        flow(with_crowd(Crowd(missed=Counter({age: 10}))), units_free=0, units_promised=20.0)
        for age in (590, 100)
    )

    assert late is not None
    assert early is not None
    assert late.calls[3] == pytest.approx(10, rel=0.2)
    assert early.calls[3] < 3
    assert early.total > 9


@pytest.mark.parametrize("group", ["missed", "idle", "inside"])
def test_seats_come_free_as_the_sessions_of_those_inside_end(group: str) -> None:
    late, early = (
        flow(
            with_crowd(Crowd(**{group: Counter({age: 10})})),
            units_free=1000,
            disappointed_max=0.01,
            limits=Limits(seats=10),
        )
        for age in (590, 100)
    )

    assert late is not None
    assert early is not None
    assert late.calls[0] < 10 <= late.calls[4]
    assert early.calls[4] < 5
    assert late.limited


def test_where_seats_bound_the_last_calls_they_go_on_at_that_pace() -> None:
    calls = replace(even(*range(1, 41)), limited=True)

    assert calls.time_of(100, of=1000) == calls.time_of(100, of=100_000)
    assert calls.time_of(240, of=1000) == pytest.approx(400 + 2000, rel=0.25)


def test_promised_units_that_are_not_taken_are_promised_again_as_sessions_end() -> None:
    """Half of those who ask come for a SKU that is gone, and take nothing."""
    gone = Depletion(skus={1: Gone(at=0.0), 2: Gone(at=2e6)}, steps=((0.0, 0.0), (2e6, 1e6)))
    outlook = with_crowd(Crowd(promised_called=Counter({0: 100})))

    calls = flow(replace(outlook, depletion=gone), units_free=0, units_promised=100.0)

    assert calls is not None
    assert calls.calls[0] < 5
    assert calls.total > 110
    assert 90 < calls.bought[-1] < 100


def test_what_is_kept_back_for_the_undecided_comes_free_as_they_decide() -> None:
    nobody, undecided = (
        flow(with_crowd(Crowd(inside=Counter({0: people}))), units_free=11) for people in (0, 5)
    )

    assert nobody is not None
    assert undecided is not None
    assert nobody.calls[0] > 3
    assert undecided.calls[0] < 1
    assert 1 < undecided.total < nobody.total


def test_what_is_left_after_the_last_step_comes_ever_more_slowly() -> None:
    calls = even(*(float(n) for n in range(1, 11)))

    times = [calls.time_of(float(n), of=20.0) for n in (10, 12, 14, 16, 18, 20)]

    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert times[0] == pytest.approx(100.0)
    assert gaps == sorted(gaps)
    assert times[-1] < inf


def test_the_pace_is_that_of_the_next_minute() -> None:
    assert even(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 60.0).per_second == pytest.approx(0.1)
    assert even().per_second == 0.0


def test_what_is_kept_back_in_doubt_is_called_for_once_it_is_known() -> None:
    demand = Demand(units_max=1)
    outlook = replace(
        demand.outlook(0.0),
        crowd=Crowd(inside=Counter({0: 50})),
        called=100,
        asking=50,
    )

    calls = flow(outlook, units_free=50, disappointed_max=0.01)

    assert calls is not None
    assert calls.calls[0] < calls.total / 2
    assert calls.total > 5


@given(called=ages, inside=ages, holding=ages, free=st.integers(0, 500))
def test_under_a_bound_calls_only_grow_and_what_is_known_too(
    called: Counter[int], inside: Counter[int], holding: Counter[int], free: int
) -> None:
    outlook = with_crowd(Crowd(called=called, inside=inside, holding=holding))

    calls = flow(outlook, units_free=free, disappointed_max=0.01)

    assert calls is not None
    for figures in (calls.calls, calls.asked, calls.bought, calls.turned_out):
        assert list(figures) == sorted(figures)
        assert figures[0] >= 0
    assert calls.bought[-1] <= calls.asked[-1] + sum(holding.values())
