"""The rest of a running sale as a scenario, from the room's own figures. Pure.

The rehearsal begins now: the shoppers in line and those called or inside stand before an empty
shop with what is unsold. Those inside begin their visit once more, under either rules, so a
comparison of two rules is sounder than either time by itself. Arrivals go on as in the last
minutes, for half an hour. The shares are those that the room's controller had learned at its last
call, or else those of the shoppers who have been and gone, and so are the times.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

import msgspec

from waitroom.line.forecast.learning.journey import Journey
from waitroom.rehearse.scenario.recording import shopping_of
from waitroom.rehearse.scenario.scenario import (
    Crowd,
    Rules,
    Scenario,
    ScenarioError,
    Shopping,
    Stock,
)

# Fewer shoppers than these say nothing that a decision could rest on.
GONE_MIN, HELD_MIN = 30, 10
# Fewer times than these leave the time that the scenario assumes.
TIMES_MIN = 10
# A larger sale is played smaller, with fewer seats in proportion; a line longer than this many
# shoppers a unit never gets to its end.
UNITS_PLAYED_MAX, LINE_PER_UNIT_MAX = 400, 25
ARRIVALS_GO_ON_S = 1800.0
# An hour ahead: shoppers and operators change more than a rehearsal knows, and it takes its time.
UNTIL_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """A room as it stands.

    unsold: units that are not paid for. waiting, seated: shoppers in line, and called or inside.
    learned: the figures behind the last call, as the log has them. gone: shoppers who have been
    here and are gone, the latest of them.
    """

    rules: Rules
    unsold: int
    waiting: int
    seated: int
    joins_per_min: float
    learned: Mapping[str, float]
    gone: Sequence[Journey]


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A scenario, and the part of the room's size at which it is played."""

    scenario: Scenario
    scale: float


def play_on(present: Present) -> Played:
    """Return the rest of the sale under the rules of `present`; raises `ScenarioError`."""
    _check(present)
    scale = min(1.0, UNITS_PLAYED_MAX / present.unsold)
    units = max(round(present.unsold * scale), 1)
    shoppers = round((present.waiting + present.seated) * scale)
    scenario = Scenario(
        title="The rest of the sale",
        until_s=UNTIL_S,
        stock=Stock(units=units),
        rules=_rules_at(present.rules, scale),
        crowd=Crowd(
            shoppers=min(shoppers, units * LINE_PER_UNIT_MAX),
            opening_share=1.0,
            opening_s=0.0,
            steady_per_minute=present.joins_per_min * scale,
            steady_s=ARRIVALS_GO_ON_S,
        ),
        shopping=_shopping(present),
    )
    return Played(scenario=scenario, scale=scale)


def _check(present: Present) -> None:
    if present.unsold < 1:
        raise ScenarioError("Nothing is left to sell, so there is nothing to rehearse.")
    held = sum(journey.has_held for journey in present.gone)
    if len(present.gone) < GONE_MIN or held < HELD_MIN:
        raise ScenarioError(
            f"There is too little to go on yet: {len(present.gone)} shoppers have been here and "
            f"are gone, and {held} of them had a basket. A rehearsal needs {GONE_MIN} and "
            f"{HELD_MIN}."
        )
    if not present.waiting + present.seated and not present.joins_per_min:
        raise ScenarioError("Nobody waits, is inside or joins, so there is nothing to rehearse.")


def _rules_at(rules: Rules, scale: float) -> Rules:
    """Return the rules of a room that is smaller by so much."""
    rate = rules.calls_per_minute
    return msgspec.structs.replace(
        rules,
        seats_max=_scaled(rules.seats_max, scale),
        calls_per_minute=None if rate is None else _scaled(rate, scale),
        batch_max=max(_scaled(rules.batch_max, scale), 1),
    )


def _scaled(count: int, scale: float) -> int:
    return max(round(count * scale), min(count, 1))


def _shopping(present: Present) -> Shopping:
    came = [j for j in present.gone if j.came_in and j.claimed_at is not None]
    held = [j for j in came if j.has_held and j.held_at is not None]
    times = {
        "claim_s": _median((j.claimed_at or 0) - j.called_at for j in came),
        "browse_s": _median((j.held_at or 0) - (j.claimed_at or 0) for j in held),
        "pay_s": _median((j.hold_ended_at or 0) - (j.held_at or 0) for j in held if j.units_sold),
    }
    known = {name: value for name, value in times.items() if value is not None}
    bought = [j.units_sold for j in held if j.units_sold]
    counted = {
        "claim_share": len(came) / len(present.gone),
        "hold_share": len(held) / max(len(came), 1),
        "pay_share": len(bought) / max(len(held), 1),
        "units_each": fmean(bought) if bought else 1.0,
    }
    shopping = shopping_of(Shopping(), {**counted, **present.learned})
    return msgspec.structs.replace(shopping, **known)


def _median(times: Iterable[float]) -> float | None:
    known = [time for time in times if time >= 0]
    return max(median(known), 1.0) if len(known) >= TIMES_MIN else None
