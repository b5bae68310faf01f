"""Whether each draw was made as announced, as far as the log alone shows. Pure.

This checks the seed and the entries and value that it was bound to. `waitroom verify` also checks
the signatures, and a shopper's own receipt.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from waitroom.log.draw import commitment
from waitroom.log.entries import (
    AnyEntry,
    ClosingSigned,
    DrawAnnounced,
    Drawn,
    EntriesClosed,
    PublicValue,
)


class Flaw(StrEnum):
    """A fault of a draw.

    It was not announced beforehand; its seed was never revealed, or is not the one committed to; it
    was not made from the entries as they were closed, or not with the announced public value; its
    closing was not signed before the seed was revealed; or it was made more than once.
    """

    NOT_ANNOUNCED = "not_announced"
    NOT_REVEALED = "not_revealed"
    OTHER_SEED = "other_seed"
    OTHER_ENTRIES = "other_entries"
    OTHER_VALUE = "other_value"
    NOT_SIGNED = "not_signed"
    MADE_TWICE = "made_twice"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawResult:
    """One line's draw.

    `count` entries took part, and `head` is the hash of the log entry that closed them. `kept` says
    whether the draw was made as announced; it is None while the seed is still secret.
    """

    line: str
    commitment: str | None
    public_value_source: str | None
    closed_at: datetime | None
    count: int | None
    head: str | None
    drawn_at: datetime | None
    kept: bool | None
    flaws: tuple[Flaw, ...]


@dataclass(slots=True)
class _Steps:
    """The log entries of one line's draw; more than one of a kind is a fault."""

    announced: list[DrawAnnounced] = field(default_factory=list)
    closed: list[EntriesClosed] = field(default_factory=list)
    signed: list[ClosingSigned] = field(default_factory=list)
    values: list[PublicValue] = field(default_factory=list)
    drawn: list[Drawn] = field(default_factory=list)


def draws_of(
    room: str, entries: Iterable[AnyEntry], *, hashes: dict[int, bytes], over: bool
) -> list[DrawResult]:
    """Return the draws by line; `hashes` has the hash of each closing, by sequence number.

    A seed that is still secret when the sale is over is a fault, and so is a second draw.
    """
    found: defaultdict[str, _Steps] = defaultdict(_Steps)
    for entry in entries:
        match entry:
            case DrawAnnounced():
                found[entry.line].announced.append(entry)
            case EntriesClosed():
                found[entry.line].closed.append(entry)
            case ClosingSigned():
                found[entry.line].signed.append(entry)
            case PublicValue():
                found[entry.line].values.append(entry)
            case Drawn():
                found[entry.line].drawn.append(entry)
            case _:
                pass
    return [_judge(room, line, steps, hashes, over=over) for line, steps in sorted(found.items())]


def _judge(
    room: str, line: str, steps: _Steps, hashes: dict[int, bytes], *, over: bool
) -> DrawResult:
    announced = steps.announced[0] if steps.announced else None
    closed = steps.closed[0] if steps.closed else None
    drawn = steps.drawn[0] if steps.drawn else None
    head = hashes[closed.seq].hex() if closed and closed.seq in hashes else None
    flaws = tuple(_flaws(room, line, steps, head, over=over))
    return DrawResult(
        line=line,
        commitment=announced.commitment if announced else None,
        public_value_source=announced.public_value_source if announced else None,
        closed_at=closed.at if closed else None,
        count=closed.count if closed else None,
        head=head,
        drawn_at=drawn.at if drawn else None,
        kept=not flaws if drawn or flaws else None,
        flaws=flaws,
    )


def _flaws(room: str, line: str, steps: _Steps, head: str | None, *, over: bool) -> Iterable[Flaw]:
    if len(steps.announced) > 1 or len(steps.closed) > 1 or len(steps.drawn) > 1:
        yield Flaw.MADE_TWICE
    if not steps.drawn:
        if steps.closed and over:
            yield Flaw.NOT_REVEALED
        return
    drawn = steps.drawn[0]
    if not steps.announced:
        yield Flaw.NOT_ANNOUNCED
        return
    announced = steps.announced[0]
    if commitment(room, line, bytes.fromhex(drawn.seed)).hex() != announced.commitment:
        yield Flaw.OTHER_SEED
    closed = steps.closed[0] if steps.closed else None
    entries = (closed.count, head) if closed and announced.seq < closed.seq < drawn.seq else None
    if entries != (drawn.count, drawn.head):
        yield Flaw.OTHER_ENTRIES
    signed = [s for s in steps.signed if (s.count, s.head) == entries and s.seq < drawn.seq]
    if not signed:
        yield Flaw.NOT_SIGNED
    given = {v.value for v in steps.values if signed and signed[0].seq < v.seq < drawn.seq}
    wanted = given if announced.public_value_source is not None else {None}
    if drawn.value not in wanted:
        yield Flaw.OTHER_VALUE
