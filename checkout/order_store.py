"""Sessions' ends and orders on PostgreSQL."""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec

from checkout.order import CLOSED, TRANSITIONS, Order, OrderLine, OrderState
from checkout.refusals import UnknownOrder
from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.problem import IdempotencyKeyReused
from inventory.refusals import HoldExpired, PaymentRunning, SessionOver, UnknownHold

SQL = load_queries("checkout")

# No letters or digits that people mix up when they read a reference aloud.
REFERENCE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
REFERENCE_LENGTH = 8
EXPIRE_BATCH_MAX = 500

_LINES = msgspec.json.Decoder(list[OrderLine])


async def decide(pool: Pool, sql: str, *values: object) -> Any:
    """Run a function that moves an order or a refund, once more if it met a deadlock.

    All of them go by the state that they find, so running one again is safe.
    """
    try:
        async with connection(pool) as borrowed:
            return await borrowed.fetchval(sql, *values)
    except asyncpg.DeadlockDetectedError:
        await asyncio.sleep(0)
    async with connection(pool) as borrowed:
        return await borrowed.fetchval(sql, *values)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """A session as its shopper sees it."""

    session_id: int
    room: str
    room_name: str
    state: str
    end_reason: str | None
    customer_bound: bool
    customer_needed: bool
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
        assert order.state not in CLOSED, "late money has a way of its own: take_late"
        values = (order.order_id, order.state, to, gateway_ref or None, detail)
        return OrderState(await decide(self._pool, SQL["settle_order"], *values))

    async def take_late(self, order: Order, *, gateway_ref: str = "") -> OrderState:
        """Let money that came late buy the units if they can be had, or else go back.

        Returns the state in which the order then is.
        """
        values = (order.order_id, gateway_ref or None)
        final = False
        state = await decide(self._pool, SQL["take_late_money"], *values, final)
        if state == "short":
            # What is due on these SKUs ends first, as it would for anybody who wants their units.
            skus = [line.sku for line in order.lines]
            await decide(self._pool, SQL["expire_for"], EXPIRE_BATCH_MAX, skus)
            state = await decide(self._pool, SQL["take_late_money"], *values, not final)
        return OrderState(state)

    async def read(self, order_id: UUID) -> Order:
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_order"], order_id)
        if row is None:
            raise UnknownOrder
        return _order(row)

    async def of_session(self, session_id: int, order_id: UUID | None = None) -> list[Order]:
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["read_orders"], session_id, order_id)
        return [_order(row) for row in rows]

    async def unsettled(self, *, gateway: str, idle_s: float, limit: int) -> list[UUID]:
        """Return orders of this gateway that nobody has moved for a while."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_unsettled"], idle_s, limit, gateway)
        return [row["order_id"] for row in rows]

    async def touch(self, order_id: UUID) -> None:
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["touch_order"], order_id)

    async def breaches(self) -> list[dict[str, Any]]:
        """Return every way in which orders and refunds disagree: none, unless one is broken."""
        async with connection(self._pool) as borrowed:
            return [dict(row) for row in await borrowed.fetch(SQL["read_money_breaches"])]


def _order(row: asyncpg.Record) -> Order:
    values = dict(row)
    values["state"] = OrderState(values["state"])
    values["lines"] = _LINES.decode(values["lines"])
    return Order(**values)
