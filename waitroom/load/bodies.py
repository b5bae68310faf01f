"""The answers as a shopper reads them; fields that no shopper needs are left out. Pure."""

import msgspec

from inventory.kit.doors.decoding import Json
from waitroom.line.wait import WaitRow


class TicketBody(msgspec.Struct, frozen=True):
    ticket: str
    line: str
    number: int | None
    status: str
    state_url: str
    poll_s: float


class LineBody(msgspec.Struct, frozen=True):
    line: str
    head: int
    tail: int
    table: list[WaitRow]


class StateBody(msgspec.Struct, frozen=True):
    version: int
    status: str
    lines: list[LineBody]


class StandingBody(msgspec.Struct, frozen=True):
    status: str
    poll_s: float
    number: int | None = None
    seconds_left: float | None = None
    version: int = 0


class ClaimBody(msgspec.Struct, frozen=True):
    session: str


class SkuBody(msgspec.Struct, frozen=True):
    sku: str
    available: int


class SkusBody(msgspec.Struct, frozen=True):
    skus: list[SkuBody]


class ItemBody(msgspec.Struct, frozen=True):
    quantity: int


class HoldBody(msgspec.Struct, frozen=True):
    hold_id: str
    content: str | None = None


class OrderBody(msgspec.Struct, frozen=True):
    order_id: str
    status: str
    items: list[ItemBody]


class ProblemBody(msgspec.Struct, frozen=True):
    code: str = ""
    available: int = 0
    limit: int = 0
    # The work that a join has to do first.
    challenge: Json = {}


class RoomBody(msgspec.Struct, frozen=True):
    room: str
    status: str


class RoomsBody(msgspec.Struct, frozen=True):
    rooms: list[RoomBody]
