"""Who came when and was called when, in stretches of numbers that fared alike. Pure.

A line may hold millions, but what happened to them is told by some thousand entries: ticks of
joins and calls. Their borders cut the numbers into stretches; whoever gave up, was revoked or came
back stands in a stretch alone. Moments are sequence numbers of the log, so what one entry did
happened at once, and clocks decide nothing but how long somebody waited.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heappop, heappush
from itertools import accumulate, pairwise

import msgspec

from waitroom.reports.fairness.record import (
    Called,
    Closed,
    Drawn,
    Entry,
    Joined,
    Reset,
    Revoked,
    SteppedAside,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """A number that was not there when the line came to it, since when, and was never called.

    It gave its place up, was revoked, or stepped aside and did not come back.
    """

    line: str
    number: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """A number that missed its call, came back, and waits since then to be called again."""

    line: str
    number: int
    at: datetime


class Moment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An entry of the log: its sequence number orders, its time measures."""

    seq: int
    at: datetime


# There may be a hundred thousand of them and none is part of a cycle, so none is looked at for one.
class Stretch(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Numbers `first` to `last` of a line, which arrived, waited and were called together.

    Those whom a draw numbered arrived when the entries closed: among them the number decides who
    was before whom. `until` is the sequence number at which they waited no longer: with their call,
    or when they gave up, were revoked or stepped aside; None while they wait, and for those who
    lost their places by a reset.
    """

    line: str
    first: int
    last: int
    arrived: Moment
    called: Moment | None
    at_once: bool
    until: int | None
    reset: bool

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


class _Range(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    first: int
    last: int
    moment: Moment
    at_once: bool = False


@dataclass(slots=True, kw_only=True)
class _Line:
    opened: Moment | None = None
    arrivals: list[_Range] = field(default_factory=list)
    calls: list[_Range] = field(default_factory=list)
    # When a number stopped waiting without a call, and those of whom the books know it.
    gone: dict[int, int] = field(default_factory=dict)
    never: set[int] = field(default_factory=set)
    # Who stepped aside and has not been called again, and the first calls of those who have.
    aside: dict[int, int] = field(default_factory=dict)
    called_later: dict[int, Moment] = field(default_factory=dict)
    reset: bool = False


def tell(entries: Sequence[Entry], *, away: Iterable[Away], back: Iterable[Back]) -> Story:
    """Return what happened; `entries` is the whole log from its beginning."""
    teller = _Teller(entries)
    for entry in entries:
        teller.read(entry)
    for absent in away:
        teller.take_away(absent)
    for waiting in back:
        teller.bring_back(waiting)
    return teller.story()


class _Teller:
    def __init__(self, entries: Sequence[Entry]) -> None:
        self._seqs = [entry.seq for entry in entries]
        # A clock that was set back puts an entry before its neighbours; halving needs an order.
        self._times = list(accumulate((entry.at for entry in entries), max))
        self._lines: defaultdict[str, _Line] = defaultdict(_Line)
        self._returns: list[Return] = []
        self._again: list[Again] = []
        self._opening: Moment | None = None

    def _seq_at(self, at: datetime) -> int:
        """Return the sequence number of the first entry after a moment."""
        index = bisect_right(self._times, at)
        return self._seqs[index] if index < len(self._seqs) else len(self._seqs) + 1

    def read(self, entry: Entry) -> None:
        match entry:
            case Joined():
                self._joined(entry)
            case Called():
                self._called(entry)
            case Closed():
                # Lines that open together open at one moment: a draw ranks nobody across lines.
                self._opening = self._opening or Moment(seq=entry.seq, at=entry.at)
                self._lines[entry.line].opened = self._opening
            case Drawn() if entry.count:
                line = self._lines[entry.line]
                opened = line.opened or Moment(seq=entry.seq, at=entry.at)
                line.arrivals.append(_Range(first=1, last=entry.count, moment=opened))
            case Revoked():
                self._lines[entry.line].gone.setdefault(entry.number, entry.seq)
            case SteppedAside():
                self._lines[entry.line].aside.setdefault(entry.number, entry.seq)
            case Reset():
                self._lines[entry.from_line].reset = True
            case _:
                pass

    def _joined(self, entry: Joined) -> None:
        self._opening = None
        moment = Moment(seq=entry.seq, at=entry.at)
        line = self._lines[entry.line]
        line.arrivals.append(_Range(first=entry.first, last=entry.last, moment=moment))
        if entry.called:
            last = entry.first + entry.called - 1
            line.calls.append(_Range(first=entry.first, last=last, moment=moment, at_once=True))

    def _called(self, entry: Called) -> None:
        self._opening = None
        moment = Moment(seq=entry.seq, at=entry.at)
        line = self._lines[entry.line]
        if entry.first <= entry.last:
            line.calls.append(_Range(first=entry.first, last=entry.last, moment=moment))
        back_since = dict(zip(entry.again, entry.again_since, strict=False))
        for number in entry.again:
            self._again.append(Again(line=entry.line, number=number, seq=entry.seq))
            aside = line.aside.pop(number, None)
            if aside is not None:
                line.gone.setdefault(number, aside)
                line.called_later.setdefault(number, moment)
                self._return(entry.line, number, since=aside, until=entry.seq, aside=True)
            elif number in back_since:
                # What this entry did ended the wait, so it cannot have begun after it.
                since = self._seq_at(back_since[number])
                self._return(entry.line, number, since=min(since, entry.seq), until=entry.seq)

    def take_away(self, one: Away) -> None:
        line = self._lines[one.line]
        since = line.aside.pop(one.number, None) or self._seq_at(one.at)
        line.gone.setdefault(one.number, since)
        line.never.add(one.number)

    def bring_back(self, one: Back) -> None:
        line = self._lines[one.line]
        aside = line.aside.pop(one.number, None)
        if aside is not None:
            line.gone.setdefault(one.number, aside)
        since = self._seq_at(one.at) if aside is None else aside
        self._return(one.line, one.number, since=since, aside=aside is not None)

    def _return(
        self, line: str, number: int, *, since: int, until: int | None = None, aside: bool = False
    ) -> None:
        self._returns.append(
            Return(line=line, number=number, since=since, until=until, aside=aside)
        )

    def story(self) -> Story:
        alone: defaultdict[str, set[int]] = defaultdict(set)
        for one in self._returns:
            alone[one.line].add(one.number)
        lines = {name: _stretches(name, line, alone[name]) for name, line in self._lines.items()}
        return Story(lines=lines, returns=self._returns, again=self._again)


def _stretches(name: str, line: _Line, alone: set[int]) -> list[Stretch]:
    ranges = (*line.arrivals, *line.calls)
    cuts = {border for each in ranges for border in (each.first, each.last + 1)}
    for number in (*line.gone, *alone):
        cuts |= {number, number + 1}
    arrivals, calls = _Cover(line.arrivals), _Cover(line.calls)
    found = []
    for first, following in pairwise(sorted(cuts)):
        arrived, call = arrivals.at(first), calls.at(first)
        if arrived is None:
            continue
        called = call.moment if call else None
        until = called.seq if called else None
        gone = line.gone.get(first)
        if gone is not None and (until is None or gone <= until or first in line.never):
            # The line stepped over it, whenever it got there.
            until = gone if until is None else min(gone, until)
            called = line.called_later.get(first)
        found.append(
            Stretch(
                line=name,
                first=first,
                last=following - 1,
                arrived=arrived.moment,
                called=called,
                at_once=bool(call and call.at_once and called is call.moment),
                until=until,
                reset=line.reset,
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
