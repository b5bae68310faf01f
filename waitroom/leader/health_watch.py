"""Checkout's health: each web worker reports its counts, and the leading controller adds them up.

The counts of all workers are added up in Valkey for a moment and taken by the leader once a tick.
Without Valkey there are no figures, and without figures no limit.
"""

import asyncio
import time
from bisect import bisect_left
from collections import Counter, deque
from dataclasses import replace
from itertools import accumulate

from inventory.kit.loops import rest
from inventory.kit.pulse import ANSWERED, BOUNDS_S, FAILED, Pulse, watch
from waitroom.line.checkout_health import CheckoutHealth, HealthLimit
from waitroom.store.memory import Memory

CHECKOUT = "/checkout"
# Their time says nothing of checkout: a payment waits for a gateway or a bank, and a shopper who
# leaves makes room. A hundred who leave at once must not keep the next hundred out.
UNTIMED = frozenset(
    {
        ("POST", "/checkout/orders"),
        ("POST", "/checkout/pay"),
        ("GET", "/checkout/stripe/{order_id}"),
        ("GET", "/checkout/stripe/{order_id}/return"),
        ("POST", "/checkout/webhooks/stripe"),
        ("DELETE", "/checkout/session"),
    }
)
SHARE_EVERY_S = 1.0
# Counts that no leader takes are forgotten: they would be old news to the next.
KEPT_S = 5
# The leader looks at the last seconds together, and at nothing where hardly anything happened.
WINDOW_S = 10.0
ANSWERS_MIN = 5
# Rooms that are led in one tick hear the same.
FRESH_S = 0.5


class HealthShare:
    """Tells the leader what this process counted. One for each process that serves checkout."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._pulse: Pulse = watch(CHECKOUT, untimed=UNTIMED)

    async def run(self, stopping: asyncio.Event) -> None:
        """Tell it once a second until `stopping` is set."""
        while not stopping.is_set():
            await self.share()
            await rest(stopping, SHARE_EVERY_S)

    async def share(self) -> None:
        counts = self._pulse.take(time.perf_counter())
        if counts:
            await self._memory.add_counts(CHECKOUT, counts, ttl_s=KEPT_S)


class HealthWatch:
    """The leading controller's knowledge of checkout's health; one for all rooms of a service."""

    def __init__(self, memory: Memory, health: CheckoutHealth | None = None) -> None:
        self._memory = memory
        self._health = health or CheckoutHealth()
        self._window: deque[tuple[float, Counter[str]]] = deque()
        self._read_at = float("-inf")
        self._called = 0
        self._taken = 0

    async def read(self, now: float | None = None) -> HealthLimit:
        """Return how many calls checkout can bear in this tick, less those that were taken.

        May be asked for each room: the workers' counts are read once a tick. `now` is in seconds
        of any steady clock.
        """
        now = time.monotonic() if now is None else now
        if now - self._read_at >= FRESH_S:
            self._read_at = now
            self._hear(now, Counter(await self._memory.take_counts(CHECKOUT)))
            p95_s, error_share = self.figures
            self._health.observe(now, p95_s=p95_s, error_share=error_share, called=self._called)
            if self._health.cut_at == now:
                # Answers from before a cut say nothing of its effect, and cause no further cut.
                self._window.clear()
            self._called = self._taken = 0
        limit = self._health.limit(now)
        if limit.calls is None:
            return limit
        return replace(limit, calls=max(limit.calls - self._taken, 0))

    @property
    def figures(self) -> tuple[float | None, float | None]:
        """Return the 95th percentile of the last seconds' times, and the share of failures."""
        return figures_of(sum((counts for _, counts in self._window), Counter()))

    def take(self, calls: int) -> None:
        """Count calls that a room has just made: other rooms have so many fewer in this tick."""
        self._taken += calls

    def note(self, calls: int) -> None:
        """Count all calls since the last tick, also those that arrivals made themselves."""
        self._called += calls

    def _hear(self, now: float, counts: Counter[str]) -> None:
        self._window.append((now, counts))
        while self._window[0][0] <= now - WINDOW_S:
            self._window.popleft()


def figures_of(counts: Counter[str]) -> tuple[float | None, float | None]:
    """Return the 95th percentile of the times in seconds, and the share of failures.

    None for either where hardly anything happened. Within its class a time is taken as anywhere.
    """
    answered = counts[ANSWERED]
    classes = [counts[str(i)] for i in range(len(BOUNDS_S) + 1)]
    errors = counts[FAILED] / answered if answered >= ANSWERS_MIN else None
    return (_quantile(classes, 0.95) if sum(classes) >= ANSWERS_MIN else None), errors


def _quantile(classes: list[int], share: float) -> float:
    reached = list(accumulate(classes))
    wanted = share * reached[-1]
    found = bisect_left(reached, wanted)
    if found == len(BOUNDS_S):
        return BOUNDS_S[-1]
    low = BOUNDS_S[found - 1] if found else 0.0
    before = reached[found] - classes[found]
    return low + (BOUNDS_S[found] - low) * (wanted - before) / classes[found]
