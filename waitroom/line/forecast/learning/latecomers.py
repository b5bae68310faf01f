"""Latecomers: the shoppers who missed their call and will come back for another. Pure.

They are called before the line, so they take units that would be left for it.
"""

from dataclasses import dataclass
from math import exp

# Shoppers who come back do so after about this long; a mean, as of an exponential time.
BACK_S = 300.0
# The imagined shoppers who missed their call, and how many of them came back.
PRIOR_MISSED, PRIOR_BACK = 12.0, 1.5


@dataclass(slots=True)
class Latecomers:
    """Count missed calls and second calls. Losing it loses figures, and no promise.

    `settled` are the missed calls whose shoppers would be back by now if they came at all.
    """

    missed: float = 0.0
    back: float = 0.0
    settled: float = 0.0
    _looked_at: float | None = None

    def look(self, now: float) -> None:
        """Let the time pass that shoppers need to come back."""
        if self._looked_at is not None:
            passed_s = max(now - self._looked_at, 0.0)
            self.settled += (self.missed - self.settled) * (1 - exp(-passed_s / BACK_S))
        self._looked_at = now

    @property
    def to_come(self) -> float:
        """Return how many are still expected to come back."""
        share = (self.back + PRIOR_BACK) / (self.settled + PRIOR_MISSED)
        return min(share, 1.0) * max(self.missed - self.settled, 0.0)


def back_within(to_come: float, seconds: float) -> float:
    """Return how many of them come back within some seconds."""
    return to_come * (1 - exp(-seconds / BACK_S))
