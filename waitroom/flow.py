"""How many more calls will have been made by when, where the stock is what bounds them. Pure.

What comes back can be called for again: the units of those who stay away, want nothing or do not
pay. When it comes back follows from the ages of those inside and from what was learned of such
people, and whoever is called for it adds to what comes back later. So the crowd is taken forward
in steps, as expected numbers by stage and age, and the calls are what the returns of each step
allow. A rush at the opening comes back in rushes too, when windows, sessions and holds run out;
no average pace says that.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import log
from operator import mul

from waitroom.demand import Outlook
from waitroom.rates import LifeTable

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
    """The calls to be expected by the end of each step, counted from now."""

    calls: tuple[float, ...]

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

    def step(self, come: float) -> tuple[float, float]:
        """Let a step pass, at whose end so many come in; return who went on and who dropped out."""
        on, off = sum(map(mul, self.at, self.on)), sum(map(mul, self.at, self.off))
        left = list(map(mul, self.at, self.stay))
        # The oldest are taken together.
        oldest = left.pop()
        left[-1] += oldest
        self.at = [come, *left]
        return on, off


def flow(outlook: Outlook, *, units_free: float, units_promised: float = 0.0) -> Flow | None:
    """Return the calls to be expected, None where nothing was learned to go by.

    For whoever was called and is undecided units are kept back: what was promised, or else what
    they are expected to take and their part of what is free beyond that, since no more are called
    for it now. Each new call is taken to keep back as much, and what is not taken of it comes free.
    """
    tables, crowd = outlook.tables, outlook.crowd
    if tables is None:
        return None
    called = _stage(tables.claim, (crowd.called, crowd.promised_called), after=tables.hold.share)
    inside = _stage(tables.hold, (crowd.inside, crowd.promised_inside))
    holding = _stage(tables.pay, (crowd.holding,))
    each, units = outlook.units_mean, units_free + units_promised
    undecided = called.people + inside.people
    # What each who will ask is expected to take, and what is kept back for everybody.
    asks, kept = each, 0.0
    if units_promised and undecided:
        asks, kept = 0.0, units_promised / undecided
    elif undecided:
        kept = max(units - (called.askers + inside.askers) * asks, 0.0) / undecided
    takes = outlook.ask_share * asks + kept
    calls, made, new = [], 0.0, 0.0
    for _ in range(STEPS_MAX):
        claimed, _missed = called.step(new)
        asked, _went = inside.step(claimed)
        _paid, back = holding.step(asked * each)
        units += back - asked * each
        people, askers = called.people + inside.people, called.askers + inside.askers
        new = max(units - people * kept - askers * asks, 0.0) / takes
        made += new
        calls.append(made)
        if len(calls) > STEPS_LEAST and made - calls[-CALM_STEPS] < CALM_SHARE * made:
            break
    return Flow(tuple(calls))


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
