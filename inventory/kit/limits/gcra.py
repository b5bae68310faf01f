"""Buckets by the generic cell rate algorithm (ITU-T I.371), bounded. Pure.

A bucket is one number: when it would be full again if nothing more were taken. A bucket that is
full says nothing, so it is left out of the table.

A take is one look into one table, by the client's name alone.
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

    __slots__ = ("_kinds", "_size_max", "room")

    def __init__(self, *, size_max: int = BUCKETS_MAX) -> None:
        self._size_max = size_max
        self._kinds: dict[tuple[str, Allowance], Kind] = {}
        # How many more young buckets there is room for.
        self.room = size_max

    def __len__(self) -> int:
        """Return how many buckets are kept, at most."""
        return sum(map(len, self._kinds.values()))

    def of(self, name: str, allowance: Allowance) -> "Kind":
        """Return the buckets of one name and allowance. The program has few names."""
        found = self._kinds.get((name, allowance))
        if found is None:
            found = self._kinds[name, allowance] = Kind(name, allowance, self)
        return found

    def take(self, key: Key, allowance: Allowance, now: float) -> float:
        """Take one request from the bucket of a name and a client, as `Kind.take` does."""
        name, client = key
        return self.of(name, allowance).take(client, now)

    def age(self) -> None:
        """Begin another generation, with room for one bucket less than it may have."""
        self.room = self._size_max - 1
        for kind in self._kinds.values():
            kind.age()


class Kind:
    """The buckets of one name and allowance, by client."""

    __slots__ = (
        "_all",
        "_burst_s",
        "_cost_s",
        "_old",
        "_slack_s",
        "_young",
        "allowance",
        "name",
    )

    def __init__(self, name: str, allowance: Allowance, all_kinds: Buckets) -> None:
        self.name = name
        self.allowance = allowance
        self._all = all_kinds
        self._cost_s = 1 / allowance.per_s
        self._burst_s = allowance.burst * self._cost_s
        # Less than one request, and more than what floats lose.
        self._slack_s = self._cost_s / 1000
        self._young: dict[str | bytes, float] = {}
        self._old: dict[str | bytes, float] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def age(self) -> None:
        """Begin another generation, and drop the one before the last."""
        self._old, self._young = self._young, {}

    def take(self, client: str | bytes, now: float, count: int = 1) -> float:
        """Take requests, at most a burst; return the seconds to wait, 0 if they are allowed.

        Requests that are refused take nothing.
        """
        full_at = self._young.get(client)
        if full_at is None:
            full_at = self._old.get(client, now)
            self._all.room -= 1
            if self._all.room < 0:
                self._all.age()
        if full_at <= now:
            # Nearly every bucket is full.
            self._young[client] = now + count * self._cost_s
            return 0.0
        after = full_at + count * self._cost_s
        wait_s = after - now - self._burst_s
        if wait_s > self._slack_s:
            self._young[client] = full_at
            return wait_s
        self._young[client] = after
        return 0.0

    def half_full_at(self, client: str) -> float:
        """Return when the bucket of a client that has just taken is half full, or was."""
        return self._young[client] - self._burst_s / 2
