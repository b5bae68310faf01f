"""Prospects: the wait at each place in line, and the chance that stock is left there. Pure.

Both follow from one random number: how many more calls will have been made by a given time.

* Its mean grows with time, as `flow` says where stock or seats bound the calls, and evenly where a
  rate bounds them. It ends at `calls_left`: the calls that the stock can serve once every unit in a
  basket has been bought or has come back.
* It is taken as normal. One part of its variance is for the choices of each shopper, the other for
  how little is known about shoppers as yet.

A place is reached once that many calls have been made. The chance of a place is the probability
that it is ever reached with stock left. Its wait is the distribution of the time until then, given
that the place is reached. `track_record` learns how far such waits are off.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import erfc, inf, sqrt

from waitroom.line.assortment.depletion import Depletion
from waitroom.line.forecast.flow import STEP_S, Flow
from waitroom.line.forecast.outlook import Outlook
from waitroom.line.forecast.track_record import (
    FIRST_LEVELS,
    GRAIN_S,
    HIGH_QUANTILE,
    LOW_QUANTILE,
    NORMAL,
    Wait,
)
from waitroom.line.forecast.wanted import Wanted

# A line that moves no faster than one call in a quarter of an hour says nothing about a wait.
PER_SECOND_LEAST = 0.001
# A steady pace may change by about this share of itself.
PACE_DOUBT = 0.5
# The least probability of being reached that is used: further out a normal says nothing.
REACHED_LEAST = 1e-9
# Points of a normal, in deviations, and their weights.
NODES = (
    (0.0, 0.53333),
    (1.35563, 0.22208),
    (-1.35563, 0.22208),
    (2.85697, 0.011255),
    (-2.85697, 0.011255),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfProspects:
    """The prospects of one SKU, as figures of `Prospects` for this SKU alone.

    units: the units of any SKU that shoppers end up with or miss until this SKU is gone.
    choice_var: the variance of `units`, from who chooses what.
    """

    sku_id: int
    units: float
    calls_left: float
    choice_var: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospects:
    """The figures from which a wait table is made.

    per_second: calls a second where the pace is steady; None while it is unknown.
    calls_left: the expected number of calls that the stock can still serve; infinite without stock.
    steady: whether the calls come evenly, as by a rate, and not as the flow says.
    flow: the calls to come where stock or seats bound them.
    flow_sd: the standard deviation of the flow's calls at each step.
    share: this line's part of the room's calls.
    held_to: the calls a second to which a slow checkout holds the line; None if it does not.
    ahead: shoppers of other lines who are called before any of this one.
    low, high: where the ends of the bands lie, in deviations (`track_record`).
    units: units that shoppers may still end up with; None in a room without stock.
    spoken_mean, spoken_var: of the units that shoppers ahead of the line will end up with.
    sure_mean: the part of `spoken_mean` that is in baskets.
    each_mean, each_var: of the units that one call ends up with.
    shelves: the prospects of each SKU, where a room sells several.
    choice_var: the variance of `units` there, from who chooses what.
    flexible: the part of the shoppers who take another SKU when theirs is gone.
    doubt: the relative variance of our estimate of the units that are asked for.
    pay_doubt: the relative variance of our estimate of the units that are paid.
    """

    per_second: float | None
    calls_left: float = inf
    steady: bool = True
    flow: Flow | None = None
    flow_sd: tuple[float, ...] = ()
    share: float = 1.0
    held_to: float | None = None
    ahead: int = 0
    low: float = FIRST_LEVELS[0]
    high: float = FIRST_LEVELS[1]
    units: float | None = None
    spoken_mean: float = 0.0
    sure_mean: float = 0.0
    spoken_var: float = 0.0
    each_mean: float = 1.0
    each_var: float = 0.0
    doubt: float = 0.0
    pay_doubt: float = 0.0
    shelves: tuple[ShelfProspects, ...] = ()
    choice_var: float = 0.0
    flexible: float = 1.0

    def band(self, place: int) -> tuple[float, float] | None:
        """Return the earliest and the latest wait at a place, or None while they are unknown."""
        wait = self.wait(place)
        return None if wait is None else (wait.at(self.low), wait.at(self.high))

    def wait(self, place: int) -> Wait | None:
        """Return the distribution of the wait at a place, or None while it is unknown."""
        if self.calls_left <= 0:
            return None
        if not self._by_flow and (self.per_second is None or self.per_second <= PER_SECOND_LEAST):
            return None
        ahead = self.ahead + place - 0.5
        reached = 1.0
        if self.calls_left < inf:
            a, b = self._spread()
            sd = sqrt(self.calls_left * (a + b * self.calls_left)) + 1e-6
            reached = NORMAL.cdf((self.calls_left - ahead) / sd)
        levels = (
            NORMAL.inv_cdf(min(max(share * reached, REACHED_LEAST), 1 - REACHED_LEAST))
            for share in (LOW_QUANTILE, 0.5, HIGH_QUANTILE)
        )
        low_s, middle_s, high_s = (self._time_to(ahead, level) for level in levels)
        if self.held_to is not None:
            # The end of a slow checkout is unknown: it may end now, or last until the turn comes.
            held_s = ahead / self.held_to
            between_s = sqrt((middle_s + GRAIN_S) * (held_s + GRAIN_S)) - GRAIN_S
            middle_s, high_s = max(middle_s, between_s), max(high_s, held_s)
        return Wait.of(low_s, middle_s, high_s)

    @property
    def _by_flow(self) -> bool:
        return not self.steady and self.flow is not None and self.flow.total > 0

    def _time_to(self, ahead: float, level: float) -> float:
        """Return the seconds until `ahead` calls are made.

        `level` says how many standard deviations below their mean the calls turn out to be.
        """
        if self.flow is None or not self._by_flow:
            return self._calls_for(ahead, level) / self.per_second if self.per_second else inf
        flow, before = self.flow, 0.0
        for step, (calls, sd) in enumerate(zip(flow.calls, self.flow_sd, strict=True)):
            by_then = (calls - level * sd) * self.share
            if by_then >= ahead:
                return (step + (ahead - before) / (by_then - before)) * STEP_S
            before = max(before, by_then)
        calls = self._calls_for(ahead, level)
        late_s = flow.time_of(calls / self.share, of=self.calls_left / self.share)
        return max(late_s, len(flow.calls) * STEP_S)

    def _calls_for(self, ahead: float, level: float) -> float:
        """Return the mean number of calls at which `ahead` calls are made with a given level.

        With mean m the calls have the variance a m + b m^2. At the level z the calls made are
        m - z sd(m). Setting this equal to `ahead` gives a quadratic equation for m.
        """
        a, b = self._spread()
        half, whole = ahead + level**2 * a / 2, 1 - level**2 * b
        if whole > 0:
            root = sqrt(max(half**2 - whole * ahead**2, 0.0))
            calls = (half + root if level > 0 else half - root) / whole
        else:
            calls = inf if level > 0 else ahead**2 / (2 * half)
        return min(calls, self.calls_left)

    def _spread(self) -> tuple[float, float]:
        """Return the coefficients a and b of the calls' variance, a m + b m^2 at the mean m."""
        if self.calls_left == inf:
            return 1.0, PACE_DOUBT**2
        calls, each = self.calls_left, self.each_mean
        unsure = self.doubt * ((self.spoken_mean - self.sure_mean) / calls + each) ** 2
        unpaid = self.pay_doubt * (self.spoken_mean / calls + each) ** 2
        spoken_var = self.spoken_var + self.choice_var
        a, b = (spoken_var / calls + self.each_var) / each**2, (unsure + unpaid) / each**2
        return (max(a, 1.0), max(b, PACE_DOUBT**2)) if self.steady else (a, b)

    def chance(self, place: int) -> float:
        """Return the probability that a unit is left when a place is called.

        Something is left at least as likely as any one SKU is.
        """
        if self.units is None:
            return 1.0
        last = self._chance(place, self.units, self.calls_left, self.choice_var)
        if not self.shelves:
            return last
        some = (1 - self.flexible) * self._some(place) + self.flexible * last
        return round(max((some, *(self.chance_of(shelf, place) for shelf in self.shelves))), 3)

    def _some(self, place: int) -> float:
        """Return the probability that any SKU is left, where each goes by its own shoppers.

        By chance one or another SKU lasts longer than expected, so that all of them are gone later
        than the last is expected to be. Flexible shoppers even that out. The demand of all shoppers
        together is doubted for all SKUs alike: the probability is averaged over it by five points
        of a normal (Gauss and Hermite).
        """
        mean, var = self._asked(place, self.calls_left)
        found = 0.0
        for deviation, weight in NODES:
            asked, gone = mean + deviation * sqrt(var), 1.0
            for shelf in self.shelves:
                units = shelf.units - self.sure_mean
                gone *= 1 - beyond(asked, mean=units, var=shelf.choice_var)
            found += weight * (1 - gone)
        return found

    def _asked(self, place: int, calls_left: float) -> tuple[float, float]:
        """Return the units asked for ahead of a place, and their variance."""
        place += self.ahead
        unsure = min(place - 1, calls_left)
        taken = self.spoken_mean + unsure * self.each_mean
        doubted = self.doubt * (taken - self.sure_mean) ** 2 + self.pay_doubt * taken**2
        asked = self.spoken_mean - self.sure_mean + (place - 1) * self.each_mean
        return asked, self.spoken_var + unsure * self.each_var + doubted

    def chance_of(self, shelf: ShelfProspects, place: int) -> float:
        """Return the probability that a unit of one SKU is left when a place is called."""
        return self._chance(place, shelf.units, shelf.calls_left, shelf.choice_var)

    def _chance(self, place: int, units: float, calls_left: float, choice_var: float) -> float:
        """Return the probability that fewer units than these are asked for ahead of a place.

        The units that shoppers ahead end up with, with all doubt about them, are compared with the
        units there are. From the last place that the stock likely serves, the doubt grows no more:
        so the chance only falls with the place.
        """
        if units < 1:
            return 0.0
        asked, var = self._asked(place, calls_left)
        if choice_var:
            return round(beyond(asked, mean=units - self.sure_mean, var=var + choice_var), 3)
        mean = asked + self.sure_mean
        return round(0.5 * erfc((mean + 0.5 - units) / sqrt(2 * var + 1e-6)), 3)

    def variance_of(self, shelf: ShelfProspects) -> float:
        """Return the variance of the place at which a SKU is gone."""
        doubted = self.doubt * (shelf.units - self.sure_mean) ** 2 + self.pay_doubt * shelf.units**2
        var = self.spoken_var + shelf.choice_var + shelf.calls_left * self.each_var + doubted
        return var / self.each_mean**2 if self.each_mean else 0.0

    @property
    def knee(self) -> float:
        """Return the place around which the chance falls; 0 where it does not."""
        return max(self.calls_left - self.ahead, 0.0) if self.calls_left < inf else 0.0


def beyond(value: float, *, mean: float, var: float) -> float:
    """Return the probability that a gamma variable of this mean and variance exceeds a value.

    The shoppers who come until the last few units of one SKU have been chosen are gamma distributed
    and not normal: for a single unit, exponentially. This is the approximation by Wilson and
    Hilferty (1931), which takes the cube root as normal.
    """
    if value <= 0 or mean <= 0:
        return 1.0 if mean > 0 else 0.0
    ninth = var / (9 * mean**2)
    return 0.5 * erfc(((value / mean) ** (1 / 3) - 1 + ninth) / sqrt(2 * ninth + 1e-12))


def stock_prospects(
    outlook: Outlook,
    *,
    units_free: int,
    units_held: int,
    units_promised: int = 0,
    wanted: Wanted | None = None,
) -> Prospects:
    """Return the part of the prospects that depends on stock, without a pace.

    The longer a shopper stays in a stage, the less likely they are to go on. So baskets and
    promises are weighted by their ages. Where a room sells several SKUs, `wanted` tells of each.
    """
    asker_mean, each_mean, ask = outlook.asker_mean, outlook.call_mean, outlook.ask_share
    paid, kept = _paid_share(outlook), _kept_askers(outlook)
    # Shoppers who were refused are served before the line, and latecomers are called before it.
    late = outlook.latecomers * ask
    askers = outlook.askers_mean + kept + late
    if wanted is None:
        askers += outlook.crowd.refused
    askers_var = outlook.askers_var + kept * (1 - ask) + late
    sure = units_held * paid
    units = float(units_free + units_held + units_promised)
    spoken = sure + askers * asker_mean
    course = None
    if wanted is not None:
        course = wanted.net(outlook, askers=askers, paid_share=paid)
        units = sure + course.last.at
    alone = Prospects(
        per_second=None,
        calls_left=max((units - spoken) / each_mean, 0.0) if each_mean > 0 else inf,
        units=units,
        spoken_mean=spoken,
        sure_mean=sure,
        spoken_var=units_held * outlook.units_mean * paid * (1 - paid)
        + askers * outlook.asker_var
        + askers_var * asker_mean**2,
        each_mean=each_mean,
        each_var=outlook.call_var,
        doubt=outlook.ask_doubt + outlook.units_doubt + (outlook.ask_guess / ask) ** 2,
        pay_doubt=outlook.pay_doubt,
    )
    return alone if course is None else _with_shelves(alone, course)


def _with_shelves(alone: Prospects, course: Depletion) -> Prospects:
    """Return the prospects of all SKUs together with those of each."""
    shelves = []
    for sku_id, gone in course.skus.items():
        units = alone.sure_mean + gone.at
        left = max((units - alone.spoken_mean) / alone.each_mean, 0.0) if alone.each_mean else inf
        shelves.append(
            ShelfProspects(
                sku_id=sku_id,
                # A SKU that is gone now has nothing left, whatever is asked for.
                units=units if gone.at > 0 else 0.0,
                calls_left=left,
                choice_var=gone.var,
            )
        )
    return replace(
        alone, choice_var=course.last.var, shelves=tuple(shelves), flexible=course.flexible
    )


def _paid_share(outlook: Outlook) -> float:
    """Return the share of the units in baskets that will be bought, given the baskets' ages."""
    crowd, tables = outlook.crowd, outlook.tables
    units = sum(crowd.holding.values()) + sum(crowd.paying.values())
    if tables is None or not units:
        return outlook.pay_share
    # A payment that fails leaves its hold open, so a hold may be paid in a later attempt.
    settled = outlook.pay_share / tables.pay.share
    paid = sum(count * tables.pay.chance(age + 0.5) for age, count in crowd.holding.items())
    paying = sum(crowd.paying.values()) * tables.settle.share
    return min((paid * settled + paying) / units, 1.0)


def _kept_askers(outlook: Outlook) -> float:
    """Return the expected number of shoppers with a promise who will ask for a hold."""
    crowd, tables = outlook.crowd, outlook.tables
    if tables is None:
        return 0.0
    claim, hold = tables.claim, tables.hold
    called = sum(n * claim.chance(age + 0.5) for age, n in crowd.promised_called.items())
    inside = sum(n * hold.chance(age + 0.5) for age, n in crowd.promised_inside.items())
    return called * hold.share + inside


def flow_deviations(flow: Flow, outlook: Outlook, stock: Prospects) -> Iterator[float]:
    """Yield the standard deviation of the flow's calls at each step.

    It grows with the steps: by then more of the uncertain outcomes are known, and calls have
    followed them.
    """
    all_asked = flow.asked[-1] if flow.asked else 0.0
    for asked, bought, var in zip(flow.asked, flow.bought, flow.turned_out, strict=True):
        doubted = stock.doubt * (asked * outlook.pay_share) ** 2 + stock.pay_doubt * bought**2
        # Which SKU is gone when shows towards the end.
        chosen = stock.choice_var * asked / all_asked if all_asked else 0.0
        yield sqrt(var + doubted + chosen) / stock.each_mean
