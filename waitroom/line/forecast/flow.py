"""How many more calls will have been made by when, where the stock is what bounds them. Pure.

What comes back can be called for again: the units of those who stay away, want nothing or do not
pay. When it comes back follows from the ages of those inside and from what was learned of such
people, and whoever is called for it adds to what comes back later. So the crowd is taken forward
in steps, as expected numbers by stage and age, and the calls are what the policy would make of the
returns of each step: `expected` keeps units back while it doubts, and calls for them once it knows.
A rush at the opening comes back in rushes too, when windows, sessions and holds run out; no average
pace says that.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import log
from operator import mul

from waitroom.line.forecast.expected import calls_in_mean
from waitroom.line.forecast.outlook import Outlook, Tables
from waitroom.line.forecast.rates import LifeTable

STEP_S = 10.0
# No further than this: what is left then comes as slowly as at the end, and ever more slowly.
STEPS_MAX = 180
# It is done when a minute brings less than this share of all that came.
STEPS_LEAST, CALM_STEPS, CALM_SHARE = 30, 6, 0.003
# The very last call of all comes at some time, and not never.
LAST_SHARE = 0.001
# Ages are told apart, in steps, for as long as more than this share is still there.
AGES_LEAST, AGES_MAX, REACH_LEAST = 3, 96, 1e-3


@dataclass(frozen=True, slots=True)
class Flow:
    """What is to be expected by the end of each step, counted from now.

    Of those who are here now and those who will be called: `asked` are the units that they will
    have asked for, `bought` those they will have bought, and `turned_out` is the variance of the
    units they end up with as far as chance will have made it by then.
    """

    calls: tuple[float, ...]
    asked: tuple[float, ...]
    bought: tuple[float, ...]
    turned_out: tuple[float, ...]

    @property
    def total(self) -> float:
        return self.calls[-1] if self.calls else 0.0

    def time_of(self, calls: float, *, of: float) -> float:
        """Return when so many calls, of so many in all, will have been made; seconds from now."""
        step = bisect_left(self.calls, calls)
        if step < len(self.calls):
            before = self.calls[step - 1] if step else 0.0
            return (step + (calls - before) / (self.calls[step] - before)) * STEP_S
        # Beyond the last step what is left falls off at the rate it had come to, or, where that is
        # next to nothing, over as long again as all before it takes.
        end_s, left = len(self.calls) * STEP_S, of - self.total
        calm = self.calls[-CALM_STEPS:]
        pace = (calm[-1] - calm[0]) / (len(calm) * STEP_S) if calm else 0.0
        if left <= 0:
            return end_s
        fall_s = min(left / pace, end_s) if pace > 0 else end_s
        return end_s - log(max((of - calls) / left, LAST_SHARE)) * fall_s

    @property
    def per_second(self) -> float:
        """The calls of the next minute, by the second."""
        steps = min(CALM_STEPS, len(self.calls))
        return self.calls[steps - 1] / (steps * STEP_S) if steps else 0.0


@dataclass(slots=True)
class _Stage:
    """Expected numbers of people, or units, in one stage by steps of age, and what they do."""

    on: list[float]
    off: list[float]
    stay: list[float]
    ask: list[float]
    at: list[float]

    @property
    def people(self) -> float:
        return sum(self.at)

    @property
    def askers(self) -> float:
        """How many of them will ask for a hold one day."""
        return float(sum(map(mul, self.at, self.ask)))

    @property
    def askers_var(self) -> float:
        """The variance of that number."""
        return float(sum(n * p * (1 - p) for n, p in zip(self.at, self.ask, strict=True)))

    def step(self, come: float) -> tuple[float, float]:
        """Let a step pass, at whose end so many come in; return who went on and who dropped out."""
        on, off = sum(map(mul, self.at, self.on)), sum(map(mul, self.at, self.off))
        left = list(map(mul, self.at, self.stay))
        # The oldest are taken together.
        oldest = left.pop()
        left[-1] += oldest
        self.at = [come, *left]
        return on, off


@dataclass(slots=True)
class _Shop:
    """The expected numbers of those who were called, have come in, and of the units they hold."""

    called: _Stage
    inside: _Stage
    holding: _Stage
    units_each: float

    @classmethod
    def of(cls, outlook: Outlook, tables: Tables) -> "_Shop":
        crowd = outlook.crowd
        return cls(
            _stage(tables.claim, (crowd.called, crowd.promised_called), after=tables.hold.share),
            _stage(tables.hold, (crowd.inside, crowd.promised_inside)),
            _stage(tables.pay, (crowd.holding,)),
            outlook.units_mean,
        )

    @property
    def undecided(self) -> float:
        return self.called.people + self.inside.people

    @property
    def askers(self) -> float:
        return self.called.askers + self.inside.askers

    @property
    def askers_var(self) -> float:
        return self.called.askers_var + self.inside.askers_var

    def uncertain(self, outlook: Outlook) -> float:
        """Return the variance of the units they will end up with, as far as chance makes it."""
        asking = self.askers * outlook.asker_var + self.askers_var * outlook.asker_mean**2
        return asking + self.holding.askers_var * self.units_each

    def step(self, come: float) -> tuple[float, float, float]:
        """Let a step pass; return the units that were held, bought, and given back."""
        claimed, _missed = self.called.step(come)
        asked, _went = self.inside.step(claimed)
        bought, back = self.holding.step(asked * self.units_each)
        return asked * self.units_each, bought, back


def flow(
    outlook: Outlook,
    *,
    units_free: float,
    units_promised: float = 0.0,
    disappointed_max: float | None = None,
) -> Flow | None:
    """Return the calls to be expected, None where nothing was learned to go by.

    `disappointed_max` is the bound of the policy `expected`, None under another. There units are
    kept back for whoever was called until they are decided: what was promised, or else what they
    are expected to take and their part of what is free beyond that, since no more are called for
    it now.
    """
    if outlook.tables is None:
        return None
    shop = _Shop.of(outlook, outlook.tables)
    units = units_free + units_promised
    keeps = _Keeps.of(shop, outlook, units, units_promised)
    uncertain, of_call = shop.uncertain(outlook), outlook.call_var
    new, made, asked, bought, turned_out = 0.0, 0.0, 0.0, 0.0, 0.0
    steps: list[tuple[float, float, float, float]] = []
    for _ in range(STEPS_MAX):
        held_now, bought_now, back = shop.step(new)
        units += back - held_now
        asked, bought = asked + held_now, bought + bought_now
        # Of whoever has been here for long more may be uncertain for a while.
        turned_out = max(turned_out, uncertain + made * of_call - shop.uncertain(outlook))
        if disappointed_max is None:
            new = keeps.calls(shop, units)
        else:
            then = _outlook_then(outlook, shop, made=made, asked=asked)
            new = calls_in_mean(then, units=units, share=disappointed_max)
        made += new
        steps.append((made, asked, bought, turned_out))
        if len(steps) > STEPS_LEAST and made - steps[-CALM_STEPS][0] < CALM_SHARE * made:
            break
    return Flow(*zip(*steps, strict=True))


def _outlook_then(outlook: Outlook, shop: _Shop, *, made: float, asked: float) -> Outlook:
    """Return the outlook of a later step; what is guessed will have been seen by and by."""
    to_ask = shop.askers * outlook.units_mean
    seen = asked / (asked + to_ask) if to_ask else 1.0
    guess = outlook.ask_guess * (1 - seen**2)
    return replace(
        outlook,
        called=outlook.called + made,
        asking=shop.undecided,
        askers_mean=shop.askers,
        askers_var=shop.askers_var,
        askers_guess=guess * shop.askers / outlook.ask_share,
        ask_guess=guess,
    )


@dataclass(frozen=True, slots=True)
class _Keeps:
    """What is kept back for whoever may ask, and besides for everybody who is undecided."""

    for_askers: float
    for_all: float
    for_new: float

    @classmethod
    def of(cls, shop: _Shop, outlook: Outlook, units: float, promised: float) -> "_Keeps":
        each, for_all, undecided = outlook.units_mean, 0.0, shop.undecided
        if promised and undecided:
            each, for_all = 0.0, promised / undecided
        elif undecided:
            for_all = max(units - shop.askers * each, 0.0) / undecided
        return cls(each, for_all, outlook.ask_share * each + for_all)

    def calls(self, shop: _Shop, units: float) -> float:
        kept = shop.undecided * self.for_all + shop.askers * self.for_askers
        return max(units - kept, 0.0) / self.for_new


def _stage(table: LifeTable, ages: Iterable[Counter[int]], *, after: float = 1.0) -> _Stage:
    """Return those of some ages, told apart up to the age that hardly anybody comes to.

    `after` is the share of those who go on that will ask.
    """
    on: list[float] = []
    off: list[float] = []
    stay: list[float] = []
    reach = 1.0
    while len(on) < AGES_LEAST or (reach > REACH_LEAST and len(on) < AGES_MAX):
        goes_on, drops_out = table.within(len(on) * STEP_S, STEP_S)
        on.append(goes_on)
        off.append(drops_out)
        stay.append(1 - goes_on - drops_out)
        reach *= stay[-1]
    ask = [table.chance((step + 0.5) * STEP_S) * after for step in range(len(on))]
    at = [0.0] * len(on)
    for counted in ages:
        for age, count in counted.items():
            at[min(round(age / STEP_S), len(at) - 1)] += count
    return _Stage(on, off, stay, ask, at)
