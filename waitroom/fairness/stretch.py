"""Who came when and was called when, in stretches of numbers that fared alike. Pure.

A line may hold millions, but what happened to them is told by some thousand entries: ticks of joins
and calls. Their borders cut the numbers into stretches; whoever gave up, was revoked or came back
stands in a stretch alone. Moments are sequence numbers of the log, so what one entry did happened at
once, and clocks decide nothing but how long somebody waited.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import accumulate, pairwise

from waitroom.fairness.record import (
    Called,
    Drawn,
    Entry,
    Joined,
    Reset,
    Revoked,
    SteppedAside,
    Void,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """A number that gave its place up before it was called, and when."""

    line: str
    number: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """A number that missed its call, came back, and waits since then to be called again."""

    line: str
    number: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An entry of the log: its sequence number orders, its time measures."""

    seq: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Numbers `first` to `last` of a line, which arrived, waited and were called together.

    Those whom a draw numbered arrived with the draw: among them the number decides who was before
    whom. `until` is the sequence number at which they waited no longer: with their call, when they
    gave up, were revoked, stepped aside, or lost their line; None while they wait.
    """

    line: str
    first: int
    last: int
    arrived: Moment
    called: Moment | None
    at_once: bool
    until: int | None

    @property
    def people(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """One person's second wait, from `since` up to `until` or up to now; `aside`: by their wish."""

    line: str
    number: int
    since: int
    until: int | None
    aside: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """A second call of a number."""

    line: str
    number: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All that happened to the people of a room. Stretches are in the order of their numbers."""

    lines: dict[str, list[Stretch]]
    returns: list[Return]
    again: list[Again]
    void: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Range:
    first: int
    last: int
    moment: Moment
    at_once: bool = False


@dataclass(slots=True, kw_only=True)
class _Line:
    arrivals: list[_Range] = field(default_factory=list)
    calls: list[_Range] = field(default_factory=list)
    # When a number stopped waiting without a call, by number.
    gone: dict[int, int] = field(default_factory=dict)
    # First calls of single numbers, which had stepped aside before the line came to them.
    called_later: dict[int, Moment] = field(default_factory=dict)
    aside: dict[int, int] = field(default_factory=dict)
    never: set[int] = field(default_factory=set)
    reset_at: int | None = None


def tell(entries: Sequence[Entry], *, away: Iterable[Away], back: Iterable[Back]) -> Story:
    """Return what happened; `entries` is the whole log from its beginning."""
    teller = _Teller(entries)
    for entry in entries:
        teller.read(entry)
    for one in away:
        line = teller.lines[one.line]
        line.never.add(one.number)
        line.gone.setdefault(one.number, teller.seq_at(one.at))
    return teller.story(back)


class _Teller:
    def __init__(self, entries: Sequence[Entry]) -> None:
        self._seqs = [entry.seq for entry in entries]
        # A clock that was set back puts an entry before its neighbours; halving needs an order.
        self._times = list(accumulate((entry.at for entry in entries), max))
        self.lines: defaultdict[str, _Line] = defaultdict(_Line)
        self._returns: list[Return] = []
        self._again: list[Again] = []
        self._void: defaultdict[str, int] = defaultdict(int)
        self._opening: Moment | None = None

    def seq_at(self, at: datetime) -> int:
        """Return the sequence number of the first entry after a moment."""
        index = bisect_right(self._times, at)
        return self._seqs[index] if index < len(self._seqs) else self._beyond

    @property
    def _beyond(self) -> int:
        return self._seqs[-1] + 1 if self._seqs else 1

    def read(self, entry: Entry) -> None:
        match entry:
            case Joined():
                self._joined(entry)
            case Called():
                self._called(entry)
            case Drawn():
                # Lines that open together open at one moment: a draw ranks nobody across lines.
                self._opening = self._opening or Moment(seq=entry.seq, at=entry.at)
                if entry.count:
                    drawn = _Range(first=1, last=entry.count, moment=self._opening)
                    self.lines[entry.line].arrivals.append(drawn)
            case Revoked():
                self.lines[entry.line].gone.setdefault(entry.number, entry.seq)
            case SteppedAside():
                line = self.lines[entry.line]
                line.gone.setdefault(entry.number, entry.seq)
                line.aside.setdefault(entry.number, entry.seq)
            case Reset():
                self.lines[entry.from_line].reset_at = entry.seq
            case Void():
                self._void[entry.line] += entry.last - entry.first + 1
            case _:
                pass

    def _joined(self, entry: Joined) -> None:
        self._opening = None
        moment = Moment(seq=entry.seq, at=entry.at)
        line = self.lines[entry.line]
        line.arrivals.append(_Range(first=entry.first, last=entry.last, moment=moment))
        if entry.called:
            last = entry.first + entry.called - 1
            line.calls.append(_Range(first=entry.first, last=last, moment=moment, at_once=True))

    def _called(self, entry: Called) -> None:
        self._opening = None
        moment = Moment(seq=entry.seq, at=entry.at)
        line = self.lines[entry.line]
        if entry.first <= entry.last:
            line.calls.append(_Range(first=entry.first, last=entry.last, moment=moment))
        for index, number in enumerate(entry.again):
            self._again.append(Again(line=entry.line, number=number, seq=entry.seq))
            aside = line.aside.pop(number, None)
            if aside is not None:
                line.called_later.setdefault(number, moment)
                self._return(entry.line, number, since=aside, until=entry.seq, aside=True)
            elif index < len(entry.again_waited_s):
                waited = timedelta(seconds=entry.again_waited_s[index])
                # What this entry did ends the wait, so it cannot have begun after it.
                since = min(self.seq_at(entry.at - waited), entry.seq)
                self._return(entry.line, number, since=since, until=entry.seq)

    def _return(
        self, line: str, number: int, *, since: int, until: int | None, aside: bool = False
    ) -> None:
        self._returns.append(
            Return(line=line, number=number, since=since, until=until, aside=aside)
        )

    def story(self, back: Iterable[Back]) -> Story:
        """Return all of it, with those who wait for a second call now."""
        for name, line in self.lines.items():
            for number, since in line.aside.items():
                if number not in line.never:
                    self._return(name, number, since=since, until=line.reset_at, aside=True)
        for one in back:
            line = self.lines[one.line]
            if one.number not in line.aside:
                since, until = self.seq_at(one.at), line.reset_at
                self._return(one.line, one.number, since=since, until=until)
        alone: defaultdict[str, set[int]] = defaultdict(set)
        for one in self._returns:
            alone[one.line].add(one.number)
        return Story(
            lines={name: _stretches(name, self.lines[name], alone[name]) for name in self.lines},
            returns=self._returns,
            again=self._again,
            void=dict(self._void),
        )


def _stretches(name: str, line: _Line, alone: set[int]) -> list[Stretch]:
    cuts = {border for each in (*line.arrivals, *line.calls) for border in (each.first, each.last + 1)}
    for number in (*line.gone, *alone):
        cuts |= {number, number + 1}
    arrivals, calls = _Cover(line.arrivals), _Cover(line.calls)
    found = []
    for first, following in pairwise(sorted(cuts)):
        arrived, call = arrivals.at(first), calls.at(first)
        if arrived is None:
            continue
        gone = line.gone.get(first)
        called = call.moment if call else None
        if gone is not None and (called is None or gone <= called.seq or first in line.never):
            # The line stepped over it, whenever it got there.
            gone = min(gone, called.seq) if called else gone
            called = line.called_later.get(first)
        else:
            gone = None
        ends = (gone, called.seq if called else None, line.reset_at)
        found.append(
            Stretch(
                line=name,
                first=first,
                last=following - 1,
                arrived=arrived.moment,
                called=called,
                at_once=bool(call and call.at_once and called),
                until=min((end for end in ends if end is not None), default=None),
            )
        )
    return found


class _Cover:
    """Finds the earliest range over a number, for numbers that only grow."""

    def __init__(self, ranges: Iterable[_Range]) -> None:
        self._coming = sorted(ranges, key=lambda each: each.first, reverse=True)
        # By sequence number; the place in the list only settles ties.
        self._open: list[tuple[int, int, _Range]] = []

    def at(self, number: int) -> _Range | None:
        while self._coming and self._coming[-1].first <= number:
            each = self._coming.pop()
            heappush(self._open, (each.moment.seq, len(self._coming), each))
        while self._open and self._open[0][2].last < number:
            heappop(self._open)
        return self._open[0][2] if self._open else None
