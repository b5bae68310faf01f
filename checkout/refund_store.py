"""Refunds and cancellations on PostgreSQL, each on the operators' record with what it did."""

from uuid import UUID, uuid4

import asyncpg
import msgspec

from checkout.driving.attempt import Taken
from checkout.gateway.gateway import GatewayRefund, Refunded, RefundState
from checkout.order_store import decide
from checkout.refund import Refund, RefundStage, RefundWish, refusal
from checkout.refusals import NotCancellable, UnknownOrder, UnknownRefund
from inventory.hold import Item
from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.problem import IdempotencyKeyReused

SQL = load_queries("checkout")

_ITEMS = msgspec.json.Decoder(list[Item])


class RefundStore:
    """`holder` is the name of this process in the leases that it takes."""

    def __init__(self, pool: Pool, *, holder: UUID | None = None) -> None:
        self._pool = pool
        self._holder = holder

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

        `Payments` then asks the gateway.
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
        self, refund: Refund, to: RefundStage, answer: Refunded | None = None
    ) -> RefundStage:
        """End a refund that was asked; return the stage in which it then is.

        Without an answer the gateway was not asked.
        """
        said = _said(answer, amount_minor=refund.amount_minor)
        detail = answer.detail if answer else ""
        values = (refund.order_id, refund.refund_id, to, detail, *said)
        return RefundStage(await decide(self._pool, SQL["finish_refund"], *values))

    async def note(self, refund: Refund, answer: Refunded) -> None:
        """Note an answer of the gateway that ends nothing."""
        values = (refund.order_id, refund.refund_id, *_said(answer, amount_minor=0))
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["note_payment"], *values)

    async def take_in(self, order_id: UUID, refund_id: UUID, told: GatewayRefund) -> str:
        """Take in what the gateway says of a refund; return the verdict of `take_in_refund`."""
        values = (order_id, refund_id, told.state, told.amount_minor, told.gateway_ref, told.detail)
        verdict: str = await decide(self._pool, SQL["take_in_refund"], *values)
        return verdict

    async def read(self, refund_id: UUID) -> Refund:
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_refunds"], None, refund_id)
        if row is None:
            raise UnknownRefund
        return refund_of(row)

    async def of_order(self, order_id: UUID) -> list[Refund]:
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["read_refunds"], order_id, None)
        return [refund_of(row) for row in rows]

    async def take(self, *, gateway: str, lease_s: float, limit: int) -> list[Taken]:
        """Lease refunds of this gateway that were asked and have no driver."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["take_refunds"], gateway, lease_s, limit, self._holder)
        return [
            Taken(id=row["refund_id"], room_id=row["room_id"], tries=row["drives"]) for row in rows
        ]

    async def put_off(self, work_id: UUID, *, wait_s: float) -> None:
        """End a refund's lease, so that the refund is taken again after a while."""
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["put_off_refund"], work_id, wait_s, self._holder)


def refund_of(row: asyncpg.Record) -> Refund:
    """Return the refund in a row of `full_refund`, or of a part of one."""
    values = dict(row)
    values["stage"] = RefundStage(values["stage"])
    values["items"] = _ITEMS.decode(values["items"])
    return Refund(**values)


def _said(answer: Refunded | None, *, amount_minor: int) -> tuple[str | None, int, str, str]:
    """Return what `note_payment` takes of an answer; only money that went back has an amount."""
    if answer is None:
        return None, 0, "", ""
    amount = amount_minor if answer.state is RefundState.DONE else 0
    return answer.state, amount, answer.gateway_ref, answer.detail
