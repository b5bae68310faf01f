"""Waits are told without the jumps of seconds: what is told follows the forecasts, and lasts."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from waitroom.line.forecast.told import FALL, LASTS_S, RISE, SAME_S, SAME_SHARE, ToldWaits
from waitroom.line.wait import WaitRow, row_at

PLACES = (1, 4, 16, 64)


def table(waits: Sequence[tuple[float, float] | None]) -> list[WaitRow]:
    """Return a table in which waits only grow with the place, and are not known from None on."""
    rows, low_s, high_s = [], 0.0, 0.0
    unknown = False
    for place, given_s in zip(PLACES, waits, strict=False):
        unknown = unknown or given_s is None
        wait = None if unknown else given_s
        if wait is not None:
            low_s = max(low_s, wait[0])
            high_s = max(high_s, low_s, wait[0] + wait[1])
        rows.append(
            WaitRow(
                place=place,
                wait_low_s=None if wait is None else low_s,
                wait_high_s=None if wait is None else high_s,
                chance=1.0,
                poll_s=2.0,
            )
        )
    return rows


def flat(high_s: float) -> list[WaitRow]:
    return table([(0.0, high_s)])


def highs(course: Sequence[tuple[float, float]]) -> list[float | None]:
    """Return the high ends that are told of forecasts, given as moment and high end."""
    told = ToldWaits()
    return [told.tell(flat(high), at=at, explained=False)[0].wait_high_s for at, high in course]


waits = st.one_of(st.none(), st.tuples(st.floats(0, 2000), st.floats(0, 2000)))
tables = st.lists(waits, min_size=1, max_size=4).map(table)
ticks = st.lists(st.tuples(tables, st.floats(0.1, 5), st.booleans()), min_size=2, max_size=40)


@given(ticks)
def test_told_waits_are_a_table_and_rise_fast_only_for_a_reason_or_after_a_while(
    course: list[tuple[list[WaitRow], float, bool]],
) -> None:
    told, at, before, afresh_at = ToldWaits(), 0.0, None, -LASTS_S
    for rows, passed_s, explained in course:
        at += passed_s
        now = told.tell(rows, at=at, explained=explained)

        assert [(r.place, r.chance, r.poll_s) for r in now] == [
            (r.place, r.chance, r.poll_s) for r in rows
        ]
        for one, row in zip(now, rows, strict=True):
            assert (one.wait_high_s is None) == (row.wait_high_s is None)
            if one.wait_low_s is not None and one.wait_high_s is not None:
                assert one.wait_low_s <= one.wait_high_s
        known = [r.wait_high_s for r in now if r.wait_high_s is not None]
        assert known == sorted(known)

        jumped = before is not None and any(
            _fast(row_at(before, r.place), r, passed_s) for r in now if r.place <= before[-1].place
        )
        if jumped:
            # A table is told as it is, and then not for a while.
            assert now == rows
            assert explained or at - afresh_at >= LASTS_S
            afresh_at = at
        before = now


def _fast(told: WaitRow, row: WaitRow, passed_s: float) -> bool:
    """Say whether a wait changed faster than at the pace at which it follows."""
    if told.wait_high_s is None or row.wait_high_s is None:
        return False
    by_s = row.wait_high_s - told.wait_high_s
    return by_s > RISE * passed_s + 0.2 or by_s < -FALL * passed_s - 0.2


@given(tables, tables)
def test_a_forecast_that_stays_is_told_in_the_end(
    first: list[WaitRow], last: list[WaitRow]
) -> None:
    told = ToldWaits()
    told.tell(first, at=0.0, explained=False)

    for tick in range(1, round(LASTS_S) + 2):
        now = told.tell(last, at=float(tick), explained=False)

    for one, row in zip(now, last, strict=True):
        if one.wait_high_s is not None and row.wait_high_s is not None:
            near = max(SAME_S, SAME_SHARE * one.wait_high_s)
            assert abs(one.wait_high_s - row.wait_high_s) <= near + 0.1


def test_a_forecast_that_jumps_about_is_told_at_a_walking_pace() -> None:
    # As it was once seen: less than a minute, then 3, 4 and 8 minutes within 21 seconds.
    told = highs([(0, 50), (5, 180), (11, 240), (15, 55), (21, 480), (22, 60)])

    assert max(high for high in told if high is not None) <= 60
    # A wait that runs down is told at once.
    assert highs([(0, 300), (10, 290), (20, 280), (30, 270)]) == [300, 290, 280, 270]
    # A jump that lasts is told once, and one with a reason at once.
    assert highs([(0, 60), (1, 400), (10, 400), (21, 400), (22, 400)])[-2:] == [400, 400]
    waits = ToldWaits()
    waits.tell(flat(60), at=0.0, explained=False)
    assert waits.tell(flat(600), at=1.0, explained=True)[0].wait_high_s == 600


def test_places_of_which_nothing_was_told_are_told_their_forecast() -> None:
    told = ToldWaits()
    told.tell(flat(60), at=0.0, explained=False)

    grown = told.tell(table([(0.0, 60.0), (300.0, 600.0)]), at=1.0, explained=False)

    assert [row.wait_high_s for row in grown] == [60, 900]
