"""The fairness report of a sale: its shape, and how it is put together. Pure.

Everything is a number or a time; nothing in it is about one person, unless one person alone was
overtaken: then there are how often, and nothing else about them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from waitroom.reports.fairness.arrival import Part, waits_by_arrival
from waitroom.reports.fairness.draws import Draw, draws_of
from waitroom.reports.fairness.forecast import Accuracy, Outcomes, judge
from waitroom.reports.fairness.overtaking import Overtaking, count_overtaken
from waitroom.reports.fairness.record import (
    Entry,
    Forecast,
    InvitationsRevoked,
    Invited,
    Void,
    kind_of,
)
from waitroom.reports.fairness.stretch import Away, Back, Story, tell

# What operators and single shoppers did beside the line's own course, in the order of the report.
ACTS = (
    "lane_added",
    "invited",
    "invitations_revoked",
    "revoked",
    "void",
    "reset",
    "rules",
    "status",
    "stock",
    "moved",
    "stepped_aside",
    "extra_time",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of the numbers that were called, by the books.

    `claimed` came in. `no_shows` were called and did not come, or not yet; `came_back` missed a
    call, or stayed for returns, and came back to be called again. `left_waiting` gave up before
    their call, `left_later` after it. `found_nothing` came in, asked for something of which none
    was left, and never held anything. `passed_over` are numbers that the line has passed without
    calling them or knowing why; there must be none.
    """

    called: int = 0
    claimed: int = 0
    no_shows: int = 0
    came_back: int = 0
    left_waiting: int = 0
    left_later: int = 0
    found_nothing: int = 0
    passed_over: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the report needs of the books, as of the moment `now`.

    `hashes` are those of the log's entries that closed a line's entries before a draw, by sequence
    number.
    """

    room: str
    now: datetime
    status: str
    sold_out: bool
    log_seq: int
    log_hash: bytes
    counts: Counts
    away: Sequence[Away] = ()
    back: Sequence[Back] = ()
    found_nothing: frozenset[tuple[str, int]] = frozenset()
    hashes: dict[int, bytes] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Say whether nobody else is called, as things stand."""
        return self.status == "ended" or self.sold_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """How often something was done outside the line's course; `places` where it names any."""

    kind: str
    times: int
    places: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How fair a sale was, or was so far (`over` is false)."""

    room: str
    as_of: datetime
    over: bool
    log_seq: int
    log_hash: str
    joined: int
    called: int
    waiting: int
    overtaken: Overtaking
    waits: list[Part]
    counts: Counts
    acts: list[Act]
    forecast: Accuracy
    draws: list[Draw]

    @property
    def found_nothing_share(self) -> float | None:
        """Return the share of those called who came and found nothing."""
        counts = self.counts
        return counts.found_nothing / counts.called if counts.called else None


def make_report(entries: Sequence[Entry], books: Books) -> Report:
    """Count a sale; `entries` is the room's whole log from its beginning."""
    story = tell(entries, away=books.away, back=books.back)
    outcomes = Outcomes(
        lines=story.lines, found_nothing=books.found_nothing, over=books.over, until=books.now
    )
    joined, called, waiting = _people(story)
    return Report(
        room=books.room,
        as_of=books.now,
        over=books.over,
        log_seq=books.log_seq,
        log_hash=books.log_hash.hex(),
        joined=joined,
        called=called,
        waiting=waiting,
        overtaken=count_overtaken(story),
        waits=waits_by_arrival(story.lines.values()),
        counts=books.counts,
        acts=_acts(entries),
        forecast=judge((e for e in entries if isinstance(e, Forecast)), outcomes),
        draws=draws_of(books.room, entries, hashes=books.hashes, over=books.over),
    )


def _people(story: Story) -> tuple[int, int, int]:
    """Return how many joined, were called, and wait for their first call."""
    stretches = [stretch for line in story.lines.values() for stretch in line]
    return (
        sum(s.people for s in stretches),
        sum(s.people for s in stretches if s.called),
        sum(s.people for s in stretches if s.until is None and not s.reset),
    )


def _acts(entries: Sequence[Entry]) -> list[Act]:
    times: Counter[str] = Counter()
    places: Counter[str] = Counter()
    for entry in entries:
        kind = kind_of(entry)
        if kind not in ACTS:
            continue
        times[kind] += 1
        if isinstance(entry, Invited | InvitationsRevoked):
            places[kind] += entry.count
        elif isinstance(entry, Void):
            places[kind] += entry.last - entry.first + 1
    return [
        Act(kind=kind, times=times[kind], places=places.get(kind)) for kind in ACTS if times[kind]
    ]
