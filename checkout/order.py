"""Orders: what a paid hold becomes. Pure: the life cycle and the shapes."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from inventory.hold import HoldLine
from inventory.kit.problem import Refusal


class OrderState(StrEnum):
    AUTHORIZING = "authorizing"
    AUTHORIZED = "authorized"
    PAID = "paid"
    DECLINED = "declined"
    VOIDING = "voiding"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


# The gateway authorizes, the hold is confirmed in the same transaction that says `authorized`, and
# then the money is captured. `voiding` is a payment that took too long: it is cancelled at the
# gateway first, and only `cancelled` frees the units.
TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    OrderState.AUTHORIZING: frozenset(
        {OrderState.AUTHORIZED, OrderState.DECLINED, OrderState.VOIDING}
    ),
    OrderState.AUTHORIZED: frozenset({OrderState.PAID}),
    OrderState.VOIDING: frozenset({OrderState.CANCELLED, OrderState.AUTHORIZED}),
    OrderState.PAID: frozenset({OrderState.REFUNDED}),
    OrderState.DECLINED: frozenset(),
    OrderState.CANCELLED: frozenset(),
    OrderState.REFUNDED: frozenset(),
}

# States in which the gateway, or we, still have something to do.
UNSETTLED = frozenset({OrderState.AUTHORIZING, OrderState.AUTHORIZED, OrderState.VOIDING})


class PaymentDeclined(Refusal):
    code, status, title = "payment_declined", 402, "The payment was declined."


class UnknownOrder(Refusal):
    code, status, title = "not_found", 404, "There is no such order here."


class PaymentChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the shopper pays with: a gateway's token, never card data."""

    token: Annotated[str, Meta(min_length=1, max_length=200)]


class OrderRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hold_id: UUID
    payment: PaymentChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as shopper and operator see it; amounts in minor units, tax included."""

    order_id: UUID
    reference: str
    session_id: int
    room: str
    hold_id: UUID
    state: OrderState
    total_minor: int
    currency: str
    payment_token: str
    gateway_ref: str | None
    detail: str
    overdue: bool
    created_at: datetime
    paid_at: datetime | None
    lines: list[HoldLine] = field(default_factory=list)
