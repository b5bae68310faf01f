"""The tenths of all arrivals are those of single people."""

from math import ceil

from hypothesis import given
from hypothesis import strategies as st
from sale_log import called, joined, told

from waitroom.log.entries import AnyEntry
from waitroom.reports.fairness.arrival import PARTS, waits_by_arrival


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    reached=st.integers(0, 100),
)
def test_tenths_of_arrivals_are_those_of_single_people(sizes: list[int], reached: int) -> None:
    entries: list[AnyEntry] = []
    people: list[int] = []
    for seq, size in enumerate(sizes, start=1):
        entries.append(joined(seq, len(people) + 1, len(people) + size))
        people += [seq] * size
    calls = {number: 20 + 3 * (number // 7) for number in range(1, min(reached, len(people)) + 1)}
    for seq in sorted(set(calls.values())):
        numbers = [number for number, when in calls.items() if when == seq]
        entries.append(called(seq, numbers[0], numbers[-1]))

    parts = waits_by_arrival(told(entries).lines.values())

    by_hand: list[list[float | None]] = [[] for _ in range(PARTS)]
    for index, arrived in enumerate(people):
        part = next(p for p in range(PARTS) if index < len(people) * (p + 1) // PARTS)
        when = calls.get(index + 1)
        by_hand[part].append(None if when is None else float(when - arrived))
    assert [
        (part.part - 1, part.people, part.called, part.median_s, part.p95_s) for part in parts
    ] == [
        (index, len(waits), *ranked([w for w in waits if w is not None]))
        for index, waits in enumerate(by_hand)
        if waits
    ]


def ranked(waits: list[float]) -> tuple[int, float | None, float | None]:
    """Return how many there are, and those that half and nineteen of twenty are at or below."""
    ordered = sorted(waits)

    def below(part: float) -> float | None:
        return ordered[ceil(part * len(ordered)) - 1] if ordered else None

    return len(waits), below(0.5), below(0.95)
