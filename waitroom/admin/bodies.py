"""The bodies of operators' calls, with the bounds of every figure."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from inventory.catalogue import Currency
from inventory.kit.doors.decoding import check_digits, decoder, grammar
from inventory.kit.doors.moments import Moment
from inventory.kit.doors.texts import Line, Message, Name, Note, Published
from inventory.kit.language.catalogues import tags
from waitroom.store.room_store import Copied

# The tag of a language that pages can be in, or nothing.
Tongue = Annotated[
    str, grammar(rf"^({'|'.join(tags())})?\Z", f"It is one of {', '.join(tags())}, or empty")
]
Whole = Annotated[int, Meta(ge=1, le=10_000_000)]


class RoomChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of PATCH: any of a room's rules, in seconds and units; `null` lifts a limit.

    Moments carry their offset from UTC.
    """

    name: Name | UnsetType = UNSET
    public: bool | UnsetType = UNSET
    message: Message | UnsetType = UNSET
    opens_at: Moment | None | UnsetType = UNSET
    closes_at: Moment | None | UnsetType = UNSET
    doors_at: Moment | None | UnsetType = UNSET
    order_by: Literal["first_come", "draw"] | UnsetType = UNSET
    public_value_source: Line | None | UnsetType = UNSET
    join_by: Literal["open", "invitation", "customer"] | UnsetType = UNSET
    proof_of_work: Literal["never", "pressure", "always"] | UnsetType = UNSET
    human_check: Literal["never", "pressure", "always"] | UnsetType = UNSET
    human_check_away: Literal["open", "closed"] | UnsetType = UNSET
    log_public: Literal["live", "after"] | UnsetType = UNSET
    fairness_public: bool | UnsetType = UNSET
    language: Tongue | UnsetType = UNSET
    stock_elsewhere: bool | UnsetType = UNSET
    policy: Literal["expected", "guaranteed", "rate"] | UnsetType = UNSET
    disappointed_max: Annotated[float, Meta(ge=0, le=0.5)] | UnsetType = UNSET
    seats_max: Annotated[int, Meta(ge=0, le=10_000_000)] | UnsetType = UNSET
    calls_per_minute: Annotated[int, Meta(ge=0, le=10_000_000)] | None | UnsetType = UNSET
    batch_max: Whole | UnsetType = UNSET
    claim_window_s: Whole | UnsetType = UNSET
    session_s: Whole | UnsetType = UNSET
    hold_s: Whole | UnsetType = UNSET
    hold_extensions_max: Annotated[int, Meta(ge=0, le=100)] | UnsetType = UNSET
    payment_window_s: Whole | UnsetType = UNSET
    places_per_address_max: Whole | None | UnsetType = UNSET
    pay_after_s: Annotated[int, Meta(ge=0, le=600)] | UnsetType = UNSET
    grace_s: Annotated[int, Meta(ge=0, le=10_000_000)] | UnsetType = UNSET
    units_promised: Whole | UnsetType = UNSET
    order_units_max: Whole | None | UnsetType = UNSET
    held_share_max: Annotated[float, Meta(ge=0, le=1)] | UnsetType = UNSET
    customers_only: bool | UnsetType = UNSET
    returns_window_s: Whole | UnsetType = UNSET
    reason: Note = ""

    def __post_init__(self) -> None:
        if self.disappointed_max is not UNSET:
            check_digits("disappointed_max", self.disappointed_max)
        if self.held_share_max is not UNSET:
            check_digits("held_share_max", self.held_share_max)


class RuleTrial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of a rehearsal: rules to try, as in a change of the room; nothing is changed."""

    policy: Literal["expected", "guaranteed", "rate"] | UnsetType = UNSET
    disappointed_max: Annotated[float, Meta(ge=0, le=0.5)] | UnsetType = UNSET
    seats_max: Annotated[int, Meta(ge=0, le=10_000_000)] | UnsetType = UNSET
    calls_per_minute: Annotated[int, Meta(ge=0, le=10_000_000)] | None | UnsetType = UNSET
    claim_window_s: Whole | UnsetType = UNSET
    session_s: Whole | UnsetType = UNSET
    hold_s: Whole | UnsetType = UNSET


class StatusChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Note = ""
    confirm: str = ""


class Reset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a reset: the room's name once more, and the reason."""

    confirm: str = ""
    reason: Note = ""


class PublicValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The public value for a draw, exactly as its announced source published it."""

    value: Published


class StockChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal["received", "adjusted"]
    quantity: Annotated[int, Meta(ge=-10_000_000, le=10_000_000)]
    reason: Note = ""
    override: bool = False


class CrowdOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    shoppers: Annotated[int, Meta(ge=1, le=20_000)] = 300
    arrive_s: Annotated[float, Meta(ge=0, le=3600)] = 20.0


class NewRoom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A room to make, with the rules that differ from the defaults, or from the room `copy_of`.

    It sells in one currency, an ISO 4217 code, which cannot be changed later: that of the room
    that it copies, or else EUR. A copy has the look and the goods of the other room only if it says
    so, and of the goods `units` of each: stock is never copied.
    """

    room: Annotated[str, Meta(min_length=1, max_length=63)]
    name: Name
    currency: Currency | UnsetType = UNSET
    copy_of: Annotated[str, Meta(max_length=63)] | None = None
    with_look: bool = False
    with_goods: bool = False
    units: Annotated[int, Meta(ge=0, le=10_000_000)] = 0
    rules: RoomChange = RoomChange()

    def __post_init__(self) -> None:
        if self.copy_of is None and (self.with_look or self.with_goods):
            raise ValueError("`with_look` and `with_goods` need the room that is copied, `copy_of`")
        if self.units and not self.with_goods:
            raise ValueError("`units` are those of copied goods, so they need `with_goods`")

    def copied(self) -> Copied | None:
        """Return what is copied, None for a room by the defaults."""
        if self.copy_of is None:
            return None
        return Copied(
            room=self.copy_of, look=self.with_look, goods=self.with_goods, units=self.units
        )


ROOM_CHANGE = decoder(RoomChange)
RULE_TRIAL = decoder(RuleTrial)
STATUS_CHANGE = decoder(StatusChange)
RESET = decoder(Reset)
PUBLIC_VALUE = decoder(PublicValue)
MOVEMENT = decoder(StockChange)
CROWD_ORDER = decoder(CrowdOrder)
NEW_ROOM = decoder(NewRoom)
