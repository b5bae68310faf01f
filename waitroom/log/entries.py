"""What the kinds of log entries tell: the facts that are checked, with types and bounds. Pure.

A kind that is not here is no mistake: it stands in the chain like any other, and is named.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

# Beyond this JSON's numbers are not the same to all readers (RFC 8259, section 6).
NUMBER_MAX = 2**53 - 1
Count = Annotated[int, Meta(ge=0, le=NUMBER_MAX)]
Number = Annotated[int, Meta(ge=1, le=NUMBER_MAX)]
Hash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Signature = Annotated[str, Meta(pattern=r"\A[0-9a-f]{128}\Z")]
At = Annotated[str, Meta(pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")]


class Facts(msgspec.Struct, frozen=True):
    """What every entry has. `at` is UTC to the microsecond, so its text sorts as its time does."""

    seq: Number
    kind: str
    at: At


class OfLine(Facts, frozen=True):
    line: str


class RoomCreated(OfLine, frozen=True):
    room: str


class DrawAnnounced(OfLine, frozen=True):
    commitment: Hash
    key: Hash
    public_value_source: str | None


class Entered(OfLine, frozen=True):
    first: Number
    last: Number
    root: Hash


class EntriesClosed(OfLine, frozen=True):
    count: Count


class ClosingSigned(OfLine, frozen=True):
    count: Count
    head: Hash
    key: Hash
    signature: Signature


class PublicValue(OfLine, frozen=True):
    source: str
    value: str


class Drawn(OfLine, frozen=True):
    seed: Hash
    head: Hash
    count: Count
    value: str | None


class Joined(OfLine, frozen=True):
    first: Number
    last: Number
    called: Count
    root: Hash


class Called(OfLine, frozen=True):
    """`first` and `to` are the new numbers reached; `to` is one less when there is none."""

    first: Number = msgspec.field(name="from")
    to: Count
    called: Count
    again: list[Number]


class Status(Facts, frozen=True):
    before: str = msgspec.field(name="from")
    after: str = msgspec.field(name="to")


class OfNumber(OfLine, frozen=True):
    """`entry` says that the number is an entry's, from before the draw."""

    number: Number
    entry: bool = False

    def is_of(self, *, entry: int | None, number: int | None) -> bool:
        return self.number == (entry if self.entry else number)


class Void(OfLine, frozen=True):
    first: Number
    last: Number


class Reset(Facts, frozen=True):
    from_line: str
    to_line: str


KINDS: dict[str, type[Facts]] = {
    "room_created": RoomCreated,
    "draw_announced": DrawAnnounced,
    "entered": Entered,
    "entries_closed": EntriesClosed,
    "closing_signed": ClosingSigned,
    "public_value": PublicValue,
    "drawn": Drawn,
    "joined": Joined,
    "called": Called,
    "status": Status,
    "revoked": OfNumber,
    "moved": OfNumber,
    "stepped_aside": OfNumber,
    "extra_time": OfNumber,
    "lane_added": OfLine,
    "invited": OfLine,
    "void": Void,
    "reset": Reset,
    "rules": Facts,
    "sold_out": Facts,
    "stock_back": Facts,
    "stock": Facts,
    "forecast": Facts,
}
_FACTS = msgspec.json.Decoder(Facts)
_DECODERS = {kind: msgspec.json.Decoder(type_) for kind, type_ in KINDS.items()}


class Unreadable(ValueError):
    """An entry's text is not what its kind asks for."""


def read_facts(body: str) -> Facts:
    """Return what an entry tells; plain `Facts` for a kind that is not known here."""
    try:
        facts = _FACTS.decode(body)
        decoder = _DECODERS.get(facts.kind)
        return facts if decoder is None else decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Unreadable(str(error)) from error
