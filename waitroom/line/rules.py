"""A room and its lines as their rows in the database had them at one reading. Pure values."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

RoomStatus = Literal["scheduled", "open", "paused", "ended"]
# A rule that asks for something of each join, of joins under pressure, or never.
Asked = Literal["never", "pressure", "always"]
JoinBy = Literal["open", "invitation", "customer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRules:
    """A room as operators set it, and the progress of its sale.

    Moments carry their offset. Fields that end in `_s` are whole seconds.
    """

    room_id: int
    room: str
    name: str
    # The list of rooms and the shop name only public rooms.
    public: bool
    status: RoomStatus
    # True once every unit that was on hand is sold.
    sold_out: bool
    # The operators' message to all who wait, and its time.
    message: str
    message_at: datetime | None

    opens_at: datetime | None
    closes_at: datetime | None
    # None: the doors open with the sale, or at once where there is a draw.
    doors_at: datetime | None
    doors_open: bool
    order_by: Literal["first_come", "draw"]
    # The announced source of a public random value for the draw; None for none.
    public_value_source: str | None
    join_by: JoinBy
    customers_only: bool

    log_public: Literal["live", "after"]
    fairness_public: bool
    # The tag of the language of shoppers whose browser asks for none that there is; "" for English.
    language: str
    # The public log has hashes with this salt in place of private texts.
    log_salt: UUID = field(repr=False)

    policy: Literal["expected", "guaranteed", "rate"]
    # The share (0 to 0.5) of called shoppers who may find nothing, where the policy is `expected`.
    disappointed_max: float
    seats_max: int
    # None: as many as the other rules allow.
    calls_per_minute: int | None
    batch_max: int
    # The units that each call promises.
    units_promised: int
    # Units of all SKUs together that one shopper may hold unpaid, and so in one order; None for no
    # limit.
    order_units_max: int | None
    # The share (0 to 1) of the unsold units that shoppers of one network may hold unpaid, beyond an
    # ordinary basket each.
    held_share_max: float
    # True: another shop keeps the stock and reports it.
    stock_elsewhere: bool
    # The ISO 4217 code in which the room sells.
    currency: str

    # When a join has to prove that it is one of few, and when it has to pass an outside check.
    proof_of_work: Asked
    human_check: Asked
    # While the provider is away: open takes work in place of the check, closed gives no place.
    human_check_away: Literal["open", "closed"]

    claim_window_s: int
    # The claim window of a shopper who stayed in line for returns.
    returns_window_s: int
    # The time after a missed call in which a shopper may come back and is called again.
    grace_s: int
    session_s: int
    hold_s: int
    hold_extensions_max: int
    payment_window_s: int
    # A further place for one address is given in the lane behind; None for no limit.
    places_per_address_max: int | None
    # The least time from the claim to the first payment.
    pay_after_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRules:
    """One line that can be joined.

    `drawn_count` and `draw_key` are set once a draw has put its entries in order: how many entries
    there were, and the key of their permutation.
    """

    line_id: int
    line: str
    lane: str
    drawn_count: int | None
    draw_key: bytes | None
