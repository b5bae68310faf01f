"""What is to be expected of those who were called, learned from what they did so far."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from waitroom.line.forecast.learning.demand import Demand
from waitroom.line.forecast.learning.journey import Journey
from waitroom.line.forecast.learning.rates import FADE, Stage
from waitroom.line.forecast.outlook import BACK_S
from waitroom.line.snapshot import Shelf

SOME = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What one shopper does, in seconds after the call; infinite for what never comes."""

    number: int
    called_at: float
    claims_s: float
    holds_s: float
    pays: bool
    pays_s: float = 60.0

    def at(self, now: float) -> Journey:
        """Return what the leader would read at a moment."""
        age = now - self.called_at
        claimed, held = self.claims_s <= min(age, 120.0), self.claims_s + self.holds_s <= age
        ended_s = 120.0 if self.claims_s > 120.0 else self.claims_s + 600.0
        held = held and self.holds_s < 600.0 and claimed
        hold_s = self.claims_s + self.holds_s + (self.pays_s if self.pays else 300.0)
        if held:
            ended_s = hold_s
        over = age >= ended_s
        state = ("ended" if claimed else "missed") if over else "claimed" if claimed else "called"
        return Journey(
            admission_id=self.number,
            state=state,
            called_at=self.called_at,
            claimed_at=self.called_at + self.claims_s if claimed else None,
            held_at=self.called_at + self.claims_s + self.holds_s if held else None,
            hold_ended_at=self.called_at + hold_s if held and over else None,
            ended_at=self.called_at + ended_s if over else None,
            units_held=int(held and not over),
            units_sold=int(held and over and self.pays),
        )


def crowd(
    shoppers: int, *, claim: float = 0.8, hold: float = 0.7, first: int = 0, from_s: float = 0.0
) -> list[Course]:
    """Return shoppers called one a second, of whom such shares claim and then hold."""
    rng = Random(first + 1)
    return [
        Course(
            number=first + n,
            called_at=from_s + n,
            claims_s=rng.expovariate(1 / 10) if rng.random() < claim else float("inf"),
            holds_s=rng.expovariate(1 / 30) if rng.random() < hold else float("inf"),
            pays=rng.random() < 0.8,
            pays_s=rng.uniform(20.0, 100.0),
        )
        for n in range(shoppers)
    ]


OVER = {"missed", "ended"}


def watch(
    demand: Demand, courses: list[Course], *, until: float, every_s: float = 1.0, from_s: float = 0
) -> None:
    """Show the learner what the leader reads at each tick."""
    ended: set[int] = set()
    now = from_s
    while now <= until:
        journeys = [c.at(now) for c in courses if c.called_at <= now and c.number not in ended]
        over = [j for j in journeys if j.state in OVER]
        ended |= {j.admission_id for j in over}
        demand.observe(now, [j for j in journeys if j.state not in OVER], over)
        now += every_s


def called(number: int, **facts: Any) -> Journey:
    return replace(Journey(admission_id=number, state="called", called_at=0.0), **facts)


def inside(number: int, **facts: Any) -> Journey:
    return replace(called(number, state="claimed", claimed_at=1.0), **facts)


def test_shares_are_learned_from_what_shoppers_do() -> None:
    demand = Demand()

    watch(demand, crowd(700), until=700.0)

    outlook = demand.outlook(700.0)
    assert outlook.called == 700
    assert outlook.claim_share == pytest.approx(0.8, abs=0.08)
    assert outlook.hold_share == pytest.approx(0.7, abs=0.1)
    assert outlook.pay_share == pytest.approx(0.8, abs=0.1)
    assert outlook.units_mean == pytest.approx(1.0, abs=0.15)


def test_those_who_may_still_ask_are_expected_as_often_as_they_ask() -> None:
    demand, courses = Demand(), crowd(700)
    watch(demand, courses, until=600.0)

    outlook = demand.outlook(600.0)

    open_ = [c for c in courses if c.called_at <= 600.0 and c.at(600.0).state not in OVER]
    asking = [c for c in open_ if not c.at(600.0).units_held]
    will = sum(c.claims_s <= 120.0 and c.holds_s < 600.0 for c in asking)
    assert outlook.asking == len(asking)
    assert outlook.askers_mean == pytest.approx(will, abs=4 * outlook.askers_var**0.5 + 3)


def test_a_crowd_that_changes_in_mid_sale_is_followed() -> None:
    demand = Demand()
    before = crowd(400, claim=0.5, hold=0.4)
    after = crowd(400, claim=0.95, hold=0.95, first=400, from_s=400.0)

    watch(demand, before, until=399.0, every_s=2.0)
    then = demand.outlook(399.0).ask_share
    watch(demand, before + after, until=800.0, from_s=400.0, every_s=2.0)

    assert then < 0.4
    assert demand.outlook(800.0).ask_share > 0.75


def test_the_longer_somebody_stays_away_the_less_they_are_expected() -> None:
    demand = Demand()
    watch(demand, crowd(600), until=600.0)
    shares = []

    for age in (1, 30, 80, 115):
        others, first = demand.open_ids, 1000 * age
        some = [called(first + n, called_at=700.0 - age) for n in range(100)]
        demand.observe(700.0, some, [], dropped=others)
        shares.append(demand.outlook(700.0).askers_mean / 100)

    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.4
    assert shares[-1] < 0.1


def test_doubt_is_large_while_nobody_was_seen() -> None:
    demand = Demand()
    early = demand.outlook(0.0)

    watch(demand, crowd(600), until=600.0)

    late = demand.outlook(600.0)
    assert early.ask_guess / early.ask_share > 2 * late.ask_guess / late.ask_share


def test_who_was_refused_is_not_taken_for_somebody_who_wanted_nothing() -> None:
    demand = Demand()
    before = demand.outlook(0.0).hold_share

    for n in range(100):
        demand.observe(60.0 + n, [inside(n)], [], units_free=0)
        refused = inside(n, state="ended", ended_at=60.5 + n, refused=True)
        demand.observe(61.0 + n, [], [refused], units_free=0)

    outlook = demand.outlook(200.0)
    assert outlook.hold_share == before
    assert outlook.disappointed == 100


def test_who_leaves_while_there_was_nothing_is_not_taken_for_somebody_who_wanted_nothing() -> None:
    empty, stocked = Demand(), Demand()
    before = empty.outlook(0.0).hold_share

    for demand, units in ((empty, 0), (stocked, 5)):
        for n in range(100):
            demand.observe(60.0 + n, [inside(n)], [], units_free=units)
            left = inside(n, state="left", ended_at=60.5 + n)
            demand.observe(61.0 + n, [], [left], units_free=units)

    assert empty.outlook(200.0).hold_share == before
    assert stocked.outlook(200.0).hold_share < before / 2


def test_who_has_a_promise_has_something_to_find_though_nothing_is_free() -> None:
    demand = Demand()
    before = demand.outlook(0.0).hold_share

    for n in range(100):
        demand.observe(60.0 + n, [inside(n, promised=1)], [], units_free=0)
        demand.observe(61.0 + n, [], [inside(n, state="ended", ended_at=60.5 + n)], units_free=0)

    assert demand.outlook(200.0).hold_share < before / 2


def test_who_has_a_promise_and_misses_one_sku_was_not_refused_them_all() -> None:
    demand = Demand()
    demand.observe(10.0, [inside(1, promised=1)], [], units_free=0)
    demand.observe(11.0, [inside(1, promised=1, refused=True, missed_sku=3)], [], units_free=0)
    outlook = demand.outlook(12.0)

    assert (outlook.refused, outlook.disappointed, outlook.asking) == (0, 0, 0)
    assert outlook.crowd.missed == {11: 1}
    # One outcome weighs as much as this.
    assert sum(demand.rates[Stage.INSIDE].on) == FADE


def test_holds_of_promised_units_tell_what_shoppers_take_though_nothing_is_free() -> None:
    taken, missed = Demand(), Demand()
    for n in range(60):
        at = 10.0 + n
        for demand in (taken, missed):
            demand.observe(at, [inside(n, promised=2)], [], units_free=0)
        held = inside(n, promised=0, held_at=at, units_held=2, first_sku=2)
        taken.observe(at + 0.5, [held], [], units_free=0)
        refused = inside(n, promised=2, refused=True, missed_sku=3)
        missed.observe(at + 0.5, [refused], [], units_free=0)

    assert taken.outlook(80.0).units_mean > 1.8
    shelves = [Shelf(sku_id=2, sku="b", name="B", free=0), Shelf(sku_id=3, sku="a", name="A")]
    for demand in (taken, missed):
        demand.tastes.look(shelves)
    assert taken.tastes.taste({}).shares[2] > 0.8
    assert missed.tastes.taste({}).shares[3] > 0.8


def test_who_was_refused_one_thing_while_there_were_others_found_something() -> None:
    demand = Demand()

    demand.observe(10.0, [inside(1)], [], units_free=7)
    demand.observe(11.0, [inside(1, refused=True)], [], units_free=7)

    outlook = demand.outlook(11.0)
    assert outlook.disappointed == 0
    assert outlook.asking == 1


def test_who_missed_one_sku_has_asked_and_finds_no_empty_shop_later() -> None:
    demand = Demand()
    demand.observe(0.0, [inside(1)], [], units_free=7)
    demand.observe(11.0, [inside(1, refused=True, missed_sku=3)], [], units_free=7)
    demand.observe(12.0, [inside(1, refused=True, missed_sku=3, promised=0)], [], units_free=0)
    demand.observe(20.0, [], [inside(1, state="ended", ended_at=20.0, refused=True)], units_free=0)

    assert demand.outlook(20.0).disappointed == 0
    # One outcome weighs as much as this.
    assert sum(demand.rates[Stage.INSIDE].on) == FADE
    assert sum(demand.rates[Stage.INSIDE].off) == 0.0


def test_who_was_refused_and_served_later_is_disappointed_no_more() -> None:
    demand = Demand()

    demand.observe(10.0, [inside(1, refused=True)], [], units_free=0)
    before = demand.outlook(10.0)
    demand.observe(20.0, [inside(1, refused=True, held_at=15.0, units_held=1)], [], units_free=0)

    assert (before.disappointed, before.asking) == (1, 0)
    assert demand.outlook(20.0).disappointed == 0
    assert demand.outlook(20.0).units_held == 1


def test_a_new_leader_knows_from_the_past_what_its_predecessor_saw() -> None:
    courses = crowd(600)
    old, new = Demand(), Demand()
    watch(old, courses, until=600.0)

    journeys = [c.at(600.0) for c in courses]
    open_ = [j for j in journeys if j.state not in OVER]
    # The books hand out what is over in no order that means anything.
    over = [j for j in reversed(journeys) if j.state in OVER]
    new.observe(600.0, open_, over)

    before, after = old.outlook(600.0), new.outlook(600.0)
    assert (after.called, after.asking) == (before.called, before.asking)
    assert after.claim_share == pytest.approx(before.claim_share, abs=0.06)
    assert after.hold_share == pytest.approx(before.hold_share, abs=0.08)
    assert after.pay_share == pytest.approx(before.pay_share, abs=0.08)
    # Few are left, at ages that few come to, where what was seen weighs little.
    assert after.askers_mean == pytest.approx(before.askers_mean, rel=0.25)


def test_a_new_leader_knows_what_was_taken_where_each_call_promised_something() -> None:
    """Nothing is free there, and who took what they were promised has no promise any more."""
    courses = crowd(600)
    old, new = Demand(promised=1), Demand(promised=1)
    watch(old, courses, until=600.0)

    journeys = [c.at(600.0) for c in courses]
    open_ = [replace(j, promised=0 if j.units_held else 1) for j in journeys if j.state not in OVER]
    new.observe(600.0, open_, [j for j in journeys if j.state in OVER], units_free=0)

    before, after = old.outlook(600.0), new.outlook(600.0)
    assert after.hold_share == pytest.approx(before.hold_share, abs=0.08)
    assert after.units_mean == pytest.approx(before.units_mean, abs=0.05)


def test_ticks_may_be_left_out() -> None:
    courses = crowd(600)
    steady, seldom = Demand(), Demand()

    watch(steady, courses, until=600.0)
    watch(seldom, courses, until=600.0, every_s=15.0)

    assert seldom.outlook(600.0).called == steady.outlook(600.0).called
    for name in ("claim_share", "hold_share", "pay_share"):
        here, there = (getattr(d.outlook(600.0), name) for d in (seldom, steady))
        assert here == pytest.approx(there, abs=0.05)


def test_a_record_that_comes_again_changes_nothing() -> None:
    once, twice = Demand(), Demand()
    over = [called(n, state="missed", ended_at=120.0 + n) for n in range(SOME)]

    once.observe(200.0, [], over)
    twice.observe(200.0, [], [*over, *over])
    twice.observe(200.0, [], over)
    twice.observe(200.0, over, [])

    assert twice.outlook(200.0) == once.outlook(200.0)


def test_who_is_called_again_is_one_of_those_called_and_may_come_this_time() -> None:
    demand = Demand()
    demand.observe(1.0, [called(7)], [])
    demand.observe(121.0, [], [called(7, state="missed", ended_at=120.0)])

    demand.observe(200.0, [called(7, called_at=199.0, claimed_at=None)], [])

    outlook = demand.outlook(200.0)
    assert (outlook.called, outlook.asking) == (1, 1)
    assert outlook.askers_mean > 0.3


def test_who_found_nothing_and_is_called_again_is_not_disappointed_twice() -> None:
    demand = Demand()
    gone = inside(7, state="ended", refused=True, ended_at=60.0)
    demand.observe(10.0, [inside(7, refused=True)], [], units_free=0)
    demand.observe(60.0, [], [gone], units_free=0)
    before = demand.outlook(60.0)

    again = called(7, called_at=199.0)
    demand.observe(200.0, [again], [])
    hopeful = demand.outlook(200.0)
    demand.observe(210.0, [replace(again, refused=True)], [], units_free=0)
    demand.observe(220.0, [], [replace(gone, called_at=199.0, ended_at=220.0)], units_free=0)

    assert (before.called, before.disappointed) == (1, 1)
    assert (hopeful.called, hopeful.disappointed) == (1, 0)
    assert (demand.outlook(220.0).called, demand.outlook(220.0).disappointed) == (1, 1)


def test_what_was_refused_before_a_second_call_says_nothing_about_this_one() -> None:
    """The database keeps the refusal with the shopper who stayed for what comes back."""
    demand = Demand()
    asked = {"refused": True, "missed_sku": 3}
    demand.observe(10.0, [inside(7, **asked)], [], units_free=0)
    demand.observe(60.0, [], [inside(7, state="ended", ended_at=60.0, **asked)], units_free=0)

    again = inside(7, state="called", called_at=199.0, **asked)
    demand.observe(200.0, [again], [], units_free=0)
    called_again = demand.outlook(200.0)
    came = replace(again, state="claimed", claimed_at=205.0)
    demand.observe(206.0, [came], [], units_free=0)
    demand.observe(207.0, [], [], units_free=5)
    demand.observe(208.0, [replace(came, promised=1)], [], units_free=5)
    inside_again = demand.outlook(208.0)
    demand.observe(300.0, [], [replace(came, state="ended", ended_at=290.0)], units_free=5)

    for outlook in (called_again, inside_again):
        assert (outlook.refused, outlook.disappointed) == (1, 0)
        assert (outlook.crowd.refused, outlook.crowd.missed) == (0, {})
    assert called_again.crowd.called == {1: 1}
    assert inside_again.crowd.promised_inside == {3: 1}
    # This one still has nothing.
    assert demand.outlook(300.0).disappointed == 1


def test_a_claim_of_an_earlier_call_is_none_of_this_one() -> None:
    demand = Demand()

    demand.observe(501.0, [called(7, called_at=500.0, claimed_at=100.0, held_at=130.0)], [])

    assert demand.outlook(501.0).crowd.called == {1: 1}


def test_a_place_that_was_taken_away_is_forgotten() -> None:
    demand = Demand()
    demand.observe(10.0, [called(1), called(2)], [])

    demand.observe(11.0, [], [], dropped=[1])

    assert demand.outlook(11.0).asking == 1


def test_a_failed_payment_leads_back_to_the_hold() -> None:
    demand = Demand()
    hold = {"held_at": 5.0, "units_held": 2}
    demand.observe(10.0, [inside(1, **hold)], [])
    demand.observe(11.0, [inside(1, paying=True, **hold)], [])
    paying = demand.outlook(11.0)

    demand.observe(13.0, [inside(1, **hold)], [])

    holding = demand.outlook(13.0)
    assert (sum(paying.crowd.paying.values()), sum(paying.crowd.holding.values())) == (2, 0)
    assert (sum(holding.crowd.paying.values()), sum(holding.crowd.holding.values())) == (0, 2)
    assert holding.pay_share < paying.pay_share


def test_a_hold_counts_though_the_stopped_clock_puts_it_before_its_call() -> None:
    demand = Demand()

    # The shoppers' clock stood still after the hold was placed, by more than the session's age.
    demand.observe(20.0, [inside(1, held_at=-30.0, units_held=1)], [])

    outlook = demand.outlook(20.0)
    assert outlook.asking == 0
    assert outlook.units_held == 1


def test_units_are_expected_back_when_their_time_is_nearly_over() -> None:
    demand = Demand()
    watch(demand, crowd(600), until=600.0)
    old = [
        inside(9000 + n, called_at=270.0, claimed_at=271.0, held_at=302.0, units_held=1)
        for n in range(SOME)
    ]
    young = [
        inside(9100 + n, called_at=560.0, claimed_at=561.0, held_at=580.0, units_held=1)
        for n in range(SOME)
    ]

    demand.observe(600.0, [*old, *young], [], dropped=demand.open_ids)

    soon = demand.outlook(600.0).horizons[BACK_S.index(30)]
    # Those whose time is nearly over, and few of the others.
    assert 0.9 * SOME < soon.back_mean < 1.2 * SOME


def test_calls_that_were_made_since_count_as_calls_under_way() -> None:
    demand = Demand()
    watch(demand, crowd(600), until=600.0)
    outlook = demand.outlook(600.0)

    later = outlook.with_calls(SOME)

    assert later.called == outlook.called + SOME
    assert later.asking == outlook.asking + SOME
    assert later.askers_mean == pytest.approx(outlook.askers_mean + SOME * outlook.ask_share)
    assert later.askers_var > outlook.askers_var


def journeys(draw_number: int) -> st.SearchStrategy[Journey]:
    seconds = st.one_of(st.none(), st.floats(-50, 400))
    return st.builds(
        Journey,
        admission_id=st.integers(0, draw_number),
        state=st.sampled_from(["called", "claimed", "missed", "left", "ended"]),
        called_at=st.floats(-50, 400),
        claimed_at=seconds,
        held_at=seconds,
        hold_ended_at=seconds,
        ended_at=seconds,
        units_held=st.integers(0, 3),
        units_sold=st.integers(0, 3),
        paying=st.booleans(),
        refused=st.booleans(),
        promised=st.integers(0, 2),
    )


ticks = st.lists(
    st.tuples(
        st.floats(0, 200),
        st.lists(journeys(6), max_size=6),
        st.lists(journeys(6), max_size=6),
        st.integers(0, 3),
    ),
    max_size=8,
)


@settings(deadline=None)
@given(ticks=ticks)
def test_whatever_the_records_say_the_figures_are_possible(
    ticks: list[tuple[float, list[Journey], list[Journey], int]],
) -> None:
    demand, now = Demand(), 0.0

    for passed_s, open_, closed, units in ticks:
        now += passed_s
        demand.observe(now, open_, closed, units_free=units)
        outlook = demand.outlook(now)

        for share in shares_of(outlook):
            assert 0 <= share <= 1
        assert 0 <= outlook.askers_mean <= outlook.asking
        assert 0 <= outlook.askers_var <= outlook.asking / 4 + 1e-9
        assert 0 <= outlook.disappointed <= outlook.called
        for horizon in outlook.horizons:
            assert 0 <= horizon.back_mean <= horizon.later_mean + 1e-9
            assert horizon.later_mean <= outlook.units_held + 1e-9
            assert 0 <= horizon.asks_mean <= outlook.asking + 1e-9
            assert 0 <= horizon.new_asks <= 1
        assert outlook.units_mean >= 1


def shares_of(outlook: object) -> Iterator[float]:
    for name in ("claim_share", "hold_share", "pay_share", "ask_share"):
        yield getattr(outlook, name)


def test_ages_that_no_shopper_reached_follow_the_ages_before_them() -> None:
    """Shoppers who hold do so within half a minute; the others stay, and are not waited for."""
    demand = Demand(units_max=1)
    for second in range(130):
        now = float(second)
        if second == 0:
            demand.observe(now, [inside(n, claimed_at=0.0) for n in range(100)], [])
        holds = [
            inside(n, claimed_at=0.0, held_at=5.0 + n / 2, units_held=1)
            for n in range(60)
            if second == int(6 + n / 2)
        ]
        demand.observe(now, holds, [])

    outlook = demand.outlook(129.0)

    assert outlook.asking == 40
    assert outlook.askers_mean + outlook.askers_guess < 8


def test_a_crowd_of_which_hardly_any_has_gone_on_may_just_be_slow() -> None:
    demand = Demand(units_max=1)
    for second in range(20):
        changed = [inside(n, claimed_at=0.0) for n in range(100)] if second == 0 else []
        demand.observe(float(second), changed, [])

    assert demand.outlook(19.0).askers_mean > 40
