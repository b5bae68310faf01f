"""Typed entries of a sale's log, a second apart, for what is counted from them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from waitroom.log.draw import commitment
from waitroom.log.entries import (
    AnyEntry,
    Called,
    ClosingSigned,
    DrawAnnounced,
    Drawn,
    EntriesClosed,
    Joined,
    PublicValue,
)
from waitroom.reports.fairness.stretch import Story, tell_story

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HASH = "ab" * 32


def at(seq: float) -> datetime:
    """Entry after entry, a second apart; what happens between two is a half."""
    return NOON + seq * SECOND


def joined(seq: int, first: int, last: int, called: int = 0, line: str = "main-1") -> Joined:
    return Joined(seq=seq, at=at(seq), line=line, first=first, last=last, called=called, root=HASH)


def called(seq: int, first: int, last: int, line: str = "main-1", **more: Any) -> Called:
    facts = {"called": last - first + 1, "again": (), "again_since": (), "gate": last, "term": 1}
    facts |= {"reason": "", "figures": {}, **more}
    return Called(seq=seq, at=at(seq), line=line, first=first, last=last, **facts)


def drawn(seq: int, line: str) -> Drawn:
    return Drawn(seq=seq, at=at(seq), line=line, seed=HASH, head=HASH, count=5, value=None)


def told(entries: Sequence[AnyEntry], **more: Any) -> Story:
    return tell_story(entries, **{"away": [], "back": [], **more})


SEED = b"s" * 32
HEAD = b"h" * 32


def a_draw(*, source: str | None = None) -> list[AnyEntry]:
    said = commitment("drop", "main-1", SEED).hex()
    value = [] if source is None else ["4711"]
    entries: list[AnyEntry] = [
        DrawAnnounced(
            seq=1,
            at=at(1),
            line="main-1",
            commitment=said,
            key=HASH,
            public_value_source=source,
        ),
        EntriesClosed(seq=2, at=at(2), line="main-1", count=9),
        ClosingSigned(
            seq=3,
            at=at(3),
            line="main-1",
            count=9,
            head=HEAD.hex(),
            key=HASH,
            signature=HASH * 2,
        ),
    ]
    entries += [
        PublicValue(seq=4, at=at(4), line="main-1", source=source or "", value=each)
        for each in value
    ]
    drawn = Drawn(
        seq=5,
        at=at(5),
        line="main-1",
        seed=SEED.hex(),
        head=HEAD.hex(),
        count=9,
        value=value[0] if value else None,
    )
    return [*entries, drawn]


def drawn_with(**changes: Any) -> list[AnyEntry]:
    *before, drawn = a_draw()
    return [*before, msgspec.structs.replace(drawn, **changes)]
