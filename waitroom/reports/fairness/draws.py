"""Whether each draw was made as it was announced, as far as the log alone shows. Pure.

This looks at the seed and what it was bound to; `waitroom verify` checks the signatures and every
shopper's own receipt besides.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from waitroom.log.draw import commitment
from waitroom.reports.fairness.record import (
    Announced,
    Closed,
    ClosingSigned,
    Drawn,
    Entry,
    PublicValue,
)


class Flaw(StrEnum):
    """What is wrong with a draw."""

    NOT_ANNOUNCED = "not_announced"
    NOT_REVEALED = "not_revealed"
    OTHER_SEED = "other_seed"
    OTHER_ENTRIES = "other_entries"
    OTHER_VALUE = "other_value"
    NOT_SIGNED = "not_signed"
    MADE_TWICE = "made_twice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One line's draw. `count` entries took part; `head` is the hash of the entry that closed them.

    `kept` says whether the seed that was revealed is the one that was committed to, and was used on
    the entries as they were closed; None while the seed has not been revealed yet.
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
class _Draw:
    announced: list[Announced] = field(default_factory=list)
    closed: list[Closed] = field(default_factory=list)
    signed: list[ClosingSigned] = field(default_factory=list)
    values: list[PublicValue] = field(default_factory=list)
    drawn: list[Drawn] = field(default_factory=list)


def draws_of(
    room: str, entries: Iterable[Entry], *, hashes: dict[int, bytes], over: bool
) -> list[Draw]:
    """Return the draws by line; `hashes` has those of the entries that closed a line's entries.

    A seed that is still hidden when the sale is over is a flaw, and so is a second draw.
    """
    found: dict[str, _Draw] = {}
    for entry in entries:
        match entry:
            case Announced():
                found.setdefault(entry.line, _Draw()).announced.append(entry)
            case Closed():
                found.setdefault(entry.line, _Draw()).closed.append(entry)
            case ClosingSigned():
                found.setdefault(entry.line, _Draw()).signed.append(entry)
            case PublicValue():
                found.setdefault(entry.line, _Draw()).values.append(entry)
            case Drawn():
                found.setdefault(entry.line, _Draw()).drawn.append(entry)
            case _:
                pass
    return [_judge(room, line, draw, hashes, over=over) for line, draw in sorted(found.items())]


def _judge(room: str, line: str, draw: _Draw, hashes: dict[int, bytes], *, over: bool) -> Draw:
    announced = draw.announced[0] if draw.announced else None
    closed = draw.closed[0] if draw.closed else None
    drawn = draw.drawn[0] if draw.drawn else None
    head = hashes[closed.seq].hex() if closed and closed.seq in hashes else None
    flaws = tuple(_flaws(room, line, draw, head, over=over))
    return Draw(
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


def _flaws(room: str, line: str, draw: _Draw, head: str | None, *, over: bool) -> Iterable[Flaw]:
    if len(draw.announced) > 1 or len(draw.closed) > 1 or len(draw.drawn) > 1:
        yield Flaw.MADE_TWICE
    if not draw.drawn:
        if draw.closed and over:
            yield Flaw.NOT_REVEALED
        return
    drawn = draw.drawn[0]
    if not draw.announced:
        yield Flaw.NOT_ANNOUNCED
        return
    announced = draw.announced[0]
    if not _fits(room, line, drawn.seed, announced.commitment):
        yield Flaw.OTHER_SEED
    closed = draw.closed[0] if draw.closed else None
    entries = (closed.count, head) if closed and announced.seq < closed.seq < drawn.seq else None
    if entries != (drawn.count, drawn.head):
        yield Flaw.OTHER_ENTRIES
    signed = [s for s in draw.signed if (s.count, s.head) == entries and s.seq < drawn.seq]
    if not signed:
        yield Flaw.NOT_SIGNED
    given = {v.value for v in draw.values if signed and signed[0].seq < v.seq < drawn.seq}
    wanted = given if announced.public_value_source is not None else {None}
    if drawn.value not in wanted:
        yield Flaw.OTHER_VALUE


def _fits(room: str, line: str, seed: str, committed: str) -> bool:
    try:
        return commitment(room, line, bytes.fromhex(seed)).hex() == committed.lower()
    except ValueError:
        return False
