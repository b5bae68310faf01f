"""The place of the daily comparison with a gateway, on PostgreSQL."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from inventory.kit.database import Pool, connection, load_queries

SQL = load_queries("checkout")

LEASE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToCompare:
    """An order that is to be compared, and its place in the round."""

    order_id: UUID
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The outcome of comparing some orders."""

    orders: int
    # Differences that no news had told of.
    found: int
    # Differences that the books could not take in, and orders without an answer.
    remaining: int


class ComparisonStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def take(self, *, gateway: str, limit: int) -> list[ToCompare]:
        """Lease the next orders of the round; none while it is over or another process has it."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["take_comparison"], gateway, LEASE_S, limit)
        return [ToCompare(**dict(row)) for row in rows]

    async def advance(self, last: ToCompare, done: Compared, *, gateway: str) -> None:
        """Note that all orders up to the last one were compared, and end the lease."""
        place = (last.created_at, last.order_id)
        values = (gateway, *place, done.orders, done.found, done.remaining)
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["advance_comparison"], *values)
