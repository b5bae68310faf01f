"""Rates: how often and how fast called shoppers go on, by age, and their life tables. Pure.

A called shopper passes four stages: called, inside, holding, paying. From each stage a shopper goes
on or drops out. Both events are counted per shopper-second at risk, by age within the stage: these
are the occurrence/exposure rates of the piecewise exponential model in survival analysis. Open
journeys are right-censored: they count with the time that passed without an outcome, so the learner
need not wait for their end. The chance to go on from any age follows from the rates as in a life
table.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from math import exp, inf

from waitroom.line.forecast.learning.patience import Patience

# Ages in seconds at which rates may change; the stage's own deadline is added to them.
AGES_S = (0, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 150, 180, 240, 300, 420, 600, 900)
# Events at a deadline are seen from just before it, since clocks differ, until it was swept.
DUE_EARLY_S, DUE_LATE_S = 1.0, 10.0
# The weight of an observation halves after this many further outcomes of its stage, so the figures
# follow a crowd that changes.
HALF_LIFE_OUTCOMES = 60
FADE = 2 ** (1 / HALF_LIFE_OUTCOMES)
# The figures are scaled down when their weight has grown to this.
WEIGHT_MAX = 1e9
# A share is trusted as if this many shoppers had been seen, beside what is not known of it yet:
# shoppers to come are other people, and a crowd may change at any moment.
KNOWN_MAX = 60
# The prior is worth this many imagined shoppers.
PRIOR_SHOPPERS = 12.0
# At every age the prior is worth at least this many shoppers who leave the stage there.
PRIOR_LEAST = 1.0
# Imagined shoppers take each number of units up to this one, or the session limit, equally often.
PRIOR_UNITS_MAX = 3


class Stage(IntEnum):
    """The stage of a called shopper. `BOUGHT` is past all stages at risk."""

    CALLED = 0
    INSIDE = 1
    HOLDING = 2
    PAYING = 3
    BOUGHT = 4


# The crowds that are imagined in each stage: the least and the greatest median of the time until a
# shopper goes on, in seconds, and the likely share of shoppers who do.
IMAGINED: dict[Stage, tuple[float, float, float]] = {
    Stage.CALLED: (2.0, 90.0, 0.9),
    Stage.INSIDE: (5.0, 400.0, 0.75),
    Stage.HOLDING: (10.0, 300.0, 0.8),
}
# A payment goes on or drops out by itself: up to which age, and how often a second.
PAYING = ((10.0, 1 / 3, 1 / 30), (inf, 1 / 60, 1 / 60))
# Before anything was seen a shopper drops out once in so many seconds.
STAYS_S = 400.0
# Shoppers who dropped out count at most so many times those who are still there.
OTHERS_MAX = 20.0
# A smaller share than this of shoppers who are still there is none.
STAY_LEAST = 1e-9
# From a stage's deadline on hardly any shopper goes on, and all drop out as fast as they are swept.
PRIOR_DUE = (1 / 1000, 1 / 2)

AT_RISK = (Stage.CALLED, Stage.INSIDE, Stage.HOLDING, Stage.PAYING)


def ages_for(deadline_s: float | None) -> tuple[float, ...]:
    """Return the ages at which rates may change in a stage with this deadline."""
    if deadline_s is None:
        return AGES_S
    due, swept = deadline_s - DUE_EARLY_S, deadline_s + DUE_LATE_S
    others = {age for age in AGES_S if age == 0 or not due <= age <= swept}
    return tuple(sorted(others | {max(due, 0.0), swept}))


def spread(before: Sequence[float], figures: Sequence[float], ages: Sequence[float]) -> list[float]:
    """Distribute figures that were counted by some ages over other ages."""
    moved = [0.0] * len(ages)
    # The last age has no end to spread its figures up to; they stay at one age.
    for start, end, figure in zip(before, (*before[1:], inf), figures, strict=True):
        if end == inf:
            moved[bisect_right(ages, start) - 1] += figure
            continue
        for bucket, (low, high) in enumerate(zip(ages, (*ages[1:], inf), strict=True)):
            shared = min(end, high) - max(start, low)
            if shared > 0:
                moved[bucket] += figure * shared / (end - start)
    return moved


@dataclass(slots=True, kw_only=True)
class Rates:
    """Occurrences and exposure of one stage by age, observed and imagined ones apart.

    Each outcome weighs a little more than the one before. That has the same effect as discounting
    all earlier ones, at no cost. Exposure is weighted like the outcomes of its time, so the order
    in which slow and quick shoppers leave does not bias a rate.
    """

    stage: Stage
    deadline_s: float | None
    fade: float = FADE
    imagined_shoppers: float = PRIOR_SHOPPERS
    ages: tuple[float, ...] = field(init=False)
    on: list[float] = field(init=False)
    off: list[float] = field(init=False)
    exposed_s: list[float] = field(init=False)
    _weight: float = 1.0
    patience: Patience | None = field(init=False)
    # For each age how many shoppers have not gone on, for each one who is still there.
    _others: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self.ages = ages_for(self.deadline_s)
        self.on, self.off, self.exposed_s = ([0.0] * len(self.ages) for _ in range(3))
        self._others = [1.0] * len(self.ages)
        self.patience = None
        if self.stage in IMAGINED:
            first_s, last_s, share = IMAGINED[self.stage]
            self.patience = Patience(first_s=first_s, last_s=last_s, share=share)

    def move_deadline(self, deadline_s: float | None) -> None:
        """Apply another deadline. Observations between two ages are spread evenly between them."""
        if deadline_s == self.deadline_s:
            return
        before, self.deadline_s, self.ages = self.ages, deadline_s, ages_for(deadline_s)
        for name in ("on", "off", "exposed_s"):
            setattr(self, name, spread(before, getattr(self, name), self.ages))
        self._others = [1.0] * len(self.ages)

    @property
    def _least(self) -> float:
        """The imagined occurrences at each age."""
        return PRIOR_LEAST * self.imagined_shoppers / PRIOR_SHOPPERS

    def expose(self, age: float, until: float, *, shoppers: int = 1) -> None:
        """Count the time that each of these shoppers spent in this stage between two ages."""
        bucket = max(bisect_right(self.ages, age) - 1, 0)
        while age < until:
            end = self.ages[bucket + 1] if bucket + 1 < len(self.ages) else inf
            self.exposed_s[bucket] += (min(end, until) - age) * shoppers * self._weight
            age, bucket = end, bucket + 1

    def count(self, age: float, *, on: bool) -> None:
        """Count one shopper who left this stage at an age."""
        self._weight *= self.fade
        # A shopper who left at an age was at risk before it, so the outcome belongs to those ages.
        bucket = max(bisect_left(self.ages, age) - 1, 0)
        (self.on if on else self.off)[bucket] += self._weight
        if self._weight > WEIGHT_MAX:
            for figures in (self.on, self.off, self.exposed_s):
                figures[:] = [figure / self._weight for figure in figures]
            self._weight = 1.0

    def table(self) -> "LifeTable":
        """Return the life table of the observed shoppers, and of the imagined ones beside them.

        At each age the imagined shoppers do what is to be expected after what was seen at all ages.
        """
        share, least = 1.0 / self._weight, self._least
        due_s = inf if self.deadline_s is None else self.deadline_s - DUE_EARLY_S
        expected, sd = self._expected(share, due_s)
        quick_s = 0.0 if self.patience is None else self.patience.first_s
        on, off, guess, stay = [], [], [], []
        left, gone = 1.0, 0.0
        for at, (age, end) in enumerate(zip(self.ages, (*self.ages[1:], inf), strict=True)):
            others = self._others[at] = min(1.0 + gone / left, OTHERS_MAX) if left else OTHERS_MAX
            prior_on, prior_off = expected[at]
            prior_on, prior_off = PRIOR_DUE if age >= due_s else (prior_on * others, prior_off)
            prior_s = least / (prior_on + prior_off)
            if end <= quick_s:
                # Those who go on at once are learned from what is seen at these ages alone.
                prior_s = min(prior_s, least * (end - age))
            all_s = self.exposed_s[at] * share + prior_s
            on.append((self.on[at] * share + prior_on * prior_s) / all_s)
            off.append((self.off[at] * share + prior_off * prior_s) / all_s)
            rate = on[-1] + off[-1]
            stay.append(left)
            leave = left * (1 - exp(-rate * (end - age)))
            left -= leave
            gone += leave * off[-1] / rate
            guess.append(sd[at] * others)
        # Of those who are new, only those who do not go on at once are in doubt.
        slow = bisect_left(self.ages, quick_s)
        for at in range(slow):
            guess[at] = guess[slow] * stay[slow] / max(stay[at], STAY_LEAST)
        return life_table(self.ages, on, off, guess=guess, weight=KNOWN_MAX)

    def _expected(
        self, share: float, due_s: float
    ) -> tuple[Sequence[tuple[float, float]], Sequence[float]]:
        """Return the rates to expect at each age, and how sure the chance to go on is there."""
        if self.patience is None:
            rows = [next(row[1:] for row in PAYING if age < row[0]) for age in self.ages]
            return rows, [0.0] * len(rows)
        at_risk = [
            weight * share * others
            for weight, others in zip(self.exposed_s, self._others, strict=True)
        ]
        fitted = self.patience.fit(self.ages, due_s, [on * share for on in self.on], at_risk)
        dropped = sum(self.off[: bisect_left(self.ages, due_s)]) * share
        off = (dropped + 1.0) / (sum(self.exposed_s) * share + STAYS_S)
        return [(on, off) for on in fitted.rates], fitted.sd


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeTable:
    """The rates of a stage and the chances that follow from them.

    on, off: rates per second of going on and dropping out, from each age to the next.
    reach: for each age, the chance that a shopper of that age ever goes on.
    guess: the standard deviation of that chance, from not knowing what slow shoppers will do.
    weight: the number of shoppers that the figures are worth.
    """

    ages: Sequence[float]
    on: Sequence[float]
    off: Sequence[float]
    reach: Sequence[float]
    guess: Sequence[float]
    weight: float

    @property
    def share(self) -> float:
        """Return the share of all shoppers in this stage that goes on."""
        return self.reach[0]

    @property
    def doubt(self) -> float:
        """Return the relative variance of that share, given how many shoppers were seen."""
        return (1 - self.share) / (self.share * self.weight)

    def chance(self, age: float) -> float:
        """Return the chance that a shopper of this age in the stage ever goes on."""
        return self._at(age, self.reach)

    def guessed(self, age: float) -> float:
        """Return how far that chance may be off for all shoppers of this age alike."""
        return self._at(age, self.guess)

    def _at(self, age: float, figures: Sequence[float]) -> float:
        bucket = max(bisect_right(self.ages, age) - 1, 0)
        if bucket + 1 == len(self.ages):
            return figures[bucket]
        start, end = self.ages[bucket], self.ages[bucket + 1]
        passed = (age - start) / (end - start)
        return figures[bucket] + (figures[bucket + 1] - figures[bucket]) * passed

    def within(self, age: float, seconds: float) -> tuple[float, float]:
        """Return the chances to go on and to drop out within some seconds from an age."""
        here, on, off = 1.0, 0.0, 0.0
        until = age + seconds
        bucket = max(bisect_right(self.ages, age) - 1, 0)
        while age < until:
            end = self.ages[bucket + 1] if bucket + 1 < len(self.ages) else inf
            rate = self.on[bucket] + self.off[bucket]
            stay = exp(-rate * (min(end, until) - age))
            on += here * (1 - stay) * self.on[bucket] / rate
            off += here * (1 - stay) * self.off[bucket] / rate
            here, age, bucket = here * stay, end, bucket + 1
        return on, off


def life_table(
    ages: Sequence[float],
    on: Sequence[float],
    off: Sequence[float],
    *,
    guess: Sequence[float],
    weight: float,
) -> LifeTable:
    """Return the life table of these rates, computed backwards from the last age."""
    reach = [on[-1] / (on[-1] + off[-1])]
    for bucket in range(len(ages) - 2, -1, -1):
        rate = on[bucket] + off[bucket]
        stay = exp(-rate * (ages[bucket + 1] - ages[bucket]))
        reach.append((1 - stay) * on[bucket] / rate + stay * reach[-1])
    reach.reverse()
    return LifeTable(ages=ages, on=on, off=off, reach=reach, guess=guess, weight=weight)


@dataclass(slots=True)
class Units:
    """Mean and variance of the units in a shopper's first hold.

    units_max: the most units that one session can take; None for no limit.
    """

    units_max: int | None = None
    fade: float = FADE
    imagined_shoppers: float = PRIOR_SHOPPERS
    weight: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    imagined_max: int = field(init=False)

    def __post_init__(self) -> None:
        self.imagined_max = min(self.units_max or PRIOR_UNITS_MAX, PRIOR_UNITS_MAX)

    def limit(self, units_max: int | None) -> None:
        """Apply another limit.

        Holds made under the old limit say little about holds under the new one, so they are
        forgotten. The imagined shoppers then take each number up to the new limit equally often.
        """
        if units_max == self.units_max:
            return
        if self.weight:
            self.imagined_max = units_max or max(self.units_max or 0, PRIOR_UNITS_MAX)
            self.weight = self.total = self.squares = 0.0
        else:
            self.imagined_max = min(units_max or PRIOR_UNITS_MAX, PRIOR_UNITS_MAX)
        self.units_max = units_max

    def count(self, units: int) -> None:
        if units < 1:
            return
        self.weight = self.weight / self.fade + 1
        self.total = self.total / self.fade + units
        self.squares = self.squares / self.fade + units**2

    def moments(self) -> tuple[float, float, float]:
        """Return the mean, the variance, and the number of holds that they are worth."""
        weight = self.weight + self.imagined_shoppers
        most = self.imagined_max
        prior_mean, prior_var = (most + 1) / 2, (most**2 - 1) / 12
        mean = (self.total + self.imagined_shoppers * prior_mean) / weight
        squares = self.squares + self.imagined_shoppers * (prior_var + prior_mean**2)
        return mean, max(squares / weight - mean**2, 0.0), weight
