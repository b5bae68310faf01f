"""The time that a small batch of joins waits for company. Pure.

Each batch of joins is one entry of the public log, and a calm stream of arrivals would make an
entry of each. The first batches go out at once, so a lone shopper never waits. When small batches
keep coming, they go out `EVERY_S` apart. A batch of `GOES_AT_ONCE` joins never waits: it is worth
its entry, and a rush must not be slowed down.

This is the generic cell rate algorithm (ITU-T I.371): `_due` is when the next small batch would be
sent if all were evenly spaced, and a batch may be ahead of that by a burst.
"""

# A join waits for at most this long, which a shopper does not notice.
EVERY_S = 0.1
# This many small batches go out at once after a calm time.
BURST = 20
GOES_AT_ONCE = 16


class Spacing:
    """Spaces the small batches of one line."""

    enough = GOES_AT_ONCE

    def __init__(self) -> None:
        self._due = 0.0

    def wait_s(self, now: float, size: int) -> float:
        """Return how long a batch waits for more joins, in seconds."""
        if size >= GOES_AT_ONCE:
            return 0.0
        return max(self._due - (BURST - 1) * EVERY_S - now, 0.0)

    def note(self, now: float, size: int) -> None:
        """Count a batch that goes out now."""
        if size < GOES_AT_ONCE:
            self._due = max(self._due, now) + EVERY_S
