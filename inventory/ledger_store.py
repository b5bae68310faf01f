"""The ledger on PostgreSQL: what moved stock, and what the balances were at any moment."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.problem import BadRequest, IdempotencyKeyReused, NotFound
from inventory.kit.turns import Audits
from inventory.refusals import BelowCommitted, RoomArchived

SQL = load_queries("inventory")

# Movements are looked for in the hour before a moment, then in spans that grow by this factor: a
# page of a busy SKU costs what happened lately, whatever happened in a year.
SPAN_FIRST = timedelta(hours=1)
SPAN_GROWTH = 24
SPANS_MAX = 3
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The balances of one SKU at a moment, in units, summed up from its movements."""

    sku: str
    name: str
    on_hand: int
    held: int
    sold: int
    available: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One change of a SKU's stock.

    `kind` is received, adjusted, held, released, expired, confirmed, returned or archived, and
    `quantity` the units that moved. `who` is an operator, a session, or the clock. The hold or the
    order behind the movement is named where there is one. `on_hand`, `held` and `sold` are the
    units that were added to each balance, negative where some were taken away.
    """

    at: datetime
    kind: str
    quantity: int
    who: str
    reason: str
    hold_id: UUID | None
    order_id: UUID | None
    on_hand: int
    held: int
    sold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One way in which the books disagree.

    `breach` says in words which two figures differ. `id` is of the SKU, room, time of sale or order
    that they are about. `kept` is the figure in its row, `counted` the one that its parts add up
    to, both in units or minor units; None where a side has no figure.
    """

    breach: str
    id: int | UUID
    kept: int | None
    counted: int | None


class LedgerStore:
    """Writes movements, and reads the past by audits that take no shopper's connection."""

    def __init__(self, pool: Pool, audits: Audits | None = None) -> None:
        self._pool = pool
        self._audits = audits or Audits(pool)

    async def move(
        self,
        sku: str,
        *,
        kind: str,
        quantity: int,
        who: str,
        reason: str = "",
        key: UUID | None = None,
        override: bool = False,
    ) -> int:
        """Change what is on hand, once for each key, and return the new figure.

        `kind` is received or adjusted. A correction below what is held, sold or promised raises
        `BelowCommitted`, unless `override` says that the units are gone whatever was promised.
        """
        values = (sku, kind, quantity, who, reason, key, override)
        async with connection(self._pool) as borrowed:
            try:
                row = await borrowed.fetchrow(SQL["move_stock"], *values)
            except asyncpg.CheckViolationError as error:
                if error.constraint_name == "archived_room_stands":
                    raise RoomArchived from error
                if error.table_name == "stock_movement":
                    raise BadRequest("A movement is received or adjusted, and not 0.") from error
                raise BelowCommitted(sku=sku) from error
            except asyncpg.NumericValueOutOfRangeError as error:
                raise BadRequest("That is more than any stock can be.") from error
        assert row is not None
        if row["verdict"] == "unknown":
            raise NotFound(f"There is no SKU {sku!r}.")
        if row["verdict"] == "other_body":
            raise IdempotencyKeyReused
        return int(row["now_on_hand"])

    async def at(
        self,
        room: str,
        moment: datetime,
        *,
        sku: str | None = None,
        after: str = "",
        limit: int = 500,
        seller: int | None = None,
    ) -> list[Balance]:
        """Return a room's balances at a moment: the present ones less the movements since then."""
        values = (room, moment, sku, after, limit, seller)
        rows = await self._audits.fetch(SQL["stock_at"], *values)
        return [Balance(**row) for row in rows]

    async def movements(
        self,
        sku: str,
        *,
        before: datetime | None = None,
        limit: int = 100,
        seller: int | None = None,
    ) -> list[Movement]:
        """Return a SKU's movements, newest first. Raises `NotFound`."""
        await self.require(sku, seller)
        until = before or datetime.now(UTC) + SPAN_FIRST
        rows: list[asyncpg.Record] = []
        for span in range(SPANS_MAX + 1):
            since = until - SPAN_FIRST * SPAN_GROWTH**span if span < SPANS_MAX else _BEGINNING
            values = (sku, until, limit, seller, since)
            rows = await self._audits.fetch(SQL["list_movements"], *values)
            if len(rows) == limit:
                break
        return [Movement(**row) for row in rows]

    async def require(self, sku: str, seller: int | None) -> None:
        """Raise `NotFound` for a SKU that is not there or is another seller's."""
        async with connection(self._pool) as borrowed:
            if await borrowed.fetchval(SQL["sku_in_scope"], sku, seller) is None:
                raise NotFound(f"There is no SKU {sku!r}.")

    async def breaches(self) -> list[Breach]:
        """Return every way in which the books disagree: none, unless something is broken."""
        return [Breach(**row) for row in await self._audits.fetch(SQL["read_breaches"])]
