"""The track record: how told waits turned out, and how wide the bands have to be. Pure.

For each wait the model gives a median and a spread towards shorter and longer waits. The actual
wait is compared with that: its error is 0 at the median and about normal if the model is right. The
bands end at the quantiles of these errors. This is split conformal prediction on the sale's own
record (Vovk, Gammerman and Shafer, 2005), with errors normalised by the model's spread.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import exp, inf, log
from statistics import NormalDist

# A band covers the waits between these two quantiles.
LOW_QUANTILE, HIGH_QUANTILE = 0.1, 0.9
NORMAL = NormalDist()
# The prior: a normal sample of this many errors. Waits told at one time have much in common, so a
# few hundred of them say less than their number, and the prior outweighs few.
FIRST_COUNT = 60
FIRST_ERRORS = tuple(NORMAL.inv_cdf((i + 0.5) / FIRST_COUNT) for i in range(FIRST_COUNT))
FIRST_LEVELS = NORMAL.inv_cdf(LOW_QUANTILE), NORMAL.inv_cdf(HIGH_QUANTILE)
ERRORS_KEPT = 80
# The waits of a few places are sampled this often.
TELL_EVERY_S = 10.0
TOLD_MAX = 1_000
# Errors below a few seconds do not count: ticks, steps of the flow and polling make them.
GRAIN_S = 6.0
# Even when the model is sure, a wait may be longer or shorter by a fifth.
SPREAD_LEAST = 0.2
# A greater error means that something broke; it must not widen the bands of all other waits.
ERROR_MAX = 1.8


@dataclass(frozen=True, slots=True)
class Wait:
    """The distribution of one wait: its median, and two standard deviations of its logarithm."""

    middle_s: float
    shorter: float
    longer: float

    @classmethod
    def of(cls, low_s: float, middle_s: float, high_s: float) -> "Wait":
        """Return the wait with these quantiles: the band's two ends, and the median between."""
        low, middle, high = (log(wait_s + GRAIN_S) for wait_s in (low_s, middle_s, high_s))
        shorter, longer = (middle - low) / -FIRST_LEVELS[0], (high - middle) / FIRST_LEVELS[1]
        return cls(middle_s, max(shorter, SPREAD_LEAST), max(longer, SPREAD_LEAST))

    def at(self, level: float) -> float:
        """Return the wait that lies `level` standard deviations from the median."""
        spread = self.shorter if level < 0 else self.longer
        return max((self.middle_s + GRAIN_S) * exp(level * spread) - GRAIN_S, 0.0)

    def error(self, actual_s: float) -> float:
        """Return the deviations of an actual wait from the median, within bounds."""
        # An actual wait may be negative by a little: a new leader may correct the shoppers' clock.
        off = log((max(actual_s, 0.0) + GRAIN_S) / (self.middle_s + GRAIN_S))
        error = off / (self.shorter if off < 0 else self.longer)
        return max(-ERROR_MAX, min(error, ERROR_MAX))


@dataclass(frozen=True, slots=True)
class _Told:
    number: int
    at: float
    wait: Wait


@dataclass(slots=True)
class Record:
    """A sample of told waits, and the errors of those whose turn has come."""

    errors: deque[float] = field(default_factory=lambda: deque(maxlen=ERRORS_KEPT))
    _told: deque[_Told] = field(default_factory=lambda: deque(maxlen=TOLD_MAX))
    _told_at: float = -inf
    _head: int = 0

    def is_due(self, now: float) -> bool:
        """Say whether to sample again; waits told between two samples are much the same."""
        return not self._told_at <= now < self._told_at + TELL_EVERY_S

    def tell(self, now: float, waits: Iterable[tuple[int, Wait]]) -> None:
        """Keep the waits told to some numbers, leaving out numbers that are hardly ever called."""
        self._told_at = now
        self._told.extend(_Told(number, now, wait) for number, wait in waits)

    def see(self, now: float, head: int) -> None:
        """Learn from the numbers whose turn has come."""
        if head == self._head:
            return
        self._head = head
        told, self._told = self._told, deque(maxlen=TOLD_MAX)
        for one in told:
            if one.number <= head:
                self.errors.append(one.wait.error(now - one.at))
            else:
                self._told.append(one)

    def forget_told(self) -> None:
        """Drop all open waits: a pause says nothing about the pace."""
        self._told.clear()

    def levels(self, now: float) -> tuple[float, float]:
        """Return the ends of the bands, in standard deviations from the median.

        Quick waits end first, so ended waits alone would make the line look too quick. Open waits
        are right-censored: they will take longer than so far. The Kaplan-Meier estimator counts
        them at once.
        """
        known = [(error, True) for error in (*self.errors, *FIRST_ERRORS)]
        known += [(one.wait.error(now - one.at), False) for one in self._told]
        known.sort()
        low = None
        share = 1.0
        for index, (error, called) in enumerate(known):
            if called:
                share *= 1 - 1 / (len(known) - index)
                if low is None and share <= 1 - LOW_QUANTILE:
                    low = error
                if share <= 1 - HIGH_QUANTILE + 1e-9:
                    return error if low is None else low, error
        last = known[-1][0]
        return last if low is None else low, last
