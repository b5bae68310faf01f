"""Counts of how fast and how well a part of the service answers. Pure: time comes in."""

from bisect import bisect_left

# Upper bounds in seconds of the classes of time that are told apart; one more is beyond the last.
BOUNDS_S = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
# A request that has waited longer counts before it is answered: what hangs answers nothing.
OVERDUE_S = 0.5
FAILED_FROM = 500

ANSWERED, FAILED = "answered", "failed"


class Pulse:
    """Counts of the answers of some routes since they were last taken.

    The failures of `untimed` requests (method and route) count, their slowness does not. The time
    of a payment is mostly the gateway's, for instance.
    """

    def __init__(self, prefix: str, untimed: frozenset[tuple[str, str]]) -> None:
        self.prefix = prefix
        self._untimed = untimed
        self._open: dict[int, float] = {}
        self._last = 0
        self._counts: dict[str, int] = {}

    def begin(self, method: str, route: str, started: float) -> int:
        """Note a request that has come; hand the number returned to `end`."""
        self._last += 1
        if (method, route) not in self._untimed:
            self._open[self._last] = started
        return self._last

    def end(self, number: int, status: int, now: float) -> None:
        """Note its answer; 0 means that the client hung up before it."""
        started = self._open.pop(number, None)
        if not status:
            return
        self._add(ANSWERED)
        if status >= FAILED_FROM:
            self._add(FAILED)
        if started is not None:
            self._add(_class_of(now - started))

    def take(self, now: float) -> dict[str, int]:
        """Return the counts since the last call, with requests that have waited for long."""
        for started in self._open.values():
            if now - started > OVERDUE_S:
                self._add(_class_of(now - started))
        counts, self._counts = self._counts, {}
        return counts

    def _add(self, name: str) -> None:
        self._counts[name] = self._counts.get(name, 0) + 1


def _class_of(seconds: float) -> str:
    return str(bisect_left(BOUNDS_S, seconds))


_pulses: dict[str, Pulse] = {}
_of_route: dict[str, Pulse | None] = {}


def watch(prefix: str, *, untimed: frozenset[tuple[str, str]] = frozenset()) -> Pulse:
    """Let the routes under a path be counted, and return their counts."""
    pulse = _pulses.get(prefix)
    if pulse is None:
        pulse = _pulses[prefix] = Pulse(prefix, untimed)
        _of_route.clear()
    return pulse


def pulse_of(route: str) -> Pulse | None:
    """Return the counts that this route belongs to, if there are any."""
    try:
        return _of_route[route]
    except KeyError:
        found = next((p for prefix, p in _pulses.items() if _under(route, prefix)), None)
        return _of_route.setdefault(route, found)


def _under(route: str, prefix: str) -> bool:
    return route == prefix or route.startswith(f"{prefix}/")
