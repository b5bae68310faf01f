"""The room's state as one public document: the same bytes for everybody. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from waitroom.line.forecast.skus import SkuState, SkuTable
from waitroom.line.wait import WaitRow


class LineState(msgspec.Struct, frozen=True, kw_only=True):
    """One line: `number <= head` is called; the table speaks of places after the head.

    `entries` counts the places that a draw numbers, or has numbered. `skus` has the chances of the
    room's SKUs by place.
    """

    line: str
    lane: str = "main"
    head: int
    tail: int
    entries: int = 0
    table: list[WaitRow]
    skus: list[SkuTable] = []


class RoomState(msgspec.Struct, frozen=True, kw_only=True):
    """The document that every worker hands out. A client ignores a version older than it has seen.

    `status` is scheduled, before_opening (the doors are open, calls have not begun), drawing, open,
    paused, sold_out or ended. `wait_note` says why waits grew, if they did: paused, rate_lowered,
    stock_fell, slower_checkout or more_came_back. `available` and `held` are units in the
    room, `promised` those set aside for shoppers who were called, `calling_per_min` the observed
    calls a minute. `admits` is false while the operators let no one in, by seats or by pace. Places
    between two rows of a table are interpolated linearly; beyond the last row, the last row holds.
    `figures_at` is when waits and chances were worked out, and stands there only where that is too
    long ago. `skus` has the SKUs that are wanted most, at most a dozen, in a room that sells
    several.
    """

    version: int
    room: str
    status: str
    message: str
    message_at: datetime | None
    updated_at: datetime
    opens_at: datetime | None
    available: int
    held: int
    promised: int = 0
    has_stock: bool
    admits: bool = True
    calling_per_min: float | None
    wait_note: str | None = None
    figures_at: datetime | None = None
    skus: list[SkuState] = []
    lines: list[LineState]


encode_state = msgspec.json.Encoder().encode
decode_state = msgspec.json.Decoder(RoomState).decode


def shown_status(
    status: str, *, sold_out: bool, doors_open: bool = False, drawing: bool = False
) -> str:
    """Return the word for the document: an open or paused room may be sold out, say."""
    if sold_out and status in {"open", "paused"}:
        return "sold_out"
    if status == "scheduled" and doors_open:
        return "before_opening"
    return "drawing" if status == "open" and drawing else status


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldLine:
    """What the shoppers of a line were told, as the public log keeps it.

    Each row has a place, the least and the greatest wait in seconds, and the chance of a call.
    """

    line: str
    head: int
    tail: int
    rows: list[tuple[int, float | None, float | None, float]]


def told_lines(lines: Iterable[LineState]) -> list[ToldLine]:
    """Return what each line with waiting shoppers was told."""
    return [
        ToldLine(
            line=line.line,
            head=line.head,
            tail=line.tail,
            rows=[(r.place, r.wait_low_s, r.wait_high_s, r.chance) for r in line.table],
        )
        for line in lines
        if line.tail > line.head
    ]
