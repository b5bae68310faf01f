"""Orders as operators see them. Pure: the shapes.

For a seller the items are their own, and the sums are these items' sums.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLine:
    """Units of one SKU; `refunded_minor` is what went back for them."""

    sku: str
    name: str
    quantity: int
    price_minor: int
    refunded: int
    returned: int
    refunded_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRecord:
    """One order in a list; amounts in minor units, tax included."""

    order_id: UUID
    reference: str
    state: str
    status: str
    total_minor: int
    refunded_minor: int
    refunding_minor: int
    currency: str
    called_off: bool
    detail: str
    created_at: datetime
    paid_at: datetime | None
    customer_email: str | None
    items: list[RecordLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRecord:
    refund_id: UUID
    stage: str
    amount_minor: int
    items: list[dict[str, Any]]
    restock: bool
    by_hand: bool
    who: str
    reason: str
    detail: str
    asked_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What somebody did about an order: called it off, or put units of it back on the shelf."""

    at: datetime
    what: str
    who: str
    why: str
    sku: str | None = None
    units: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFile:
    """All that is kept about one order.

    `taken_again` says that its hold was over when the money came, and its units were had anew.
    """

    order: OrderRecord
    room: str
    hold_id: UUID
    hold_placed_at: datetime
    taken_again: bool
    changed_at: datetime
    sold_at: datetime | None
    session_id: int
    line: str
    number: int
    customer_issuer: str | None
    customer_subject: str | None
    gateway: str
    gateway_ref: str | None
    refunds: list[RefundRecord] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
