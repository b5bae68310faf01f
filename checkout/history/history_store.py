"""The history of orders, from PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from checkout.driving.attempt import GatewayAnswer
from checkout.history.cursor import Cursor
from checkout.history.order_file import ListedOrder, Note, OrderFile
from checkout.history.search import OrderFilter, Words
from checkout.order import Order, read_order
from checkout.refund_store import refund_of
from checkout.refusals import SkuNotHere, UnknownOrder, UnknownRoom
from inventory.kit.database import Connection, Pool, connection, load_queries

SQL = load_queries("checkout.history")

# Orders read at a time while a whole room is exported: what is in memory at once.
EXPORT_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomName:
    room_id: int
    name: str
    currency: str


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[Connection]:
    """Borrow a connection whose statements all read the books as they stand at one moment."""
    async with (
        connection(pool) as borrowed,
        borrowed.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield borrowed


class HistoryStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def of_sessions(
        self, session_ids: list[int], *, after: Cursor | None, limit: int
    ) -> list[Order]:
        """Return the newest orders of some sessions, or those that follow the cursor."""
        at, order_id = (after.at, after.order_id) if after else (None, None)
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(
                SQL["list_session_orders"], session_ids, at, order_id, limit
            )
        return [read_order(row["document"]) for row in rows]

    async def rooms(self, *, seller: int | None = None) -> list[dict[str, str]]:
        """Return all rooms by name, or those that admit a seller or have products of theirs."""
        async with connection(self._pool) as borrowed:
            return [dict(row) for row in await borrowed.fetch(SQL["list_scoped_rooms"], seller)]

    async def page(
        self,
        room: str,
        wanted: OrderFilter,
        *,
        after: Cursor | None = None,
        limit: int,
        seller: int | None = None,
    ) -> list[ListedOrder]:
        """Return a room's newest orders of those wanted, or those that follow the cursor.

        For a seller these are the orders with products of theirs, and of each their part. Raises
        `UnknownRoom`, and `SkuNotHere` for a SKU that the room does not have, or not from them.
        """
        async with snapshot(self._pool) as borrowed:
            room_id = (await find_room(borrowed, room)).room_id
            sku_id = None
            if wanted.sku is not None:
                sku_id = await borrowed.fetchval(SQL["find_sku"], wanted.sku, room_id, seller)
                if sku_id is None:
                    raise SkuNotHere(f"There is no SKU {wanted.sku!r} in this room.")
            values = values_of(wanted, room_id=room_id, after=after, sku_id=sku_id, seller=seller)
            rows = await borrowed.fetch(SQL["list_room_orders"], *values, limit)
        return [
            ListedOrder(order=read_order(row["document"]), customer_email=row["customer_email"])
            for row in rows
        ]

    async def pages(
        self, room: str, wanted: OrderFilter, *, seller: int | None = None
    ) -> AsyncIterator[list[ListedOrder]]:
        """Return all orders wanted, in lists that are bounded; at least one, which may be empty.

        No connection is borrowed while the caller is busy with a list. Orders that are placed
        meanwhile are newer than where the reading stands, so they are left out.
        """
        after: Cursor | None = None
        while True:
            found = await self.page(room, wanted, after=after, limit=EXPORT_PAGE, seller=seller)
            yield found
            if len(found) < EXPORT_PAGE:
                return
            last = found[-1].order
            after = Cursor(at=last.created_at, order_id=last.order_id)

    async def file(self, order_id: UUID, *, seller: int | None = None) -> OrderFile:
        """Return all about an order; raises `UnknownOrder` if the seller has no part in it."""
        async with snapshot(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_file"], order_id, seller)
            if row is None or row["document"] is None:
                raise UnknownOrder
            refunds = await borrowed.fetch(SQL["list_refund_parts"], order_id, seller)
            answers = await borrowed.fetch(SQL["list_answers"], order_id)
            notes = await borrowed.fetch(SQL["list_notes"], order_id, seller)
        values = dict(row)
        return OrderFile(
            order=read_order(values.pop("document")),
            refunds=[refund_of(refund) for refund in refunds],
            answers=[GatewayAnswer(**dict(answer)) for answer in answers],
            notes=[Note(**dict(note)) for note in notes],
            **values,
        )


async def find_room(borrowed: Connection, room: str) -> RoomName:
    """Return a room's id and name; raises `UnknownRoom`."""
    row = await borrowed.fetchrow(SQL["find_room"], room)
    if row is None:
        raise UnknownRoom
    return RoomName(**dict(row))


def values_of(
    wanted: OrderFilter,
    *,
    room_id: int,
    after: Cursor | None = None,
    sku_id: int | None = None,
    seller: int | None = None,
) -> tuple[Any, ...]:
    """Return the arguments of `find_orders`, without the number of orders to find."""
    status, words = wanted.status, wanted.words or Words()
    return (
        *(room_id, after and after.at, after and after.order_id),
        *(status and status.state, status and status.given_back),
        *(wanted.since, wanted.until, seller, sku_id),
        *(words.order_id, words.reference, words.reference_part, words.email),
    )
