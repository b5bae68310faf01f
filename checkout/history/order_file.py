"""All that is kept about one order, for operators; for a seller their part of it. Pure."""

from dataclasses import dataclass, field
from datetime import datetime

from checkout.driving.attempt import GatewayAnswer
from checkout.order import Order
from checkout.refund import Refund


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedOrder:
    """An order in an operators' list, with its customer's address where the reader may know it."""

    order: Order
    customer_email: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """An operator's act: an order called off, or units of it put back on the shelf."""

    at: datetime
    what: str
    who: str
    why: str
    sku: str | None = None
    units: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFile:
    """All that is kept about one order."""

    order: Order
    customer_email: str | None
    hold_placed_at: datetime
    # Its hold was over when the money came, and its units were taken again.
    taken_again: bool
    changed_at: datetime
    # When its hold was confirmed for it.
    sold_at: datetime | None
    # The ticket's line and number.
    line: str
    number: int
    # The identity provider and its name for the customer, if the session was bound to one.
    customer_issuer: str | None
    customer_subject: str | None
    gateway: str
    gateway_ref: str | None
    answers: list[GatewayAnswer] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
