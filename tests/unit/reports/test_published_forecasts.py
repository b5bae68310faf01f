"""Published waits and chances are judged by what happened to their numbers."""

from collections.abc import Sequence
from typing import Any

import pytest
from sale_log import at, called, joined, told

from waitroom.log.entries import AnyEntry, Forecast, ForecastRow, Revoked
from waitroom.reports.fairness.forecast import (
    Accuracy,
    Actuals,
    ChanceAccuracy,
    WaitAccuracy,
    judge,
)


def forecast(seq: int, head: int, tail: int, *rows: tuple[Any, ...]) -> Forecast:
    table = tuple(ForecastRow(*row) for row in rows)
    return Forecast(seq=seq, at=at(seq), line="main-1", head=head, tail=tail, rows=table)


def judged(
    entries: Sequence[AnyEntry], *, until: float, over: bool = False, nothing: Sequence[int] = ()
) -> Accuracy:
    actuals = Actuals(
        lines=told([e for e in entries if not isinstance(e, Forecast)]).lines,
        found_nothing=frozenset(("main-1", number) for number in nothing),
        over=over,
        until=at(until),
    )
    return judge((e for e in entries if isinstance(e, Forecast)), actuals)


def test_published_waits_are_held_against_the_calls() -> None:
    entries = [
        joined(1, 1, 50),
        forecast(2, 0, 50, (1, 5, 10, 1.0), (2, 20, 40, 1.0), (3, 1, 2, 1.0), (60, 1, 2, 1.0)),
        called(10, 1, 3),
    ]

    found = judged(entries, until=20).waits

    # They waited 8 s; the middles were 7.5, 30 and 1.5.
    assert found == WaitAccuracy(judged=3, inside=1, sooner=1, later=1, median_error_s=6.5)


def test_a_wait_that_cannot_be_judged_yet_is_left_out_until_its_band_is_over() -> None:
    entries = [joined(1, 1, 50), forecast(2, 0, 50, (1, 5, 10, 1.0), (2, None, None, 0.5))]

    assert judged(entries, until=11).waits == WaitAccuracy()
    assert judged(entries, until=13).waits == WaitAccuracy(judged=1, later=1)
    assert judged(entries, until=13, over=True).waits == WaitAccuracy(never=1)


def test_a_chance_is_held_against_whether_something_was_left() -> None:
    rows = [(place, 1, 90, 0.9) for place in (1, 2, 3)] + [(9, 1, 90, 0.1), (10, 1, 90, 1.0)]
    entries = [joined(1, 1, 10), forecast(2, 0, 10, *rows), called(5, 1, 3)]

    live = judged(entries, until=9, nothing=[3]).chances
    over = judged(entries, until=9, nothing=[3], over=True).chances

    assert live == [
        ChanceAccuracy(low=0.8, high=1.0, rows=3, published=pytest.approx(0.9), came_true=2 / 3)
    ]
    assert over == [
        ChanceAccuracy(low=0.0, high=0.2, rows=1, published=0.1, came_true=0.0),
        ChanceAccuracy(low=0.8, high=1.0, rows=4, published=pytest.approx(0.925), came_true=0.5),
    ]


def test_what_was_told_to_whom_gave_up_is_not_judged() -> None:
    revoked = Revoked(seq=3, at=at(3), line="main-1", number=1)
    entries = [joined(1, 1, 5), forecast(2, 0, 5, (1, 1, 2, 0.5)), revoked, called(9, 1, 5)]

    assert judged(entries, until=99, over=True) == Accuracy(waits=WaitAccuracy(), chances=[])
