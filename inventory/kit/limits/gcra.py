"""Buckets by the generic cell rate algorithm (ITU-T I.371), bounded. Pure.

A bucket is one number: when it would be full again if nothing more were taken. A bucket that is
full says nothing, so it is left out of the table.
"""

from dataclasses import dataclass

# Two generations of this many buckets are kept, about 200 bytes each.
BUCKETS_MAX = 65_536

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Allowance:
    """A bucket's size: `burst` requests at once, and `per_s` more each second."""

    burst: int
    per_s: float

    @property
    def window_s(self) -> float:
        """Return how long an empty bucket takes to be full."""
        return self.burst / self.per_s

    def times(self, factor: float) -> "Allowance":
        """Return an allowance that is greater, or less, by a factor."""
        return Allowance(burst=max(round(self.burst * factor), 1), per_s=self.per_s * factor)


class Buckets:
    """All buckets of a process.

    Buckets that are used move into the young generation. When it is full, the old one is dropped
    with all that were not used meanwhile. So a client with a million networks costs others nothing:
    buckets that are dropped are full again or nearly so, and a bucket that is being drained stays.
    """

    __slots__ = ("_old", "_size_max", "_young")

    def __init__(self, *, size_max: int = BUCKETS_MAX) -> None:
        self._size_max = size_max
        self._young: dict[Key, float] = {}
        self._old: dict[Key, float] = {}

    def __len__(self) -> int:
        """Return how many buckets are kept, at most."""
        return len(self._young) + len(self._old)

    def take(self, key: Key, allowance: Allowance, now: float) -> float:
        """Take one request; return the seconds to wait, 0 if it is allowed.

        A refused request takes nothing.
        """
        full_at = self._young.get(key)
        if full_at is None:
            full_at = self._old.get(key, now)
            if len(self._young) >= self._size_max:
                self._old, self._young = self._young, {}
        cost_s = 1 / allowance.per_s
        after = (max(now, full_at)) + cost_s
        # The tolerance is less than one request, and more than what floats lose.
        wait_s = after - now - allowance.burst * cost_s
        if wait_s > cost_s / 1000:
            self._young[key] = full_at
            return wait_s
        self._young[key] = after
        return 0.0
