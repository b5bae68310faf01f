"""Holds: units set aside until a deadline. Pure: no clock, no engine."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Literal, NotRequired, TypedDict
from uuid import UUID

import msgspec
from msgspec import Meta

from inventory.catalogue import Code
from inventory.kit.language.language import phrase
from inventory.kit.problem import Refusal, Unprocessable
from inventory.refusals import (
    AlreadyPaid,
    CustomerNeeded,
    ExtensionRefused,
    HoldExpired,
    LimitReached,
    NotOnSale,
    OutOfStock,
    PaymentRunning,
    SessionOver,
    TooManyActs,
    UnknownHold,
    UnknownSku,
)

ITEMS_MAX = 50
QUANTITY_MAX = 1000


class HoldState(StrEnum):
    """The life of a hold. Only a held one changes, and each of the other three is final."""

    HELD = "held"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    EXPIRED = "expired"


class Verdict(StrEnum):
    """The database's verdict on one request, in the words of `place_holds` and its kin."""

    PLACED = "placed"
    REPLAY = "replay"
    OTHER_BODY = "other_body"
    SESSION_OVER = "session_over"
    CUSTOMER_NEEDED = "customer_needed"
    UNKNOWN_SKU = "unknown_sku"
    NOT_ON_SALE = "not_on_sale"
    OUT_OF_STOCK = "out_of_stock"
    ORDER_LIMIT = "order_limit"
    SESSION_LIMIT = "session_limit"
    CUSTOMER_LIMIT = "customer_limit"
    ORDER_UNITS = "order_units"
    NETWORK_LIMIT = "network_limit"
    NO_SUCH_HOLD = "no_such_hold"
    HOLD_OVER = "hold_over"
    HOLD_SOLD = "hold_sold"
    PAYMENT_RUNNING = "payment_running"
    NO_EXTENSION_LEFT = "no_extension_left"
    TOO_MANY_HOLDS = "too_many_holds"
    TOO_MANY_CHANGES = "too_many_changes"


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sku: Code
    quantity: Annotated[int, Meta(ge=1, le=QUANTITY_MAX)]


class Basket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a hold request: at most 50 SKUs, each with 1 to 1000 units.

    It is all or nothing; with `partial` it is whatever of it can be given.
    """

    items: Annotated[list[Item], Meta(min_length=1, max_length=ITEMS_MAX)]
    partial: bool = False

    def quantities(self) -> dict[str, int]:
        """Return the units asked for by SKU; two lines of one SKU count together."""
        found: dict[str, int] = {}
        for item in self.items:
            found[item.sku] = found.get(item.sku, 0) + item.quantity
        if max(found.values()) > QUANTITY_MAX:
            raise Unprocessable(f"At most {QUANTITY_MAX} units of one SKU can be asked for.")
        return found


class HoldRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One wish to hold units. `key` and `body_hash` make a repeat recognisable."""

    session_id: int
    key: UUID
    body_hash: bytes
    quantities: dict[str, int]
    hold_id: UUID
    partial: bool = False


class HoldLine(msgspec.Struct, frozen=True, kw_only=True):
    """Units of one SKU in a hold, at the price at which they were set aside."""

    sku: str
    name: str
    quantity: int
    # The price of one unit, in minor units of the hold's currency, tax included.
    price_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Units that a session was refused; if any come free they are held for it, by number."""

    sku: str
    name: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A hold as its shopper sees it. `seconds_left` is by the shoppers' clock, at the reading."""

    hold_id: UUID
    session_id: int
    state: HoldState
    currency: str
    expires_at: datetime
    seconds_left: float
    paying: bool = False
    extensions_left: int = 0
    lines: list[HoldLine] = field(default_factory=list)

    @property
    def total_minor(self) -> int:
        return sum(line.quantity * line.price_minor for line in self.lines)

    @property
    def content(self) -> str:
        return content_of(self.lines)


class HoldBody(TypedDict):
    """A hold as its shopper is told of it."""

    hold_id: UUID
    # A hold whose payment is under way is `paying`.
    state: Literal["held", "confirmed", "released", "expired", "paying"]
    items: list[HoldLine]
    # What a payment of it costs, in minor units of the currency.
    total_minor: int
    # Names what the hold has and what it costs. A payment that repeats it buys nothing else.
    content: str
    currency: str
    # The deadline, and the seconds until then by the shoppers' clock, which stands still while the
    # service is away.
    expires_at: datetime
    seconds_left: float
    # How many times the deadline can still be moved; left out of the answer that makes a hold.
    extensions_left: NotRequired[int]


def hold_body(hold: Hold) -> HoldBody:
    """Return what a shopper is told of their hold."""
    return {
        "hold_id": hold.hold_id,
        "state": "paying" if hold.paying else hold.state.value,
        "items": hold.lines,
        "total_minor": hold.total_minor,
        "content": hold.content,
        "currency": hold.currency,
        "expires_at": hold.expires_at,
        "seconds_left": hold.seconds_left,
        "extensions_left": hold.extensions_left,
    }


def content_of(lines: Iterable[HoldLine]) -> str:
    """Name what a hold has and what it costs, so that a payment says what it is meant to buy.

    `start_payment` computes the same.
    """
    parts = sorted((line.sku, f"{line.quantity}@{line.price_minor}") for line in lines)
    text = ";".join(f"{sku}={rest}" for sku, rest in parts)
    return sha256(text.encode()).hexdigest()[:16]


def idempotency_uuid(key: str, *, account: int | None = None) -> UUID:
    """Turn a client's key of any form into 16 bytes that an index likes.

    The keys of an operator's `account` are its own. A shopper's are told apart by the session.
    """
    # No key holds a NUL, so no key of one account spells the key of another.
    text = key if account is None else f"{account}\0{key}"
    return UUID(bytes=sha256(text.encode()).digest()[:16])


def body_hash(quantities: dict[str, int], *, partial: bool = False) -> bytes:
    """Hash what is asked for, so that the order of lines makes no difference."""
    text = ";".join(f"{sku}={quantities[sku]}" for sku in sorted(quantities))
    return sha256((text + ";partial" if partial else text).encode()).digest()[:8]


def refusal(verdict: Verdict, *, sku: str = "", figure: int = 0) -> Refusal:
    """Return the refusal that a verdict stands for; `figure` is units available or the limit."""
    if verdict is Verdict.OUT_OF_STOCK:
        left = phrase("{available} left of {sku}.") if figure else phrase("{sku} is gone.")
        return OutOfStock(left, sku=sku, available=figure)
    if verdict is Verdict.ORDER_UNITS:
        return LimitReached(_ORDER_TOLD, limit=figure, scope="order")
    if verdict in _LIMITS:
        scope = _LIMITS[verdict]
        told = _NETWORK_FULL if scope == "network" and not figure else _LIMIT_TOLD[scope]
        return LimitReached(told, sku=sku, limit=figure, scope=scope)
    if verdict is Verdict.UNKNOWN_SKU:
        return UnknownSku(phrase("This room sells no SKU {sku}."), sku=sku)
    if verdict is Verdict.NOT_ON_SALE:
        return NotOnSale(phrase("{sku} is not on sale now."), sku=sku)
    return _PLAIN[verdict]()


_LIMITS: dict[Verdict, str] = {
    Verdict.SESSION_LIMIT: "session",
    Verdict.ORDER_LIMIT: "order",
    Verdict.CUSTOMER_LIMIT: "customer",
    Verdict.NETWORK_LIMIT: "network",
}

_ORDER_TOLD = phrase("Units in one order: at most {limit}.")

_LIMIT_TOLD = {
    "session": phrase("At most {limit} of {sku} for each session."),
    "order": phrase("At most {limit} of {sku} for each order."),
    "customer": phrase("At most {limit} of {sku} for each customer."),
    "network": phrase(
        "Shoppers at your internet connection hold many items that are not paid for. Until some "
        "are paid for or given back, you can have at most {limit} at a time."
    ),
}

_NETWORK_FULL = phrase(
    "Shoppers at your internet connection hold many items that are not paid for. Pay for those "
    "that you hold, or try again in a minute."
)

# Verdicts that need no figures.
_PLAIN: dict[Verdict, type[Refusal]] = {
    Verdict.SESSION_OVER: SessionOver,
    Verdict.NO_SUCH_HOLD: UnknownHold,
    Verdict.HOLD_OVER: HoldExpired,
    Verdict.HOLD_SOLD: AlreadyPaid,
    Verdict.PAYMENT_RUNNING: PaymentRunning,
    Verdict.NO_EXTENSION_LEFT: ExtensionRefused,
    Verdict.CUSTOMER_NEEDED: CustomerNeeded,
    Verdict.TOO_MANY_HOLDS: TooManyActs,
    Verdict.TOO_MANY_CHANGES: TooManyActs,
}
