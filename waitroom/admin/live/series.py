"""A room's series as JSON: columns of figures, what happened each minute, operators' acts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from inventory.kit.problem import BadRequest
from waitroom.admin.audit.sentences import say_action
from waitroom.line.control.moment import FIGURES, Moment
from waitroom.store.series.series_store import Mark, SeriesSpan

# Without a wish, a series begins with the doors, and at most this long ago.
BACK_MAX = timedelta(days=1)
# The step is the shortest of these, in seconds, with at most so many points.
STEPS_S = (5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 6 * 3600, 24 * 3600)
POINTS_MAX = 720
RATE_OVER = timedelta(seconds=30)
# Counters, and the names of what happened in a minute.
RATES = {
    "joined": "joins_per_min",
    "calls": "calls_per_min",
    "claims": "claims_per_min",
    "paid": "paid_per_min",
    "declined": "declines_per_min",
}


class MarkBody(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's act, as a sentence."""

    # Seconds of the Unix clock.
    at: float
    who: str
    act: str


class RoomSeries(msgspec.Struct, frozen=True, kw_only=True):
    """A room's series in columns, each with one value for each moment in `at`."""

    room: str
    since: datetime = msgspec.field(name="from")
    until: datetime = msgspec.field(name="to")
    step_s: int
    # Seconds of the Unix clock.
    at: list[float]
    status: list[str]
    figures: dict[str, list[float | None]]
    # What happened in a minute, as of each moment; null at the first, and after a reset.
    rates: dict[str, list[float | None]]
    marks: list[MarkBody]


class SeriesRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a series."""

    # Seconds of the Unix clock.
    at: float
    status: str
    figures: dict[str, float | None]
    rates: dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The part of a series that was asked for."""

    since: datetime
    until: datetime
    step_s: int


def asked_for(span: SeriesSpan, since: datetime | None, until: datetime | None) -> Asked:
    """Return the part to read, by default from the doors to now; raises `BadRequest`."""
    until = min(until or span.now, span.now)
    since = since or max(span.first or until, until - BACK_MAX)
    if since > until:
        raise BadRequest("The beginning (from) has to be earlier than the end (to).")
    points = (until - since).total_seconds() / POINTS_MAX
    step_s = next((step for step in STEPS_S if step >= points), STEPS_S[-1])
    return Asked(since=since, until=until, step_s=step_s)


def series_body(
    room: str, asked: Asked, rows: Sequence[Moment], marks: Sequence[Mark]
) -> RoomSeries:
    """Return the columns of a series; `at` is in seconds of the Unix clock."""
    return RoomSeries(
        room=room,
        since=asked.since,
        until=asked.until,
        step_s=asked.step_s,
        at=[_seconds(row.at) for row in rows],
        status=[row.status for row in rows],
        figures={name: [getattr(row, name) for row in rows] for name in FIGURES},
        rates={rate: list(_per_minute(rows, counter)) for counter, rate in RATES.items()},
        marks=[mark_body(mark) for mark in marks],
    )


def row_body(rows: Sequence[Moment]) -> SeriesRow:
    """Return the last row as a series has it; the rows before it say what happened since."""
    row = rows[-1]
    lately = [one for one in rows if one.at >= row.at - 2 * RATE_OVER]
    return SeriesRow(
        at=_seconds(row.at),
        status=row.status,
        figures={name: getattr(row, name) for name in FIGURES},
        rates={rate: list(_per_minute(lately, counter))[-1] for counter, rate in RATES.items()},
    )


def mark_body(mark: Mark) -> MarkBody:
    """Return an operator's act as a sentence."""
    said = say_action(mark.who, mark.action, mark.detail, currency=mark.currency)
    return MarkBody(at=_seconds(mark.at), who=mark.who, act=said)


def _seconds(at: datetime) -> float:
    return round(at.timestamp(), 1)


def _per_minute(rows: Sequence[Moment], counter: str) -> Iterator[float | None]:
    """Yield what was counted in a minute up to each row; None at the first, and after a reset.

    Single steps of five seconds would jump up and down, so a rate is that of half a minute.
    """
    first = 0
    for index, row in enumerate(rows):
        while first < index - 1 and rows[first + 1].at <= row.at - RATE_OVER:
            first += 1
        if index and getattr(row, counter) < getattr(rows[index - 1], counter):
            first = index
        gained = getattr(row, counter) - getattr(rows[first], counter)
        seconds = (row.at - rows[first].at).total_seconds()
        yield round(gained * 60 / seconds, 1) if seconds > 0 else None
