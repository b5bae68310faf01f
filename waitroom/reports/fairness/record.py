"""The entries of a room's log as facts. Pure.

A kind that is not known here, or an entry that lacks what its kind should have, is read as `Other`:
the log may learn new words, and whoever reads it must not stumble.
"""

from datetime import datetime
from typing import Any

import msgspec


# A log has hundreds of thousands of entries and none refers to another, so the collector of cycles
# is spared the look at each of them: `gc=False` here and below.
class _Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind"):
    seq: int
    at: datetime


class Announced(_Entry, frozen=True, kw_only=True, gc=False, tag="draw_announced"):
    line: str
    commitment: str
    public_value_source: str | None = None


class Closed(_Entry, frozen=True, kw_only=True, gc=False, tag="entries_closed"):
    line: str
    count: int


class ClosingSigned(_Entry, frozen=True, kw_only=True, gc=False, tag="closing_signed"):
    line: str
    count: int
    head: str


class PublicValue(_Entry, frozen=True, kw_only=True, gc=False, tag="public_value"):
    line: str
    source: str
    value: str


class Drawn(_Entry, frozen=True, kw_only=True, gc=False, tag="drawn"):
    line: str
    seed: str
    head: str
    count: int
    value: str | None = None


class Joined(_Entry, frozen=True, kw_only=True, gc=False, tag="joined"):
    """Numbers `first` to `last` were given out, the first `called` of them with their call."""

    line: str
    first: int
    last: int
    called: int = 0


class Called(_Entry, frozen=True, kw_only=True, gc=False, tag="called"):
    """Numbers `first` to `last` were called, and `again` those who had come back.

    `again_since` says for each of these since when they had been back.
    """

    line: str
    first: int = msgspec.field(name="from")
    last: int = msgspec.field(name="to")
    again: tuple[int, ...] = ()
    again_since: tuple[datetime, ...] = ()


class Revoked(_Entry, frozen=True, kw_only=True, gc=False, tag="revoked"):
    line: str
    number: int


class SteppedAside(_Entry, frozen=True, kw_only=True, gc=False, tag="stepped_aside"):
    line: str
    number: int


class Invited(_Entry, frozen=True, kw_only=True, gc=False, tag="invited"):
    line: str
    count: int = 1


class InvitationsRevoked(_Entry, frozen=True, kw_only=True, gc=False, tag="invitations_revoked"):
    count: int


class Void(_Entry, frozen=True, kw_only=True, gc=False, tag="void"):
    line: str
    first: int
    last: int


class Reset(_Entry, frozen=True, kw_only=True, gc=False, tag="reset"):
    from_line: str
    to_line: str


class Forecast(_Entry, frozen=True, kw_only=True, gc=False, tag="forecast"):
    """Rows of (place, earliest wait in s, latest wait in s, chance), as the room's state had."""

    line: str
    head: int
    tail: int
    rows: tuple[tuple[int, float | None, float | None, float | None], ...]


class Other(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An entry of which no more is needed than its kind."""

    seq: int
    kind: str
    at: datetime


Known = (
    Announced
    | Closed
    | ClosingSigned
    | PublicValue
    | Drawn
    | Joined
    | Called
    | Revoked
    | SteppedAside
    | Invited
    | InvitationsRevoked
    | Void
    | Reset
    | Forecast
)
Entry = Known | Other

_known: "msgspec.json.Decoder[Known]" = msgspec.json.Decoder(Known)
_other = msgspec.json.Decoder(Other)


def read_entry(body: str) -> Entry:
    """Return an entry; raises `msgspec.DecodeError` for a text that is no entry at all."""
    try:
        return _known.decode(body)
    except msgspec.ValidationError:
        return _other.decode(body)


def kind_of(entry: Entry) -> str:
    """Return the kind of an entry as the log has it."""
    if isinstance(entry, Other):
        return entry.kind
    tag: Any = entry.__struct_config__.tag
    return str(tag)
