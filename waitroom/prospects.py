"""What is to be expected of the wait: how fast the line will move, and for whom it will do. Pure.

Both come from one number: how many more calls will have been made by some time. Its mean grows with
time as `waitroom/flow.py` has it, or evenly where seats or a rate bound the calls, up to
`calls_left`, which is how many the stock will do for once all that is in baskets has been bought or
has come back. It is taken as normal, with a variance for what each shopper may do and one for how
little is known of them. A place is reached when so many calls have been made: how likely that is at
all is the chance, and how likely it is by some time, of those who are reached, is the wait. How far
that is off is learned in `waitroom/record.py`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import erfc, inf, sqrt

from waitroom.demand import KNOWN_MAX, Outlook
from waitroom.flow import Flow, flow
from waitroom.rates import PRIOR_SHOPPERS, LifeTable
from waitroom.record import (
    FIRST_LEVELS,
    HIGH_QUANTILE,
    LOW_QUANTILE,
    NORMAL,
    TELL_EVERY_S,
    Record,
    Wait,
)

# A line that moves no faster than this, one call in a quarter of an hour, tells nothing of a wait.
PER_SECOND_LEAST = 0.001
# With a smaller chance than this somebody's wait says little of those who are called.
LIKELY = 0.3
# What is to come is worked out anew this often.
FLOW_EVERY_S = 10.0
# The pace is averaged over about so long, and may change by about so much of itself.
PACE_MEMORY_S, PACE_DOUBT = 120.0, 0.5
# By how much of their shares real shoppers may differ from the imagined ones.
IMAGINED_DOUBT = 0.4
# Nobody is reached with a smaller chance than this: beyond it a normal says nothing.
REACHED_LEAST = 1e-9
# Bounds on the calls that have nothing to do with the stock.
STEADY = frozenset({"seats", "per_minute", "batch", "checkout"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospects:
    """What a table is made from. Without stock `units` is None, and there is something for all.

    `spoken_mean` and `spoken_var` are of the units that those ahead of the line will end up with,
    `sure_mean` of these are in baskets; `each_mean` and `each_var` are of those that one call takes
    in the end. `doubt` is the relative variance with which it is known how many units are asked
    for, `pay_doubt` that of how many are paid. `share` is the line's part of the room's calls.
    `low` and `high` are where the ends of the bands lie (`waitroom/record.py`).
    """

    per_second: float | None
    calls_left: float = inf
    steady: bool = True
    flow: Flow | None = None
    share: float = 1.0
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

    def band(self, place: int) -> tuple[float, float] | None:
        """Return the earliest and the latest wait at a place, None while nobody can know them."""
        wait = self.wait(place)
        return None if wait is None else (wait.at(self.low), wait.at(self.high))

    def wait(self, place: int) -> Wait | None:
        """Return what is expected of the wait at a place, None while nobody can know it."""
        if self.calls_left <= 0:
            return None
        by_flow = not self.steady and self.flow is not None and self.flow.total > 0
        if not by_flow and (self.per_second is None or self.per_second <= PER_SECOND_LEAST):
            return None
        return Wait.of(*(self._time_of(calls) for calls in self._calls_at(place)))

    def _time_of(self, calls: float) -> float:
        if not self.steady and self.flow is not None and self.flow.total > 0:
            return self.flow.time_of(calls / self.share, of=self.calls_left / self.share)
        return calls / self.per_second if self.per_second else inf

    def _calls_at(self, place: int) -> Iterator[float]:
        """Yield how many calls are to be expected by the quantiles of the wait at a place.

        With a mean m the calls have the variance a m + b m^2, so they come to a place with the
        share of z where m - z sd(m) is the place: that is a quadratic equation. The shares are of
        those who are reached at all.
        """
        ahead, (a, b) = place - 0.5, self._spread()
        reached = 1.0
        if self.calls_left < inf:
            sd = sqrt(self.calls_left * (a + b * self.calls_left)) + 1e-6
            reached = NORMAL.cdf((self.calls_left - ahead) / sd)
        for share in (LOW_QUANTILE, 0.5, HIGH_QUANTILE):
            z = NORMAL.inv_cdf(max(share * reached, REACHED_LEAST))
            half, whole = ahead + z**2 * a / 2, 1 - z**2 * b
            if whole > 0:
                root = sqrt(max(half**2 - whole * ahead**2, 0.0))
                calls = (half + root if z > 0 else half - root) / whole
            else:
                calls = inf if z > 0 else ahead**2 / (2 * half)
            yield min(calls, self.calls_left)

    def _spread(self) -> tuple[float, float]:
        """Return what the variance of the calls has for each of them, and for their square."""
        if self.calls_left == inf:
            return 1.0, PACE_DOUBT**2
        calls, each = self.calls_left, self.each_mean
        unsure = self.doubt * ((self.spoken_mean - self.sure_mean) / calls + each) ** 2
        unpaid = self.pay_doubt * (self.spoken_mean / calls + each) ** 2
        a, b = (self.spoken_var / calls + self.each_var) / each**2, (unsure + unpaid) / each**2
        return (max(a, 1.0), max(b, PACE_DOUBT**2)) if self.steady else (a, b)

    def chance(self, place: int) -> float:
        """Return the chance that something can be had when a place's turn comes.

        What those ahead end up with, doubt included, is held against the units. Beyond the last
        that it will likely do for, the doubt is that about the last: the chance only ever falls.
        """
        if self.units is None:
            return 1.0
        if self.units < 1:
            return 0.0
        mean = self.spoken_mean + (place - 1) * self.each_mean
        unsure = min(place - 1, self.calls_left)
        taken = self.spoken_mean + unsure * self.each_mean
        doubted = self.doubt * (taken - self.sure_mean) ** 2 + self.pay_doubt * taken**2
        var = self.spoken_var + unsure * self.each_var + doubted
        return round(0.5 * erfc((mean + 0.5 - self.units) / sqrt(2 * var + 1e-6)), 3)

    @property
    def knee(self) -> float:
        """The place around which the chance falls."""
        return self.calls_left if self.calls_left < inf else 0.0


def stock_prospects(
    outlook: Outlook, *, units_free: int, units_held: int, units_promised: int = 0
) -> Prospects:
    """Return the part of the prospects that the stock decides, without a pace.

    Whoever has been at something for long is less likely to go on than somebody who has just
    begun, so both baskets and promises are weighed by their ages.
    """
    each, var, pay = outlook.units_mean, outlook.units_var, outlook.pay_share
    squares = (var + each**2) * pay
    asker_mean, asker_var = each * pay, squares - (each * pay) ** 2
    paid, kept = _paid_share(outlook), _kept_askers(outlook)
    ask = outlook.ask_share
    # Whoever was refused is served before the line.
    askers = outlook.askers_mean + kept + outlook.crowd.refused
    askers_var = outlook.askers_var + kept * (1 - ask)
    sure = units_held * paid
    each_mean = ask * asker_mean
    units = float(units_free + units_held + units_promised)
    spoken = sure + askers * asker_mean
    ask_guess, pay_guess = _guesses(outlook)
    return Prospects(
        per_second=None,
        calls_left=max((units - spoken) / each_mean, 0.0) if each_mean > 0 else inf,
        units=units,
        spoken_mean=spoken,
        sure_mean=sure,
        spoken_var=units_held * each * paid * (1 - paid)
        + askers * asker_var
        + askers_var * asker_mean**2,
        each_mean=each_mean,
        each_var=ask * squares - each_mean**2,
        doubt=outlook.ask_doubt + outlook.units_doubt + ask_guess,
        pay_doubt=pay_guess,
    )


def _guesses(outlook: Outlook) -> tuple[float, float]:
    """Return what is to be added to the doubt about asking, and all of that about paying.

    What was imagined before anybody was seen is a guess, which weighs less with each who is seen.
    The policy is content with erring on the safe side; a chance has to say how little is known.
    """
    if outlook.tables is None:
        return 0.0, 0.0
    claim, hold, pay, _ = outlook.tables
    sampled = (1 - pay.share) / (pay.share * min(pay.weight, KNOWN_MAX))
    return _imagined(claim) + _imagined(hold), sampled + _imagined(pay)


def _imagined(table: LifeTable) -> float:
    return (IMAGINED_DOUBT * PRIOR_SHOPPERS / table.weight) ** 2


def _paid_share(outlook: Outlook) -> float:
    """Return the share of the units in baskets that will be bought, by the ages of the baskets."""
    crowd, tables = outlook.crowd, outlook.tables
    units = sum(crowd.holding.values()) + sum(crowd.paying.values())
    if tables is None or not units:
        return outlook.pay_share
    # Some payments fail, and their holds go on.
    settled = outlook.pay_share / tables.pay.share
    paid = sum(count * tables.pay.chance(age + 0.5) for age, count in crowd.holding.items())
    paying = sum(crowd.paying.values()) * tables.settle.share
    return min((paid * settled + paying) / units, 1.0)


def _kept_askers(outlook: Outlook) -> float:
    """Return how many of those who carry a promise will ask."""
    crowd, tables = outlook.crowd, outlook.tables
    if tables is None:
        return 0.0
    claim, hold = tables.claim, tables.hold
    called = sum(n * claim.chance(age + 0.5) for age, n in crowd.promised_called.items())
    inside = sum(n * hold.chance(age + 0.5) for age, n in crowd.promised_inside.items())
    return called * hold.share + inside


@dataclass(slots=True)
class Pace:
    """Calls a second, averaged over about two minutes by the time that passed."""

    per_second: float | None = None
    _seen_s: float = 0.0

    def note(self, calls: float, *, passed_s: float) -> None:
        """Count the calls of a tick."""
        if passed_s <= 0:
            return
        self._seen_s = min(self._seen_s + passed_s, PACE_MEMORY_S)
        weight = min(passed_s / self._seen_s, 1.0)
        self.per_second = (1 - weight) * (self.per_second or 0.0) + weight * calls / passed_s


@dataclass(slots=True)
class Supply:
    """What the leader remembers of a room's stock: the flow of the next minutes, for all lines."""

    _flow: Flow | None = None
    _flow_at: float = -inf

    def look(
        self,
        now: float,
        *,
        outlook: Outlook,
        units_free: int,
        units_held: int,
        bound: str,
        units_promised: int = 0,
    ) -> Prospects:
        """Return the prospects of the room as if it had one line, as far as the stock decides."""
        stock = stock_prospects(
            outlook, units_free=units_free, units_held=units_held, units_promised=units_promised
        )
        if bound in STEADY:
            return stock
        if not self._flow_at <= now < self._flow_at + FLOW_EVERY_S:
            self._flow_at = now
            self._flow = flow(outlook, units_free=units_free, units_promised=units_promised)
        pace = None if self._flow is None else self._flow.per_second
        return replace(stock, steady=False, flow=self._flow, per_second=pace)


@dataclass(slots=True)
class Forecaster:
    """What the leader remembers of a line to say how long it takes. Losing it loses no promise."""

    steady: Pace = field(default_factory=Pace)
    record: Record = field(default_factory=Record)
    prospects: Prospects = field(default_factory=lambda: Prospects(per_second=None))
    _levels: tuple[float, float] = FIRST_LEVELS
    _levels_at: float = -inf

    def see(
        self, now: float, *, head: int, calls: float, freed: float, bound: str, passed_s: float
    ) -> None:
        """Learn from a tick in which people waited: its calls, and the seats that came free.

        Where seats bound the calls the line moves as fast as they come free; the calls that fill
        empty seats at the start say nothing about that. What bounds them may change from tick to
        tick, so all count.
        """
        self.record.see(now, head)
        self.steady.note(freed if bound == "seats" else calls, passed_s=passed_s)

    def look(self, now: float, *, stock: Prospects | None, share: float = 1.0) -> Prospects:
        """Return the prospects of this moment; `stock` is the room's, None where there is none.

        `share` is this line's part of the room's calls and of what the stock will do for.
        """
        if not self._levels_at <= now < self._levels_at + TELL_EVERY_S:
            self._levels, self._levels_at = self.record.levels(now), now
        low, high = self._levels
        if stock is None:
            self.prospects = Prospects(per_second=self.steady.per_second, low=low, high=high)
            return self.prospects
        pace = None if stock.per_second is None else stock.per_second * share
        self.prospects = replace(
            stock,
            per_second=self.steady.per_second if pace is None else pace,
            calls_left=stock.calls_left * share,
            share=share,
            low=low,
            high=high,
            # Whoever stands in the other lanes takes from the same stock.
            each_mean=stock.each_mean / share,
            each_var=stock.each_var / share,
        )
        return self.prospects

    def tell(self, now: float, *, head: int, places: Iterable[int], calling: bool) -> None:
        """Remember what was told, now and then, so that it can be held against what comes."""
        if not calling:
            self.record.forget_told()
        elif self.record.is_due(now):
            likely = (place for place in places if self.prospects.chance(place) >= LIKELY)
            waits = ((head + place, self.prospects.wait(place)) for place in likely)
            self.record.tell(now, [(number, wait) for number, wait in waits if wait is not None])
