"""The flow: the calls to come, step by step, where stock or seats bound them. Pure.

Units come back when shoppers stay away, want nothing or do not pay, and each such unit can be
called for again. The time at which it comes back follows from the ages of the shoppers inside and
from the learned rates. The shoppers who are called for it add to later returns. In the same way
seats come free, as those inside buy or leave.

So the crowd is projected in steps, as expected numbers by stage and age. At each step the policy
calls for the units that have come back: `expected` keeps units back while it is in doubt, and calls
for them once outcomes are known. A rush at the opening comes back in rushes too, when claim
windows, sessions and holds expire; an average pace would miss that.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import inf, log
from operator import add, mul

from waitroom.line.forecast.expected import calls_in_mean, chosen_var_of
from waitroom.line.forecast.learning.latecomers import back_within
from waitroom.line.forecast.learning.rates import LifeTable
from waitroom.line.forecast.outlook import Crowd, Outlook, Tables

STEP_S = 10.0
# A new call takes about this long to ask.
SOON_S = 40.0
# The projection ends here at the latest; the calls left then are taken to come ever more slowly.
STEPS_MAX = 180
# The projection ends early once a minute brings less than this share of all calls so far.
STEPS_LEAST, CALM_STEPS, CALM_SHARE = 30, 6, 0.003
# The share that stands in for the very last call, which would otherwise never come.
LAST_SHARE = 0.001
# Ages are told apart, in steps, while more than this share of shoppers is still in the stage.
AGES_LEAST, AGES_MAX, REACH_LEAST = 3, 192, 1e-3


@dataclass(frozen=True, slots=True)
class Flow:
    """Expected totals by the end of each step, counted from now.

    calls: the calls made.
    asked, bought: the units asked for and bought, by the shoppers here now and those called later.
    turned_out: the part of the variance of their units that is decided by then.
    limited: whether seats or a rate bound the last calls, and not the stock.
    """

    calls: tuple[float, ...]
    asked: tuple[float, ...]
    bought: tuple[float, ...]
    turned_out: tuple[float, ...]
    limited: bool = field(default=False, kw_only=True)

    def within(self, calls: float) -> "Flow":
        """Return the flow with at most so many calls in all, at the same times."""
        if self.total <= calls:
            return self
        return replace(self, calls=tuple(made * calls / self.total for made in self.calls))

    @property
    def total(self) -> float:
        return self.calls[-1] if self.calls else 0.0

    def time_of(self, calls: float, *, of: float) -> float:
        """Return the seconds until `calls` calls, of a total of `of`, will have been made."""
        step = bisect_left(self.calls, calls)
        if step < len(self.calls):
            before = self.calls[step - 1] if step else 0.0
            return (step + (calls - before) / (self.calls[step] - before)) * STEP_S
        # Beyond the last step the remaining calls decay exponentially, at the pace of the last
        # steps; or, if that is next to nothing, within about the length of the projection. Where
        # seats bound them, they go on at that pace.
        end_s, left = len(self.calls) * STEP_S, of - self.total
        calm = self.calls[-CALM_STEPS:]
        pace = (calm[-1] - calm[0]) / (len(calm) * STEP_S) if calm else 0.0
        if left <= 0:
            return end_s
        if self.limited and pace > 0:
            return end_s + (calls - self.total) / pace
        fall_s = min(left / pace, end_s) if pace > 0 else end_s
        return end_s - log(max((of - calls) / left, LAST_SHARE)) * fall_s

    @property
    def per_second(self) -> float:
        """Return the calls a second of the next minute."""
        steps = min(CALM_STEPS, len(self.calls))
        return self.calls[steps - 1] / (steps * STEP_S) if steps else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds on the calls of a flow besides the stock. Without any, the stock alone decides.

    seats: the shoppers who may be called or inside at once. per_second: the calls a second.
    steps_max: where the projection ends at the latest.
    """

    seats: float = inf
    per_second: float = inf
    steps_max: int = STEPS_MAX

    def calls(self, people: float) -> float:
        """Return the calls that a step allows with so many shoppers called or inside."""
        return min(max(self.seats - people, 0.0), self.per_second * STEP_S)


NO_LIMITS = Limits()


@dataclass(slots=True)
class _Stage:
    """Expected numbers of shoppers, or of units, in one stage, by steps of age.

    `at` are the numbers. For each age `on`, `off` and `stay` are the chances to go on, drop out or
    stay within a step, `ask` is the chance to ask for a hold some day, and `ask_var` its variance.
    """

    on: list[float]
    off: list[float]
    stay: list[float]
    ask: list[float]
    ask_var: list[float]
    at: list[float]

    @property
    def people(self) -> float:
        return sum(self.at)

    @property
    def askers(self) -> float:
        """Return the expected number that will ask for a hold."""
        return float(sum(map(mul, self.at, self.ask)))

    @property
    def askers_var(self) -> float:
        """Return the variance of the number that will ask for a hold."""
        return float(sum(map(mul, self.at, self.ask_var)))

    def without_on(self) -> "_Stage":
        """Return the stage for shoppers who can only drop out."""
        off = [off / (1 - on) if on < 1 else 1.0 for on, off in zip(self.on, self.off, strict=True)]
        stay, nothing = [1 - leaves for leaves in off], [0.0] * len(off)
        return replace(self, on=nothing, off=off, stay=stay, ask=nothing, ask_var=nothing)

    def add(self, come: Iterable[float]) -> None:
        """Let more shoppers join, given by age."""
        self.at = list(map(add, self.at, come))

    @property
    def going_on(self) -> list[float]:
        """Return how many go on within a step, by age."""
        return list(map(mul, self.at, self.on))

    def step(self, come: float) -> tuple[float, float]:
        """Let a step pass, `come` arriving at its end; return how many went on and dropped out."""
        on, off = sum(self.going_on), sum(map(mul, self.at, self.off))
        left = list(map(mul, self.at, self.stay))
        # All beyond the last age are counted together.
        oldest = left.pop()
        left[-1] += oldest
        self.at = [come, *left]
        return on, off


@dataclass(slots=True)
class _Shop:
    """Expected numbers of shoppers called and inside, and of the units that they hold."""

    called: _Stage
    inside: _Stage
    holding: _Stage
    # Shoppers who asked in vain, and those whose basket came back, until their session ends.
    in_vain: _Stage
    idle: _Stage
    units_each: float
    # For each age of a hold, the chance that its units come back before a new call asks.
    soon: list[float]

    @classmethod
    def of(cls, outlook: Outlook, tables: Tables) -> "_Shop":
        crowd = outlook.crowd
        holding = _stage(tables.pay, (crowd.holding,))
        return cls(
            _stage(tables.claim, (crowd.called, crowd.promised_called), after=tables.hold.share),
            _stage(tables.hold, (crowd.inside, crowd.promised_inside)),
            holding,
            _stage(tables.hold, (crowd.missed,)).without_on(),
            _stage(tables.hold, (crowd.idle,)).without_on(),
            outlook.units_mean,
            [tables.pay.within(step * STEP_S, SOON_S)[1] for step in range(len(holding.at))],
        )

    @property
    def back_soon(self) -> float:
        """Return the units that come back before a new call asks."""
        return float(sum(map(mul, self.holding.at, self.soon)))

    @property
    def undecided(self) -> float:
        return self.called.people + self.inside.people

    @property
    def people(self) -> float:
        """Return the expected number of shoppers who take a seat."""
        without = self.undecided + self.in_vain.people + self.idle.people
        return without + self.holding.people / max(self.units_each, 1.0)

    @property
    def askers(self) -> float:
        return self.called.askers + self.inside.askers

    @property
    def askers_var(self) -> float:
        return self.called.askers_var + self.inside.askers_var

    def uncertain(self, outlook: Outlook) -> float:
        """Return the variance of the units that these shoppers end up with, given the shares."""
        asking = self.askers * outlook.asker_var + self.askers_var * outlook.asker_mean**2
        return asking + self.holding.askers_var * self.units_each

    def step(self, come: float, *, taking: float = 1.0) -> tuple[float, float, float]:
        """Let a step pass; return the units asked for, bought, and given back in it.

        `taking` is the part of the units asked for that is there.
        """
        claimed, _missed = self.called.step(come)
        self.in_vain.add(asks * (1 - taking) for asks in self.inside.going_on)
        self.in_vain.step(0.0)
        self.idle.step(0.0)
        asked, _went = self.inside.step(claimed)
        bought, back = self.holding.step(asked * self.units_each * taking)
        return asked * self.units_each, bought, back


def flow(
    outlook: Outlook,
    *,
    units_free: float,
    units_promised: float = 0.0,
    disappointed_max: float | None = None,
    limits: Limits = NO_LIMITS,
) -> Flow | None:
    """Return the expected calls, or None before anything was learned.

    `disappointed_max` is the bound of the policy `expected`, and None under another policy. Under
    another policy units are kept back for each called shopper until they decide: the promised
    units, or else the units that they are expected to take and their part of the free units beyond
    that, for which the policy calls no one now.
    """
    if outlook.tables is None:
        return None
    shop = _Shop.of(outlook, outlook.tables)
    # A promise keeps its units whether they are taken or not, so promised units are counted as they
    # are. Others are counted as the units asked for until they are taken.
    promises = units_promised > 0
    taken = outlook.wanted(units_free + units_promised)
    units = units_free + units_promised if promises else outlook.asked_for(taken)
    each_back = units / taken if taken >= 1 and not promises else 1.0
    doubt = chosen_var_of(outlook, taken) / max(units, 1.0) ** 2
    stock = outlook
    outlook = replace(outlook, depletion=None, units_doubt=outlook.units_doubt + doubt)
    keeps = _Keeps.of(shop, outlook, units, units_promised)
    uncertain, of_call = shop.uncertain(outlook), outlook.call_var
    new, made, asked, bought, turned_out = 0.0, 0.0, 0.0, 0.0, 0.0
    # Latecomers are called before the line.
    to_come, late, limited = outlook.latecomers, 0.0, False
    steps: list[tuple[float, float, float, float]] = []
    for _ in range(limits.steps_max):
        taking = stock.taking(asked)
        asked_now, bought_now, back = shop.step(new, taking=taking)
        units += back * each_back - asked_now * (taking if promises else 1.0)
        asked, bought = asked + asked_now, bought + bought_now
        # The uncertainty about shoppers who stay long may grow for a while; what has turned out
        # never becomes uncertain again.
        turned_out = max(turned_out, uncertain + made * of_call - shop.uncertain(outlook))
        if disappointed_max is None:
            new = keeps.calls(shop, units)
        else:
            then = _outlook_then(outlook, shop, made=made, asked=asked)
            soon = shop.back_soon * each_back
            new = calls_in_mean(then, units=units + soon, share=disappointed_max)
        allowed = limits.calls(shop.people)
        limited, new = new > allowed, min(new, allowed)
        back_now = back_within(to_come, STEP_S)
        to_come, late = to_come - back_now, late + back_now
        before = min(late, new)
        late, made = late - before, made + new - before
        steps.append((made, asked, bought, turned_out))
        if len(steps) > STEPS_LEAST and made - steps[-CALM_STEPS][0] < CALM_SHARE * made:
            break
    return Flow(*zip(*steps, strict=True), limited=limited)


def _outlook_then(outlook: Outlook, shop: _Shop, *, made: float, asked: float) -> Outlook:
    """Return the outlook of a later step, when part of the guesses has been replaced by facts."""
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
        units_held=round(shop.holding.people),
        horizons=(),
        crowd=Crowd(),
    )


@dataclass(frozen=True, slots=True)
class _Keeps:
    """Units kept back for shoppers inside.

    for_askers: for each expected asker.
    for_undecided: for each undecided shopper besides.
    for_in_vain: for each who asked in vain, and keeps what they were promised.
    for_new: for each new call.
    """

    for_askers: float
    for_undecided: float
    for_in_vain: float
    for_new: float

    @classmethod
    def of(cls, shop: _Shop, outlook: Outlook, units: float, promised: float) -> "_Keeps":
        keepers = shop.undecided + shop.in_vain.people
        if promised and keepers:
            each = promised / keepers
            return cls(0.0, each, each, each)
        each, besides = outlook.units_mean, 0.0
        if shop.undecided:
            besides = max(units - shop.askers * each, 0.0) / shop.undecided
        return cls(each, besides, 0.0, outlook.ask_share * each + besides)

    def calls(self, shop: _Shop, units: float) -> float:
        kept = shop.askers * self.for_askers + shop.undecided * self.for_undecided
        kept += shop.in_vain.people * self.for_in_vain
        return max(units - kept, 0.0) / self.for_new


def _stage(table: LifeTable, ages: Iterable[Counter[int]], *, after: float = 1.0) -> _Stage:
    """Return a stage with the shoppers of these ages, up to an age that hardly any shopper reaches.

    `after` is the share that will ask, of those who go on from this stage.
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
    return _Stage(on, off, stay, ask, [chance * (1 - chance) for chance in ask], at)
