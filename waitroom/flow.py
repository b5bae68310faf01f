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
# No further than this: what is left then goes on as slowly as at the end.
STEPS_MAX = 180
# It is done when a minute brings less than this share of all that came.
STEPS_LEAST, CALM_STEPS, CALM_SHARE = 30, 6, 0.003
# Whoever is called at all is not the very last of all that could have been.
SHARE_MAX = 0.97
TAIL_S = 300.0
# Ages are told apart, in steps, for as long as more than this share is still there.
AGES_LEAST, AGES_MAX, REACH_LEAST = 3, 96, 1e-3


@dataclass(frozen=True, slots=True)
class Flow:
    """The calls to be expected by the end of each step, counted from now."""

    calls: tuple[float, ...]

    @property
    def total(self) -> float:
        return self.calls[-1] if self.calls else 0.0

    def wait_s(self, share: float) -> float:
        """Return when this share of all calls has been made; seconds from now."""
        wanted = min(share, SHARE_MAX) * self.total
        step = bisect_left(self.calls, wanted)
        before = self.calls[step - 1] if step else 0.0
        part = (wanted - before) / (self.calls[step] - before) if self.calls[step] > before else 1.0
        # The last few may come at any time.
        last = max(1 - share, (1 - SHARE_MAX) / 4)
        late_s = TAIL_S * log((1 - SHARE_MAX) / last) if share > SHARE_MAX else 0.0
        return (step + part) * STEP_S + late_s

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
    at: list[float]

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

    With promises a call takes what it is promised, and each that drops out gives that back. Without
    them a call takes what it is expected to ask for, and what comes back is what is in baskets;
    units kept back for doubt about those inside come free as these decide.
    """
    tables, crowd = outlook.tables, outlook.crowd
    if tables is None:
        return None
    carriers = sum(crowd.promised_called.values()) + sum(crowd.promised_inside.values())
    promise = units_promised / carriers if units_promised and carriers else 0.0
    called = _stage(tables.claim, (crowd.called, crowd.promised_called))
    inside = _stage(tables.hold, (crowd.inside, crowd.promised_inside))
    holding = _stage(tables.pay, (crowd.holding,))
    each = outlook.units_mean
    takes = promise or outlook.ask_share * each
    spare = units_free if promise else units_free - outlook.askers_mean * each
    pool, doubted = (spare, 0.0) if promise else (min(spare, 0.0), max(spare, 0.0))
    undecided = sum(called.at) + sum(inside.at)
    calls, made, new = [], 0.0, 0.0
    for _ in range(STEPS_MAX):
        claimed, missed = called.step(new)
        asked, went = inside.step(claimed)
        _, back = holding.step(asked * each)
        pool += back
        if promise:
            pool += (missed + went) * promise + asked * (promise - each)
        elif undecided > 0:
            freed = doubted * min((asked + missed + went) / undecided, 1.0)
            pool, doubted = pool + freed, doubted - freed
        new = max(pool, 0.0) / takes
        pool, made = min(pool, 0.0), made + new
        calls.append(made)
        if len(calls) > STEPS_LEAST and made - calls[-CALM_STEPS] < CALM_SHARE * made:
            break
    return Flow(tuple(calls))


def _stage(table: LifeTable, ages: Iterable[Counter[int]]) -> _Stage:
    """Return those of some ages, told apart up to the age that hardly anybody comes to."""
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
    at = [0.0] * len(on)
    for counted in ages:
        for age, count in counted.items():
            at[min(round(age / STEP_S), len(at) - 1)] += count
    return _Stage(on, off, stay, at)
