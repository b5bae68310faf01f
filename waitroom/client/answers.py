"""The answers of the service as its callers read them. Pure.

Fields that no caller of this client needs are left out, and msgspec ignores them. The state of a
room is read as the service writes it, as a `RoomState`. Amounts are in minor units of `currency`.
"""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """A place in line. An entry in a draw has no number yet, and `entry` in its place."""

    ticket: str
    line: str
    behind: bool = False
    number: int | None
    entry: int | UnsetType = UNSET
    version: int
    reference: str
    place: int | None
    status: str
    state_url: str
    poll_s: float


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket's standing; ask again after `poll_s` seconds.

    `status` is such as waiting, called, claimed, missed, left or ended. The wait is found between
    the two bounds by four of five shoppers. `seconds_left` is to the deadline of a call.
    """

    line: str
    # True for a place that is called only while no shopper waits elsewhere.
    behind: bool = False
    number: int | None
    version: int
    place: int | None
    status: str
    wait_low_s: float | None
    wait_high_s: float | None
    chance: float | None
    poll_s: float
    seconds_left: float | UnsetType = UNSET


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A session at the checkout, until its deadline."""

    session: str
    expires_at: datetime | None
    seconds_left: float
    checkout_url: str


class HeldItem(msgspec.Struct, frozen=True, kw_only=True):
    sku: str
    quantity: int


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """Units that are set aside. A payment that repeats `content` buys nothing else."""

    hold_id: str
    state: str
    items: list[HeldItem]
    total_minor: int
    content: str
    currency: str
    expires_at: datetime
    seconds_left: float


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session with its holds."""

    room: str
    seconds_left: float
    holds: list[Held]


class Bought(msgspec.Struct, frozen=True, kw_only=True):
    """An order; while the gateway decides, `status` is authorizing."""

    order_id: str
    number: str
    status: str
    items: list[HeldItem]
    total_minor: int
    refunded_minor: int
    currency: str
    created_at: datetime
    paid_at: datetime | None


class OrdersPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a room's orders, newest first; `next` is the cursor of the page after it."""

    orders: list[Bought]
    next: str | None


class Sku(msgspec.Struct, frozen=True, kw_only=True):
    """A SKU as anyone may know it, and what operators know besides."""

    sku: str
    product: str
    name: str
    price_minor: int
    currency: str
    available: int
    on_hand: int | UnsetType = UNSET


class SkusPage(msgspec.Struct, frozen=True, kw_only=True):
    skus: list[Sku]
    next: str | None


class NamedRoom(msgspec.Struct, frozen=True, kw_only=True):
    room: str
    name: str
    status: str


class Rooms(msgspec.Struct, frozen=True, kw_only=True):
    rooms: list[NamedRoom]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a sale, all lanes together, as of a moment ago."""

    at: datetime
    waiting: int
    entries: int
    called: int
    claimed: int
    missed: int
    left: int
    ended: int
    seats_taken: int
    on_hand: int
    available: int
    promised: int
    held: int
    sold: int
    orders_paid: int
    orders_declined: int
    orders_authorizing: int
    revenue_minor: int
    currency: str | None
    joins_per_min: float
    calls_per_min: float
    claims_per_min: float


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a room that steering changes; `calls_per_minute` None is no limit of its own."""

    seats_max: int
    calls_per_minute: int | None
    batch_max: int


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """A room as operators see it."""

    room: str
    name: str
    currency: str
    status: str
    message: str
    policy: str
    opens_at: datetime | None
    closes_at: datetime | None
    settings: Settings
    figures: Figures


class HeardStock(msgspec.Struct, frozen=True, kw_only=True):
    """A room's reading of a shop's stock; `unknown` are sessions that it does not know."""

    available: int
    held: int
    promised: int
    stale: bool
    unknown: list[str | int]


class Refunded(msgspec.Struct, frozen=True, kw_only=True):
    """A refund; while the gateway decides, `status` is asked."""

    refund_id: str
    status: str
    amount_minor: int


class FileChange(msgspec.Struct, frozen=True, kw_only=True, rename={"was": "from", "now": "to"}):
    """One key of a room's file whose value differs, such as `lanes.press`.

    `was` is missing for what there was not before.
    """

    key: str
    was: Any | UnsetType = UNSET
    now: Any


class AppliedFile(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of applying a room's file: whether the room was made, and every change.

    With `dry_run` nothing was changed.
    """

    room: str
    created: bool
    dry_run: bool
    changes: list[FileChange]
