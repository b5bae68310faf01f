"""Orders: what a paid hold becomes. Pure: the life cycle and the shapes."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta


class OrderState(StrEnum):
    AUTHORIZING = "authorizing"
    AUTHORIZED = "authorized"
    PAID = "paid"
    DECLINED = "declined"
    VOIDING = "voiding"
    CANCELLED = "cancelled"
    RETURNING = "returning"
    REFUNDED = "refunded"


# The gateway authorizes, the hold is confirmed in the same transaction that says `authorized`, and
# then the money is captured. `voiding` is a payment that took too long or was called off: it is
# cancelled at the gateway first, and only `cancelled` frees the units. `returning` is money that
# buys nothing: it is voided or refunded by itself, and its units, if it had any, are on the shelf
# again. Money may also come late, to an order that was declined or cancelled.
TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    OrderState.AUTHORIZING: frozenset(
        {OrderState.AUTHORIZED, OrderState.DECLINED, OrderState.VOIDING}
    ),
    OrderState.AUTHORIZED: frozenset({OrderState.PAID, OrderState.RETURNING}),
    OrderState.VOIDING: frozenset(
        {OrderState.CANCELLED, OrderState.AUTHORIZED, OrderState.RETURNING}
    ),
    OrderState.DECLINED: frozenset({OrderState.AUTHORIZED, OrderState.RETURNING}),
    OrderState.CANCELLED: frozenset({OrderState.AUTHORIZED, OrderState.RETURNING}),
    OrderState.RETURNING: frozenset({OrderState.CANCELLED, OrderState.REFUNDED}),
    OrderState.PAID: frozenset({OrderState.REFUNDED}),
    OrderState.REFUNDED: frozenset(),
}

# States in which it is not decided yet whether the shopper has bought.
UNSETTLED = frozenset({OrderState.AUTHORIZING, OrderState.AUTHORIZED, OrderState.VOIDING})
# States in which the gateway, or we, still have something to do.
MOVING = UNSETTLED | {OrderState.RETURNING}
# States in which money that still comes is late.
CLOSED = frozenset({OrderState.DECLINED, OrderState.CANCELLED})


class PaymentChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the shopper pays with: a gateway's token, never card data."""

    token: Annotated[str, Meta(min_length=1, max_length=200)]


class OrderRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hold_id: UUID
    payment: PaymentChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """Units as they were ordered; those `refunded` were or are being paid back.

    Units `returned` are on the shelf again.
    """

    sku: str
    name: str
    quantity: int
    price_minor: int
    refunded: int = 0
    returned: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as shopper and operator see it; amounts in minor units, tax included."""

    order_id: UUID
    reference: str
    session_id: int
    customer_id: int | None
    room: str
    hold_id: UUID
    state: OrderState
    total_minor: int
    currency: str
    refunded_minor: int
    refunding_minor: int
    gateway: str
    payment_token: str
    gateway_ref: str | None
    detail: str
    called_off: bool
    overdue: bool
    created_at: datetime
    paid_at: datetime | None
    lines: list[OrderLine] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Say whether this order bought nothing: its money never came, or goes back by itself."""
        unbought = self.state is OrderState.REFUNDED and self.paid_at is None
        return unbought or self.state in CLOSED | {OrderState.RETURNING}
