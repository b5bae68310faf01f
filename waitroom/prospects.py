"""What is to be expected of the wait: how fast the line will move, and for whom it will do. Pure.

Two figures carry it. `calls_left` is how many more calls the stock will do for, once all that is in
baskets has been bought or has come back; and the pace is how fast they are made. While the stock is
what bounds the calls they follow what comes back, and `waitroom/flow.py` says when that is. Where
seats or a rate bound the calls, a place waits place / pace.

How wide the bands are is learned too, from how earlier ones turned out: the quantiles of the
logarithm of actual over expected wait, beginning from a cautious guess. This is split conformal
prediction on the sale's own record (Vovk, Gammerman and Shafer, 2005), whose coverage holds however
wrong the middle is, as long as errors stay alike for a while.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import erfc, exp, inf, log, sqrt

from waitroom.demand import Outlook
from waitroom.flow import Flow, flow

# The band's stated coverage is what lies between these quantiles.
LOW_QUANTILE, HIGH_QUANTILE = 0.1, 0.9
# A line that moves no faster than this, one call in a quarter of an hour, tells nothing of a wait.
PER_SECOND_LEAST = 0.001
# Before anything is known: the standard deviation of the log error, as so many observations.
ERROR_FIRST, ERROR_FIRST_COUNT = 0.7, 24
ERRORS_KEPT = 240
# What was told is looked at again for a few places, this often.
TELL_EVERY_S = 10.0
TOLD_MAX = 1_000
# With such a chance somebody is taken to be called some day.
LIKELY = 0.7
# What is to come is worked out anew this often.
FLOW_EVERY_S = 10.0
# The pace is averaged over about so long.
PACE_MEMORY_S = 120.0
# How well the share of paid holds is known, as a relative variance.
PAY_DOUBT = 0.01
# Bounds on the calls that have nothing to do with the stock.
STEADY = frozenset({"seats", "per_minute", "batch", "checkout"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospects:
    """What a table is made from. Without stock `units` is None, and there is something for all.

    `spoken_mean` and `spoken_var` are of the units that those ahead of the line will end up with,
    `each_mean` and `each_var` of those that one call takes in the end; `doubt` is the relative
    variance of both together. `low` and `high` are factors around the middle of a wait.
    """

    per_second: float | None
    calls_left: float = inf
    steady: bool = True
    flow: Flow | None = None
    low: float = exp(-1.2816 * ERROR_FIRST)
    high: float = exp(1.2816 * ERROR_FIRST)
    units: float | None = None
    spoken_mean: float = 0.0
    sure_mean: float = 0.0
    spoken_var: float = 0.0
    each_mean: float = 1.0
    each_var: float = 0.0
    doubt: float = 0.0

    def wait_s(self, place: int) -> float | None:
        """Return the middle of the wait at a place, None while nobody can know it."""
        if self.calls_left <= 0:
            return None
        if not self.steady and self.flow is not None and self.flow.total > 0:
            # A wait is for those who will be called; that they are makes more calls likely.
            return self.flow.wait_s(place / (self.calls_left + self.calls_sd))
        known = self.per_second is not None and self.per_second > PER_SECOND_LEAST
        return place / self.per_second if known and self.per_second else None

    @property
    def calls_sd(self) -> float:
        """How far off the number of calls left may be."""
        if self.calls_left == inf:
            return 0.0
        var = self.spoken_var + self.calls_left * self.each_var
        taken = self.spoken_mean + self.calls_left * self.each_mean
        return sqrt(var + self.doubt * (taken - self.sure_mean) ** 2) / self.each_mean

    def chance(self, place: int) -> float:
        """Return the chance that something can be had when a place's turn comes.

        Those ahead end up with a sum of many small independent quantities; the normal
        approximation of it, doubt included, is held against the units. Beyond the last that it
        will likely do for, the doubt is that about the last: the chance only ever falls.
        """
        if self.units is None:
            return 1.0
        if self.units < 1:
            return 0.0
        mean = self.spoken_mean + (place - 1) * self.each_mean
        unsure = min(place - 1, self.calls_left)
        doubted = self.doubt * (self.spoken_mean - self.sure_mean + unsure * self.each_mean) ** 2
        var = self.spoken_var + unsure * self.each_var + doubted + 0.25
        return round(0.5 * erfc((mean + 0.5 - self.units) / sqrt(2 * var)), 3)

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
    askers = outlook.askers_mean + kept
    askers_var = outlook.askers_var + kept * (1 - ask)
    sure = units_held * paid
    each_mean = ask * asker_mean
    units = float(units_free + units_held + units_promised)
    spoken = sure + askers * asker_mean
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
        doubt=outlook.ask_doubt + outlook.units_doubt + PAY_DOUBT,
    )


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
class Record:
    """How the waits that were told turned out, and how wide bands have to be for it."""

    errors: deque[float] = field(default_factory=lambda: deque(maxlen=ERRORS_KEPT))
    _told: deque[tuple[int, float, float, bool]] = field(default_factory=deque)
    _told_at: float = float("-inf")

    def tell(self, now: float, waits: Iterable[tuple[int, float, bool]]) -> None:
        """Keep the middle of what some numbers were told, and whether they will likely be called.

        Now and then; what is told between looks is much the same.
        """
        if now - self._told_at < TELL_EVERY_S:
            return
        self._told_at = now
        self._told.extend((number, now, wait_s, likely) for number, wait_s, likely in waits)
        while len(self._told) > TOLD_MAX:
            self._told.popleft()

    def see(self, now: float, head: int) -> None:
        """Learn from those whose turn has come."""
        waiting: deque[tuple[int, float, float, bool]] = deque()
        for told in self._told:
            if told[0] <= head:
                self.errors.append(_error(now - told[1], told[2]))
            else:
                waiting.append(told)
        self._told = waiting

    def forget_told(self) -> None:
        """Let go of what was told: a pause says nothing about the pace."""
        self._told.clear()

    def factors(self, now: float) -> tuple[float, float]:
        """Return what the middle of a wait is multiplied with for either end of the band.

        The quick ones are called first, so those alone would make it look too quick. Whoever still
        waits is known to take longer than so far, which is what the estimator of Kaplan and Meier
        is for. Who will hardly be called does not count: a wait is for those who will.
        """
        known = [(error, True) for error in (*self.errors, *_FIRST_ERRORS)]
        known += [
            (_error(now - at, wait_s), False) for _, at, wait_s, likely in self._told if likely
        ]
        known.sort()
        low = high = None
        share = 1.0
        for index, (error, called) in enumerate(known):
            if called:
                share *= 1 - 1 / (len(known) - index)
                if low is None and share <= 1 - LOW_QUANTILE:
                    low = error
                if share <= 1 - HIGH_QUANTILE + 1e-9:
                    high = error
                    break
        last = known[-1][0]
        return exp(last if low is None else low), exp(last if high is None else high)


@dataclass(slots=True)
class Forecaster:
    """What the leader remembers of a line to say how long it takes. Losing it loses no promise."""

    steady: Pace = field(default_factory=Pace)
    record: Record = field(default_factory=Record)
    prospects: Prospects = field(default_factory=lambda: Prospects(per_second=None))
    _flow: Flow | None = None
    _flow_at: float = float("-inf")

    def see(
        self, now: float, *, head: int, calls: float, freed: float, bound: str, passed_s: float
    ) -> None:
        """Learn from a tick in which people waited: its calls, and the seats that came free.

        Where seats bound the calls the line moves as fast as they come free; the calls that fill
        empty seats at the start say nothing about that.
        """
        self.record.see(now, head)
        if bound in STEADY:
            self.steady.note(freed if bound == "seats" else calls, passed_s=passed_s)

    def look(
        self,
        now: float,
        *,
        outlook: Outlook | None,
        units_free: int,
        units_held: int,
        bound: str,
        units_promised: int = 0,
        share: float = 1.0,
    ) -> Prospects:
        """Return the prospects of this moment; `outlook` is None where there is no stock.

        `share` is this line's part of the room's calls and of what the stock will do for.
        """
        low, high = self.record.factors(now)
        if outlook is None:
            self.prospects = Prospects(per_second=self.steady.per_second, low=low, high=high)
            return self.prospects
        stock = stock_prospects(
            outlook, units_free=units_free, units_held=units_held, units_promised=units_promised
        )
        calls_left, steady = stock.calls_left * share, bound in STEADY
        if not steady and not self._flow_at <= now < self._flow_at + FLOW_EVERY_S:
            self._flow_at = now
            self._flow = flow(outlook, units_free=units_free, units_promised=units_promised)
        per_second = self.steady.per_second
        if not steady and self._flow is not None:
            per_second = self._flow.per_second * share
        self.prospects = replace(
            stock,
            per_second=per_second,
            calls_left=calls_left,
            steady=steady,
            flow=self._flow,
            low=low,
            high=high,
            # Whoever stands in the other lanes takes from the same stock.
            each_mean=stock.each_mean / share,
            each_var=stock.each_var / share,
        )
        return self.prospects

    def tell(self, now: float, *, head: int, places: Iterable[int], calling: bool) -> None:
        """Remember what was told, so that it can be held against what comes."""
        if not calling:
            self.record.forget_told()
            return
        told = []
        for place in places:
            wait_s = self.prospects.wait_s(place)
            if wait_s is not None:
                likely = self.prospects.chance(place) >= LIKELY
                told.append((head + place, wait_s, likely))
        self.record.tell(now, told)


def _error(actual_s: float, told_s: float) -> float:
    # A few seconds more or less are no error: the tick and the page's own pace make them.
    return log((actual_s + 3) / (told_s + 3))


# Normal quantiles by the logistic approximation; they stand for what is known beforehand.
_FIRST_ERRORS = [
    ERROR_FIRST * log(p / (1 - p)) / 1.702
    for p in ((i + 0.5) / ERROR_FIRST_COUNT for i in range(ERROR_FIRST_COUNT))
]
