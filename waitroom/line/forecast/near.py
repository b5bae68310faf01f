"""Which numbers are near their turn, by what the state document tells them. Pure."""

from bisect import bisect_right
from dataclasses import dataclass
from math import inf

from waitroom.line.state import LineState, RoomState
from waitroom.line.wait import row_at

# A turn is near when it may come within this time, by the low end of the wait.
NEAR_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NearLine:
    """One line, and the last of its numbers whose turn is near."""

    line: str
    upto: int


def is_near(wait_low_s: float | None) -> bool:
    """Say whether the turn may come within `NEAR_S`; an unknown wait is not near."""
    return wait_low_s is not None and wait_low_s <= NEAR_S


def near_lines(state: RoomState) -> list[NearLine]:
    """Return the lines with numbers that wait and are near their turn.

    Waits that were worked out too long ago tell nothing, and in a room that calls no one none do.
    """
    if state.status != "open" or not state.admits or state.figures_at is not None:
        return []
    found = ((line, _places(line)) for line in state.lines)
    return [NearLine(line=line.line, upto=line.head + places) for line, places in found if places]


def _places(line: LineState) -> int:
    """Return the greatest place that is near. A wait only grows with the place."""
    if not line.table:
        return 0

    def low(place: int) -> float:
        wait_s = row_at(line.table, place).wait_low_s
        return inf if wait_s is None else wait_s

    return bisect_right(range(1, line.tail - line.head + 1), NEAR_S, key=low)
