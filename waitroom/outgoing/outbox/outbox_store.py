"""The outbox on PostgreSQL: fanning events out, leasing what is due, noting outcomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.signing import Root
from waitroom.outgoing.outbox.attempt import Answer, DeliveryOutcome
from waitroom.outgoing.outcome import Fate

SQL = load_queries("waitroom.outgoing.outbox")

# The states of `webhook_delivery`.
STATES = {Fate.SENT: "delivered", Fate.AGAIN: "pending", Fate.GIVEN_UP: "failed"}
# An endpoint that has failed for this long, and never succeeded in between, is made inactive. The
# last attempt at one event comes after 75 hours, so one event alone is enough.
FAILING_MAX = timedelta(days=3)
# Events are deleted after this time, with their deliveries, delivered or not.
KEPT = timedelta(days=14)
# Counting stops here: the metric need not be more exact.
PENDING_COUNTED_MAX = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A delivery taken under a lease.

    `attempts` counts this attempt too. `now` is the database's clock when it was taken. `roots` are
    what the secrets of the endpoint are derived from: the current one, and for a day after a
    rotation the one before. `webhook_id`, `kind`, `at` and `body` (JSON) are the event's.
    """

    delivery_id: int
    endpoint_id: int
    lease: UUID
    attempts: int
    now: datetime
    url: str = field(repr=False)
    roots: tuple[Root, ...]
    webhook_id: UUID
    kind: str
    at: datetime
    body: str = field(repr=False)

    @property
    def item_id(self) -> int:
        return self.delivery_id


class OutboxStore:
    """`holder` is the name of this process in the leases that it takes."""

    def __init__(self, pool: Pool, *, holder: UUID | None = None) -> None:
        self._pool = pool
        self._holder = holder

    async def fan_out(self, batch_max: int) -> int:
        """Make the deliveries of waiting events; return how many events were taken."""
        async with connection(self._pool) as borrowed:
            return int(await borrowed.fetchval(SQL["fan_out"], batch_max))

    async def lease_due(
        self, sending: Mapping[int, int], *, per_endpoint_max: int, lease_s: float
    ) -> list[Due]:
        """Lease what is due, to each endpoint up to `per_endpoint_max` less what is `sending`."""
        values = (
            list(sending.keys()),
            list(sending.values()),
            per_endpoint_max,
            lease_s,
            self._holder,
        )
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["lease_deliveries"], *values)
        return [_due(row) for row in rows]

    async def note(self, due: Due, answer: Answer, outcome: DeliveryOutcome) -> str | None:
        """Note how an attempt ended; return why its endpoint was made inactive by it, or None."""
        async with connection(self._pool) as borrowed:
            why: str | None = await borrowed.fetchval(
                SQL["note_attempt"],
                due.delivery_id,
                due.lease,
                STATES[outcome.fate],
                outcome.again_s,
                answer.status,
                answer.text,
                answer.took_ms,
                outcome.gone,
                outcome.quiet_s,
                FAILING_MAX,
            )
        return why

    async def pending(self) -> int:
        """Return how many deliveries wait for an attempt, counted up to a bound."""
        async with connection(self._pool) as borrowed:
            return int(await borrowed.fetchval(SQL["count_pending"], PENDING_COUNTED_MAX))

    async def forget(self, batch_max: int) -> int:
        """Delete events that are past their time, with their deliveries; return how many."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["forget_events"], batch_max, KEPT)
        return len(rows)


def _due(row: asyncpg.Record) -> Due:
    values = dict(row)
    roots = [Root(salt=values.pop("salt"), key_id=values.pop("key_id"))]
    old_salt, old_key_id = values.pop("old_salt"), values.pop("old_key_id")
    if old_salt is not None:
        roots.append(Root(salt=old_salt, key_id=old_key_id))
    return Due(**values, roots=tuple(roots))
