"""How often and how fast called shoppers go on: rates by age, and their life table. Pure.

A called shopper goes through four stages: called, inside, holding, paying. From each one goes on or
drops out. Both are counted as occurrences per shopper-second at risk, by age within the stage
(occurrence/exposure rates, the piecewise exponential model of survival analysis). So an open
shopper counts by the time that went without an outcome, and nobody has to be over to be learned
from. The chance to go on from any age follows from the rates as in a life table.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from math import exp, inf

# Ages in seconds at which rates may change; the room's own deadline is put among them.
AGES_S = (0, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 150, 180, 240, 300, 420, 600, 900)
# What is due at a deadline happens from a moment before it, by the clocks, until it was swept.
DUE_EARLY_S, DUE_LATE_S = 1.0, 10.0
# What was observed counts half after so many further outcomes of its stage, so that the figures
# follow when a crowd changes in mid-sale, and are still steady enough to be acted upon.
HALF_LIFE_OUTCOMES = 100
FADE = 2 ** (1 / HALF_LIFE_OUTCOMES)
# Weights grow until the figures are scaled down again.
WEIGHT_MAX = 1e9
# Before anybody was observed the figures are those of so many imagined shoppers.
PRIOR_SHOPPERS = 12
# At no age do they weigh less than so many who leave it.
PRIOR_LEAST = 1.0
# They take any number of units up to this alike, or up to what one session may take.
PRIOR_UNITS_MAX = 3


class Stage(IntEnum):
    """Where a called shopper is. Who has bought is past all stages at risk."""

    CALLED = 0
    INSIDE = 1
    HOLDING = 2
    PAYING = 3
    BOUGHT = 4


# The imagined shoppers: up to which age, going on and dropping out per second. Called ones nearly
# all come and nearly all hold, which errs towards too much demand and so towards too few calls; who
# has looked around for five minutes and holds nothing, though, will hardly do so any more.
PRIOR: dict[Stage, tuple[tuple[float, float, float], ...]] = {
    Stage.CALLED: ((15, 1 / 8, 1 / 400), (60, 1 / 30, 1 / 400), (inf, 1 / 100, 1 / 200)),
    Stage.INSIDE: (
        (60, 1 / 20, 1 / 400),
        (120, 1 / 60, 1 / 300),
        (300, 1 / 300, 1 / 200),
        (inf, 1 / 1500, 1 / 300),
    ),
    Stage.HOLDING: ((60, 1 / 40, 1 / 600), (inf, 1 / 100, 1 / 300)),
    Stage.PAYING: ((10, 1 / 3, 1 / 30), (inf, 1 / 60, 1 / 60)),
}
# From a stage's deadline on hardly anybody goes on, and all drop out as fast as they are swept.
PRIOR_DUE = (1 / 1000, 1 / 2)

AT_RISK = (Stage.CALLED, Stage.INSIDE, Stage.HOLDING, Stage.PAYING)


def ages_for(deadline_s: float | None) -> tuple[float, ...]:
    """Return the ages that are told apart in a stage with this deadline."""
    if deadline_s is None:
        return AGES_S
    due, swept = deadline_s - DUE_EARLY_S, deadline_s + DUE_LATE_S
    others = {age for age in AGES_S if age == 0 or not due <= age <= swept}
    return tuple(sorted(others | {max(due, 0.0), swept}))


def spread(before: Sequence[float], figures: Sequence[float], ages: Sequence[float]) -> list[float]:
    """Return figures counted between some ages as they fall between other ages."""
    moved = [0.0] * len(ages)
    # Beyond the last age there is no end to spread over; such figures stay beyond it.
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
    """Occurrences and exposure of one stage, by age; what was observed beside what is imagined.

    Each outcome weighs a little more than the one before, which is the same as letting all that
    was before it count for less, and costs nothing. Exposure is weighed as the outcomes beside it,
    so that a rate is not bent by the order in which slow and quick shoppers leave.
    """

    stage: Stage
    deadline_s: float | None
    ages: tuple[float, ...] = field(init=False)
    on: list[float] = field(init=False)
    off: list[float] = field(init=False)
    exposed_s: list[float] = field(init=False)
    outcomes: float = 0.0
    _weight: float = 1.0
    _imagined: list[tuple[float, float, float]] = field(init=False)

    def __post_init__(self) -> None:
        self.ages = ages_for(self.deadline_s)
        self.on, self.off, self.exposed_s = ([0.0] * len(self.ages) for _ in range(3))
        self._imagine()

    def move_deadline(self, deadline_s: float | None) -> None:
        """Go on under another deadline; each observation keeps its age.

        What was observed between two ages is spread evenly over them.
        """
        if deadline_s == self.deadline_s:
            return
        before, self.deadline_s, self.ages = self.ages, deadline_s, ages_for(deadline_s)
        for name in ("on", "off", "exposed_s"):
            setattr(self, name, spread(before, getattr(self, name), self.ages))
        self._imagine()

    def _imagine(self) -> None:
        """Work out the imagined shoppers for these ages and this deadline."""
        due_s = inf if self.deadline_s is None else self.deadline_s - DUE_EARLY_S
        left, self._imagined = float(PRIOR_SHOPPERS), []
        for age, until in zip(self.ages, (*self.ages[1:], inf), strict=True):
            on, off = next(row[1:] for row in PRIOR[self.stage] if age < row[0])
            if age >= due_s:
                on, off = PRIOR_DUE
            gone = left * (1 - exp(-(on + off) * (until - age)))
            left -= gone
            # However few get that far, one alone who leaves does not say what all others will do.
            exposed_s = max(gone, PRIOR_LEAST) / (on + off)
            self._imagined.append((on * exposed_s, off * exposed_s, exposed_s))

    def expose(self, age: float, until: float, *, shoppers: int = 1) -> None:
        """Count the time that so many shoppers each spent in this stage between two ages."""
        bucket = max(bisect_right(self.ages, age) - 1, 0)
        while age < until:
            end = self.ages[bucket + 1] if bucket + 1 < len(self.ages) else inf
            self.exposed_s[bucket] += (min(end, until) - age) * shoppers * self._weight
            age, bucket = end, bucket + 1

    def count(self, age: float, *, on: bool) -> None:
        """Count one shopper who left this stage at an age."""
        self._weight *= FADE
        self.outcomes = self.outcomes / FADE + 1
        # A shopper who left at an age was at risk up to it, so it belongs to the ages before it.
        bucket = max(bisect_left(self.ages, age) - 1, 0)
        (self.on if on else self.off)[bucket] += self._weight
        if self._weight > WEIGHT_MAX:
            for figures in (self.on, self.off, self.exposed_s):
                figures[:] = [figure / self._weight for figure in figures]
            self._weight = 1.0

    def table(self) -> "LifeTable":
        """Return the life table of what was observed and imagined together."""
        on, off, imagined = [], [], []
        for bucket, (prior_on, prior_off, prior_s) in enumerate(self._imagined):
            exposed_s = self.exposed_s[bucket] / self._weight + prior_s
            on.append((self.on[bucket] / self._weight + prior_on) / exposed_s)
            off.append((self.off[bucket] / self._weight + prior_off) / exposed_s)
            left = (self.on[bucket] + self.off[bucket]) / self._weight
            prior = prior_on + prior_off
            # Many who left at once are seen too, in next to no time.
            imagined.append(min(prior_s / exposed_s, prior / (left + prior)))
        weight = self.outcomes + PRIOR_SHOPPERS
        return life_table(self.ages, on, off, imagined=imagined, weight=weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeTable:
    """Rates per second of going on and dropping out, from each age to the next.

    `reach[i]` is the chance to go on some day, for who has come to the age `ages[i]`, and
    `guess[i]` the part of it that was only imagined, of ages to which hardly anybody has come yet.
    `weight` is how many shoppers stand behind the figures.
    """

    ages: Sequence[float]
    on: Sequence[float]
    off: Sequence[float]
    reach: Sequence[float]
    guess: Sequence[float]
    weight: float

    @property
    def share(self) -> float:
        """The share of all who come to this stage that goes on."""
        return self.reach[0]

    def chance(self, age: float) -> float:
        """Return the chance to go on some day, for who has been here for so long."""
        return self._at(age, self.reach)

    def guessed(self, age: float) -> float:
        """Return the part of that chance that was only imagined."""
        return self._at(age, self.guess)

    def _at(self, age: float, figures: Sequence[float]) -> float:
        bucket = max(bisect_right(self.ages, age) - 1, 0)
        if bucket + 1 == len(self.ages):
            return figures[bucket]
        start, end = self.ages[bucket], self.ages[bucket + 1]
        passed = (age - start) / (end - start)
        return figures[bucket] + (figures[bucket + 1] - figures[bucket]) * passed

    def within(self, age: float, seconds: float) -> tuple[float, float]:
        """Return the chances to go on, and to drop out, within so many seconds from an age."""
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

    def time_by(self, share: float) -> float:
        """Return the age by which this share of those who ever go on has gone on."""
        wanted, low, high = share * self.share, 0.0, 2 * self.ages[-1]
        while high - low > 0.5:
            middle = (low + high) / 2
            low, high = (middle, high) if self.within(0.0, middle)[0] < wanted else (low, middle)
        return high


def life_table(
    ages: Sequence[float],
    on: Sequence[float],
    off: Sequence[float],
    *,
    imagined: Sequence[float],
    weight: float,
) -> LifeTable:
    """Return the table of these rates, with the chances to go on, from the last age backwards.

    `imagined` is the part of each age's exposure that was imagined.
    """
    reach = [on[-1] / (on[-1] + off[-1])]
    guess = [reach[0] * imagined[-1]]
    for bucket in range(len(ages) - 2, -1, -1):
        rate = on[bucket] + off[bucket]
        stay = exp(-rate * (ages[bucket + 1] - ages[bucket]))
        here = (1 - stay) * on[bucket] / rate
        reach.append(here + stay * reach[-1])
        guess.append(here * imagined[bucket] + stay * guess[-1])
    reach.reverse()
    guess.reverse()
    return LifeTable(ages=ages, on=on, off=off, reach=reach, guess=guess, weight=weight)


@dataclass(slots=True)
class Units:
    """How many units a holding shopper takes: mean and variance of first holds.

    units_max: the most that one session can take, None for no limit.
    """

    units_max: int | None = None
    weight: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    imagined_max: int = field(init=False)

    def __post_init__(self) -> None:
        self.imagined_max = min(self.units_max or PRIOR_UNITS_MAX, PRIOR_UNITS_MAX)

    def limit(self, units_max: int | None) -> None:
        """Go on under another limit.

        Holds made under the old limit do not tell how many units shoppers take under the new one:
        they are forgotten, and the imagined shoppers take up to the new limit alike.
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
        self.weight = self.weight / FADE + 1
        self.total = self.total / FADE + units
        self.squares = self.squares / FADE + units**2

    def moments(self) -> tuple[float, float, float]:
        """Return mean, variance, and how many holds stand behind them."""
        weight = self.weight + PRIOR_SHOPPERS
        most = self.imagined_max
        prior_mean, prior_var = (most + 1) / 2, (most**2 - 1) / 12
        mean = (self.total + PRIOR_SHOPPERS * prior_mean) / weight
        squares = self.squares + PRIOR_SHOPPERS * (prior_var + prior_mean**2)
        return mean, max(squares / weight - mean**2, 0.0), weight
