"""The vocabulary of a room's public log: what each kind of entry says, with types and bounds. Pure.

An entry's text is a JSON object with `seq`, `kind`, `at` and the fields of its kind. Functions of
the database write it, and `reading.py` is its only reader: the verifier, the log page, the fairness
report, the analysis of waits and the replay of a sale all take their typed entries from there. The
docstring of each kind ends with its writers, and a test compares them with the SQL;
`waitroom.web.told` has sentences for each kind.

A kind outside this vocabulary is no fault. It belongs to the chain like any other entry and is
read as `Unknown`, so an older program can still check a newer log.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

# Readers of JSON disagree about larger integers (RFC 8259, section 6).
NUMBER_MAX = 2**53 - 1
Count = Annotated[int, Meta(ge=0, le=NUMBER_MAX)]
Number = Annotated[int, Meta(ge=1, le=NUMBER_MAX)]
Hash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Signature = Annotated[str, Meta(pattern=r"\A[0-9a-f]{128}\Z")]
At = Annotated[datetime, Meta(tz=True)]
# Rules of a room by name. A log may name rules that this version does not know, so their values are
# JSON of any shape.
RuleValues = dict[str, Any]


# A report reads hundreds of thousands of entries, and none refers to another: without `gc=False`
# the cycle collector would look at each of them again and again. Subclasses inherit it.
class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind"):
    """The fields of every entry.

    `seq` counts the entries of one room from 1. `at` is the database's clock, in UTC to the
    microsecond.
    """

    seq: Number
    at: At

    @property
    def kind(self) -> str:
        """Return the name of this kind, as the entry's text has it."""
        tag = self.__struct_config__.tag
        assert isinstance(tag, str), "every kind has a name"
        return tag


class OfLine(Entry, frozen=True, kw_only=True):
    """An entry about one line: `line` is its name, the lane and the generation, as in "main-1"."""

    line: str


class OfNumber(OfLine, frozen=True, kw_only=True):
    """An entry about one place in a line.

    `number` is the place's number. If `entry` is true, the draw had not been made yet, and `number`
    counts the entries to it.
    """

    number: Number
    entry: bool = False

    def is_of(self, *, entry: int | None, number: int | None) -> bool:
        """Say whether this is the place with that entry to the draw, or with that number."""
        return self.number == (entry if self.entry else number)


# The room.


class RoomCreated(OfLine, frozen=True, kw_only=True, tag="room_created"):
    """The room came into being with its first line. Written by `create_room`."""

    room: str


class StatusChanged(Entry, frozen=True, kw_only=True, tag="status"):
    """The room was opened, paused, ended, or put back to before its opening.

    `before` and `after` are scheduled, open, paused or ended. `rules` are those that a room opens
    with, by name, without those that have no value. `reason_hash` is the salted hash of the
    operator's private reason. Written by `set_room_status` and `reset_room`.
    """

    before: str = msgspec.field(name="from")
    after: str = msgspec.field(name="to")
    rules: RuleValues = {}
    reason_hash: Hash | None = None


class RulesChanged(Entry, frozen=True, kw_only=True, tag="rules"):
    """Rules of the room were changed.

    `changed` has the value before and the value after for each rule, by name. `reason_hash` is the
    salted hash of the operator's private reason. `networks_behind` is the number of networks that
    operators put behind by hand. Written by `change_room`, `set_profile` and `put_network_behind`.
    """

    changed: dict[str, tuple[Any, Any]]
    reason_hash: Hash | None = None


class LaneAdded(OfLine, frozen=True, kw_only=True, tag="lane_added"):
    """A lane was added, or its share changed: this part of the calls.

    A lane named `behind` has no part: it is called only while no number waits in another.
    Written by `set_lane` and `add_lane_behind`.
    """

    share: float


class Restored(OfLine, frozen=True, kw_only=True, tag="restored"):
    """The database was brought back from an older copy; `first` to `last` had been given before.

    They stand, and the next number follows them; the entries of the log that gave them are lost.
    With `entry` they are entries to a draw. Written by `take_up_numbers`.
    """

    first: Number
    last: Number
    entry: bool = False


class Reset(Entry, frozen=True, kw_only=True, tag="reset"):
    """A line was closed and a new one begun in its place; the people in it lost their places.

    `reason_hash` is the salted hash of the operator's private reason. Written by `reset_room`.
    """

    from_line: str
    to_line: str
    reason_hash: Hash | None = None


# The draw, in this order.


class DrawAnnounced(OfLine, frozen=True, kw_only=True, tag="draw_announced"):
    """A draw was announced. Written by `announce_draw`.

    `commitment` fixes the seed, `key` is the public key that will sign, and `public_value_source`
    says where a public value will come from; it is None if there will be none.
    """

    commitment: Hash
    key: Hash
    public_value_source: str | None


class Entered(OfLine, frozen=True, kw_only=True, tag="entered"):
    """The entries `first` to `last` to the draw were taken. Written by `join_line`.

    `root` is the Merkle root over their tickets.
    """

    first: Number
    last: Number
    root: Hash


class EntriesClosed(OfLine, frozen=True, kw_only=True, tag="entries_closed"):
    """The draw takes no more entries; `count` take part in it. Written by `close_entries`."""

    count: Count


class ClosingSigned(OfLine, frozen=True, kw_only=True, tag="closing_signed"):
    """The closing was signed. Written by `sign_closing`.

    `head` is the hash of the log entry that closed the entries, `key` the public key.
    """

    count: Count
    head: Hash
    key: Hash
    signature: Signature


class PublicValue(OfLine, frozen=True, kw_only=True, tag="public_value"):
    """The public value was recorded, with its source. Written by `give_public_value`."""

    source: str
    value: str


class Drawn(OfLine, frozen=True, kw_only=True, tag="drawn"):
    """The draw was made. Written by `reveal_draw`.

    `seed` is the revealed seed. `head` and `count` are those of the closing. `value` is the public
    value that was used, or None.
    """

    seed: Hash
    head: Hash
    count: Count
    value: str | None


# The course of the line.


class Joined(OfLine, frozen=True, kw_only=True, tag="joined"):
    """The numbers `first` to `last` were given in one tick. Written by `join_line`.

    The first `called` of them were called at once. `root` is the Merkle root over their tickets.
    """

    first: Number
    last: Number
    called: Count
    root: Hash


class Called(OfLine, frozen=True, kw_only=True, tag="called"):
    """The line moved on. Written by `call_numbers`.

    The numbers `first` to `last` were reached; `last` is `first` - 1 if none was. `called` of them
    were called. Those in `passed` were passed by, since what they came for was not free; the others
    had given up, stepped aside or been revoked. `again` are the numbers of people who had come back
    or been passed by and were called now, and `again_since` the moments since when they waited for
    it. `gate` is the number up to which arrivals are called as they join, `term` the leader's
    reign. `reason` names the bound that decided, and `figures` what was known when it did.
    """

    first: Number = msgspec.field(name="from")
    last: Count = msgspec.field(name="to")
    called: Count
    again: tuple[Number, ...]
    again_since: tuple[At, ...]
    passed: tuple[Number, ...] = ()
    gate: Count
    term: Count
    reason: str
    figures: dict[str, int | float]


class SoldOut(Entry, frozen=True, kw_only=True, tag="sold_out"):
    """Every unit is sold. Written by `note_sold_out`."""


class StockBack(Entry, frozen=True, kw_only=True, tag="stock_back"):
    """Units are for sale again after everything was sold. Written by `note_sold_out`."""


class StockMoved(Entry, frozen=True, kw_only=True, tag="stock"):
    """Units came into stock, or the stock was corrected.

    One SKU's movement names the `sku`; an import gives the number of SKUs, `skus`. `quantity` is in
    units, negative for a correction downwards. `override` says that the correction went below the
    units already promised, held or sold. Written by `move_stock` and `receive_import`.
    """

    movement: Literal["received", "adjusted"]
    quantity: int
    sku: str | None = None
    skus: Count | None = None
    override: bool = False


class ForecastRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The forecast published for one place: its wait in seconds and its chance, None if not known.

    The chance, from 0 to 1, is that of still finding something.
    """

    place: Number
    wait_low_s: float | None
    wait_high_s: float | None
    chance: float | None


class Forecast(OfLine, frozen=True, kw_only=True, tag="forecast"):
    """The waits and chances that the room had published. Written by `note_forecast`.

    `head` and `tail` are the last number called and the last number given at that moment.
    """

    head: Count
    tail: Count
    rows: tuple[ForecastRow, ...]


# Single places, and operators' exceptions.


class Moved(OfNumber, frozen=True, kw_only=True, tag="moved"):
    """The holder moved the place to another device. Written by `move_place`."""


class SteppedAside(OfNumber, frozen=True, kw_only=True, tag="stepped_aside"):
    """The holder lets others pass for a while. Written by `step_aside`."""


class ExtraTime(OfNumber, frozen=True, kw_only=True, tag="extra_time"):
    """The holder asked for more time and was given it. Written by `take_profile`.

    `profile` names the room's profile that says how much.
    """

    profile: str


class Revoked(OfNumber, frozen=True, kw_only=True, tag="revoked"):
    """An operator took the place away. Written by `revoke_place`.

    `reason_hash` is the salted hash of the operator's private reason.
    """

    reason_hash: Hash | None = None


class GivenBack(OfNumber, frozen=True, kw_only=True, tag="given_back"):
    """An operator gave a place back that was taken away. Written by `give_place_back`.

    It stands again at its number; one whose turn has passed is called again. `reason_hash` is the
    salted hash of the operator's private reason.
    """

    reason_hash: Hash | None = None


class Invited(OfLine, frozen=True, kw_only=True, tag="invited"):
    """A batch of `count` invitations to a lane was made. Written by `invite`.

    `batch` is the batch's id in this service.
    """

    count: Count
    batch: Number


class InvitationsRevoked(Entry, frozen=True, kw_only=True, tag="invitations_revoked"):
    """The `count` unused invitations of a batch were withdrawn. Written by `revoke_invitations`."""

    count: Count
    batch: Number


class Unknown(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An entry of a kind outside this vocabulary, or one whose fields do not fit its kind."""

    seq: Number
    kind: str
    at: At


Known = (
    RoomCreated
    | StatusChanged
    | RulesChanged
    | LaneAdded
    | Restored
    | Reset
    | DrawAnnounced
    | Entered
    | EntriesClosed
    | ClosingSigned
    | PublicValue
    | Drawn
    | Joined
    | Called
    | SoldOut
    | StockBack
    | StockMoved
    | Forecast
    | Moved
    | SteppedAside
    | ExtraTime
    | Revoked
    | GivenBack
    | Invited
    | InvitationsRevoked
)
AnyEntry = Known | Unknown

KINDS: dict[str, type[Known]] = {str(kind.__struct_config__.tag): kind for kind in get_args(Known)}
# The line's own course. Every other kind is an exception to it, or an act of a person.
ROUTINE = frozenset({"entered", "joined", "called", "forecast"})
