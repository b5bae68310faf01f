"""What operators send: the bodies of their calls, with the bounds of every figure."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

Whole = Annotated[int, Meta(ge=1, le=10_000_000)]
Reason = Annotated[str, Meta(max_length=500)]


class RoomChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of PATCH: any of a room's rules, in seconds and units; `null` lifts a limit."""

    name: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    public: bool | UnsetType = UNSET
    message: Annotated[str, Meta(max_length=1000)] | UnsetType = UNSET
    opens_at: datetime | None | UnsetType = UNSET
    closes_at: datetime | None | UnsetType = UNSET
    policy: Literal["guaranteed", "rate"] | UnsetType = UNSET
    seats_max: Annotated[int, Meta(ge=0, le=10_000_000)] | UnsetType = UNSET
    calls_per_minute: Annotated[int, Meta(ge=0, le=10_000_000)] | None | UnsetType = UNSET
    batch_max: Whole | UnsetType = UNSET
    claim_window_s: Whole | UnsetType = UNSET
    session_s: Whole | UnsetType = UNSET
    hold_s: Whole | UnsetType = UNSET
    hold_extensions_max: Annotated[int, Meta(ge=0, le=100)] | UnsetType = UNSET
    payment_window_s: Whole | UnsetType = UNSET
    grace_s: Annotated[int, Meta(ge=0, le=10_000_000)] | UnsetType = UNSET
    units_promised: Whole | UnsetType = UNSET
    order_units_max: Whole | None | UnsetType = UNSET
    customers_only: bool | UnsetType = UNSET
    returns_window_s: Whole | UnsetType = UNSET
    reason: Reason = ""


class StatusChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Reason = ""
    confirm: str = ""


class Movement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal["received", "adjusted"]
    quantity: Annotated[int, Meta(ge=-10_000_000, le=10_000_000)]
    reason: Reason = ""
    override: bool = False


class CrowdOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    shoppers: Annotated[int, Meta(ge=1, le=20_000)] = 300
    arrive_s: Annotated[float, Meta(ge=0, le=3600)] = 20.0


class NewRoom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    room: Annotated[str, Meta(min_length=1, max_length=63)]
    name: Annotated[str, Meta(min_length=1, max_length=200)]


ROOM_CHANGE = msgspec.json.Decoder(RoomChange)
STATUS_CHANGE = msgspec.json.Decoder(StatusChange)
MOVEMENT = msgspec.json.Decoder(Movement)
CROWD_ORDER = msgspec.json.Decoder(CrowdOrder)
NEW_ROOM = msgspec.json.Decoder(NewRoom)
