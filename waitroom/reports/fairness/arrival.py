"""The waits for the first call, by order of arrival. Pure.

Everybody who joined is put in order of arrival, and the row is cut into ten parts of equal size.
The people numbered by a draw arrived together when the entries closed, and stand in order of their
numbers. The tenths show whether an early arrival meant a shorter wait.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from waitroom.reports.analytics.waits import percentile
from waitroom.reports.fairness.stretch import Stretch

PARTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalTenth:
    """A tenth of all arrivals, counted by `part` from 1.

    `called` of its `people` have been called. The median and the 95th percentile of their waits are
    in seconds, from joining, or from the closing of a draw's entries, to the first call.
    """

    part: int
    people: int
    called: int
    median_s: float | None
    p95_s: float | None


def waits_by_arrival(lines: Iterable[Iterable[Stretch]]) -> list[ArrivalTenth]:
    """Return the tenths in order of arrival; there are fewer if fewer than ten people came."""
    ordered = sorted(
        (stretch for line in lines for stretch in line),
        key=lambda each: (each.arrived.seq, each.line, each.first),
    )
    whole = sum(stretch.people for stretch in ordered)
    waits: list[list[tuple[float, int]]] = [[] for _ in range(PARTS)]
    people = [0] * PARTS
    for index, stretch, count in _cut(ordered, whole):
        people[index] += count
        if stretch.called is not None:
            wait_s = (stretch.called.at - stretch.arrived.at).total_seconds()
            # A clock that was set back must not make a wait negative.
            waits[index].append((max(wait_s, 0.0), count))
    return [
        ArrivalTenth(
            part=index + 1,
            people=people[index],
            called=sum(count for _, count in waits[index]),
            median_s=percentile(waits[index], 0.5),
            p95_s=percentile(waits[index], 0.95),
        )
        for index in range(PARTS)
        if people[index]
    ]


def _cut(ordered: Iterable[Stretch], whole: int) -> Iterator[tuple[int, Stretch, int]]:
    """Yield pieces of stretches: the tenth's index, the stretch, and how many people of it."""
    borders = [whole * (index + 1) // PARTS for index in range(PARTS)]
    index = before = 0
    for stretch in ordered:
        left = stretch.people
        while left:
            while borders[index] <= before:
                index += 1
            count = min(left, borders[index] - before)
            yield index, stretch, count
            left, before = left - count, before + count
