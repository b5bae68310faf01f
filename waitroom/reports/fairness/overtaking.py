"""The people overtaken in line, by how many others, and why. Pure.

A person is overtaken by each call of a later arrival during their wait. Within a line the number
tells which arrival is later; across lines the time of arrival does. A person who waits a second
time, after missing a call, stepping aside or being passed by, is overtaken by each call of a later
number during that wait. One log entry calls at one moment, so there is no overtaking within it.

The calls are taken in the order of the log. For each wait that ends, a Fenwick tree (P. Fenwick, A
New Data Structure for Cumulative Frequency Tables, 1994) of each line counts the later arrivals
called so far. With n stretches that takes O(n log n) steps for each line, however many people a
stretch holds.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from waitroom.reports.fairness.stretch import SecondWait, Story, Stretch


class Cause(StrEnum):
    """Why a person was overtaken; `unexplained` must not happen.

    By a lane, by an operator's reset, by an arrival that was called at once, or during a second
    wait: after missing a call, after stepping aside, or while what they came for was not free.
    """

    LANE = "lane"
    OPERATOR = "operator"
    CALLED_AT_ONCE = "called_at_once"
    CAME_BACK = "came_back"
    STEPPED_ASIDE = "stepped_aside"
    NOT_FREE = "not_free"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtaken:
    """The number of `people` overtaken, of `times` in all, and of times for the `worst` placed."""

    people: int = 0
    times: int = 0
    worst: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtaking:
    """All people overtaken, and the same by cause; a person may count under several causes."""

    total: Overtaken
    causes: dict[Cause, Overtaken]


def count_overtaken(story: Story) -> Overtaking:
    """Count the people overtaken up to the end of the log."""
    sweep = _Sweep(story)
    sweep.run()
    return sweep.result()


class _Fenwick:
    """Sums over a row of growing counts, from an index to the end."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._sums = [0] * (size + 1)
        self._last = -1

    def add(self, index: int, count: int) -> None:
        self._last = max(self._last, index)
        at = self._size - index
        while at <= self._size:
            self._sums[at] += count
            at += at & -at

    def beyond(self, index: int) -> int:
        """Return the sum of the counts after an index."""
        if self._last <= index:
            # In a line that is called in order, this is always so.
            return 0
        at, total = self._size - index - 1, 0
        while at > 0:
            total += self._sums[at]
            at -= at & -at
        return total


@dataclass(slots=True, kw_only=True)
class _Calls:
    """The calls of one line so far, by stretch.

    `firsts` has the first number of each stretch and `arrivals` when it arrived. The trees count
    first calls, first calls at once on arrival, and second calls.
    """

    firsts: list[int]
    arrivals: list[int]
    normal: _Fenwick
    at_once: _Fenwick
    again: _Fenwick


@dataclass(slots=True, kw_only=True)
class _Step:
    """The waits that one log entry begins and ends, and its calls; by line and index of stretch."""

    ends: list[tuple[str, int, Stretch]] = field(default_factory=list)
    begun: list[SecondWait] = field(default_factory=list)
    ended: list[SecondWait] = field(default_factory=list)
    calls: list[tuple[str, int, Stretch]] = field(default_factory=list)
    again: list[tuple[str, int]] = field(default_factory=list)


class _Sweep:
    def __init__(self, story: Story) -> None:
        self._story = story
        self._calls = {name: _calls(line) for name, line in story.lines.items()}
        # The people of a stretch share their first wait; second waits belong to single people.
        self._firsts: list[tuple[Stretch, Counter[Cause]]] = []
        self._seconds: defaultdict[tuple[str, int], Counter[Cause]] = defaultdict(Counter)

    def run(self) -> None:
        """Go through the log once; waits that go on are counted at its end."""
        timeline: defaultdict[int, _Step] = defaultdict(_Step)
        never = _Step()
        for name, line in self._story.lines.items():
            for index, each in enumerate(line):
                (timeline[each.until] if each.until else never).ends.append((name, index, each))
                if each.called:
                    timeline[each.called.seq].calls.append((name, index, each))
        for wait in self._story.second_waits:
            timeline[wait.since].begun.append(wait)
            (timeline[wait.until] if wait.until else never).ended.append(wait)
        for again in self._story.second_calls:
            index = self._index(again.line, again.number)
            first = self._story.lines[again.line][index].called if index >= 0 else None
            # For a number that stepped aside before its turn, this was the first call.
            if index >= 0 and (first is None or first.seq != again.seq):
                timeline[again.seq].again.append((again.line, index))
        for _, step in sorted(timeline.items()):
            self._count(step)
        self._count(never)

    def _index(self, name: str, number: int) -> int:
        return bisect_right(self._calls[name].firsts, number) - 1

    def _count(self, step: _Step) -> None:
        # The waits that end here are compared with earlier calls only, so the calls come last.
        for name, index, each in step.ends:
            passed = self._passed(name, index, each.arrived.seq)
            if passed:
                self._firsts.append((each, passed))
        self._begin(wait for wait in step.begun if not wait.passed_by)
        for wait in step.ended:
            self._seconds[wait.line, wait.number].update(self._passed_again(wait))
        for name, index, each in step.calls:
            calls = self._calls[name]
            (calls.at_once if each.at_once else calls.normal).add(index, each.people)
        for name, index in step.again:
            self._calls[name].again.add(index, 1)
        # The entry that passes a number by may call later ones at the same moment.
        self._begin(wait for wait in step.begun if wait.passed_by)

    def _begin(self, waits: Iterable[SecondWait]) -> None:
        for wait in waits:
            self._seconds[wait.line, wait.number].subtract(self._passed_again(wait))

    def _passed(self, name: str, index: int, arrived: int) -> Counter[Cause]:
        own = self._calls[name]
        passed = self._by_others(name, arrived)
        # Nothing explains a later number of the same line being called before a first call.
        _note(passed, Cause.UNEXPLAINED, own.normal.beyond(index) + own.at_once.beyond(index))
        return passed

    def _passed_again(self, wait: SecondWait) -> Counter[Cause]:
        own, index = self._calls[wait.line], self._index(wait.line, wait.number)
        if index < 0:
            return Counter()
        passed = self._by_others(wait.line, own.arrivals[index])
        cause = Cause.STEPPED_ASIDE if wait.aside else Cause.CAME_BACK
        if wait.passed_by:
            cause = Cause.NOT_FREE
        _note(passed, cause, own.normal.beyond(index) + own.again.beyond(index))
        _note(passed, Cause.CALLED_AT_ONCE, own.at_once.beyond(index))
        return passed

    def _by_others(self, name: str, arrived: int) -> Counter[Cause]:
        passed: Counter[Cause] = Counter()
        for other, calls in self._calls.items():
            if other == name:
                continue
            index = bisect_right(calls.arrivals, arrived) - 1
            count = calls.normal.beyond(index) + calls.at_once.beyond(index)
            # A line that replaced another by a reset leaves behind the people of the old one.
            reset = generation_of(other) != generation_of(name)
            _note(passed, Cause.OPERATOR if reset else Cause.LANE, count)
        return passed

    def result(self) -> Overtaking:
        counted: defaultdict[Cause, list[tuple[int, int]]] = defaultdict(list)
        totals: list[tuple[int, int]] = []
        rest = {person: +passed for person, passed in self._seconds.items() if +passed}
        for each, passed in self._firsts:
            # A person who waited twice is a stretch alone, and counts once.
            whole = passed + rest.pop((each.line, each.first), Counter())
            _tally(whole, each.people, counted, totals)
        for passed in rest.values():
            _tally(passed, 1, counted, totals)
        return Overtaking(
            total=_sum(totals),
            causes={cause: _sum(counted[cause]) for cause in Cause},
        )


def generation_of(line: str) -> str:
    """Return a line's generation, which a reset raises: it follows the lane in the line's name."""
    return line.rpartition("-")[2]


def _calls(line: Sequence[Stretch]) -> _Calls:
    size = len(line)
    return _Calls(
        firsts=[each.first for each in line],
        # Later numbers arrived later, so this is sorted too.
        arrivals=[each.arrived.seq for each in line],
        normal=_Fenwick(size),
        at_once=_Fenwick(size),
        again=_Fenwick(size),
    )


def _note(passed: Counter[Cause], cause: Cause, count: int) -> None:
    if count:
        passed[cause] += count


def _tally(
    passed: Counter[Cause],
    people: int,
    counted: dict[Cause, list[tuple[int, int]]],
    totals: list[tuple[int, int]],
) -> None:
    for cause, times in passed.items():
        counted[cause].append((times, people))
    totals.append((passed.total(), people))


def _sum(passed: Iterable[tuple[int, int]]) -> Overtaken:
    people = times = worst = 0
    for each, count in passed:
        people += count
        times += each * count
        worst = max(worst, each)
    return Overtaken(people=people, times=times, worst=worst)
