"""The service as an operator's program sees it, by an API key."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import uuid4

from inventory.kit.doors.decoding import Json
from waitroom.client.answers import (
    AppliedFile,
    Bought,
    HeardStock,
    NamedRoom,
    OrdersPage,
    Refunded,
    Room,
    Rooms,
    Sku,
)
from waitroom.client.bodies import SessionNews, Steering
from waitroom.client.http_client import HttpClient

Value = TypeVar("Value")

ORDERS_PAGE = 200


class OperatorClient:
    """Operators' calls with an API key. A call that the key may not make raises `Problem`."""

    def __init__(self, http: HttpClient, *, key: str) -> None:
        self._http = http
        self._key = key

    async def rooms(self) -> list[NamedRoom]:
        """Return all rooms; a key that is narrowed to rooms may not ask."""
        return (await self._ask("GET", "", Rooms)).rooms

    async def room(self, room: str) -> Room:
        """Return a room with the figures of its sale."""
        return await self._ask("GET", f"/{room}", Room)

    async def steer(self, room: str, change: Steering) -> Room:
        """Change how a room calls: its seats, its rate and its message."""
        return await self._ask("PATCH", f"/{room}", Room, body=change)

    async def pause(self, room: str, *, reason: str = "") -> Room:
        """Call no further shoppers until the room is resumed."""
        return await self._ask("POST", f"/{room}/pause", Room, body={"reason": reason})

    async def resume(self, room: str, *, reason: str = "") -> Room:
        """Go on after a pause."""
        return await self._ask("POST", f"/{room}/resume", Room, body={"reason": reason})

    async def receive(self, sku: str, quantity: int, *, reason: str = "", key: str = "") -> Sku:
        """Put units on the shelf, once for each key."""
        return await self._http.ask(
            "POST",
            f"/admin/skus/{sku}/movements",
            Sku,
            bearer=self._key,
            key=key or str(uuid4()),
            body={"kind": "received", "quantity": quantity, "reason": reason},
        )

    async def report_stock(
        self,
        room: str,
        *,
        available: int,
        held: int = 0,
        as_of: datetime | None = None,
        outcomes: Sequence[SessionNews] = (),
    ) -> HeardStock:
        """Say what another shop has, and what became of sessions that were sent there."""
        body = {"available": available, "held": held, "as_of": as_of, "outcomes": list(outcomes)}
        return await self._ask("PUT", f"/{room}/stock", HeardStock, body=body)

    async def orders(self, room: str) -> AsyncIterator[Bought]:
        """Yield a room's orders, the newest first, reading them page by page."""
        cursor: str | None = ""
        while cursor is not None:
            query = {"limit": str(ORDERS_PAGE)} | ({"cursor": cursor} if cursor else {})
            page = await self._ask("GET", f"/{room}/orders", OrdersPage, query=query)
            for order in page.orders:
                yield order
            cursor = page.next

    async def order(self, order_id: str) -> Bought:
        """Return an order."""
        path = f"/admin/orders/{order_id}"
        return await self._http.ask("GET", path, Bought, bearer=self._key)

    async def refund(
        self, order_id: str, *, amount_minor: int | None = None, reason: str, key: str = ""
    ) -> Refunded:
        """Give money of an order back: all that is left, or an amount. Once for each key."""
        much: Json = {"full": True} if amount_minor is None else {"amount_minor": amount_minor}
        return await self._http.ask(
            "POST",
            f"/admin/orders/{order_id}/refunds",
            Refunded,
            bearer=self._key,
            key=key or str(uuid4()),
            body={"reason": reason, **much},
        )

    async def file_json(self, room: str) -> Json:
        """Return a room as a document, in the form that `apply` takes."""
        return await self._ask("GET", f"/{room}/file", dict)

    async def apply(self, room: str, document: Json, *, dry_run: bool = False) -> AppliedFile:
        """Bring a room to a document, and return what changed."""
        query = {"dry_run": "true" if dry_run else "false"}
        return await self._ask("PUT", f"/{room}/file", AppliedFile, body=document, query=query)

    async def _ask(
        self,
        method: str,
        path: str,
        kind: type[Value],
        *,
        body: object = None,
        query: Mapping[str, str] | None = None,
    ) -> Value:
        """Send a request about rooms."""
        return await self._http.ask(
            method, f"/admin/rooms{path}", kind, bearer=self._key, body=body, query=query
        )
