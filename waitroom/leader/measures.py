"""Metrics of the leading controller and of its rooms, for Prometheus."""

import math

from prometheus_client import Counter, Gauge, Histogram

from waitroom.line.control.alerts import CODES, LEADER_AWAY
from waitroom.line.control.moment import FIGURES, Moment

FAILURES = Counter(
    "waitroom_leader_failures_total",
    "Failures of a room's leader, by the part of its tick that failed.",
    ["part"],
)
LEADING = Gauge(
    "waitroom_leading",
    "1 while this process leads: the sum over all processes is 1.",
    multiprocess_mode="livesum",
)
TICK = Histogram(
    "waitroom_tick_seconds",
    "The time that the leader takes for one tick of one room.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
_ALERT = Gauge(
    "waitroom_room_alert",
    "1 while something in a room needs an operator's act, by what it is.",
    ["room", "alert"],
    multiprocess_mode="livemostrecent",
)
_FIGURE = Gauge(
    "waitroom_room",
    "A room's figures at the last row of its series: people, units, seconds, and counts so far.",
    ["room", "figure"],
    multiprocess_mode="livemostrecent",
)


def tell(room: str, row: Moment, alerts: set[str]) -> None:
    """Tell the figures of a room's latest row, and raise its alerts and lower all others."""
    for code in CODES:
        if code != LEADER_AWAY:
            _ALERT.labels(room, code).set(code in alerts)
    for figure in FIGURES:
        value = getattr(row, figure)
        # Zero would be a lie.
        _FIGURE.labels(room, figure).set(math.nan if value is None else value)
