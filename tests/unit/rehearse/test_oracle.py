"""The yardsticks: a sale whose room knows the true rates, and one that knows who will do what."""

import pytest
from rehearsing import scenario

from waitroom.rehearse.play.oracle import clairvoyant, oracle, true_habits
from waitroom.rehearse.results.compare import Outcome, compare, ratio_of, to_json, yardsticks_of
from waitroom.rehearse.scenario.variant import parse_variant, yardsticks_for


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    """A sale of each kind, of the same two crowds."""
    variants = [parse_variant("guaranteed", scenario())]
    return compare([*variants, *yardsticks_for(variants)], seeds=(1, 2), figures=False)


def test_the_true_rates_are_those_of_the_scenario() -> None:
    here = scenario(claim_window_s="600", session_s="900", hold_s="600")

    claim, hold, pay, _ = true_habits(here, shifts=0, troubled=False).tables

    assert claim.share == pytest.approx(1 - here.shopping.no_show_share, abs=0.05)
    assert hold.share == pytest.approx(here.shopping.hold_share, abs=0.03)
    assert pay.share == pytest.approx(here.shopping.pay_share, abs=0.03)
    assert claim.guess[0] == hold.guess[0] == 0


def test_the_true_rates_change_with_the_shift() -> None:
    first = {"shift.shift_at_s": "60", "shift.hold_share": "0.95"}
    second = {"second_shift.shift_at_s": "90", "second_shift.hold_share": "0.4"}
    shifting = scenario(**first, **second)

    before, after, last = (
        true_habits(shifting, shifts=shifts, troubled=False).tables.hold.share
        for shifts in (0, 1, 2)
    )

    assert before < 0.75
    assert after > 0.9
    assert last < 0.5


@pytest.mark.parametrize("name", ["drop", "tickets", "bots", "trouble"])
def test_under_a_clairvoyant_everybody_who_asks_finds_something(name: str) -> None:
    sim = clairvoyant(scenario(name), 3)

    asked = [a for a in sim.admitted.values() if a.asked_at is not None]
    assert sim.books.sold > 0
    assert len(asked) >= 20
    # A shopper who came for one SKU alone has a wish, and takes what others were meant to have; and
    # a call is heard of at a moment that the next document decides.
    assert sum(a.refused for a in asked) <= 0.1 * len(asked)


def test_a_shift_that_comes_with_a_share_of_the_sale_is_foreseen() -> None:
    keener = {"shift.hold_share": "1.0", "shift.no_show_share": "0.0"}

    sim = clairvoyant(scenario(shift_at_sold_share="0.3", **keener), 3)

    assert len(sim.shifted_at) == 1
    assert sum(a.refused for a in sim.admitted.values()) <= 1


def test_the_more_a_room_knows_the_sooner_it_has_sold(outcomes: list[Outcome]) -> None:
    guaranteed, knowing, clear = (outcome.interval("to_95_s") for outcome in outcomes)

    assert guaranteed is not None
    assert knowing is not None
    assert clear is not None
    assert clear.mean < guaranteed.mean
    assert knowing.mean < guaranteed.mean


def test_an_oracle_learns_nothing() -> None:
    sim = oracle(scenario(), 1, figures=False)

    outlook = sim.leader.caller.outlook
    assert outlook is not None
    assert outlook.ask_doubt == outlook.ask_guess == 0


def test_figures_are_held_against_both_yardsticks(outcomes: list[Outcome]) -> None:
    told = to_json(outcomes, seeds=(1, 2))
    first, knowing, _ = told["variants"]

    assert list(yardsticks_of(outcomes)) == ["oracle", "clairvoyant"]
    assert set(first["against_yardsticks"]) == {"oracle", "clairvoyant"}
    assert set(knowing["against_yardsticks"]) == {"clairvoyant"}
    ratio = outcomes[0].ratio(outcomes[1], "idle_unit_s")
    assert ratio is not None
    idle = [sum(sale.idle_unit_s for sale in outcome.results) for outcome in outcomes]
    assert ratio.mean == pytest.approx(idle[0] / idle[1])
    assert first["against_yardsticks"]["oracle"]["idle_unit_s"]["mean"] == pytest.approx(ratio.mean)


def test_a_ratio_of_figures_that_move_together_is_known_well() -> None:
    ratio = ratio_of([(2.0, 1.0), (20.0, 10.0), (200.0, 100.0)])

    assert ratio.mean == 2.0
    assert ratio.half == pytest.approx(0.0)
