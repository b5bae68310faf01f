"""Alerts: each thing that needs an act is said once, with what to do; a calm room says nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from waitroom.line.control.alerts import _BOUNDS, CODES, Alert, alerts
from waitroom.line.control.moment import Moment

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
CALM_ROOM = Moment(
    at=NOW,
    status="open",
    bound="seats",
    joined=500,
    calls=100,
    claims=90,
    paid=40,
    declined=2,
    waiting=400,
    called=5,
    inside=20,
    seats_max=25,
    on_hand=200,
    available=80,
    held=20,
    sold=100,
    paying=3,
    paying_slow=0,
)


def series(*, minutes: int = 30, **last: Any) -> list[Moment]:
    """Return half an hour in which the line moves and one payment in twenty is declined."""
    rows = []
    for step in range(minutes * 12 + 1):
        ago = minutes * 12 - step
        rows.append(
            replace(
                CALM_ROOM,
                at=NOW - timedelta(seconds=5 * ago),
                calls=1000 - ago,
                paid=950 - ago,
                declined=50 - ago // 20,
            )
        )
    return [*rows[:-1], replace(rows[-1], **last)]


def said(rows: list[Moment], **leader: Any) -> list[Alert]:
    return alerts(rows, now=NOW, **{"leads": True, "leader_silent_s": 0.5, **leader})


def codes(rows: list[Moment], **leader: Any) -> list[str]:
    return [alert.code for alert in said(rows, **leader)]


def stalled(seconds: int, **values: Any) -> list[Moment]:
    """Return a series in which nobody is called in its last seconds."""
    since = NOW - timedelta(seconds=seconds)
    return [
        row if row.at < since else replace(row, **{"calls": 1000 - seconds // 5, **values})
        for row in series()
    ]


def test_a_calm_room_says_nothing() -> None:
    assert codes(series()) == []
    assert codes(series(minutes=0)) == []
    assert codes([]) == []


def test_nobody_called_for_a_minute_while_something_is_free_and_people_wait() -> None:
    assert codes(stalled(90)) == ["nobody_called"]
    (alert,) = said(stalled(90))
    assert alert.detail.startswith("80 units are free and 400 people are in line. All seats")
    assert alert.act.startswith("Raise the seats")
    # A plain gate has no stock.
    assert codes(stalled(90, on_hand=0, available=0)) == ["nobody_called"]


@pytest.mark.parametrize(
    "rows",
    [
        stalled(50),
        stalled(90, available=0),
        stalled(90, waiting=0),
        stalled(90, status="paused"),
        stalled(90, status="sold_out"),
        [*stalled(90)[:-6], *series()[-6:]],
    ],
    ids=["too soon", "nothing free", "nobody waits", "paused", "sold out", "called since"],
)
def test_a_line_that_stands_for_a_good_reason_is_no_alert(rows: list[Moment]) -> None:
    assert codes(rows) == []


@pytest.mark.parametrize("bound", [*_BOUNDS, "", "another"])
def test_each_reason_that_nobody_is_called_has_an_act(bound: str) -> None:
    found = said(stalled(90, bound=bound))

    assert found[0].code == "nobody_called"
    assert found[0].act


def test_a_room_without_seats_says_so_and_nothing_else_of_it() -> None:
    (alert,) = said(stalled(90, seats_max=0))

    assert (alert.code, alert.title) == ("nobody_let_in", "Nobody is let in just now")
    assert codes(series(seats_max=0, waiting=0)) == ["nobody_let_in"]
    assert codes(series(seats_max=0, status="paused")) == []


def test_declines_are_said_when_they_rise_and_not_when_they_were_always_many() -> None:
    rows = series()
    assert codes([*rows[:-1], replace(rows[-1], declined=150)]) == ["declines_up"]
    # A third is declined from the beginning on: that is how this sale is.
    always = [replace(row, declined=row.paid // 2) for row in series()]
    assert codes(always) == []
    # The first payments of all are declined: there is nothing to compare them with.
    new = [replace(row, paid=0, declined=max(index - 356, 0)) for index, row in enumerate(series())]
    assert codes(new) == []
    assert codes([*new[:-1], replace(new[-1], declined=6)]) == ["declines_up"]


def test_other_troubles_are_said_with_their_figures() -> None:
    (stuck,) = said(series(paying_slow=3))
    assert "3 payments wait" in stuck.detail
    assert codes(series(stock_silent_s=61.0)) == ["stock_silent"]
    assert codes(series(stock_silent_s=20.0)) == []
    assert codes(series(stock_silent_s=600.0, status="ended")) == []
    assert codes(series(bound="checkout")) == ["checkout_slow"]


def test_a_leader_that_is_away_is_said_first_and_an_old_series_says_nothing() -> None:
    assert codes(series(paying_slow=1), leader_silent_s=9.0) == ["leader_away", "payments_stuck"]
    assert codes([], leads=False) == ["leader_away"]
    old = [replace(row, at=row.at - timedelta(minutes=5)) for row in series(paying_slow=1)]
    assert codes(old) == []


def test_every_code_is_listed() -> None:
    seen = {
        *codes(series(paying_slow=1, stock_silent_s=90.0, bound="checkout"), leads=False),
        *codes(stalled(90)),
        *codes(series(seats_max=0)),
        *codes([*series()[:-1], replace(series()[-1], declined=150)]),
    }

    assert seen == set(CODES)
