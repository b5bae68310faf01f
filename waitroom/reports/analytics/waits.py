"""The waits of people in line, read from a room's log. Pure.

A number's wait runs from the entry that gave it to the entry with which the line reached it.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from waitroom.log.entries import AnyEntry, Called, Joined
from waitroom.reports.analytics.analysis import Span, Wait

# Joins that follow each other within a hundredth of a step, and within this many seconds, wait
# together. So a long log takes memory for its seconds and not for its entries.
TOGETHER_MAX_S = 5.0
TOGETHER_SHARE = 0.01
# Waits are counted by tenths of a second.
_DIGITS = 1


@dataclass(slots=True)
class _Waiting:
    """Numbers that arrived together and are not called yet."""

    first: int
    last: int
    since: datetime


class WaitsDraft:
    """Gathers the waits by the step of their call as the log goes by.

    In a flash sale everybody arrives within a minute, and the waits grow from call to call. The
    entries are in the order of the log: the joins of the span, and the calls from its beginning.
    Calls after the span are in no step.
    """

    def __init__(self, span: Span) -> None:
        self._span = span
        self._begins = span.steps
        self._together_s = min(TOGETHER_SHARE * span.step_s, TOGETHER_MAX_S)
        self._joined = [0] * len(self._begins)
        self._waits: list[Counter[float]] = [Counter() for _ in self._begins]
        self._lines: defaultdict[str, deque[_Waiting]] = defaultdict(deque)

    def feed(self, entries: Iterable[AnyEntry]) -> None:
        """Take the next entries."""
        for entry in entries:
            match entry:
                case Joined():
                    self._join(entry)
                case Called():
                    self._call(entry)
                case _:
                    pass

    def _join(self, entry: Joined) -> None:
        step = min(self._step_of(entry.at), len(self._begins) - 1)
        self._joined[step] += entry.last - entry.first + 1
        if entry.called:
            self._waits[step][0.0] += entry.called
        first, line = entry.first + entry.called, self._lines[entry.line]
        if first > entry.last:
            return
        if line and self._came_together(line[-1], first, entry.at):
            line[-1].last = entry.last
        else:
            line.append(_Waiting(first, entry.last, entry.at))

    def _step_of(self, at: datetime) -> int:
        # A clock that was set back puts an entry before its neighbours.
        return max(int((at - self._span.since).total_seconds() // self._span.step_s), 0)

    def _came_together(self, before: _Waiting, first: int, at: datetime) -> bool:
        return (
            before.last + 1 == first and 0 <= (at - before.since).total_seconds() < self._together_s
        )

    def _call(self, call: Called) -> None:
        """Take the numbers that this call has reached out of the line, and note their waits."""
        line, step = self._lines[call.line], self._step_of(call.at)
        while line and line[0].first <= call.last:
            batch = line[0]
            reached = min(batch.last, call.last)
            wait_s = max((call.at - batch.since).total_seconds(), 0.0)
            if step < len(self._begins):
                self._waits[step][round(wait_s, _DIGITS)] += reached - batch.first + 1
            batch.first = reached + 1
            if batch.first > batch.last:
                line.popleft()

    def waits(self) -> list[Wait]:
        """Return the waits up to the last entry taken."""
        return [
            Wait(
                at=at,
                joined=count,
                called=found.total(),
                p50_s=percentile(list(found.items()), 0.5),
                p90_s=percentile(list(found.items()), 0.9),
            )
            for at, count, found in zip(self._begins, self._joined, self._waits, strict=True)
        ]


def percentile(weighed: Sequence[tuple[float, int]], part: float) -> float | None:
    """Return the nearest-rank percentile of values with their counts; None if there are none."""
    ordered = sorted((value, count) for value, count in weighed if count)
    sums = list(accumulate(count for _, count in ordered))
    if not sums:
        return None
    wanted = part * sums[-1]
    return next(value for (value, _), upto in zip(ordered, sums, strict=True) if upto >= wanted)
