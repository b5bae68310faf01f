"""The bodies with which operators' calls about rooms are answered."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypedDict

import msgspec

from waitroom.line.rules import Asked, JoinBy, RoomRules
from waitroom.line.state import shown_status
from waitroom.store.draw_store import LineDraw
from waitroom.store.place_store import Profile
from waitroom.store.room_store import LaneOnFile, RoomFigures, SellerOnFile


class NamedRoom(msgspec.Struct, frozen=True, kw_only=True):
    """A room in the operators' list."""

    room: str
    name: str
    status: str


class OperatorRooms(msgspec.Struct, frozen=True, kw_only=True):
    """All rooms, archived ones too."""

    rooms: list[NamedRoom]


class DrawBody(msgspec.Struct, frozen=True, kw_only=True):
    """The draw of one line."""

    line: str
    lane: str
    status: str
    announced_at: datetime | None
    # SHA-256 of the secret seed, in hex, published before the entries close.
    commitment: str
    public_value_source: str | None
    # What the source published, once an operator has given it.
    value: str | None
    entries: int
    drawn_at: datetime | None


class RoomSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A room's rules; seconds are whole, and null is no limit."""

    order_by: Literal["first_come", "draw"]
    public_value_source: str | None
    join_by: JoinBy
    proof_of_work: Asked
    human_check: Asked
    human_check_away: Literal["open", "closed"]
    log_public: Literal["live", "after"]
    fairness_public: bool
    language: str
    stock_elsewhere: bool
    public: bool
    seats_max: int
    calls_per_minute: int | None
    batch_max: int
    claim_window_s: int
    session_s: int
    hold_s: int
    hold_extensions_max: int
    payment_window_s: int
    pay_after_s: int
    places_per_address_max: int | None
    grace_s: int
    units_promised: int
    disappointed_max: float
    order_units_max: int | None
    held_share_max: float
    customers_only: bool
    returns_window_s: int


class Rates(TypedDict):
    """Rates, in one minute."""

    joins_per_min: float
    calls_per_min: float
    claims_per_min: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshFigures(RoomFigures):
    """The figures of a sale as of a moment ago, and what happens in a minute."""

    at: datetime
    joins_per_min: float
    calls_per_min: float
    claims_per_min: float


class OperatorRoom(msgspec.Struct, frozen=True, kw_only=True):
    """A room as operators see it."""

    room: str
    name: str
    currency: str
    # The status in a word; a paused room says so even if it is sold out.
    status: str
    # The message to all who wait.
    message: str
    policy: Literal["expected", "guaranteed", "rate"]
    doors_at: datetime | None
    opens_at: datetime | None
    closes_at: datetime | None
    settings: RoomSettings
    draw: list[DrawBody]
    figures: FreshFigures
    # The version of the state document that this worker hands out.
    version: int


class ResetRoom(OperatorRoom, frozen=True, kw_only=True):
    """A room after its reset, and the open calls that the reset took back."""

    calls_taken_back: int


class ArchiveBody(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of archiving a room."""

    room: str
    archived: bool


class RoomDraws(msgspec.Struct, frozen=True, kw_only=True):
    """The draws of a room's lines."""

    room: str
    draw: list[DrawBody]


class LaneList(msgspec.Struct, frozen=True, kw_only=True):
    """A room's lanes, the main one first."""

    lanes: list[LaneOnFile]


class ProfilesOnFile(msgspec.Struct, frozen=True, kw_only=True):
    """A room's profiles, and how many places have each."""

    profiles: list[Profile]


class SellerList(msgspec.Struct, frozen=True, kw_only=True):
    """The sellers that a room admits, and other sellers with SKUs there."""

    sellers: list[SellerOnFile]


def draw_body(draw: LineDraw) -> DrawBody:
    """Return a line's draw as operators see it."""
    return DrawBody(
        line=draw.line,
        lane=draw.lane,
        status=draw.status,
        announced_at=draw.announced_at,
        commitment=draw.commitment.hex(),
        public_value_source=draw.public_value_source,
        value=draw.value,
        entries=draw.entries if draw.count is None else draw.count,
        drawn_at=draw.drawn_at,
    )


def status_for_operators(rules: RoomRules, draws: list[LineDraw]) -> str:
    """Return the room's status in one word; a paused room says so even if it is sold out."""
    drawing = any(draw.count is not None and draw.drawn_at is None for draw in draws)
    return shown_status(
        rules.status,
        sold_out=rules.sold_out and rules.status == "open",
        doors_open=rules.doors_open,
        drawing=drawing,
    )
