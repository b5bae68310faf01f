"""How long people waited, read off a room's log. Pure.

The log tells when which numbers were given out and when the line got how far; a number's wait is
the time between the two.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from waitroom.reports.analytics.report import Span, Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """An entry of the log. Joins gave out `first` to `last`, of which so many were called at once.

    Otherwise the line got as far as `last`.
    """

    at: datetime
    line: str
    joined: bool
    first: int
    last: int
    called_at_once: int = 0


@dataclass(slots=True)
class _Waiting:
    """Numbers of one batch that are not called yet; `step` is that of their arrival."""

    first: int
    last: int
    since: datetime
    step: int


def waits_of(moves: Iterable[Move], span: Span) -> list[Wait]:
    """Return the waits by step of arrival; `moves` in the order of the log."""
    begins = span.steps
    joined = [0] * len(begins)
    waits: list[list[tuple[float, int]]] = [[] for _ in begins]
    lines: dict[str, deque[_Waiting]] = {}
    for move in moves:
        line = lines.setdefault(move.line, deque())
        if move.joined:
            step = int((move.at - span.since).total_seconds() // span.step_s)
            # A clock that was set back puts an entry before its neighbours.
            step = min(max(step, 0), len(begins) - 1)
            joined[step] += move.last - move.first + 1
            if move.called_at_once:
                waits[step].append((0.0, move.called_at_once))
            first = move.first + move.called_at_once
            if first <= move.last:
                line.append(_Waiting(first, move.last, move.at, step))
        else:
            _call(line, move, waits)
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


def _call(line: deque[_Waiting], move: Move, waits: list[list[tuple[float, int]]]) -> None:
    """Take those out of the line whom this call has reached, and note their waits."""
    while line and line[0].first <= move.last:
        batch = line[0]
        reached = min(batch.last, move.last)
        wait_s = max((move.at - batch.since).total_seconds(), 0.0)
        waits[batch.step].append((wait_s, reached - batch.first + 1))
        batch.first = reached + 1
        if batch.first > batch.last:
            line.popleft()


def percentile(weighed: Sequence[tuple[float, int]], part: float) -> float | None:
    """Return the smallest value that `part` of all are at or below; None of nothing."""
    ordered = sorted((value, count) for value, count in weighed if count)
    sums = list(accumulate(count for _, count in ordered))
    if not sums:
        return None
    wanted = part * sums[-1]
    return next(value for (value, _), upto in zip(ordered, sums, strict=True) if upto >= wanted)
