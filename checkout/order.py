"""Orders: what a paid hold becomes. Pure: the life cycle, the order and how it is written.

SQL writes an order as one document (`order_document`), and `read_order` reads it wherever an order
is read. This module also chooses the words for an order: the books have states, shoppers are told
the outcome of their payment, and operators are told the state and whether money went back.
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypedDict
from uuid import UUID

import msgspec
from msgspec import Meta

from inventory.kit.language.language import Language, phrase


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
    # A bank may send a refund back after days.
    OrderState.REFUNDED: frozenset({OrderState.PAID, OrderState.RETURNING}),
}

# States in which it is not decided yet whether the shopper has bought.
UNSETTLED = frozenset({OrderState.AUTHORIZING, OrderState.AUTHORIZED, OrderState.VOIDING})
# States in which the gateway, or we, still have something to do.
MOVING = UNSETTLED | {OrderState.RETURNING}
# States in which money that still comes is late.
CLOSED = frozenset({OrderState.DECLINED, OrderState.CANCELLED})


class PaymentChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The means of payment: a gateway's token, never card data."""

    token: Annotated[str, Meta(min_length=1, max_length=200)]


class OrderRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of an order.

    No other total is charged than `total_minor`, and nothing else is bought than what the hold's
    `content` named, if they are given. The order goes to `email` once it is paid, if one is given.
    """

    hold_id: UUID
    payment: PaymentChoice
    total_minor: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    content: Annotated[str, Meta(max_length=64)] | None = None
    email: Annotated[str, Meta(max_length=320)] = ""


class OrderItem(msgspec.Struct, frozen=True, kw_only=True):
    """Units of one SKU as they were ordered, at the price at which they were held."""

    sku: str
    name: str
    quantity: int
    # The price of one unit, in minor units of the order's currency, tax included.
    price_minor: int
    # Units whose money went back or is on its way back.
    refunded: int
    # Units that are on the shelf again.
    returned: int
    # Money that went back for these units.
    refunded_minor: int


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order; amounts are in minor units of `currency`, tax included.

    For a seller the items are their products' and the sums are these items' sums.
    """

    order_id: UUID
    # The order's name for people, in letters and digits that are easy to read aloud.
    number: str
    room: str
    hold_id: UUID
    session: str
    # Its state in the books; see `shopper_status` and `operator_status`.
    state: OrderState
    total_minor: int
    refunded_minor: int
    # Money that is on its way back.
    refunding_minor: int
    currency: str
    # The order is paid, and some of its money went back, be it for a seller's items or for others.
    partly_refunded: bool
    # An operator called it off.
    called_off: bool
    # A sentence for the shopper where the status does not say it all.
    detail: str
    created_at: datetime
    paid_at: datetime | None
    items: list[OrderItem]

    @property
    def failed(self) -> bool:
        """Say whether this order bought nothing: its money never came, or goes back by itself."""
        unbought = self.state is OrderState.REFUNDED and self.paid_at is None
        return unbought or self.state in CLOSED | {OrderState.RETURNING}


_ORDER = msgspec.json.Decoder(Order)


def read_order(document: str) -> Order:
    """Read an order as SQL has written it."""
    return _ORDER.decode(document)


PARTLY_REFUNDED = "partly_refunded"


class Status(StrEnum):
    """A shopper's word for an order. Each has its story in `order.html`."""

    AUTHORIZING = "authorizing"
    PAID = "paid"
    PARTLY_REFUNDED = PARTLY_REFUNDED
    RETURNING = "returning"
    REFUNDED = "refunded"
    DECLINED = "declined"
    CANCELLED = "cancelled"


def shopper_status(order: Order) -> Status:
    """Return what came of a payment, in the words of the shopper who paid."""
    if order.state in UNSETTLED:
        # "authorized" and "voiding" are matters between us and the gateway.
        return Status.AUTHORIZING
    if order.state is not OrderState.PAID:
        return Status(order.state)
    if order.refunding_minor and order.refunded_minor + order.refunding_minor == order.total_minor:
        return Status.RETURNING
    return Status.PARTLY_REFUNDED if order.refunded_minor else Status.PAID


def operator_status(order: Order) -> str:
    """Return the state of the books, in which a paid order may be partly refunded."""
    return PARTLY_REFUNDED if order.partly_refunded else order.state.value


class OrderFields(TypedDict):
    """An order as all are told of it; amounts are in minor units of `currency`, tax included."""

    order_id: UUID
    # The order's name for people, in letters and digits that are easy to read aloud.
    number: str
    # Shoppers are told the outcome of their payment, operators the state of the books.
    status: str
    items: list[OrderItem]
    total_minor: int
    refunded_minor: int
    # Money that is on its way back.
    refunding_minor: int
    currency: str
    created_at: datetime
    paid_at: datetime | None
    # A sentence where the status does not say it all.
    detail: str | None


class OrderBody(OrderFields):
    """An order as its shopper is told of it."""

    # Reads the order later, from any device.
    order_url: str


class OrderList(TypedDict):
    """A page of orders, newest first; `next` is the cursor of the page after it."""

    orders: list[OrderBody]
    next: str | None


class BookedOrder(OrderFields):
    """An order as operators are told of it, and sellers of their part of one."""

    room: str
    state: OrderState
    # An operator called it off.
    called_off: bool


def shopper_body(order: Order) -> OrderFields:
    """Return what a shopper is told of their order."""
    return _body(order, shopper_status(order))


def operator_body(order: Order) -> BookedOrder:
    """Return what operators are told of an order, and sellers of their part of one."""
    return {
        **_body(order, operator_status(order)),
        "room": order.room,
        "state": order.state,
        "called_off": order.called_off,
    }


def _body(order: Order, status: str) -> OrderFields:
    return {
        "order_id": order.order_id,
        "number": order.number,
        "status": status,
        "items": order.items,
        "total_minor": order.total_minor,
        "refunded_minor": order.refunded_minor,
        "refunding_minor": order.refunding_minor,
        "currency": order.currency,
        "created_at": order.created_at,
        "paid_at": order.paid_at,
        "detail": order.detail or None,
    }


# The sentences of an order's detail, as the books and the driver write them. A gateway's own words
# come besides, and stay as they are.
DETAILS = (
    phrase("The payment came after this order had been cancelled."),
    phrase("The payment came after another one for the same items had begun."),
    phrase("The payment came after the items had gone to others."),
    phrase(
        "The payment came late, and with what was bought meanwhile it is more than one shopper may "
        "have."
    ),
    phrase("The shop has given your money back."),
    phrase("The shop cancelled this order."),
    phrase("Your money has gone back to you."),
    phrase("You have not been charged."),
    phrase("Your bank did not accept a refund."),
    phrase("The shop has to return this money in another way."),
    phrase("Declined by its token."),
    phrase("Try another card, or ask your bank."),
    phrase("The payment was cancelled."),
    phrase("The payment took too long and was cancelled."),
    phrase("The bank approved the payment but did not hand over the money."),
    phrase("The shop could not find out what became of this payment, and ended it."),
)


def detail_in(language: Language, detail: str) -> str:
    """Say an order's detail in a language, sentence by sentence."""
    return " ".join(language.say(part) for part in _SENTENCE_ENDS.split(detail))


_SENTENCE_ENDS = re.compile(r"(?<=[.?!]) ")
