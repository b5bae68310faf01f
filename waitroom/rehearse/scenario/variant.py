"""A variant to compare: a policy with its settings, on one scenario. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from waitroom.line.policy import POLICIES
from waitroom.rehearse.play.baseline import CLAIRVOYANT, ORACLE, Fixed, policy_named
from waitroom.rehearse.scenario.course import Course
from waitroom.rehearse.scenario.scenario import Scenario, ScenarioError, changed

# Seats that never bind, for a room that is bounded by its rate alone.
SEATS_ANY = 1_000_000
_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)/(s|min)")

# The frontier's grid: calls a minute, seats, and calls a minute for rooms that watch the stock.
RATES_PER_MINUTE = (6, 9, 12, 15, 18, 24, 30, 36, 42, 48, 60, 78, 120, 180)
SEATS = (10, 15, 20, 30, 40, 50, 65, 80, 100, 125, 150, 200, 300)
RATES_BESIDE = (12, 18, 30, 42, 60, 120, 240)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    name: str
    scenario: Scenario
    course: Course | None = None


def parse_variant(text: str, scenario: Scenario, course: Course | None = None) -> Variant:
    """Read `NAME` or `NAME:key=value,key=value`, or one of the short forms below.

    `fixed:1/s`, `fixed:60/min` and `rate:60/min` bound only the calls. `inside:20` bounds only the
    number inside, and ignores the stock. Raises `ScenarioError`.
    """
    name, _, rest = text.partition(":")
    settings = [part for part in rest.split(",") if part]
    if name == "inside":
        if not (settings and settings[0].isdigit()):
            raise ScenarioError(f"{text}: the number inside is missing, as in inside:20")
        short = {"policy": Fixed.name, "seats_max": settings.pop(0), "calls_per_minute": "none"}
    else:
        policy_named(name)
        short = {"policy": name}
        if settings and (rate := _RATE.fullmatch(settings[0])):
            per_minute = float(rate[1]) * (60 if rate[2] == "s" else 1)
            short |= {"calls_per_minute": str(round(per_minute)), "seats_max": str(SEATS_ANY)}
            settings.pop(0)
    changes = short | parse_settings(settings, where=text)
    return Variant(name=text, scenario=changed(scenario, changes, where=text), course=course)


def parse_settings(settings: Sequence[str], *, where: str) -> dict[str, str]:
    """Read `key=value` pairs. Raises `ScenarioError`."""
    changes = {}
    for setting in settings:
        key, is_pair, value = setting.partition("=")
        if not (is_pair and key.strip() and value.strip()):
            raise ScenarioError(f"{where}: {setting!r} is not key=value")
        changes[key.strip()] = value.strip()
    return changes


def yardsticks_for(variants: Sequence[Variant]) -> list[Variant]:
    """Return the sales whose room knows the shoppers, under the rules of the first variant.

    A replay has none, since what its shoppers would do is in no log.
    """
    first = variants[0]
    if first.course is not None:
        return []
    here = {variant.scenario.rules.policy for variant in variants}
    return [
        parse_variant(name, first.scenario) for name in (ORACLE, CLAIRVOYANT) if name not in here
    ]


def policies_of(scenario: Scenario, course: Course | None = None) -> list[Variant]:
    """Return the room's own policies, on one scenario."""
    return [parse_variant(name, scenario, course) for name in POLICIES]


def frontier_of(scenario: Scenario) -> dict[str, list[Variant]]:
    """Return the frontier's series: fixed rates, fixed numbers inside, and the room's policies."""
    grids = {
        "fixed rate": [f"fixed:{rate}/min" for rate in RATES_PER_MINUTE],
        "fixed number inside": [f"inside:{seats}" for seats in SEATS],
        "rate, none while none is free": [f"rate:{rate}/min" for rate in RATES_BESIDE],
        "guaranteed": ["guaranteed"],
        "expected": [f"expected:disappointed_max={share}" for share in (0.002, 0.005, 0.01, 0.03)],
    }
    return {
        series: [parse_variant(text, scenario) for text in texts] for series, texts in grids.items()
    }
