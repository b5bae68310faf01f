"""The payment of an order as it was put to a gateway, and what the gateway said of it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from checkout.order import OrderState


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What drives an order on: where it stands, and the payment that was put to its gateway."""

    order_id: UUID
    # Where the order stood when this was read. It moves on from this state alone.
    state: OrderState
    # An operator called the order off: money that still comes goes back.
    called_off: bool
    # The payment window is over.
    overdue: bool
    # The order's sentence for the shopper, so far.
    detail: str
    skus: list[str]
    gateway: str
    # What the gateway takes the money by; never a card number.
    payment_token: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayAnswer:
    """What a gateway said of a payment or, with `refund_id`, of a refund of it."""

    at: datetime
    # A word of `PaymentState`, or of `RefundState`.
    said: str
    refund_id: UUID | None
    # Money captured or given back; 0 for any other word.
    amount_minor: int
    gateway_ref: str
    # The gateway's reason, for operators alone.
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An order or a refund leased to this process, which drives it."""

    id: UUID
    # How often it was taken since its state last changed, this time included.
    tries: int
