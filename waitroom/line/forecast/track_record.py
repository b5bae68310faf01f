"""How the waits that were told turned out, and how wide bands have to be for it. Pure.

The model says of each wait a middle and how far off it may be, shorter and longer. What came is
held against that: the error is 0 at the middle, and about normal if the model is right. The ends of
the bands lie where the quantiles of these errors do. This is split conformal prediction on the
sale's own record (Vovk, Gammerman and Shafer, 2005), with errors made alike by the model's spread.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import exp, inf, log
from statistics import NormalDist

# The band's stated coverage is what lies between these quantiles.
LOW_QUANTILE, HIGH_QUANTILE = 0.1, 0.9
NORMAL = NormalDist()
# Before anything is known errors are normal, as if of so many waits. Those told at one time have
# much in common, so a few hundred of them say less than their number.
FIRST_COUNT = 60
FIRST_ERRORS = tuple(NORMAL.inv_cdf((i + 0.5) / FIRST_COUNT) for i in range(FIRST_COUNT))
FIRST_LEVELS = NORMAL.inv_cdf(LOW_QUANTILE), NORMAL.inv_cdf(HIGH_QUANTILE)
ERRORS_KEPT = 240
# What was told is looked at again for a few places, this often.
TELL_EVERY_S = 10.0
TOLD_MAX = 1_000
# A few seconds more or less are no error: the tick, the flow's steps and the page's pace make them.
GRAIN_S = 6.0
# However sure the model is, a wait may be longer or shorter by a fifth.
SPREAD_LEAST = 0.2
# A greater surprise says that something broke, and not how wide the bands of all others have to be.
ERROR_MAX = 2.5


@dataclass(frozen=True, slots=True)
class Wait:
    """What is expected of one wait: its middle, and standard deviations of its logarithm."""

    middle_s: float
    shorter: float
    longer: float

    @classmethod
    def of(cls, low_s: float, middle_s: float, high_s: float) -> "Wait":
        """Return the wait with these quantiles: those of the band's ends, and the median."""
        low, middle, high = (log(wait_s + GRAIN_S) for wait_s in (low_s, middle_s, high_s))
        shorter, longer = (middle - low) / -FIRST_LEVELS[0], (high - middle) / FIRST_LEVELS[1]
        return cls(middle_s, max(shorter, SPREAD_LEAST), max(longer, SPREAD_LEAST))

    def at(self, level: float) -> float:
        """Return the wait at so many standard deviations from the middle."""
        spread = self.shorter if level < 0 else self.longer
        return max((self.middle_s + GRAIN_S) * exp(level * spread) - GRAIN_S, 0.0)

    def error(self, actual_s: float) -> float:
        """Return how many standard deviations from the middle an actual wait is, within bounds."""
        # Shoppers' time may stand still, and a new leader may know it a little better.
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
    """What was told to some numbers, and how far off it was for those whose turn has come."""

    errors: deque[float] = field(default_factory=lambda: deque(maxlen=ERRORS_KEPT))
    _told: deque[_Told] = field(default_factory=lambda: deque(maxlen=TOLD_MAX))
    _told_at: float = -inf
    _head: int = 0

    def is_due(self, now: float) -> bool:
        """Say whether to tell again; what is told between looks is much the same."""
        return not self._told_at <= now < self._told_at + TELL_EVERY_S

    def tell(self, now: float, waits: Iterable[tuple[int, Wait]]) -> None:
        """Keep what some numbers were told. Who will hardly be called does not belong here."""
        self._told_at = now
        self._told.extend(_Told(number, now, wait) for number, wait in waits)

    def see(self, now: float, head: int) -> None:
        """Learn from those whose turn has come."""
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
        """Let go of what was told: a pause says nothing about the pace."""
        self._told.clear()

    def levels(self, now: float) -> tuple[float, float]:
        """Return where the ends of the bands lie, in standard deviations from the middle.

        The quick ones are called first, so those alone would make it look too quick. Whoever still
        waits is known to take longer than so far, which is what the estimator of Kaplan and Meier
        is for: they count at once, and not only when they are called.
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
