"""Sessions' ends and orders on PostgreSQL."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from checkout.driving.attempt import Attempt, Taken
from checkout.gateway.gateway import Payment
from checkout.order import CLOSED, TRANSITIONS, Order, OrderState, read_order
from checkout.refusals import (
    ContentChanged,
    PaidTooSoon,
    TooManyDeclines,
    TotalChanged,
    UnknownOrder,
)
from inventory.kit.database import SHOPPER_TIMEOUT_S, Pool, ask, connection, load_queries
from inventory.kit.language.aloud import drawn
from inventory.kit.language.language import phrase
from inventory.kit.problem import IdempotencyKeyReused, Refusal
from inventory.kit.turns import Audits
from inventory.ledger_store import Breach
from inventory.refusals import AlreadyPaid, HoldExpired, PaymentRunning, SessionOver, UnknownHold

SQL = load_queries("checkout")

_PAID = phrase("These items are paid for already.")

REFERENCE_LENGTH = 8
# Numbers that are drawn for one order: of 10^11, even ten million orders leave few in use.
REFERENCES_MAX = 5
EXPIRE_BATCH_MAX = 500


def new_reference() -> str:
    """Return a number for an order that people can read to each other."""
    return drawn(REFERENCE_LENGTH, secrets.choice)


async def decide(pool: Pool, sql: str, *values: object) -> Any:
    """Run a function that moves an order or a refund, once more if it met a deadlock or was lost.

    All of them go by the state that they find, so running one again is safe.
    """
    rows = await ask(pool, sql, *values)
    return rows[0][0] if rows else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """A session as its shopper sees it."""

    session_id: int
    # The number that was called.
    number: int
    room: str
    room_name: str
    # The language that the room falls back to, "" for English.
    language: str
    state: str
    end_reason: str | None
    customer_bound: bool
    customer_needed: bool
    expires_at: datetime
    seconds_left: float


class OrderStore:
    """`holder` is the name of this process in the leases that it takes (`LeaseHolder`)."""

    def __init__(
        self, pool: Pool, audits: Audits | None = None, *, holder: UUID | None = None
    ) -> None:
        self._pool = pool
        self._holder = holder
        self._audits = audits or Audits(pool)

    async def session(self, session_id: int) -> SessionView:
        """Return a session, ended or not; raises `SessionOver` when there never was one."""
        found = await self.sessions([session_id])
        if not found:
            raise SessionOver
        return found[session_id]

    async def sessions(self, session_ids: Sequence[int]) -> dict[int, SessionView]:
        """Return those of these sessions that there are or were, by id."""
        rows = await ask(self._pool, SQL["read_sessions"], list(session_ids))
        return {row["session_id"]: SessionView(**dict(row)) for row in rows}

    async def sessions_about(
        self,
        session_ids: list[int],
        *,
        hold_id: UUID | None,
        order_id: UUID | None,
        skus: list[str],
    ) -> set[int]:
        """Return those of several sessions that have the hold or the order, or sell the SKUs.

        Without any of these, and where none of them has it, return the ones that have not ended.
        """
        rows = await ask(self._pool, SQL["sessions_about"], session_ids, hold_id, order_id, skus)
        having = {row["session_id"] for row in rows if row["has_it"]}
        return having or {row["session_id"] for row in rows if row["live"]}

    async def leave(self, session_id: int) -> None:
        """End a session and release its holds; one that had ended stays so."""
        async with connection(self._pool) as borrowed:
            verdict = await borrowed.fetchval(SQL["end_session"], session_id, "left")
        if verdict == "payment_running":
            raise PaymentRunning

    async def start(
        self,
        session_id: int,
        *,
        hold_id: UUID,
        key: UUID,
        body_hash: bytes,
        gateway: str,
        token: str,
        shown_minor: int | None = None,
        shown_content: str | None = None,
    ) -> tuple[UUID, bool]:
        """Begin paying for a hold; return the order's id and whether it is a new one.

        `shown_minor` and `shown_content` are the total and the items that the shopper saw. Raises
        `ContentChanged` where the hold has others by now, `TotalChanged` where it costs
        another amount by now, `PaidTooSoon`, `TooManyDeclines`, and what stands in the way of
        paying the hold.
        """
        order = (session_id, hold_id, key, body_hash)
        row = await self._write_order(*order, rest=(gateway, token, shown_minor, shown_content))
        match row["verdict"]:
            case "other_body":
                raise IdempotencyKeyReused
            case "no_such_hold":
                raise UnknownHold
            case "hold_expired":
                raise HoldExpired
            case "content_changed":
                raise ContentChanged
            case "total_changed":
                raise TotalChanged(total_minor=row["figure"])
            case "too_soon":
                raise PaidTooSoon(seconds_left=row["figure"])
            case "too_many_declines":
                raise TooManyDeclines
            case "already_paid":
                raise AlreadyPaid(order_id=str(row["found_order"]))
            case "payment_running":
                raise PaymentRunning(order_id=str(row["found_order"]))
        return row["found_order"], row["verdict"] == "started"

    async def why_sold(self, session_id: int, hold_id: UUID) -> Refusal:
        """Return the refusal of a change to a hold that was sold: it names the order."""
        rows = await ask(self._pool, SQL["order_of_hold"], session_id, hold_id)
        if not rows:
            return AlreadyPaid(_PAID)
        order_id = str(rows[0]["order_id"])
        if rows[0]["is_paid"]:
            return AlreadyPaid(_PAID, order_id=order_id)
        return PaymentRunning(order_id=order_id)

    async def unknown(self, *, gateway: str, limit: int) -> list[tuple[UUID, str]]:
        """Return overdue payments that no process drives, each with its gateway: another one."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["find_unknown_payments"], gateway, limit)
        return [(row["order_id"], row["gateway"]) for row in rows]

    async def end_unknown(self, order_id: UUID, *, detail: str) -> OrderState:
        """Give the hold of such a payment up; return the state in which the order then is."""
        values = (order_id, detail)
        return OrderState(await decide(self._pool, SQL["end_unknown_payment"], *values))

    async def elsewhere(self, *, gateway: str) -> dict[str, tuple[int, int]]:
        """Count the orders and refunds that move at other gateways than this one, by gateway."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["count_money_elsewhere"], gateway)
        return {row["gateway"]: (row["orders"], row["refunds"]) for row in rows}

    async def _write_order(
        self,
        session_id: int,
        hold_id: UUID,
        key: UUID,
        body_hash: bytes,
        *,
        rest: tuple[str, str, int | None, str | None],
    ) -> asyncpg.Record:
        """Write an order under a number that no other has; two orders may draw the same one."""
        for attempt in range(REFERENCES_MAX):
            order = (uuid4(), session_id, hold_id, key, body_hash, new_reference())
            try:
                async with connection(self._pool) as borrowed:
                    row = await borrowed.fetchrow(
                        SQL["start_payment"],
                        *order,
                        *rest,
                        self._holder,
                        timeout=SHOPPER_TIMEOUT_S,
                    )
            except asyncpg.UniqueViolationError as error:
                taken = error.constraint_name == "purchase_reference_key"
                if not taken or attempt == REFERENCES_MAX - 1:
                    raise
            else:
                assert row is not None
                return row
        raise AssertionError

    async def settle(
        self, attempt: Attempt, to: OrderState, payment: Payment | None = None, *, detail: str = ""
    ) -> OrderState:
        """Move an order on, and note the gateway's answer that is the reason.

        Returns the state in which the order then is.
        """
        assert to in TRANSITIONS[attempt.state], f"{attempt.state} never becomes {to}"
        assert attempt.state not in CLOSED, "late money has a way of its own: take_late"
        values = (attempt.order_id, attempt.state, to, detail, *_said(payment))
        return OrderState(await decide(self._pool, SQL["settle_order"], *values))

    async def take_late(self, attempt: Attempt, payment: Payment) -> OrderState:
        """Let money that came late buy the units if any are left, or else go back.

        Returns the state in which the order then is.
        """
        order_id, said, final = attempt.order_id, _said(payment), False
        state = await decide(self._pool, SQL["take_late_money"], order_id, final, *said)
        if state == "short":
            # Due holds on these SKUs end first, as they would for any other shopper.
            await decide(self._pool, SQL["expire_for"], EXPIRE_BATCH_MAX, attempt.skus)
            state = await decide(self._pool, SQL["take_late_money"], order_id, not final, *said)
        return OrderState(state)

    async def note(self, order_id: UUID, payment: Payment) -> None:
        """Note an answer of the gateway that moves nothing."""
        await ask(self._pool, SQL["note_payment"], order_id, None, *_said(payment))

    async def read(self, order_id: UUID) -> Order:
        """Return an order; raises `UnknownOrder`."""
        rows = await ask(self._pool, SQL["read_order"], order_id)
        if not rows or rows[0][0] is None:
            raise UnknownOrder
        return read_order(rows[0][0])

    async def of_session(self, session_id: int, order_id: UUID | None = None) -> list[Order]:
        """Return a session's orders, newest first, or the one that is asked for."""
        rows = await ask(self._pool, SQL["read_orders"], session_id, order_id)
        return [read_order(row["document"]) for row in rows]

    async def bought(self, session_id: int) -> list[Order]:
        """Return the orders of a session that were paid, newest first."""
        return [order for order in await self.of_session(session_id) if order.paid_at is not None]

    async def attempt(self, order_id: UUID) -> Attempt:
        """Return the payment of an order, and where the order stands; raises `UnknownOrder`."""
        rows = await ask(self._pool, SQL["read_attempt"], order_id)
        if not rows:
            raise UnknownOrder
        return Attempt(**{**rows[0], "state": OrderState(rows[0]["state"])})

    async def take(self, *, gateway: str, lease_s: float, limit: int) -> list[Taken]:
        """Lease orders of this gateway that have no driver and are still moving."""
        async with connection(self._pool) as borrowed:
            values = (gateway, lease_s, limit, self._holder)
            rows = await borrowed.fetch(SQL["take_orders"], *values, timeout=SHOPPER_TIMEOUT_S)
        return [
            Taken(
                id=row["order_id"],
                room_id=row["room_id"],
                tries=row["drives"],
                awaited=row["awaited"],
            )
            for row in rows
        ]

    async def take_one(self, order_id: UUID, *, lease_s: float) -> bool:
        """Lease one order, unless it has a driver; say whether it is leased."""
        return bool(await ask(self._pool, SQL["take_order"], order_id, lease_s, self._holder))

    async def let_go(self, session_id: int, key: UUID) -> None:
        """End the lease of an order that this process may have begun, and does not drive."""
        await ask(self._pool, SQL["let_go_order"], session_id, key, self._holder)

    async def put_off(self, work_id: UUID, *, wait_s: float) -> None:
        """End an order's lease, so that the order is taken again after a while."""
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["put_off_order"], work_id, wait_s, self._holder)

    async def breaches(self) -> list[Breach]:
        """Return every way in which orders and refunds disagree: none, unless one is broken."""
        return [Breach(**row) for row in await self._audits.fetch(SQL["read_money_breaches"])]


def _said(payment: Payment | None) -> tuple[str | None, int, str, str]:
    """Return what `note_payment` takes of an answer; without one it notes nothing."""
    if payment is None:
        return None, 0, "", ""
    return payment.state, payment.captured_minor, payment.gateway_ref, payment.detail
