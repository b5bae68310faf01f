"""Sessions' ends and orders on PostgreSQL."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec

from checkout.order import TRANSITIONS, Order, OrderState, UnknownOrder
from inventory.hold import HoldExpired, HoldLine, PaymentRunning, SessionOver, UnknownHold
from inventory.kit.database import Pool, connection
from inventory.kit.problem import IdempotencyKeyReused
from inventory.kit.queries import load_queries

SQL = load_queries("checkout")

# No letters or digits that people mix up when they read a reference aloud.
REFERENCE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
REFERENCE_LENGTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """A session as its shopper sees it."""

    session_id: int
    room: str
    room_name: str
    state: str
    end_reason: str | None
    expires_at: datetime
    seconds_left: float


class OrderStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def session(self, session_id: int) -> SessionView:
        """Return a session, ended or not; raises `SessionOver` when there never was one."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_session"], session_id)
        if row is None or row["expires_at"] is None:
            raise SessionOver
        return SessionView(**dict(row))

    async def leave(self, session_id: int) -> None:
        """End a session and release its holds; one that had ended stays so."""
        async with connection(self._pool) as borrowed:
            verdict = await borrowed.fetchval(SQL["end_session"], session_id, "left")
        if verdict == "payment_running":
            raise PaymentRunning("A payment is under way; it decides first.")

    async def start(
        self,
        session_id: int,
        *,
        hold_id: UUID,
        key: UUID,
        body_hash: bytes,
        gateway: str,
        token: str,
    ) -> tuple[UUID, bool]:
        """Begin paying for a hold; return the order's id and whether it is a new one."""
        order_id = uuid4()
        reference = "".join(secrets.choice(REFERENCE_ALPHABET) for _ in range(REFERENCE_LENGTH))
        values = (order_id, session_id, hold_id, key, body_hash, reference, gateway, token)
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["start_payment"], *values)
        assert row is not None
        match row["verdict"]:
            case "other_body":
                raise IdempotencyKeyReused
            case "no_such_hold":
                raise UnknownHold
            case "hold_expired":
                raise HoldExpired
            case "payment_running":
                raise PaymentRunning(order_id=str(row["found_order"]))
        return row["found_order"], row["verdict"] == "started"

    async def settle(
        self, order: Order, to: OrderState, *, gateway_ref: str = "", detail: str = ""
    ) -> OrderState:
        """Move an order on; return the state in which it then is."""
        assert to in TRANSITIONS[order.state], f"{order.state} never becomes {to}"
        values = (order.order_id, order.state, to, gateway_ref or None, detail)
        for attempt in range(2):
            try:
                async with connection(self._pool) as borrowed:
                    return OrderState(await borrowed.fetchval(SQL["settle_order"], *values))
            except asyncpg.DeadlockDetectedError:
                if attempt:
                    raise
                await asyncio.sleep(0)
        raise AssertionError

    async def read(self, order_id: UUID) -> Order:
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["read_order"], order_id)
        if not rows:
            raise UnknownOrder
        return _order(rows)

    async def of_session(self, session_id: int, order_id: UUID | None = None) -> list[Order]:
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["read_orders"], session_id, order_id)
        grouped: dict[UUID, list[asyncpg.Record]] = {}
        for row in rows:
            grouped.setdefault(row["order_id"], []).append(row)
        return [_order(found) for found in grouped.values()]

    async def page(
        self, room: str, *, before: tuple[datetime, UUID] | None = None, limit: int = 50
    ) -> list[dict[str, Any]]:
        """Return a room's newest orders, as plain values for the operators' screen."""
        at, order_id = before or (None, None)
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_orders"], room, at, order_id, limit)
        return [{**dict(row), "items": msgspec.json.decode(row["items"])} for row in rows]

    async def unsettled(self, *, idle_s: float, limit: int) -> list[UUID]:
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_unsettled"], idle_s, limit)
        return [row["order_id"] for row in rows]

    async def touch(self, order_id: UUID) -> None:
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["touch_order"], order_id)


def _order(rows: Sequence[asyncpg.Record]) -> Order:
    first = dict(rows[0])
    for name in ("sku", "name", "quantity", "price_minor"):
        del first[name]
    first["state"] = OrderState(first["state"])
    lines = [
        HoldLine(
            sku=row["sku"],
            name=row["name"],
            quantity=row["quantity"],
            price_minor=row["price_minor"],
        )
        for row in rows
    ]
    return Order(**first, lines=lines)
