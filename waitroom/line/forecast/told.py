"""The waits that are told: a line's forecasts without the jumps that pass within seconds. Pure.

Forecasts of one place differ from tick to tick, and a shopper who reads them all can plan by none.
So what is told follows them at a walking pace: fast enough for a wait that runs down by the clock,
too slow for a jump. A forecast that stays elsewhere for a while is told as it is, and so is one
that grew for a reason that shoppers are given. All readers of the state document are told the same:
the page's script, the page without one, and programs.

Waits belong to places and not to numbers. Where the line moves as it did, those of a place stay the
same, and a shopper's wait runs down as the place does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec

from waitroom.line.state import LineState
from waitroom.line.wait import WaitRow, row_at

# What is told follows the forecast by so many seconds of wait in a second.
FALL, RISE = 1.5, 0.5
# A difference within these bounds is not worth another figure, and a larger one is told at once
# when it has lasted so long.
SAME_SHARE, SAME_S = 0.15, 15.0
LASTS_S = 20.0


@dataclass(slots=True)
class ToldWaits:
    """What shoppers of one line were told last, and since when the forecasts are elsewhere."""

    _rows: Sequence[WaitRow] = field(default_factory=list)
    _at: float = 0.0
    _since: float | None = None

    def tell(self, rows: Sequence[WaitRow], *, at: float, explained: bool) -> list[WaitRow]:
        """Return the rows with the waits to tell at a moment, in seconds of the shoppers' clock.

        `explained` says that waits grew for a reason that shoppers are given with this document.
        """
        near = _monotone([self._follow(row, max(at - self._at, 0.0)) for row in rows])
        off = any(_differ(one, row) for one, row in zip(near, rows, strict=True))
        since = self._since if self._since is not None else at
        if explained or not off or at - since >= LASTS_S:
            self._since = None
        else:
            self._since = since
        afresh = off and self._since is None
        self._rows, self._at = list(rows) if afresh else near, at
        return list(self._rows)

    def _follow(self, row: WaitRow, passed_s: float) -> WaitRow:
        """Return a row on its way from what was told of its place to the forecast."""
        if not self._rows or row.place > self._rows[-1].place:
            return row
        told = row_at(self._rows, row.place)
        return replace(
            row,
            wait_low_s=_toward(told.wait_low_s, row.wait_low_s, passed_s),
            wait_high_s=_toward(told.wait_high_s, row.wait_high_s, passed_s),
        )


@dataclass(slots=True)
class ToldRoom:
    """What shoppers of each line of a room were told last."""

    _lines: dict[str, ToldWaits] = field(default_factory=dict)
    _note: str | None = None

    def tell(self, lines: Sequence[LineState], *, at: float, note: str | None) -> list[LineState]:
        """Return the lines with the waits to tell.

        `note` is the reason why waits grew, for as long as shoppers are given it.
        """
        explained = note is not None and note != self._note
        self._note = note
        # What was told of a line goes with it.
        self._lines = {one.line: self._lines.get(one.line) or ToldWaits() for one in lines}
        return [
            msgspec.structs.replace(
                one, table=self._lines[one.line].tell(one.table, at=at, explained=explained)
            )
            for one in lines
        ]


def _toward(told_s: float | None, wait_s: float | None, passed_s: float) -> float | None:
    """Return a wait between the one told and the forecast; what is not known is told as such."""
    if told_s is None or wait_s is None:
        return wait_s
    return round(min(max(wait_s, told_s - FALL * passed_s), told_s + RISE * passed_s), 1)


def _monotone(rows: list[WaitRow]) -> list[WaitRow]:
    """Return the rows so that no place is told an earlier call than one ahead of it."""
    found: list[WaitRow] = []
    low_s = high_s = 0.0
    for row in rows:
        if row.wait_low_s is None or row.wait_high_s is None:
            found.append(row)
            continue
        low_s, high_s = max(low_s, row.wait_low_s), max(high_s, row.wait_high_s)
        found.append(replace(row, wait_low_s=low_s, wait_high_s=high_s))
    return found


def _differ(told: WaitRow, row: WaitRow) -> bool:
    """Say whether a forecast is far from what is told of its place."""
    ends = ((told.wait_low_s, row.wait_low_s), (told.wait_high_s, row.wait_high_s))
    return any(
        one is not None and other is not None and abs(other - one) > max(SAME_S, SAME_SHARE * one)
        for one, other in ends
    )
