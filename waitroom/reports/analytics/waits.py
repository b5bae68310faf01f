"""The waits of people in line, read from a room's log. Pure.

A number's wait runs from the entry that gave it to the entry with which the line reached it.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from waitroom.log.entries import AnyEntry, Called, Joined
from waitroom.reports.analytics.analysis import Span, Wait


@dataclass(slots=True)
class _Waiting:
    """The numbers of one tick that are not called yet; `step` is the step of their arrival."""

    first: int
    last: int
    since: datetime
    step: int


def waits_of(entries: Iterable[AnyEntry], span: Span) -> list[Wait]:
    """Return the waits by step of arrival.

    `entries` are in the order of the log: the joins of the span, and the calls from its beginning.
    """
    begins = span.steps
    joined = [0] * len(begins)
    waits: list[list[tuple[float, int]]] = [[] for _ in begins]
    lines: defaultdict[str, deque[_Waiting]] = defaultdict(deque)
    for entry in entries:
        match entry:
            case Joined():
                step = int((entry.at - span.since).total_seconds() // span.step_s)
                # A clock that was set back puts an entry before its neighbours.
                step = min(max(step, 0), len(begins) - 1)
                joined[step] += entry.last - entry.first + 1
                if entry.called:
                    waits[step].append((0.0, entry.called))
                first = entry.first + entry.called
                if first <= entry.last:
                    waiting = _Waiting(first, entry.last, entry.at, step)
                    lines[entry.line].append(waiting)
            case Called():
                _call(lines[entry.line], entry, waits)
            case _:
                pass
    return [
        Wait(
            at=at,
            joined=count,
            called=sum(n for _, n in found),
            p50_s=percentile(found, 0.5),
            p90_s=percentile(found, 0.9),
        )
        for at, count, found in zip(begins, joined, waits, strict=True)
    ]


def _call(line: deque[_Waiting], call: Called, waits: list[list[tuple[float, int]]]) -> None:
    """Take the numbers that this call has reached out of the line, and note their waits."""
    while line and line[0].first <= call.last:
        batch = line[0]
        reached = min(batch.last, call.last)
        wait_s = max((call.at - batch.since).total_seconds(), 0.0)
        waits[batch.step].append((wait_s, reached - batch.first + 1))
        batch.first = reached + 1
        if batch.first > batch.last:
            line.popleft()


def percentile(weighed: Sequence[tuple[float, int]], part: float) -> float | None:
    """Return the nearest-rank percentile of values with their counts; None if there are none."""
    ordered = sorted((value, count) for value, count in weighed if count)
    sums = list(accumulate(count for _, count in ordered))
    if not sums:
        return None
    wanted = part * sums[-1]
    return next(value for (value, _), upto in zip(ordered, sums, strict=True) if upto >= wanted)
