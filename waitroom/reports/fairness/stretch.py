"""When people came and were called, in stretches of numbers that fared alike. Pure.

A line may hold millions of people, but a few thousand entries tell what happened to them: ticks of
joins and calls. The ends of these cut the numbers into stretches; each number that was given up,
revoked or called a second time is a stretch of its own. Sequence numbers of the log serve as
moments, so everything in one entry happens at once, and clocks only measure how long a wait was.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heappop, heappush
from itertools import pairwise

import msgspec

from waitroom.log.entries import (
    AnyEntry,
    Called,
    Drawn,
    EntriesClosed,
    GivenBack,
    Joined,
    Reset,
    Revoked,
    SteppedAside,
)
from waitroom.reports.fairness.ranges import Grain, Moment, Moments, Range


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentNumber:
    """A number that was not there when the line reached it, and was never called.

    It was given up, revoked, or stepped aside without coming back, at the moment `at`.
    """

    line: str
    number: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingAgain:
    """A number that waits to be called again since the moment `at`.

    It missed its call and came back, or was passed by since what it came for was not free.
    """

    line: str
    number: int
    at: datetime


# There may be a hundred thousand stretches, none part of a cycle: the collector need not look.
class Stretch(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The numbers `first` to `last` of a line, which arrived, waited and were called together.

    Numbers that a draw gave arrived when its entries closed, and their order is that of the
    numbers. `called` is the first call, `at_once` says that it came with the arrival. `until` is
    the sequence number at which the wait ended: by the call, or because the number was given up,
    revoked or put aside. It is None while the wait goes on, and where a `reset` ended it.
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
class SecondWait:
    """One person's second wait, in sequence numbers: from `since` up to `until`, or up to now.

    `aside` says that the person had stepped aside, rather than missed a call, and `passed_by` that
    the line passed them by, since what they came for was not free.
    """

    line: str
    number: int
    since: int
    until: int | None
    aside: bool
    passed_by: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondCall:
    """A second call of a number, in the log entry `seq`."""

    line: str
    number: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Everything that happened to the people of a room; stretches are in order of their numbers."""

    lines: dict[str, list[Stretch]]
    second_waits: list[SecondWait]
    second_calls: list[SecondCall]


@dataclass(slots=True, kw_only=True)
class _Line:
    """One line so far.

    `opened` is when its draw closed. `gone` has when a number stopped waiting without a call, and
    `never` those that the database says were never called. `aside` are the numbers put aside and
    not called since, `passed_by` those that the line passed since what they came for was not free,
    and `called_later` the first calls of either. `apart` are the
    entries that revoked a number, put it aside or called one that was aside, in order.
    """

    opened: Moment | None = None
    arrivals: list[Range] = field(default_factory=list)
    calls: list[Range] = field(default_factory=list)
    gone: dict[int, int] = field(default_factory=dict)
    never: set[int] = field(default_factory=set)
    aside: dict[int, int] = field(default_factory=dict)
    passed_by: dict[int, int] = field(default_factory=dict)
    called_later: dict[int, Moment] = field(default_factory=dict)
    apart: "array[int]" = field(default_factory=lambda: array("q"))
    reset: bool = False


class StoryTeller:
    """Gathers the story as the log goes by, from its first entry on."""

    def __init__(self, grain: Grain | None = None) -> None:
        self._moments = Moments()
        self._grain = grain or Grain()
        self._lines: defaultdict[str, _Line] = defaultdict(_Line)
        self._second_waits: list[SecondWait] = []
        self._second_calls: list[SecondCall] = []
        self._opening: Moment | None = None

    def feed(self, entry: AnyEntry) -> None:
        """Take the next entry of the log."""
        self._moments.add(entry.seq, entry.at)
        match entry:
            case Joined():
                self._joined(entry)
            case Called():
                self._called(entry)
            case EntriesClosed():
                # Lines that open together open at one moment: a draw ranks within a line alone.
                self._opening = self._opening or Moment(seq=entry.seq, at=entry.at)
                self._lines[entry.line].opened = self._opening
            case Drawn() if entry.count:
                line = self._lines[entry.line]
                opened = line.opened or Moment(seq=entry.seq, at=entry.at)
                self._note(line.arrivals, Range(first=1, last=entry.count, moment=opened))
            case Revoked():
                line = self._lines[entry.line]
                self._end_passed(entry.line, entry.number, until=entry.seq)
                line.gone.setdefault(entry.number, entry.seq)
                line.apart.append(entry.seq)
            case GivenBack():
                self._given_back(entry)
            case SteppedAside():
                line = self._lines[entry.line]
                line.aside.setdefault(entry.number, entry.seq)
                line.apart.append(entry.seq)
            case Reset():
                self._lines[entry.from_line].reset = True
            case _:
                pass

    @property
    def error_s(self) -> float:
        """Return how far the times of arrivals and calls may be off, 0 for exact ones."""
        return self._grain.error_s

    def _note(self, ranges: list[Range], new: Range) -> None:
        ranges.append(new)
        if self._grain.note():
            self._grain.coarsen(
                (line.arrivals, line.calls, line.apart) for line in self._lines.values()
            )

    def _joined(self, entry: Joined) -> None:
        self._opening = None
        moment = Moment(seq=entry.seq, at=entry.at)
        line = self._lines[entry.line]
        self._note(line.arrivals, Range(first=entry.first, last=entry.last, moment=moment))
        if entry.called:
            last = entry.first + entry.called - 1
            called = Range(first=entry.first, last=last, moment=moment, at_once=True)
            self._note(line.calls, called)

    def _called(self, entry: Called) -> None:
        self._opening = None
        moment = Moment(seq=entry.seq, at=entry.at)
        line = self._lines[entry.line]
        if entry.first <= entry.last:
            self._note(line.calls, Range(first=entry.first, last=entry.last, moment=moment))
        if entry.passed:
            line.passed_by |= dict.fromkeys(entry.passed, entry.seq)
            line.apart.append(entry.seq)
        back_since = dict(zip(entry.again, entry.again_since, strict=False))
        for number in entry.again:
            again = SecondCall(line=entry.line, number=number, seq=entry.seq)
            self._second_calls.append(again)
            aside = line.aside.pop(number, None)
            if self._end_passed(entry.line, number, until=entry.seq):
                line.called_later.setdefault(number, moment)
                line.apart.append(entry.seq)
            elif aside is not None:
                line.gone.setdefault(number, aside)
                line.called_later.setdefault(number, moment)
                line.apart.append(entry.seq)
                self._waited_again(entry.line, number, since=aside, until=entry.seq, aside=True)
            elif number in back_since:
                # This entry ended the wait, so the wait cannot have begun after it.
                since = min(self._moments.seq_after(back_since[number]), entry.seq)
                self._waited_again(entry.line, number, since=since, until=entry.seq)

    def _given_back(self, entry: GivenBack) -> None:
        """Let a number wait on as before, unless the line has passed it meanwhile."""
        line = self._lines[entry.line]
        if entry.number > max((called.last for called in line.calls), default=0):
            line.gone.pop(entry.number, None)

    def _end_passed(self, name: str, number: int, *, until: int | None) -> bool:
        """End the wait of a number that was passed by; return whether it was."""
        line = self._lines[name]
        since = line.passed_by.pop(number, None)
        if since is None:
            return False
        line.gone.setdefault(number, since)
        self._waited_again(name, number, since=since, until=until, passed_by=True)
        return True

    def _waited_again(
        self,
        line: str,
        number: int,
        *,
        since: int,
        until: int | None = None,
        aside: bool = False,
        passed_by: bool = False,
    ) -> None:
        self._second_waits.append(
            SecondWait(
                line=line,
                number=number,
                since=since,
                until=until,
                aside=aside,
                passed_by=passed_by,
            )
        )

    def story(self, *, away: Iterable[AbsentNumber], back: Iterable[WaitingAgain]) -> Story:
        """Return the story up to now; the log does not name the absent and the returned numbers."""
        for absent in away:
            self._take_away(absent)
        for waiting in back:
            self._bring_back(waiting)
        alone: defaultdict[str, set[int]] = defaultdict(set)
        for wait in self._second_waits:
            alone[wait.line].add(wait.number)
        return Story(
            lines={name: _stretches(name, line, alone[name]) for name, line in self._lines.items()},
            second_waits=self._second_waits,
            second_calls=self._second_calls,
        )

    def _take_away(self, absent: AbsentNumber) -> None:
        line = self._lines[absent.line]
        since = line.aside.pop(absent.number, None) or self._moments.seq_after(absent.at)
        self._end_passed(absent.line, absent.number, until=since)
        line.gone.setdefault(absent.number, since)
        line.never.add(absent.number)

    def _bring_back(self, waiting: WaitingAgain) -> None:
        line = self._lines[waiting.line]
        if self._end_passed(waiting.line, waiting.number, until=None):
            return
        aside = line.aside.pop(waiting.number, None)
        if aside is not None:
            line.gone.setdefault(waiting.number, aside)
        since = self._moments.seq_after(waiting.at) if aside is None else aside
        self._waited_again(waiting.line, waiting.number, since=since, aside=aside is not None)


def tell_story(
    entries: Iterable[AnyEntry],
    *,
    away: Iterable[AbsentNumber],
    back: Iterable[WaitingAgain],
    grain: Grain | None = None,
) -> Story:
    """Return the story of a whole log."""
    teller = StoryTeller(grain)
    for entry in entries:
        teller.feed(entry)
    return teller.story(away=away, back=back)


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
            # The line passed over it when its turn came.
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
    """Finds the earliest range that covers a number, for numbers in rising order."""

    def __init__(self, ranges: Iterable[Range]) -> None:
        self._coming = sorted(ranges, key=lambda each: each.first, reverse=True)
        # By sequence number; the place in the list only settles ties.
        self._open: list[tuple[int, int, Range]] = []

    def at(self, number: int) -> Range | None:
        while self._coming and self._coming[-1].first <= number:
            each = self._coming.pop()
            heappush(self._open, (each.moment.seq, len(self._coming), each))
        while self._open and self._open[0][2].last < number:
            heappop(self._open)
        return self._open[0][2] if self._open else None
