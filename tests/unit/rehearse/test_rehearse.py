"""A rehearsed sale: the same for a seed, true to its books, and fair by the room's own rules."""

import pytest
from rehearsing import scenario

from waitroom.line.admission import AdmissionState
from waitroom.rehearse.play.admitted import Admitted
from waitroom.rehearse.play.books import Books, Shelf
from waitroom.rehearse.play.dice import dice_of, draw_arrivals
from waitroom.rehearse.play.simulation import Simulation
from waitroom.rehearse.results.result import Result, result_of
from waitroom.rehearse.scenario import library
from waitroom.rehearse.scenario.scenario import changed


def play(name: str = "drop", *, seed: int = 1, **changes: str) -> Result:
    return result_of(Simulation(scenario(name, **changes), seed=seed, figures=False).run())


def admitted(number: int, *, promised: int = 0) -> Admitted:
    return Admitted(
        number=number,
        who=number,
        bot=False,
        dice=dice_of(1, number),
        arrived_at=0.0,
        gone_at=100.0,
        called_at=0.0,
        first_called_at=0.0,
        promised=promised,
    )


def disagreements(sim: Simulation) -> list[str]:
    """Return where the books and the admissions of a simulation do not agree."""
    books, everybody = sim.books, list(sim.admitted.values())
    seats = [a for a in everybody if a.state in {AdmissionState.CALLED, AdmissionState.CLAIMED}]
    facts = {
        "held": books.held == sum(a.held for a in everybody) == sum(s.held for s in books.shelves),
        "sold": books.sold
        == sum(a.bought for a in everybody)
        == sum(s.sold for s in books.shelves),
        "promised": books.promised == sum(a.promised for a in everybody),
        "promises are covered": books.spare >= 0,
        "units are there": all(shelf.units >= 0 for shelf in books.shelves),
        "held + sold + free = stock": books.held + books.sold + sum(s.units for s in books.shelves)
        == books.on_hand,
        "seats": sim.shop.seats == len(seats) == len(sim.shop.open),
        "wishes": all(s.wished == sum(units for _, _, units in s.wishes) for s in books.shelves),
        "the head is the called": sim.head == len(sim.admitted) + _stepped_over(sim),
    }
    return [name for name, holds in facts.items() if not holds]


def _stepped_over(sim: Simulation) -> int:
    return sum(number not in sim.admitted for number in range(1, sim.head + 1))


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("drop", "guaranteed"),
        ("drop", "expected"),
        ("drop-shift", "fixed"),
        ("tickets", "guaranteed"),
        ("tickets", "expected"),
        ("tickets", "rate"),
        ("bots", "expected"),
        ("bots", "rate"),
        ("trouble", "fixed"),
    ],
)
def test_held_and_sold_and_free_are_the_stock_at_every_step(name: str, policy: str) -> None:
    sim = Simulation(scenario(name, policy=policy), seed=3, figures=False)

    while not sim.over:
        sim.step()
        assert disagreements(sim) == []

    assert sim.books.sold > 0


@pytest.mark.parametrize("name", library.names())
def test_a_guaranteed_room_never_disappoints_anybody(name: str) -> None:
    result = play(name, policy="guaranteed")

    assert result.called > 0
    assert result.refused == 0
    assert result.found_nothing == 0


def test_the_same_seed_is_the_same_sale() -> None:
    first, again = (play("tickets", policy="expected", seed=5) for _ in range(2))

    assert first == again


def test_another_seed_is_another_sale() -> None:
    assert play(seed=1) != play(seed=2)


def test_policies_meet_the_same_shoppers() -> None:
    guaranteed, fixed = (
        Simulation(scenario(policy=policy), seed=4, figures=False).run()
        for policy in ("guaranteed", "fixed")
    )

    both = guaranteed.admitted.keys() & fixed.admitted.keys()
    assert len(both) > 30
    for number in both:
        one, other = guaranteed.admitted[number], fixed.admitted[number]
        assert (one.dice, one.arrived_at, one.who) == (other.dice, other.arrived_at, other.who)


def test_a_guaranteed_room_sells_its_last_unit_though_a_call_promises_two() -> None:
    pairs = {"quantity_shares": "[0.0, 1.0]", "order_units_max": "2", "units_promised": "2"}
    odd = scenario(policy="guaranteed", units="21", **pairs)

    assert Simulation(odd, seed=1, figures=False).run().sold_out


def test_bots_change_the_numbers_of_people_and_nothing_else_about_them() -> None:
    without = draw_arrivals(scenario(), 1)
    among = draw_arrivals(scenario(bots="40"), 1)

    people = [
        (who, at, until)
        for who, at, until in zip(among.who, among.at, among.until, strict=True)
        if who < among.people
    ]
    assert people == list(zip(without.who, without.at, without.until, strict=True))
    assert len(among.at) == len(without.at) + 40


def test_a_room_that_looks_at_its_rate_alone_calls_into_an_empty_shop() -> None:
    fixed = play(policy="fixed", calls_per_minute="60")

    assert fixed.found_nothing > 0
    assert fixed.called > play(policy="guaranteed").called


def test_calls_a_minute_are_kept_to() -> None:
    result = play(policy="fixed", calls_per_minute="30")

    assert max(result.calls_by_minute) <= 30 + 2
    assert result.calls_by_minute[1] >= 28


def test_seats_are_kept_to() -> None:
    sim = Simulation(scenario(policy="fixed", seats_max="7"), seed=1, figures=False)

    while sim.now < 300:
        sim.step()
        assert sim.shop.seats <= 7

    assert len(sim.admitted) > 7


@pytest.mark.parametrize("policy", ["guaranteed", "expected", "rate"])
def test_nobody_is_overtaken_while_there_is_a_line(policy: str) -> None:
    # Among 600 who wait nobody is called as they join, which is how one may be passed.
    result = play(policy=policy, opening_share="1.0")

    assert result.overtaken == 0


def test_nobody_who_obeys_the_documents_misses_the_call_by_that() -> None:
    # Everybody comes as soon as they have heard of their call.
    result = play(
        no_show_share="0.0", claim_s="0.001", claim_spread="0", claim_window_s="1", patience_s="1e9"
    )

    assert result.no_shows == 0


def test_a_shift_changes_what_people_do_from_then_on() -> None:
    shifted = scenario(shift_at_s="60", **{"shift.no_show_share": "1.0"})
    sim = Simulation(shifted, seed=1, figures=False).run()

    came_in = [a for a in sim.admitted.values() if a.claimed_at is not None]
    assert came_in
    # Whoever was called before, and came late, may be called again and counts by the first call.
    assert max(a.first_called_at for a in came_in) < 60
    assert max(a.first_called_at for a in sim.admitted.values()) > 60


def test_a_shift_may_come_with_a_share_of_the_sale() -> None:
    keen = play(shift_at_sold_share="0.5", **{"shift.pay_share": "1.0", "shift.hold_share": "1.0"})
    usual = play()

    assert keen.called < usual.called


def test_payments_that_fail_bring_units_back_late_and_sell_nothing_twice() -> None:
    troubled = play("trouble", trouble_from_s="0", trouble_until_s="1200", fail_share="1.0")

    assert troubled.sold == 0
    assert play("trouble").sold == 30


def test_calls_are_held_back_while_checkout_is_slow() -> None:
    def calls(p95_s: str) -> int:
        paced = {"policy": "fixed", "calls_per_minute": "120", "trouble_until_s": "300"}
        return sum(play("trouble", checkout_p95_s=p95_s, **paced).calls_by_minute[1:4])

    assert calls("2") < calls("0") / 2


def test_what_is_published_changes_nothing_about_who_meets_whom() -> None:
    told, untold = (
        result_of(Simulation(scenario("small"), seed=2, figures=figures).run())
        for figures in (True, False)
    )

    assert told.score.told > 0
    assert untold.score.told == 0
    assert untold.called == pytest.approx(told.called, rel=0.3)


def test_a_quiet_sale_makes_nobody_wait() -> None:
    result = play("quiet", units="2000", shoppers="40")

    assert result.wait_p95_s is not None
    assert result.wait_p95_s < 5
    assert result.found_nothing == 0


def test_the_longest_lull_is_the_time_between_two_calls_while_a_unit_is_free() -> None:
    slow = play("rush", policy="fixed", calls_per_minute="2")

    assert 25 <= slow.longest_lull_s <= 35


def test_what_comes_free_goes_to_the_refused_by_number() -> None:
    books = Books(shelves=[Shelf(on_hand=1)], on_hand=1)
    holder, late, early = admitted(1), admitted(9), admitted(4)
    books.hold(holder, 0, 1)
    books.wish(late, 0, 1)
    books.wish(early, 0, 1)

    books.release(holder)
    served = books.serve_wishes()

    assert served == [early]
    assert early.held == 1
    assert books.wanted == 0
    assert [number for number, _, _ in books.shelves[0].wishes] == [9]


def test_what_is_promised_is_there_for_its_owner_alone() -> None:
    books = Books(shelves=[Shelf(on_hand=2)], on_hand=2)
    owner, other = admitted(1), admitted(2)
    books.promise(owner, 2)

    assert books.to_be_had(other, 0) == 0
    assert books.to_be_had(owner, 0) == 2

    books.hold(owner, 0, 1)
    assert (books.held, books.promised, books.spare) == (1, 1, 0)


def test_a_promise_by_name_is_kept_for_what_was_named() -> None:
    books = Books(shelves=[Shelf(on_hand=1), Shelf(on_hand=2)], on_hand=3)
    owner, other = admitted(1), admitted(2)
    books.promise(owner, 1, shelf=0)

    assert (books.to_be_had(other, 0), books.to_be_had(other, 1)) == (0, 2)

    books.hold(owner, 1, 1)
    assert (owner.promised, books.to_be_had(other, 0)) == (1, 0)

    books.hold(other, 1, 1)
    books.hold(owner, 0, 1)
    assert (owner.promised, books.promised, books.shelves[0].by_name) == (0, 0, 0)


def test_whoever_names_something_is_called_for_it_and_finds_it() -> None:
    """No size lies idle, none of those called for it misses it, and each size keeps the order."""
    rules = {"policy": "guaranteed", "named_share": "0.7", "units": "120", "shoppers": "2000"}
    sim = Simulation(scenario("shelves", **rules), seed=2, figures=False)

    while not sim.over:
        sim.step()
        for shelf in sim.books.shelves:
            assert shelf.held + shelf.sold + shelf.by_name <= shelf.on_hand
        assert sim.books.spare >= 0

    called = sim.admitted.values()
    assert not [a.number for a in called if a.named is not None and (a.refused or a.missed_choice)]
    assert sim.passed.count > 100
    assert (sim.books.spare, sim.books.sold) == (0, 119), "one was called for the last unit"
    for named in range(len(sim.books.shelves)):
        firsts = [(a.first_called_at, a.number) for a in called if a.named == named]
        assert sorted(firsts) == sorted(firsts, key=lambda first: first[1])


def test_a_number_that_is_passed_by_had_other_shelves_to_choose_from() -> None:
    rules = {"policy": "guaranteed", "named_share": "0.7", "shoppers": "500", "until_s": "300"}
    sim = Simulation(scenario("shelves", **rules), seed=2).run()

    never_called = [n for n in sim.sampler.left_for if n not in sim.admitted]

    assert len(never_called) > 10
    for number in never_called:
        there = sim.sampler.sku_left_for[number]
        assert sim.sampler.left_for[number]
        assert there
        assert sim.passed.names(number) not in there


def test_stock_goes_down_only_by_what_nobody_has_a_claim_to() -> None:
    books = Books(shelves=[Shelf(on_hand=3)], on_hand=3)
    books.promise(admitted(1), 1)
    books.hold(admitted(2), 0, 1)

    books.receive(0, -5)

    assert (books.on_hand, books.spare) == (2, 0)


@pytest.mark.endure
def test_a_crowd_that_takes_its_time_does_not_look_like_one_that_wants_nothing() -> None:
    """The first who gives up stands for one shopper, and not for all who came in together."""
    rules = {"policy": "expected", "browse_s": "180", "units": "300", "shoppers": "5000"}
    slow = changed(library.load_scenario("drop"), rules)

    sale = result_of(Simulation(slow, seed=3, figures=False).run())

    assert sale.sold == 300
    assert sale.found_nothing_of_called < 0.01
