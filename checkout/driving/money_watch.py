"""Metrics of money that moves: how much of it there is, for how long, and what stands still."""

import time

from prometheus_client import Gauge

from checkout.driving.leased import TRIES_ALARM
from inventory.kit.database import Pool, connection, load_queries

SQL = load_queries("checkout")

# Counting reads the rows of what moves alone, by the indexes that the settling loops use.
COUNT_EVERY_S = 15.0

MOVING = Gauge(
    "waitroom_money_moving",
    "Orders and refunds that have not come to rest, by state.",
    ["kind", "state"],
    multiprocess_mode="mostrecent",
)
OLDEST = Gauge(
    "waitroom_money_oldest_seconds",
    "The time for which the oldest of them has been in its state.",
    ["kind", "state"],
    multiprocess_mode="mostrecent",
)
STUCK = Gauge(
    "waitroom_money_stuck",
    "Those that were tried many times, or whose money an operator has to give back.",
    ["kind", "state"],
    multiprocess_mode="mostrecent",
)
ATTEMPTS = Gauge(
    "waitroom_payments_last_hour",
    "Orders that were placed in the last hour, by their state now.",
    ["state"],
    multiprocess_mode="mostrecent",
)


class MoneyWatch:
    """Count what moves, now and then, for whoever reads the metrics."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._due = 0.0

    async def sweep(self, _: int) -> int:
        """Count when it is time, as a sweep that rests between its rounds."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + COUNT_EVERY_S
            await self.count()
        return 0

    async def count(self) -> None:
        async with connection(self._pool) as borrowed:
            moving = await borrowed.fetch(SQL["count_moving_money"], TRIES_ALARM)
            placed = await borrowed.fetch(SQL["count_recent_orders"])
        for row in moving:
            labels = (row["kind"], row["state"])
            MOVING.labels(*labels).set(row["moving"])
            OLDEST.labels(*labels).set(row["oldest_s"])
            STUCK.labels(*labels).set(row["stuck"])
        for row in placed:
            ATTEMPTS.labels(row["state"]).set(row["placed"])
