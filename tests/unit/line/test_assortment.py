"""What shoppers want of several SKUs, when each is gone, and what follows for chances and calls."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.line.assortment.choices import BLOCK, Choices, Chosen, Stretch, named_in
from waitroom.line.assortment.depletion import Depletion, Piece, Taste, deplete
from waitroom.line.assortment.tastes import Tastes
from waitroom.line.forecast.outlook import Crowd, Outlook
from waitroom.line.forecast.prospects import stock_prospects
from waitroom.line.forecast.skus import chance_of, sku_tables
from waitroom.line.forecast.wanted import Wanted
from waitroom.line.policy import Expected, PolicyInput
from waitroom.line.snapshot import Shelf

RED, BLUE, GREEN = 1, 2, 3
OUTLOOK = Outlook(ask_share=0.6, units_mean=1.0, pay_share=0.8)
units_of = st.dictionaries(st.sampled_from((RED, BLUE, GREEN)), st.integers(0, 200), min_size=2)
shares = st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3)
pieces = st.lists(
    st.tuples(st.floats(0.0, 300.0), st.floats(0.0, 1.0), st.sampled_from((RED, BLUE, GREEN))),
    max_size=5,
)


named_by_each = st.lists(st.sampled_from((None, RED, BLUE)), max_size=80)


def taste_of(weights: list[float], flexible: float) -> Taste:
    whole = sum(weights)
    named = zip((RED, BLUE, GREEN), weights, strict=True)
    return Taste(shares={sku: w / whole for sku, w in named}, flexible=flexible, weight=50.0)


def wanted_of(units: dict[int, int], taste: Taste, ahead: list[Stretch]) -> Wanted:
    shelves = tuple(Shelf(sku_id=sku, sku=str(sku), free=count) for sku, count in units.items())
    return Wanted(shelves=shelves, taste=taste, inside={}, ahead=ahead, most=shelves)


def line_of(*named: int | None) -> list[Stretch]:
    counts = Counter(sku for sku in named if sku is not None)
    return [Stretch(shoppers=len(named), named=counts)]


@given(units_of, shares, st.floats(0.0, 1.0), pieces)
def test_no_more_is_taken_than_was_asked_for_or_than_there_is(
    units: dict[int, int],
    weights: list[float],
    flexible: float,
    line: list[tuple[float, float, int]],
) -> None:
    ahead = [Piece(asked=asked, named={sku: asked * part}) for asked, part, sku in line]

    found = deplete(
        {sku: float(n) for sku, n in units.items()}, ahead, taste=taste_of(weights, flexible)
    )

    for (asked, taken), (later, more) in zip(found.steps, found.steps[1:], strict=False):
        assert later >= asked
        assert -1e-6 <= more - taken <= later - asked + 1e-6
    assert found.steps[-1][1] + found.unwanted == pytest.approx(sum(units.values()), abs=1e-3)
    for sku, count in units.items():
        assert found.skus[sku].at >= count - 1e-6
    assert found.asked_for(found.steps[-1][1]) >= found.steps[-1][1] - 1e-6


@given(
    units_of, shares, st.floats(0.0, 1.0), st.lists(st.sampled_from((None, RED, BLUE)), max_size=80)
)
def test_something_is_left_at_least_as_likely_as_each_sku_and_no_chance_rises_with_the_place(
    units: dict[int, int], weights: list[float], flexible: float, named: list[int | None]
) -> None:
    taste = taste_of(weights, flexible)
    wanted = wanted_of(units, taste, line_of(*named))

    prospects = stock_prospects(
        OUTLOOK, units_free=sum(units.values()), units_held=0, wanted=wanted
    )

    tables = sku_tables(wanted, prospects, waiting=1000)
    for table in tables:
        told = [row.chance for row in table.rows]
        assert told == sorted(told, reverse=True)
        for row in table.rows:
            assert prospects.chance(row.place) >= prospects.chance_of(
                next(s for s in prospects.shelves if str(s.sku_id) == table.sku), row.place
            )
    for sku, count in units.items():
        if not count:
            assert chance_of(tables, str(sku), 1) == 0.0


def test_a_room_with_equal_tastes_and_stock_is_told_what_a_room_with_one_sku_is() -> None:
    even = Taste(shares={RED: 0.5, BLUE: 0.5}, weight=1e9)

    found = deplete({RED: 50.0, BLUE: 50.0}, [], taste=even)

    assert found.asked_for(100.0) == pytest.approx(100.0)
    assert found.asked_for(30.0) == pytest.approx(30.0)


def test_what_is_left_lasts_longer_once_the_favourite_is_gone() -> None:
    taste = Taste(shares={RED: 0.9, BLUE: 0.1}, flexible=0.0, weight=100.0)

    found = deplete({RED: 9.0, BLUE: 20.0}, [Piece(asked=1000.0)], taste=taste)

    assert found.skus[RED].at == pytest.approx(10.0)
    assert found.skus[BLUE].at == pytest.approx(200.0)
    assert found.taking(5.0) == pytest.approx(1.0)
    assert found.taking(100.0) == pytest.approx(0.1)


def test_a_sku_that_is_named_by_those_ahead_is_gone_when_they_have_asked() -> None:
    ahead = line_of(*[RED] * 10, *[BLUE] * 90)
    taste = Taste(shares={RED: 0.5, BLUE: 0.5}, flexible=0.0, weight=100.0)
    sure = Outlook(ask_share=1.0, units_mean=1.0, pay_share=1.0)

    prospects = stock_prospects(
        sure, units_free=210, units_held=0, wanted=wanted_of({RED: 10, BLUE: 200}, taste, ahead)
    )

    red = next(shelf for shelf in prospects.shelves if shelf.sku_id == RED)
    assert prospects.chance_of(red, 1) > 0.9
    assert prospects.chance_of(red, 150) < 0.1
    assert prospects.chance(150) > 0.9


def test_one_or_another_sku_outlasts_the_others_by_chance() -> None:
    def told(flexible: float) -> tuple[float, float]:
        thirds = Taste(shares=dict.fromkeys((RED, BLUE, GREEN), 1 / 3), flexible=flexible)
        wanted = wanted_of({RED: 3, BLUE: 3, GREEN: 3}, replace(thirds, weight=1e6), line_of())
        found = stock_prospects(OUTLOOK, units_free=9, units_held=0, wanted=wanted)
        return found.chance(19), max(found.chance_of(one, 19) for one in found.shelves)

    any_stuck, best_stuck = told(flexible=0.0)
    any_flexible, _ = told(flexible=1.0)

    assert any_stuck > best_stuck + 0.2
    assert any_flexible < any_stuck


def roomy(demand: Outlook, *, tail: int, calls_max: int) -> PolicyInput:
    """Return a room with fifty units in which nothing but the stock holds calls back."""
    return PolicyInput(
        open=True,
        seats_max=5000,
        seats_taken=0,
        batch_max=calls_max,
        calls_allowed=5000,
        has_stock=True,
        units_available=50,
        units_promised_each=1,
        gate=0,
        tail=tail,
        demand=demand,
    )


def test_units_that_no_shopper_comes_for_are_no_reason_to_call() -> None:
    def calls(named: int, flexible: float) -> int:
        taste = Taste(shares={RED: 1.0, BLUE: 0.0}, flexible=flexible, weight=100.0)
        wanted = wanted_of({RED: 0, BLUE: 50}, taste, line_of(*[named] * 300))
        demand = replace(OUTLOOK, units_max=1, depletion=wanted.gross(OUTLOOK))
        return Expected().calls_max(roomy(demand, tail=300, calls_max=500))

    assert calls(RED, flexible=0.0) == 0
    assert calls(RED, flexible=0.5) > 50
    assert calls(BLUE, flexible=0.0) >= 50


def test_calls_may_count_on_shoppers_who_find_their_sku_gone() -> None:
    taste = Taste(shares={RED: 0.8, BLUE: 0.2}, flexible=0.0, weight=1000.0)
    wanted = wanted_of({RED: 0, BLUE: 50}, taste, line_of(*[None] * 3000))
    alone = replace(OUTLOOK, units_max=1, called=1000)
    known = replace(alone, depletion=wanted.gross(alone))

    blind, seeing = (
        Expected().calls_max(roomy(demand, tail=3000, calls_max=5000)) for demand in (alone, known)
    )

    assert seeing > 2 * blind
    # One in five asks for what is there: no more of them than there are units.
    assert seeing * OUTLOOK.ask_share * 0.2 <= 50


def test_fewer_are_called_the_less_is_known_of_who_takes_another_sku() -> None:
    def calls(flexible_var: float) -> int:
        taste = taste_of([0.8, 0.1, 0.1], 0.3)
        known = replace(taste, weight=1000.0, flexible_var=flexible_var)
        wanted = wanted_of({RED: 0, BLUE: 25, GREEN: 25}, known, line_of(*[None] * 3000))
        alone = replace(OUTLOOK, units_max=1, called=1000)
        demand = replace(alone, depletion=wanted.gross(alone))
        return Expected().calls_max(roomy(demand, tail=3000, calls_max=5000))

    assert calls(0.0) > calls(0.15**2) > calls(0.3**2) > 50


def test_a_free_unit_is_called_for_while_refused_shoppers_wait_for_another_sku() -> None:
    taste = Taste(shares={RED: 0.5, BLUE: 0.5}, flexible=0.0, weight=1000.0)

    def calls(wished_for: int) -> int:
        shelves = tuple(
            Shelf(sku_id=sku, sku=str(sku), free=free, held=1, wished=5 * (sku == wished_for))
            for sku, free in ((RED, 0), (BLUE, 5))
        )
        ahead = line_of(*[None] * 300)
        wanted = Wanted(shelves=shelves, taste=taste, inside={}, ahead=ahead, most=shelves)
        inside = {"called": 1000, "asking": 20, "askers_mean": 0.5, "askers_var": 0.5}
        alone = replace(OUTLOOK, units_max=1, crowd=Crowd(refused=5), **inside)
        demand = replace(alone, depletion=wanted.gross(alone))
        units = sum(max(shelf.free - shelf.wished, 0) for shelf in shelves)
        return Expected().calls_max(
            replace(roomy(demand, tail=300, calls_max=500), units_available=units)
        )

    assert calls(RED) > 0
    assert calls(BLUE) == 0


def test_a_unit_that_comes_back_is_counted_on_if_no_refused_shopper_waits_for_its_sku() -> None:
    taste = Taste(shares={RED: 0.5, BLUE: 0.5})
    shelves = tuple(
        Shelf(sku_id=sku, sku=str(sku), free=0, held=10, wished=wished)
        for sku, wished in ((RED, 4), (BLUE, 0))
    )
    wanted = Wanted(shelves=shelves, taste=taste, inside={}, ahead=[], most=shelves)
    demand = replace(OUTLOOK, crowd=Crowd(refused=4), depletion=wanted.gross(OUTLOOK))

    assert demand.for_new(0.0, 6.0) == pytest.approx(3.0)
    assert demand.for_new(2.0, 12.0) == pytest.approx(10.0)
    one_sku = replace(demand, depletion=None)
    assert one_sku.for_new(2.0, 6.0) == pytest.approx(4.0)


def shelves_of(**free: int) -> list[Shelf]:
    ids = {"red": RED, "blue": BLUE, "green": GREEN}
    return [Shelf(sku_id=ids[sku], sku=sku, free=count, sold=10) for sku, count in free.items()]


def test_tastes_are_learned_from_holds_and_from_what_was_missed() -> None:
    tastes = Tastes()
    tastes.look(shelves_of(red=50, blue=50))
    for n in range(400):
        tastes.held(RED if n % 10 else BLUE, named=None)
    assert tastes.taste({}).shares[RED] == pytest.approx(0.9, abs=0.05)

    # The favourite is gone; one in four of its shoppers takes the other.
    tastes.look(shelves_of(red=0, blue=50))
    for n in range(400):
        if n % 10 == 0 or n % 4 == 0:
            tastes.held(BLUE, named=None)
        else:
            tastes.missed(RED, named=None)

    taste = tastes.taste({})
    assert taste.shares[RED] == pytest.approx(0.9, abs=0.08)
    assert taste.flexible == pytest.approx(0.25, abs=0.1)


def test_named_shoppers_tell_who_is_flexible_and_not_what_others_want() -> None:
    tastes = Tastes()
    tastes.look(shelves_of(red=0, blue=50))
    before = tastes.taste({}).shares

    for _ in range(100):
        tastes.held(BLUE, named=RED)

    assert tastes.taste({}).shares == before
    assert tastes.taste({}).flexible > 0.9


def test_choices_are_counted_by_stretches_and_change_in_place() -> None:
    choices = Choices()
    for first in range(1, 5001, 500):
        choices.put(Chosen(line_id=1, entered=False, first=first, skus=(RED, None) * 250))
    choices.put(Chosen(line_id=1, entered=False, first=4001, skus=(BLUE,) * 500))

    ahead = list(choices.ahead(1000, 5000))

    assert sum(stretch.shoppers for stretch in ahead) == 4000
    assert named_in(ahead) == {RED: 1750, BLUE: 500}
    choices.pass_by(3 * BLOCK)
    assert named_in(list(choices.ahead(3 * BLOCK, 5000))) == {RED: 714, BLUE: 500}


def test_a_draw_mixes_what_its_entries_named() -> None:
    choices = Choices()
    choices.put(Chosen(line_id=1, entered=True, first=1, skus=(RED,) * 60 + (None,) * 40))

    ahead = list(choices.ahead(50, 120, drawn=100))

    assert [stretch.shoppers for stretch in ahead] == [50, 20]
    assert ahead[0].named == {RED: 30}


def test_units_that_came_back_since_count_once_each() -> None:
    course = Depletion(skus={}, steps=((0.0, 0.0), (10.0, 10.0), (110.0, 20.0)))

    assert course.asked_for(20.0) == 110.0
    assert course.asked_for(25.0) == 115.0
    assert course.asked_for(5.0) == pytest.approx(50.0)
    assert course.asked_for(0.0) == 0.0
