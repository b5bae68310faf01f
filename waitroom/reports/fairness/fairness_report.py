"""The fairness report of a sale: its figures, and how they are put together. Pure.

The report consists of counts and times. It is about no single person; where exactly one person was
overtaken, it says how often and nothing else about them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from waitroom.log.entries import (
    KINDS,
    AnyEntry,
    ClosingSigned,
    DrawAnnounced,
    Drawn,
    EntriesClosed,
    Forecast,
    InvitationsRevoked,
    Invited,
    PublicValue,
)
from waitroom.reports.fairness.arrival import ArrivalTenth, waits_by_arrival
from waitroom.reports.fairness.draws import DrawResult, draws_of
from waitroom.reports.fairness.forecast import Accuracy, Actuals, judge
from waitroom.reports.fairness.overtaking import Overtaking, count_overtaken
from waitroom.reports.fairness.stretch import AbsentNumber, Story, StoryTeller, WaitingAgain

# The acts of operators and of single shoppers, as opposed to the line's own course, in the order of
# the report.
ACTS = (
    "lane_added",
    "invited",
    "invitations_revoked",
    "revoked",
    "given_back",
    "reset",
    "restored",
    "rules",
    "status",
    "stock",
    "moved",
    "stepped_aside",
    "extra_time",
)


# A week of a room with one line, about 5 kB each.
FORECASTS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCounts:
    """The numbers that were called, by what happened to them, as the database has it.

    `claimed` came in. `no_shows` were called and did not come, or not yet. `came_back` missed a
    call, or stayed for returned units, and came back to be called again. `left_waiting` gave up
    before their call, `left_later` after it. `found_nothing` came in, asked for something of which
    nothing was left, and never held anything. `passed_over` are numbers that the line passed
    without calling them and without a known reason; there must be none.
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
class RoomBooks:
    """The database's knowledge of a room at the moment `now`, beyond its log.

    `log_seq` and `log_hash` are those of the log's last entry. `away` and `back` are the numbers
    that the log does not name, `found_nothing` the numbers, with their line, that were called and
    found nothing left.
    """

    room: str
    now: datetime
    status: str
    sold_out: bool
    log_seq: int
    log_hash: bytes
    counts: CallCounts
    away: Sequence[AbsentNumber] = ()
    back: Sequence[WaitingAgain] = ()
    found_nothing: frozenset[tuple[str, int]] = frozenset()

    @property
    def over(self) -> bool:
        """Say whether no more numbers are called, as things stand."""
        return self.status == "ended" or self.sold_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """The number of times that an act of one kind occurs in the log.

    `places` is the number of invitations it concerns, and None for other kinds.
    """

    kind: str
    times: int
    places: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessReport:
    """The fairness of a sale, or of a sale so far if it is not `over`.

    It covers the log up to the entry `log_seq`, whose hash is `log_hash` in hex. `joined`, `called`
    and `waiting` count people: with a number, called at least once, and waiting for their first
    call. The waits of a long log are exact to `exact_to_s` seconds, 0 for any other, and of its
    forecasts one in `forecasts_every` was judged.
    """

    room: str
    as_of: datetime
    over: bool
    log_seq: int
    log_hash: str
    exact_to_s: float
    forecasts_every: int
    joined: int
    called: int
    waiting: int
    overtaken: Overtaking
    waits: list[ArrivalTenth]
    counts: CallCounts
    acts: list[Act]
    forecast: Accuracy
    draws: list[DrawResult]

    @property
    def found_nothing_share(self) -> float | None:
        """Return the share of the called numbers that came in and found nothing."""
        counts = self.counts
        return counts.found_nothing / counts.called if counts.called else None


class ReportDraft:
    """Gathers a report as the log goes by, from its first entry on.

    A log may have millions of entries. The draft keeps what the figures need, and of a long log
    less than that: see `ranges`, and `FORECASTS_MAX`.
    """

    def __init__(self) -> None:
        self._teller = StoryTeller()
        self._forecasts: list[Forecast] = []
        self._forecasts_seen, self._forecasts_every = 0, 1
        self._draw_steps: list[AnyEntry] = []
        self._closings: dict[int, bytes] = {}
        self._times: Counter[type[AnyEntry]] = Counter()
        self._places: Counter[type[AnyEntry]] = Counter()

    def feed(self, entry: AnyEntry, hash_: bytes) -> None:
        """Take the next entry of the log, with its hash."""
        self._teller.feed(entry)
        self._times[type(entry)] += 1
        match entry:
            case Forecast():
                self._take_forecast(entry)
            case EntriesClosed():
                self._draw_steps.append(entry)
                self._closings[entry.seq] = hash_
            case DrawAnnounced() | ClosingSigned() | PublicValue() | Drawn():
                self._draw_steps.append(entry)
            case Invited() | InvitationsRevoked():
                self._places[type(entry)] += entry.count
            case _:
                pass

    def _take_forecast(self, entry: Forecast) -> None:
        """Keep forecasts evenly over the log; with too many, every other one of them goes."""
        if self._forecasts_seen % self._forecasts_every == 0:
            self._forecasts.append(entry)
        self._forecasts_seen += 1
        if len(self._forecasts) > FORECASTS_MAX:
            del self._forecasts[1::2]
            self._forecasts_every *= 2

    def finish(self, books: RoomBooks) -> FairnessReport:
        """Return the report; `books` are as of the last entry taken."""
        story = self._teller.story(away=books.away, back=books.back)
        actuals = Actuals(
            lines=story.lines, found_nothing=books.found_nothing, over=books.over, until=books.now
        )
        joined, called, waiting = _people(story)
        return FairnessReport(
            room=books.room,
            as_of=books.now,
            over=books.over,
            log_seq=books.log_seq,
            log_hash=books.log_hash.hex(),
            exact_to_s=self._teller.error_s,
            forecasts_every=self._forecasts_every,
            joined=joined,
            called=called,
            waiting=waiting,
            overtaken=count_overtaken(story),
            waits=waits_by_arrival(story.lines.values()),
            counts=books.counts,
            acts=self._acts(),
            forecast=judge(self._forecasts, actuals),
            draws=draws_of(books.room, self._draw_steps, hashes=self._closings, over=books.over),
        )

    def _acts(self) -> list[Act]:
        return [
            Act(kind=name, times=self._times[kind], places=self._places.get(kind))
            for name, kind in ((name, KINDS[name]) for name in ACTS)
            if self._times[kind]
        ]


def _people(story: Story) -> tuple[int, int, int]:
    """Return how many people joined, were called, and wait for their first call."""
    stretches = [stretch for line in story.lines.values() for stretch in line]
    return (
        sum(s.people for s in stretches),
        sum(s.people for s in stretches if s.called),
        sum(s.people for s in stretches if s.until is None and not s.reset),
    )
