"""Patience: how likely slow shoppers still go on, from how quickly others did. Pure.

Shoppers who have not gone on yet are slow, or they never will. The two look alike at first. A slow
crowd goes on ever more often as it comes to its usual time, and a crowd that is done goes on ever
less often. So several hundred crowds are imagined, each with a share of shoppers who ever go on and
a log-normal time until they do. Each is weighed by how likely it is to have done what was seen.
What they would do next tells what to expect at ages that no shopper has come to (a mixture cure
model: Boag 1949, Farewell 1982).

Shoppers who drop out count as shoppers who never go on, and stay at risk for as long as their like
were followed (Fine and Gray, 1999). So it does not matter how soon the others leave.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from math import exp, inf, log, sqrt
from operator import mul
from statistics import NormalDist

# The shares of shoppers who ever go on.
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)
# The standard deviations of the logarithm of the time until they go on.
SPREADS = (0.5, 0.7, 1.0, 1.4)
MEDIANS = 24
# Before anything was seen, the logarithm of the odds to ever go on and the logarithm of the median
# time are taken as normal, with these standard deviations. Half as much or twice as much is common.
ODDS_SD, MEDIAN_SD = 0.7, 0.7
# Less likely crowds than this, beside the likeliest, are left out.
LIKELY_LEAST = 1e-4
# A rate is taken as at least this, since no crowd does just what was imagined.
RATE_LEAST = 1e-5
# The crowds are weighed again once this share of what was seen is other than it was.
MOVED_SHARE = 0.03
LATE = 10.0
NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class _Crowd:
    """One imagined crowd: its likelihood before anything was seen, and its figures by age."""

    prior: float
    rates: tuple[float, ...]
    logs: tuple[float, ...]
    reach: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is to be expected at each age of shoppers who have not gone on, dropped out or not.

    rates: the rate of going on. reach: the chance to ever go on; sd: its standard deviation.
    """

    rates: tuple[float, ...]
    reach: tuple[float, ...]
    sd: tuple[float, ...]


@lru_cache(maxsize=16)
def _crowds(
    ages: tuple[float, ...], due_s: float, first_s: float, last_s: float, share: float
) -> tuple[_Crowd, ...]:
    """Return the crowds, the likelier the nearer to this share and to the middle of two times."""
    # Deadlines are set so that most shoppers who mean to go on have gone on by half of them.
    last_s = max(min(last_s, due_s / 2), 2 * first_s)
    step = (last_s / first_s) ** (1 / (MEDIANS - 1))
    return tuple(
        _crowd(
            ages,
            due_s,
            median_s=first_s * step**number,
            spread=spread,
            goes=goes,
            likely=share,
            likely_s=sqrt(first_s * last_s),
        )
        for number, spread, goes in product(range(MEDIANS), SPREADS, SHARES)
    )


def _crowd(
    ages: tuple[float, ...],
    due_s: float,
    *,
    median_s: float,
    spread: float,
    goes: float,
    likely: float,
    likely_s: float,
) -> _Crowd:
    """Return a crowd of which the share `goes` ever goes on, unless it is due before."""
    last = goes * _gone(due_s, median_s, spread)
    rates, reach = [], []
    for age, end in zip(ages, (*ages[1:], inf), strict=True):
        start = goes * _gone(min(age, due_s), median_s, spread)
        stop = goes * _gone(min(end, due_s), median_s, spread)
        # The last age has no end, but hardly any shopper goes on much later than the others.
        width_s = min(end - age, due_s - age, LATE * median_s)
        left = 1 - (start + stop) / 2
        rates.append(
            max((stop - start) / (left * width_s), RATE_LEAST) if width_s > 0 else RATE_LEAST
        )
        reach.append((last - start) / (1 - start))
    odds = log(goes / (1 - goes)) - log(likely / (1 - likely))
    middle = log(median_s / likely_s)
    prior = -((odds / ODDS_SD) ** 2 + (middle / MEDIAN_SD) ** 2) / 2
    return _Crowd(prior, tuple(rates), tuple(map(log, rates)), tuple(reach))


def _gone(age: float, median_s: float, spread: float) -> float:
    """Return the part of those who ever go on that has done so by an age."""
    return NORMAL.cdf(log(age / median_s) / spread) if age > 0 else 0.0


@dataclass(slots=True, kw_only=True)
class Patience:
    """The crowds of one stage, and how likely each is."""

    first_s: float
    last_s: float
    share: float
    _ages: tuple[float, ...] = ()
    _on: Sequence[float] = ()
    _exposed_s: Sequence[float] = ()
    _fitted: Fitted = field(default_factory=lambda: Fitted((), (), ()))

    def fit(
        self,
        ages: tuple[float, ...],
        due_s: float,
        on: Sequence[float],
        exposed_s: Sequence[float],
    ) -> Fitted:
        """Return what is to be expected, given occurrences and exposure by age.

        `exposed_s` includes the time of shoppers who dropped out, for as long as their like were
        followed.
        """
        if ages == self._ages and not self._has_moved(on, exposed_s):
            return self._fitted
        self._ages, self._on, self._exposed_s = ages, tuple(on), tuple(exposed_s)
        crowds = _crowds(ages, due_s, self.first_s, self.last_s, self.share)
        # Those who go on at once, as programs do, say nothing about the others.
        slow = slice(bisect_left(ages, self.first_s), None)
        on, exposed_s = on[slow], exposed_s[slow]
        likely = [
            crowd.prior
            + sum(map(mul, on, crowd.logs[slow]))
            - sum(map(mul, exposed_s, crowd.rates[slow]))
            for crowd in crowds
        ]
        most = max(likely)
        weighed = [
            (exp(one - most), crowd)
            for one, crowd in zip(likely, crowds, strict=True)
            if one - most > log(LIKELY_LEAST)
        ]
        total = sum(weight for weight, _ in weighed)
        rates, reach, square = ([0.0] * len(ages) for _ in range(3))
        for likelihood, crowd in weighed:
            weight = likelihood / total
            for at, (rate, ever) in enumerate(zip(crowd.rates, crowd.reach, strict=True)):
                rates[at] += weight * rate
                reach[at] += weight * ever
                square[at] += weight * ever**2
        sd = [sqrt(max(s - r**2, 0.0)) for s, r in zip(square, reach, strict=True)]
        self._fitted = Fitted(tuple(rates), tuple(reach), tuple(sd))
        return self._fitted

    def _has_moved(self, on: Sequence[float], exposed_s: Sequence[float]) -> bool:
        """Say whether what was seen is far from what the crowds were weighed by."""
        moved = sum(abs(now - then) for now, then in zip(on, self._on, strict=True))
        moved_s = sum(abs(now - then) for now, then in zip(exposed_s, self._exposed_s, strict=True))
        seen = sum(self._on) + sum(self._exposed_s) / self.last_s
        return moved + moved_s / self.last_s > MOVED_SHARE * seen
