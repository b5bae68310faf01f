"""The bodies with which operators' calls about the shop are answered."""

from datetime import datetime
from uuid import UUID

import msgspec

from checkout.driving.attempt import GatewayAnswer
from checkout.history.timeline import Event
from checkout.order import BookedOrder
from checkout.refund import OperatorRefund, SellerRefund
from inventory.catalogue import SkuChanged
from inventory.ledger_store import Balance, Breach, Movement
from waitroom.reports.analytics.analysis import HoldOutcome, PayTimes, Wait, WalkStep


class SalesBody(msgspec.Struct, frozen=True, kw_only=True):
    """Sales of one step, or of the whole span; amounts are in minor units."""

    # Orders that were paid in it, whatever happened to them later.
    orders: int
    units: int
    sold_minor: int
    # Units and money that went back in it, of orders paid in it or before.
    units_refunded: int
    refunded_minor: int
    # Payments less refunds.
    net_minor: int


class StepSales(SalesBody, frozen=True, kw_only=True):
    """The sales of one step of the span."""

    # When the step begins.
    at: datetime


class SkuSalesBody(SalesBody, frozen=True, kw_only=True):
    """The sales of one SKU. Orders that contain several SKUs count for each of them."""

    sku: str
    name: str


class RestBody(msgspec.Struct, frozen=True, kw_only=True):
    """The sales of all other SKUs together; their orders are not counted."""

    skus: int
    orders: None
    units: int
    sold_minor: int
    units_refunded: int
    refunded_minor: int
    net_minor: int


class AnalysisBody(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a sale in a span of time. A seller's are of their own SKUs."""

    room: str
    since: datetime = msgspec.field(name="from")
    until: datetime = msgspec.field(name="to")
    step_s: int
    currency: str
    sales: list[StepSales]
    total: SalesBody
    skus: list[SkuSalesBody]
    rest: RestBody
    # The steps of the shoppers' walk; null for a seller.
    walk: list[WalkStep] | None
    holds: list[HoldOutcome]
    time_to_pay: PayTimes
    # Null for a seller, and where the log is too long to read.
    waits: list[Wait] | None


class MovementList(msgspec.Struct, frozen=True, kw_only=True):
    """Movements of a SKU, the newest first; `next` is the `before` of the page after it."""

    movements: list[Movement]
    next: datetime | None


class StockAt(msgspec.Struct, frozen=True, kw_only=True):
    """The balances of a room's SKUs at a moment; `next` is the cursor of the page after it."""

    at: datetime
    stock: list[Balance]
    next: str | None


class Breaches(msgspec.Struct, frozen=True, kw_only=True):
    """Every way in which the books disagree: none, unless something is broken."""

    breaches: list[Breach]


class SkuHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of a SKU, the newest first; `next` is the cursor of the page after it."""

    changes: list[SkuChanged]
    next: str | None


class ListedOrderBody(BookedOrder):
    """An order in an operators' list."""

    # The order's name for people once more.
    reference: str
    # Null where the reader may not know it.
    customer_email: str | None


class OrderPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of orders, the newest first; `next` is the cursor of the page after it."""

    orders: list[ListedOrderBody]
    next: str | None


class PartEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an order's history, as a seller is told of it."""

    at: datetime
    what: str
    amount_minor: int | None
    sku: str | None
    units: int | None


class OrderPart(ListedOrderBody):
    """The part of an order that its seller may see: their own lines and refunds."""

    refunds: list[SellerRefund]
    timeline: list[PartEvent]


class CustomerOnFile(msgspec.Struct, frozen=True, kw_only=True):
    """The customer of an order, by the identity provider."""

    email: str | None
    issuer: str | None
    subject: str


class PaymentOnFile(msgspec.Struct, frozen=True, kw_only=True):
    """The payment of an order, and what the gateway said of it."""

    gateway: str
    # The gateway knows the payment by the order's id.
    payment_key: UUID
    gateway_ref: str | None
    answers: list[GatewayAnswer]


class WholeOrder(ListedOrderBody):
    """All that is kept about one order."""

    refunds: list[OperatorRefund]
    timeline: list[Event]
    hold_id: UUID
    session: str
    # The ticket's line and number.
    line: str
    line_number: int
    # Null for a guest.
    customer: CustomerOnFile | None
    payment: PaymentOnFile


class OrderWithRefunds(msgspec.Struct, frozen=True, kw_only=True):
    """An order with its refunds."""

    order: BookedOrder
    refunds: list[OperatorRefund]


class KeptPicture(msgspec.Struct, frozen=True, kw_only=True):
    """The address of an uploaded picture, and its size."""

    picture: str
    bytes: int
