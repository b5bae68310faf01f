"""The outlook: how many called shoppers will still ask for units, at one moment. Pure.

A unit in a basket that comes back before a new call asks can be called for already. So asks and
returns are summed up by the same moments ahead, the horizons.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, repeat
from math import exp, inf, log
from operator import mul
from typing import NamedTuple

from waitroom.line.assortment.depletion import Depletion
from waitroom.line.forecast.learning.rates import LifeTable

# The moments ahead, in seconds; the last is without end.
ENDLESS_S = 1_000_000
HORIZONS_S = (5, 10, 20, 30, 45, 60, 80, 100, 150, 240, ENDLESS_S)
# Asks count by the end of an interval, and returns by its beginning: a late one helps no shopper.
BACK_S = (0, *HORIZONS_S[:-1])
# A refused shopper is taken to stay for units that come back within this time.
STAYS_S = 60
LATER_S = tuple(seconds + STAYS_S for seconds in BACK_S)
# The time from the claim to asking is represented by this many moments, each equally likely.
MOMENTS = 4
# Shoppers are followed until fewer than this share are still in the stage.
LEFT_LEAST = 1e-6
SECONDS_MAX = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """One moment ahead.

    asks_mean, asks_var: of the number of shoppers called so far who will have asked by then.
    new_asks: the chance that a new call will have asked by then.
    back_mean, back_var: of the units in baskets that will have come back by the horizon before.
    later_mean, later_var: the same, `STAYS_S` later.
    """

    asks_mean: float
    asks_var: float
    new_asks: float
    back_mean: float = 0.0
    back_var: float = 0.0
    later_mean: float = 0.0
    later_var: float = 0.0

    def with_calls(self, calls: float) -> "Horizon":
        """Count new calls among the shoppers called so far."""
        return replace(
            self,
            asks_mean=self.asks_mean + calls * self.new_asks,
            asks_var=self.asks_var + calls * self.new_asks * (1 - self.new_asks),
        )

    def with_units_freed(self, units: float) -> "Horizon":
        """Count units that came free; they do not come back a second time."""
        return replace(
            self,
            back_mean=max(self.back_mean - units, 0.0),
            later_mean=max(self.later_mean - units, 0.0),
        )


@dataclass(slots=True)
class Crowd:
    """The open admissions, counted by whole seconds of age in their stage.

    called, inside: shoppers without a promise who may still ask for their first hold.
    promised_called, promised_inside: shoppers with a promise who may still ask for it.
    missed: shoppers who asked in vain, for a SKU that was gone or when nothing was left.
    idle: shoppers whose basket came back, and who have not left.
    holding, paying: units in holds, and in holds that are being paid.
    holders: shoppers who hold units.
    refused: shoppers who asked while nothing was left, and have nothing.
    named: shoppers who may still ask for their first hold, by the SKU that they named.
    """

    called: Counter[int] = field(default_factory=Counter)
    inside: Counter[int] = field(default_factory=Counter)
    promised_called: Counter[int] = field(default_factory=Counter)
    promised_inside: Counter[int] = field(default_factory=Counter)
    missed: Counter[int] = field(default_factory=Counter)
    idle: Counter[int] = field(default_factory=Counter)
    holding: Counter[int] = field(default_factory=Counter)
    paying: Counter[int] = field(default_factory=Counter)
    holders: int = 0
    refused: int = 0
    named: Counter[int] = field(default_factory=Counter)


class Tables(NamedTuple):
    """The life tables of the four stages."""

    claim: LifeTable
    hold: LifeTable
    pay: LifeTable
    settle: LifeTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What called shoppers do: the life tables of their stages, and the units of a first hold.

    units_weight: the number of holds that the mean and the variance of the units are worth.
    """

    tables: Tables
    units_mean: float
    units_var: float
    units_weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The outlook at one moment. "Askers" are shoppers who will ask for their first hold.

    called: calls made so far.
    disappointed: shoppers who found nothing so far.
    asking: shoppers without a promise, called or inside, who may still ask.
    askers_mean, askers_var: of the number of askers among them.
    ask_share: the share of new calls that will ask.
    ask_doubt, units_doubt, pay_doubt: relative variances of the estimates of `ask_share`,
        `units_mean` and `pay_share`.
    askers_guess: the standard deviation of the number of askers that comes from guesses, about
        ages that no shopper has reached yet. A wrong guess is wrong for all shoppers alike.
    ask_guess: what each new call adds to `askers_guess`.
    units_mean, units_var: of the units in a first hold.
    units_max: the most units that one session can take; None for no limit.
    refused: shoppers who found nothing when they first asked, served later or not.
    horizons: asks and returned units by several moments ahead. Without any, the shoppers who may
        still ask are all taken to ask before a unit comes back.
    units_held: units in holds.
    claim_share, hold_share, pay_share: the shares that claim, then hold, then pay.
    latecomers: shoppers who missed their call and are expected back for another.
    depletion: how the free units go as shoppers ask, where a room sells several SKUs. Shoppers ask
        for more units than there are before the last one is taken, since some want what is gone.
    """

    called: float = 0
    disappointed: int = 0
    asking: float = 0
    askers_mean: float = 0.0
    askers_var: float = 0.0
    ask_share: float = 1.0
    ask_doubt: float = 0.0
    askers_guess: float = 0.0
    ask_guess: float = 0.0
    units_mean: float = 1.0
    units_var: float = 0.0
    units_doubt: float = 0.0
    units_max: int | None = None
    refused: int = 0
    horizons: tuple[Horizon, ...] = ()
    units_held: int = 0
    claim_share: float = 1.0
    hold_share: float = 1.0
    pay_share: float = 1.0
    pay_doubt: float = 0.0
    latecomers: float = 0.0
    crowd: Crowd = field(default_factory=Crowd)
    tables: Tables | None = None
    depletion: Depletion | None = None

    def wanted(self, units: float) -> float:
        """Return the part of these free units that the shoppers called next will take."""
        return units if self.depletion is None else max(units - self.depletion.unwanted, 0.0)

    def asked_for(self, units: float) -> float:
        """Return the units that shoppers ask for until these free units are taken."""
        return units if self.depletion is None else self.depletion.asked_for(units)

    def for_new(self, units: float, back: float) -> float:
        """Return the free units and those that come back, without those for refused shoppers.

        Refused shoppers are served before any other. Where a room sells several SKUs, they wait for
        one that is gone, and leave all others.
        """
        if self.depletion is None:
            return units + back - self.crowd.refused * self.units_mean
        return units + self.depletion.for_new(back)

    def taking(self, asked: float) -> float:
        """Return the part of the units asked for that is taken, once `asked` units were."""
        return 1.0 if self.depletion is None else self.depletion.taking(asked)

    @property
    def asked_var(self) -> float:
        """Return the variance of that number, from who chooses which SKU."""
        return 0.0 if self.depletion is None else self.depletion.last.var

    @property
    def asker_mean(self) -> float:
        """Return the mean number of units that an asker ends up with."""
        return self.units_mean * self.pay_share

    @property
    def asker_var(self) -> float:
        return self._asker_square - self.asker_mean**2

    @property
    def call_mean(self) -> float:
        """Return the mean number of units that a new call ends up with."""
        return self.ask_share * self.asker_mean

    @property
    def call_var(self) -> float:
        return self.ask_share * self._asker_square - self.call_mean**2

    @property
    def _asker_square(self) -> float:
        return (self.units_var + self.units_mean**2) * self.pay_share

    @property
    def moments(self) -> tuple[Horizon, ...]:
        """The horizons, or the one without end if there are none."""
        without_end = Horizon(
            asks_mean=self.askers_mean, asks_var=self.askers_var, new_asks=self.ask_share
        )
        return self.horizons or (without_end,)

    def with_calls(self, calls: int) -> "Outlook":
        """Count calls made since the outlook; a tick without them would make them again."""
        share = self.ask_share
        return replace(
            self,
            called=self.called + calls,
            asking=self.asking + calls,
            askers_mean=self.askers_mean + calls * share,
            askers_var=self.askers_var + calls * share * (1 - share),
            askers_guess=self.askers_guess + calls * self.ask_guess,
            horizons=tuple(horizon.with_calls(calls) for horizon in self.horizons),
        )

    def with_units_freed(self, units: int) -> "Outlook":
        """Count units that came free since the outlook; they do not come back a second time."""
        if units <= 0:
            return self
        horizons = tuple(horizon.with_units_freed(units) for horizon in self.horizons)
        return replace(self, horizons=horizons)


@dataclass(slots=True)
class _Course:
    """A stage by whole seconds of age: who is still in it, and who left it in this way by then."""

    left: list[float]
    gone: list[float]

    @classmethod
    def of(cls, table: LifeTable, *, on: bool) -> "_Course":
        left, gone = [1.0], [0.0]
        rates = table.on if on else table.off
        for bucket, (start, end) in enumerate(zip(table.ages, (*table.ages[1:], inf), strict=True)):
            rate = table.on[bucket] + table.off[bucket]
            seconds = max(round(min(end, SECONDS_MAX)) - round(start), 0)
            # After so many seconds hardly any shopper is left.
            seconds = min(seconds, int(log(left[-1] / LEFT_LEAST) / rate) + 1)
            here, there, part = left[-1], gone[-1], rates[bucket] / rate
            stays = list(accumulate(repeat(exp(-rate), seconds), mul, initial=here))[1:]
            left += stays
            gone += [there + (here - stay) * part for stay in stays]
            if left[-1] < LEFT_LEAST:
                break
        return cls(left, gone)

    def chances(self, age: int, times: Sequence[int]) -> list[float]:
        """Return the chances that one of this age leaves in this way, by each of the times."""
        gone, last = self.gone, len(self.gone) - 1
        if age >= last:
            return [0.0] * len(times)
        here, share = gone[age], 1.0 / self.left[age]
        return [(gone[min(last, age + time)] - here) * share if time > 0 else 0.0 for time in times]

    def moments(self) -> list[int]:
        """Return moments that stand for all who ever leave in this way, each for the same share."""
        return [
            bisect_left(self.gone, self.share * (moment + 0.5) / MOMENTS)
            for moment in range(MOMENTS)
        ]

    @property
    def share(self) -> float:
        return self.gone[-1]


def horizons(
    *,
    called: Counter[int],
    inside: Counter[int],
    holding: Counter[int],
    claim: LifeTable,
    hold: LifeTable,
    pay: LifeTable,
) -> tuple[Horizon, ...]:
    """Return all horizons; the last one is without end.

    `called` and `inside` are shoppers who may still ask, by age, and `holding` units in baskets.
    """
    claims, holds = _Course.of(claim, on=True), _Course.of(hold, on=True)
    gives_up = _Course.of(pay, on=False)
    moments, each = holds.moments(), holds.share / MOMENTS
    asks = _Sums()
    for age, shoppers in called.items():
        asks.add(shoppers, _claimed(claims, age, moments, each))
    for age, shoppers in inside.items():
        asks.add(shoppers, holds.chances(age, HORIZONS_S))
    back, later = _Sums(), _Sums()
    for age, units in holding.items():
        back.add(units, gives_up.chances(age, BACK_S))
        later.add(units, gives_up.chances(age, LATER_S))
    new = _claimed(claims, 0, moments, each)
    return tuple(
        Horizon(
            asks_mean=asks.mean[at],
            asks_var=asks.var[at],
            new_asks=new[at],
            back_mean=back.mean[at],
            back_var=back.var[at],
            later_mean=later.mean[at],
            later_var=later.var[at],
        )
        for at in range(len(HORIZONS_S))
    )


class _Sums:
    """Mean and variance of a number of successes by each horizon, over independent trials."""

    def __init__(self) -> None:
        self.mean, self.var = [0.0] * len(HORIZONS_S), [0.0] * len(HORIZONS_S)

    def add(self, trials: int, chances: Sequence[float]) -> None:
        mean, var = self.mean, self.var
        for at, chance in enumerate(chances):
            part = trials * chance
            mean[at] += part
            var[at] += part * (1.0 - chance)


def _claimed(claims: _Course, age: int, moments: Sequence[int], each: float) -> list[float]:
    """Return the chances that a called shopper will have asked, by each horizon."""
    sums = [0.0] * len(HORIZONS_S)
    for moment in moments:
        for at, chance in enumerate(claims.chances(age, [s - moment for s in HORIZONS_S])):
            sums[at] += chance * each
    return sums
