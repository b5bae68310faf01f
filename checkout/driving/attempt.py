"""The payment of an order as it was put to a gateway, and what the gateway said of it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from checkout.order import OrderState


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The state of an order and the payment that was put to its gateway: all that driving needs."""

    order_id: UUID
    # The order's state when this was read. The order moves on from this state alone.
    state: OrderState
    # An operator called the order off: money that still comes goes back.
    called_off: bool
    # The payment window is over.
    overdue: bool
    # The order's sentence for the shopper, so far.
    detail: str
    skus: list[str]
    gateway: str
    # The gateway's token for the means of payment; never a card number.
    payment_token: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayAnswer:
    """A gateway's answer about a payment or, with `refund_id`, about a refund of it."""

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
    room_id: int
    # The times it was taken since its state last changed, this one included.
    tries: int
    # Whether a shopper waits for it, whose card is good for the payment window alone.
    awaited: bool = False
