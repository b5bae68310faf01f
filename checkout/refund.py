"""Refunds: money on its way back. Pure: the life cycle, the shapes, and what can be wrong."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Literal, TypedDict
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from checkout.refusals import NotRefundable, RefundTooLarge, SkuNotOrdered, TooManyUnits
from inventory.hold import ITEMS_MAX, Item
from inventory.kit.doors.texts import Reason
from inventory.kit.problem import Refusal, Unprocessable
from inventory.money import AMOUNT_MAX


class RefundStage(StrEnum):
    """The life of a refund: asked, then done or failed. A bank may send a done one back later.

    A refund that is asked sets its money and its units aside; failing gives both back to the order.
    Units that are on the shelf by then stay refunded, and the order owes their money alone.
    """

    ASKED = "asked"
    DONE = "done"
    FAILED = "failed"


class RefundWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of a refund, in one of three forms.

    `{"full": true}` is everything that was not given back so far, `{"items": […]}` the price of
    these units, or `amount_minor` of it, and `{"amount_minor": …}` alone is goodwill. With
    units, `restock` says whether they go back on the shelf. With `by_hand` the money
    was given back by other means, and the gateway is not asked.
    """

    reason: Reason
    full: bool = False
    items: Annotated[list[Item], Meta(min_length=1, max_length=ITEMS_MAX)] | UnsetType = UNSET
    amount_minor: Annotated[int, Meta(ge=1, le=AMOUNT_MAX)] | UnsetType = UNSET
    restock: bool | UnsetType = UNSET
    by_hand: bool = False

    def check(self) -> None:
        """Raise `Unprocessable` for a wish that is none of the forms."""
        parts = self.items is not UNSET or self.amount_minor is not UNSET
        if self.full == parts:
            raise Unprocessable('Say {"full": true}, or else "items" or "amount_minor".')
        if (self.restock is UNSET) == (self.full or self.items is not UNSET):
            raise Unprocessable('Say for units, and only for them, whether to "restock" them.')

    def quantities(self) -> dict[str, int]:
        """Return the units by SKU; two items of one SKU count together."""
        found: dict[str, int] = {}
        for item in [] if self.items is UNSET else self.items:
            found[item.sku] = found.get(item.sku, 0) + item.quantity
        return found

    def body_hash(self) -> bytes:
        """Hash what is wished, so that a repeat of its key is told from another wish under it."""
        return sha256(msgspec.json.encode(self)).digest()[:8]


class Cancellation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a cancellation; `restock` matters for an order that was paid."""

    reason: Reason
    restock: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """A refund; the amount is in minor units of `currency`.

    For a seller the amount and the items are their products' share.
    """

    refund_id: UUID
    order_id: UUID
    stage: RefundStage
    amount_minor: int
    currency: str
    gateway: str
    # Its units go back on the shelf when it is done.
    restock: bool
    # The money was given back by other means, and the gateway is not asked.
    by_hand: bool
    # It was not asked for here: the money went back on the gateway's own pages.
    outside: bool
    # The operator who asked for it, and their reason.
    who: str
    reason: str
    # Why the gateway failed it.
    detail: str
    asked_at: datetime
    ended_at: datetime | None
    # When the gateway said that it was done, also for a refund that failed after that.
    done_at: datetime | None
    items: list[Item]


class ShopperRefund(TypedDict):
    """A refund as its shopper is told of it."""

    amount_minor: int
    status: Literal["done", "on_its_way"]
    # The units whose money it is; none for an amount alone.
    items: list[Item]
    # The shop pays it outside the gateway.
    by_hand: bool
    asked_at: datetime
    done_at: datetime | None


class SellerRefund(TypedDict):
    """A refund as a seller is told of it: their share, and no operator and no reason."""

    refund_id: UUID
    status: RefundStage
    amount_minor: int
    items: list[Item]
    # The units are on the shelf again.
    restock: bool
    asked_at: datetime
    ended_at: datetime | None


class OperatorRefund(SellerRefund):
    """All that operators are told of a refund."""

    order_id: UUID
    currency: str
    # The shop pays it outside the gateway.
    by_hand: bool
    # It was made on the gateway's own pages.
    outside: bool
    # When the gateway said that it was done, also for a refund that failed after that.
    done_at: datetime | None
    who: str
    reason: str
    # Why the gateway failed it.
    detail: str | None


def shopper_refund_bodies(refunds: Iterable[Refund]) -> list[ShopperRefund]:
    """Return what a shopper is told of their refunds, without the operator and the reason.

    A refund that failed is left out: the money is where it was, and the operators know.
    """
    return [
        {
            "amount_minor": refund.amount_minor,
            "status": "done" if refund.stage is RefundStage.DONE else "on_its_way",
            "items": refund.items,
            "by_hand": refund.by_hand,
            "asked_at": refund.asked_at,
            "done_at": refund.ended_at,
        }
        for refund in refunds
        if refund.stage is not RefundStage.FAILED
    ]


def seller_refund_body(refund: Refund) -> SellerRefund:
    """Return what a seller is told of a refund: their share, and no operator and no reason."""
    return {
        "refund_id": refund.refund_id,
        "status": refund.stage,
        "amount_minor": refund.amount_minor,
        "items": refund.items,
        "restock": refund.restock,
        "asked_at": refund.asked_at,
        "ended_at": refund.ended_at,
    }


def operator_refund_body(refund: Refund) -> OperatorRefund:
    """Return all that operators are told of a refund."""
    return {
        **seller_refund_body(refund),
        "order_id": refund.order_id,
        "currency": refund.currency,
        "by_hand": refund.by_hand,
        "outside": refund.outside,
        "done_at": refund.done_at,
        "who": refund.who,
        "reason": refund.reason,
        "detail": refund.detail or None,
    }


def refusal(verdict: str, *, sku: str = "", figure: int = 0) -> Refusal:
    """Return the refusal that a verdict of `ask_refund` stands for; `figure` is what is left."""
    if verdict == "too_large":
        return RefundTooLarge(f"At most {figure} can be given back.", left_minor=figure)
    if verdict == "too_many_units":
        return TooManyUnits(f"{figure} of {sku} left to refund.", sku=sku, left=figure)
    if verdict == "unknown_sku":
        return SkuNotOrdered(f"This order has no SKU {sku!r}.", sku=sku)
    assert verdict == "not_refundable", verdict
    return NotRefundable()
