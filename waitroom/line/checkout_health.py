"""A gate on checkout's own health: calls slow down before checkout breaks. Pure.

The rate of calls is cut to a share while checkout is slow or failing, and grows evenly and then
faster while it is well: additive increase, multiplicative decrease, as TCP does against congestion
(Chiu and Jain, 1989). Between the two it stays as it is, so that it does not swing.
"""

from dataclasses import dataclass

# Checkout is slow from here on, and well again below that.
P95_SLOW_S, P95_WELL_S = 1.0, 0.5
# The share of errors among its answers. Beyond the last, only a probe is called now and then.
ERRORS_SLOW, ERRORS_WELL, ERRORS_STOP = 0.02, 0.005, 0.2
CUT = 0.7
# A cut needs a moment to show its effect, so there is one cut in this long.
CUT_EVERY_S = 3.0
# Slowness alone never stops calls: at least this many a second still go through.
RATE_MIN = 0.5
GROW_SHARE, GROW = 0.05, 0.2
# One call in this long while checkout fails, to see whether it still does.
PROBE_EVERY_S = 10.0
# The most calls a second of lately, which fades over so long: what a cut begins from. Calls come in
# bursts, and the mean of a quiet while would cut them to next to nothing.
MEMORY_S = 10.0
# Well for so long, and the limit is taken away; so it is when nothing was heard for that long.
LIFT_AFTER_S = 60.0
SILENT_S = 10.0


@dataclass(frozen=True, slots=True)
class HealthLimit:
    """The calls that checkout can bear in this tick (None: any number), why, and the rate."""

    calls: int | None
    reason: str | None
    per_second: float | None = None


_NONE = HealthLimit(None, None)


@dataclass(slots=True)
class CheckoutHealth:
    """Hears once a tick how checkout fares, and says how many calls it can bear."""

    rate: float | None = None
    reason: str | None = None
    cut_at: float = float("-inf")
    _lately: float = 0.0
    _credit: float = 0.0
    _at: float | None = None
    _heard_at: float | None = None
    _ill_at: float = float("-inf")

    def observe(
        self, now: float, *, p95_s: float | None, error_share: float | None, called: int
    ) -> None:
        """Take in a tick's figures, None for none, and the calls made since the last."""
        passed_s = 0.0 if self._at is None else max(now - self._at, 0.0)
        self._at = now
        if passed_s:
            weight = min(passed_s / MEMORY_S, 1.0)
            self._lately = max(called / passed_s, self._lately * (1 - weight))
        self._credit = max(self._credit - called, 0.0)
        if p95_s is None and error_share is None:
            if self._heard_at is None or now - self._heard_at > SILENT_S:
                self._lift()
        else:
            self._heard_at = now
            self._judge(now, passed_s, p95_s or 0.0, error_share or 0.0)
        self._fill(passed_s)

    def limit(self, now: float) -> HealthLimit:
        """Return what may be called in this tick."""
        if self.rate is None:
            return _NONE
        return HealthLimit(int(self._credit + 1e-9), self.reason, self.rate)

    def _judge(self, now: float, passed_s: float, p95_s: float, errors: float) -> None:
        if errors > ERRORS_STOP:
            self.rate, self.reason = 1 / PROBE_EVERY_S, "checkout_failing"
            self._ill_at = self.cut_at = now
        elif p95_s > P95_SLOW_S or errors > ERRORS_SLOW:
            self._cut(now)
        elif self.rate is not None and p95_s < P95_WELL_S and errors < ERRORS_WELL:
            self.rate += passed_s * (GROW + GROW_SHARE * self.rate)
            if now - self._ill_at > LIFT_AFTER_S:
                self._lift()

    def _cut(self, now: float) -> None:
        self._ill_at = now
        if now - self.cut_at < CUT_EVERY_S:
            return
        self.cut_at = now
        # A limit that was never reached has not been tried; the cut begins at what was called.
        base = self._lately if self.rate is None else min(self.rate, self._lately + GROW)
        self.rate, self.reason = max(base * CUT, RATE_MIN), "checkout_slow"

    def _fill(self, passed_s: float) -> None:
        if self.rate is None:
            self._credit = 0.0
            return
        # Two ticks' worth and one call, so that nothing is saved up for a burst.
        self._credit = min(self._credit + self.rate * passed_s, 1 + 2 * self.rate)

    def _lift(self) -> None:
        self.rate = self.reason = None
