"""Scenarios: what can be said in them, and what is refused with the nearest that is known."""

from pathlib import Path

import pytest

from waitroom.rehearse.scenario import library
from waitroom.rehearse.scenario.scenario import (
    Crowd,
    Rules,
    Scenario,
    ScenarioError,
    Shopping,
    Sku,
    Stock,
    changed,
    parse_scenario,
)
from waitroom.rehearse.scenario.variant import SEATS_ANY, frontier_of, parse_settings, parse_variant


@pytest.mark.parametrize("name", library.names())
def test_every_scenario_that_comes_with_the_program_can_be_read(name: str) -> None:
    scenario = library.load_scenario(name)

    assert scenario.title


def test_what_a_scenario_does_not_say_is_as_in_the_drop() -> None:
    drop = library.load_scenario("drop")

    assert (drop.crowd, drop.shopping) == (Crowd(), Shopping())
    assert drop.stock == Stock()
    assert drop.until_s == Scenario().until_s
    # Where nothing is said, an order has no limit; in a room this is said too.
    assert drop.rules == Rules(order_units_max=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[crowd]\nshopers = 3", "unknown key shopers in [crowd] of mine; did you mean shoppers?"),
        ("[shoping]\n", "unknown key shoping in mine; did you mean shopping?"),
        ("until = 3", "unknown key until in mine; did you mean until_s?"),
        ("[shopping]\nhold_share = 1.5", "mine cannot be used: Expected `float` <= 1.0"),
        ("[shopping]\nquantity_shares = [0.5, 0.2]", "add up to 1"),
        ("[stock]\nunits = 0", "mine cannot be used: Expected `int` >= 1"),
        ("crowd = 3", "mine cannot be used: Expected `object`, got `int`"),
        ("[crowd", "mine is not valid TOML"),
        ("[shopping]\nclaim_s = 0", "mine cannot be used"),
        ("[shopping]\nclaim_s = nan", "mine cannot be used"),
        ("[crowd]\npatience_s = inf", "mine cannot be used"),
        ("[crowd]\nshoppers = 5_000_001", "at most 5,000,000 shoppers"),
        ("[crowd]\nsteady_per_minute = 1e9\nsteady_s = 1e9", "at most 5,000,000 shoppers"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, where="mine")

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("shopers", "did you mean shoppers?"),
        ("shift.holdshare", "did you mean shift.hold_share?"),
        ("nowhere.units", "did you mean stock.units?"),
    ],
)
def test_an_unknown_setting_is_refused_with_the_nearest_known_one(key: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=r"unknown key") as caught:
        changed(Scenario(), {key: "1"})

    assert said in str(caught.value)


def test_settings_reach_their_sections() -> None:
    scenario = changed(
        Scenario(),
        {
            "calls_per_minute": "60",
            "shoppers": "10",
            "shift.hold_share": "0.9",
            "hold_share": "0.5",
            "until_s": "100",
            "policy": "rate",
            "quantity_shares": "[0.5, 0.5]",
        },
    )

    assert scenario.rules.calls_per_minute == 60
    assert scenario.rules.policy == "rate"
    assert scenario.crowd.shoppers == 10
    assert (scenario.shopping.hold_share, scenario.shift.hold_share) == (0.5, 0.9)
    assert scenario.shopping.quantity_shares == (0.5, 0.5)
    assert scenario.until_s == 100
    assert changed(scenario, {"calls_per_minute": "none"}).rules.calls_per_minute is None


@pytest.mark.parametrize("setting", ["units", "=3", "units=", ""])
def test_a_setting_is_a_key_and_a_value(setting: str) -> None:
    with pytest.raises(ScenarioError, match="is not key=value"):
        parse_settings([setting], where="--set")


def test_units_are_parted_among_the_skus_and_add_up() -> None:
    skus = tuple(Sku(sku=name) for name in "abc")

    assert Stock(units=100, skus=skus).units_of_skus() == [34, 33, 33]
    assert Stock(units=2, skus=skus).units_of_skus() == [1, 1, 0]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("fixed:1/s", Rules(policy="fixed", calls_per_minute=60, seats_max=SEATS_ANY)),
        ("fixed:0.3/s", Rules(policy="fixed", calls_per_minute=18, seats_max=SEATS_ANY)),
        ("rate:90/min", Rules(policy="rate", calls_per_minute=90, seats_max=SEATS_ANY)),
        ("inside:20", Rules(policy="fixed", seats_max=20)),
        ("inside:20,hold_s=60", Rules(policy="fixed", seats_max=20, hold_s=60)),
        ("expected", Rules(policy="expected")),
        (
            "expected:disappointed_max=0.02,seats_max=9",
            Rules(policy="expected", disappointed_max=0.02, seats_max=9),
        ),
    ],
)
def test_a_variant_is_a_policy_with_settings(text: str, rules: Rules) -> None:
    variant = parse_variant(text, Scenario())

    assert variant.name == text
    assert variant.scenario.rules == rules


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("guarantied", "there is no policy guarantied"),
        ("inside", "the number inside is missing"),
        ("inside:many", "the number inside is missing"),
        ("rate:fast", "is not key=value"),
        ("rate:seats_maxx=3", "did you mean seats_max?"),
    ],
)
def test_a_variant_that_cannot_be_is_refused(text: str, said: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_variant(text, Scenario())

    assert said in str(caught.value)


def test_the_frontier_holds_what_others_do_beside_the_rooms_policies() -> None:
    series = frontier_of(Scenario())

    assert {"fixed rate", "fixed number inside", "guaranteed", "expected"} <= series.keys()
    assert len(series["fixed rate"]) >= 10
    assert len(series["fixed number inside"]) >= 10


def test_a_file_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"there is no file .*nix\.toml"):
        library.load_scenario(str(tmp_path / "nix.toml"))
    with pytest.raises(ScenarioError, match=r"there is no scenario nix; there are .*drop"):
        library.load_scenario("nix")


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('title = "Mine"\n[stock]\nunits = 3\n')

    scenario = library.load_scenario(str(path))

    assert (scenario.title, scenario.stock.units) == ("Mine", 3)
