"""Archiving rooms that are over, and retention, on PostgreSQL: in batches, each one transaction."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
import structlog

from inventory.kit.database import Connection, Pool, connection, load_queries
from inventory.kit.loops import rest
from inventory.kit.problem import NotFound
from waitroom.refusals import SaleNotEnded, StillOpen

log = structlog.get_logger()

SQL = load_queries("waitroom.store")

# The sentence for an operator who archives a room in which this is still open.
_OPEN = {
    "sessions": "Shoppers are inside, or called. Wait until their time is over.",
    "holds": "Units are held. Wait until the holds have ended.",
    "orders": "Orders wait for the payment gateway.",
    "refunds": "Refunds are on their way.",
    "draw": "The draw is not finished. It may wait for its public value.",
}
# Small enough that no shopper waits for a batch, which locks no row that a sale needs.
BATCH_MAX = 500
PAUSE_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long what is left of a room is kept after it has ended; None is for ever.

    `archive_after`: its rows, which then become balances. `people_after`: what tells who its
    customers are. `orders_after`: its orders.
    """

    archive_after: timedelta | None
    people_after: timedelta | None
    orders_after: timedelta | None


class ArchiveStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def seal(self, room: str, *, who: str, reason: str) -> int:
        """Seal a room, so that the sweep archives it; return the room's id.

        Raises `NotFound`, `SaleNotEnded` or `StillOpen`.
        """
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["seal_room"], room, who, reason)
            assert row is not None
            if row["verdict"] == "unknown":
                raise NotFound(f"There is no room {room!r}.")
            if row["verdict"] == "not_ended":
                raise SaleNotEnded
            if row["verdict"] == "open":
                raise StillOpen(_OPEN[row["open"]], open=row["open"])
            found = await borrowed.fetchrow(SQL["read_retention"], room)
        assert found is not None
        return int(found["room_id"])

    async def is_archived(self, room: str) -> bool:
        """Say whether a room's archive is complete."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_retention"], room)
        return row is not None and row["archived_at"] is not None

    async def step(self, room_id: int, *, batch_max: int = BATCH_MAX) -> bool:
        """Archive one batch of a sealed room; say whether there is more to do."""
        async with connection(self._pool) as borrowed:
            more = await borrowed.fetchval(SQL["archive_step"], room_id, batch_max)
        # None: another process has this room at the moment.
        return more is None or bool(more)

    async def finish(self, room_id: int) -> None:
        """Archive all of a sealed room, with a pause after each batch for the sales that run."""
        more = True
        while more:
            more = await self.step(room_id)
            await rest(asyncio.Event(), PAUSE_S)

    async def sweep(self, keep: Retention, batch_max: int) -> int:
        """Take the next step that retention asks for; return `batch_max` if there may be more.

        A room whose step fails is left for an hour, so that it keeps no other room waiting.
        """
        spans = (keep.archive_after, keep.people_after, keep.orders_after)
        async with connection(self._pool) as borrowed:
            blanked = await borrowed.fetchval(SQL["forget_addresses"], keep.people_after, batch_max)
            gone = await borrowed.fetchval(SQL["forget_records"], keep.orders_after, batch_max)
            forgot = await borrowed.fetchval(SQL["forget_networks"])
            due = await borrowed.fetchrow(SQL["next_retention"], *spans)
            if due is None:
                return batch_max if forgot else max(int(blanked), int(gone))
            try:
                await _take(borrowed, due["step"], due["next_room_id"], keep, batch_max)
            except asyncpg.PostgresError as error:
                log.exception("retention_failed", error=repr(error), **dict(due))
                await borrowed.execute(SQL["look_later"], due["next_room_id"])
        return batch_max


async def _take(
    borrowed: Connection, step: str, room_id: int, keep: Retention, batch_max: int
) -> None:
    match step:
        case "seal":
            await borrowed.fetchval(SQL["seal_due"], room_id)
        case "archive":
            await borrowed.fetchval(SQL["archive_step"], room_id, batch_max)
        case "people":
            await borrowed.fetchval(SQL["forget_people"], room_id, keep.people_after, batch_max)
        case _:
            await borrowed.fetchval(SQL["forget_orders"], room_id, batch_max)
