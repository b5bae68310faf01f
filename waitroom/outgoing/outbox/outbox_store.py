"""The outbox on PostgreSQL: fanning events out, taking what is due, noting how it went."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from inventory.kit.database import Pool, connection
from inventory.kit.queries import load_queries
from waitroom.outgoing.outbox.attempt import Answer, Outcome
from waitroom.outgoing.outbox.signature import Root

SQL = load_queries("waitroom.outgoing.outbox")

# An endpoint that has failed for so long, and never succeeded in between, is made inactive. The
# last attempt at one event comes after 75 hours, so one event alone is enough.
FAILING_MAX = timedelta(days=3)
# Events and what became of them are forgotten after this, delivered or not.
KEPT = timedelta(days=14)
# Counting stops here: nobody needs to know it more exactly.
PENDING_COUNTED_MAX = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A delivery taken under a lease: what to send where, and at what moment it was taken."""

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


class OutboxStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def fan_out(self, batch_max: int) -> int:
        """Make the deliveries of waiting events; return how many events were taken."""
        async with connection(self._pool) as borrowed:
            return int(await borrowed.fetchval(SQL["fan_out"], batch_max))

    async def claim(
        self, sending: Mapping[int, int], *, per_endpoint_max: int, lease_s: float
    ) -> list[Due]:
        """Take what is due, to each endpoint as much as it may have beyond what is `sending`."""
        values = (list(sending.keys()), list(sending.values()), per_endpoint_max, lease_s)
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["claim_deliveries"], *values)
        due = []
        for row in rows:
            values_of = dict(row)
            roots = [Root(salt=values_of.pop("salt"), key_id=values_of.pop("key_id"))]
            old_salt, old_key_id = values_of.pop("old_salt"), values_of.pop("old_key_id")
            if old_salt is not None:
                roots.append(Root(salt=old_salt, key_id=old_key_id))
            due.append(Due(**values_of, roots=tuple(roots)))
        return due

    async def note(self, due: Due, answer: Answer, outcome: Outcome) -> str | None:
        """Note how an attempt ended; return why its endpoint was made inactive by it, or None."""
        async with connection(self._pool) as borrowed:
            why: str | None = await borrowed.fetchval(
                SQL["note_attempt"],
                due.delivery_id,
                due.lease,
                outcome.state,
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
