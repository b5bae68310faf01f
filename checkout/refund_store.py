"""Refunds and cancellations on PostgreSQL, each on the operators' record with what it did."""

from uuid import UUID, uuid4

import asyncpg
import msgspec

from checkout.order_store import decide
from checkout.refund import Refund, RefundStage, RefundWish, refusal
from checkout.refusals import NotCancellable, UnknownOrder, UnknownRefund
from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.problem import IdempotencyKeyReused

SQL = load_queries("checkout")


class RefundStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ask(self, order_id: UUID, wish: RefundWish, *, key: UUID, who: str) -> UUID:
        """Write a refund and set its money and units aside; return its id.

        A repeat of the key finds the same refund. Raises the refusal that stands in the way.
        """
        wish.check()
        units = wish.quantities()
        values = (
            wish.full,
            wish.amount_minor or None,
            list(units),
            list(units.values()),
            wish.restock is True,
            wish.by_hand,
        )
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(
                SQL["ask_refund"],
                *(uuid4(), order_id, key, wish.body_hash()),
                *values,
                *(who, wish.reason),
            )
        assert row is not None
        match row["verdict"]:
            case "asked" | "replay":
                found: UUID = row["found_refund"]
                return found
            case "other_body":
                raise IdempotencyKeyReused
            case "unknown_order":
                raise UnknownOrder
        culprit = list(units)[row["culprit"] - 1] if row["culprit"] else ""
        raise refusal(row["verdict"], sku=culprit, figure=row["figure"] or 0)

    async def call_off(self, order_id: UUID, *, restock: bool, who: str, reason: str) -> None:
        """Cancel an order as far as our books go; raises `NotCancellable` for one that is over.

        What the gateway has to do then is for `Payments` to ask.
        """
        values = (order_id, uuid4(), restock, who, reason)
        match await decide(self._pool, SQL["call_off_order"], *values):
            case "unknown_order":
                raise UnknownOrder
            case "not_cancellable":
                raise NotCancellable

    async def give_back(self, order_id: UUID) -> UUID | None:
        """Return the open refund of an order whose money goes back by itself, written if needed.

        None when the gateway has refused it for good, so that an operator has to decide.
        """
        found: UUID | None = await decide(self._pool, SQL["give_back"], order_id, uuid4())
        return found

    async def finish(
        self, refund_id: UUID, to: RefundStage, *, gateway_ref: str, detail: str
    ) -> RefundStage:
        """End a refund that was asked; return the stage in which it then is."""
        values = (refund_id, to, gateway_ref or None, detail)
        return RefundStage(await decide(self._pool, SQL["finish_refund"], *values))

    async def read(self, refund_id: UUID) -> Refund:
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_refunds"], None, refund_id)
        if row is None:
            raise UnknownRefund
        return _refund(row)

    async def of_order(self, order_id: UUID) -> list[Refund]:
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["read_refunds"], order_id, None)
        return [_refund(row) for row in rows]

    async def unsettled(self, *, gateway: str, idle_s: float, limit: int) -> list[UUID]:
        """Return refunds of this gateway that were asked, and that nobody has moved for a while."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_asked_refunds"], idle_s, limit, gateway)
        return [row["refund_id"] for row in rows]

    async def touch(self, refund_id: UUID) -> None:
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["touch_refund"], refund_id)


def _refund(row: asyncpg.Record) -> Refund:
    values = dict(row)
    values["stage"] = RefundStage(values["stage"])
    values["items"] = msgspec.json.decode(values["items"])
    return Refund(**values)
