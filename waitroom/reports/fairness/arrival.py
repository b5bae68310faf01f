"""How long people waited for their call, by when they came. Pure.

All who joined are put in the order of their arrival and cut into ten parts of one size; those whom
a draw numbered came together when the entries closed, and stand in the order of their numbers. So
one sees whether those who came first waited as they should against those who came last.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from waitroom.reports.analytics.waits import percentile
from waitroom.reports.fairness.stretch import Stretch

PARTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A tenth of all arrivals: how many, how many of them were called, and how long these waited.

    Half of those called waited at most `median_s`, nineteen of twenty at most `p95_s`, in seconds
    from joining, or from the closing of the entries, to the first call.
    """

    part: int
    people: int
    called: int
    median_s: float | None
    p95_s: float | None


def waits_by_arrival(lines: Iterable[Iterable[Stretch]]) -> list[Part]:
    """Return the tenths in the order of arrival; fewer where fewer than ten have come."""
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
            # A clock that was set back makes no wait shorter than none.
            waits[index].append((max(wait_s, 0.0), count))
    return [
        Part(
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
    """Yield each stretch with its part and how many of its people are in it."""
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
