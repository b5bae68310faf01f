"""The two charts of a rehearsal: how each variant sells, and the frontier. Pure."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from math import ceil
from statistics import fmean

from waitroom.rehearse.results.chart import Axis, Chart, Mark, Series
from waitroom.rehearse.results.compare import Interval, Outcome

MINUTES = (1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 720, 1440)
SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
TICKS_MAX = 9


def sales_chart(outcomes: Sequence[Outcome], *, title: str) -> str:
    """Return the chart of units sold over time, each variant's mean over its sales."""
    units = max(result.units for outcome in outcomes for result in outcome.results)
    last = max(_minutes_shown(outcome) for outcome in outcomes)
    series = [Series(name=_name(outcome), line=_mean_sold(outcome, last)) for outcome in outcomes]
    step = max(ceil(last / TICKS_MAX / 5) * 5, 1)
    parts = [round(units * share / 5) for share in range(6)]
    return Chart(
        title=title,
        x=Axis(
            title="minutes from the opening",
            low=0,
            high=max(last, 1),
            ticks=[(m, str(m)) for m in range(0, last + 1, step)],
        ),
        y=Axis(title="units sold", low=0, high=units, ticks=[(u, f"{u:,}") for u in parts]),
        series=series,
    ).svg()


def _name(outcome: Outcome) -> str:
    share = fmean(outcome.values("found_nothing_of_called") or [0.0])
    return f"{outcome.variant.name} ({share:.1%} found nothing)"


def _minutes_shown(outcome: Outcome) -> int:
    """Return the minute after which nothing more is sold in nine of ten sales."""
    last = sorted(bisect_left(r.sold_by_minute, r.sold) for r in outcome.results)
    return last[ceil(0.9 * len(last)) - 1] + 1


def _mean_sold(outcome: Outcome, last: int) -> list[tuple[float, float]]:
    def sold(minutes: list[int], minute: int) -> int:
        return minutes[min(minute, len(minutes) - 1)]

    return [
        (minute, fmean(sold(result.sold_by_minute, minute) for result in outcome.results))
        for minute in range(last + 1)
    ]


def frontier_chart(series: Mapping[str, Sequence[Outcome]], *, title: str, seeds: int) -> str:
    """Return the chart of time to the last unit against the share of the called who found nothing.

    A variant that never sold out is left out, and a note counts those.
    """
    marks = {
        name: [_mark(outcome) for outcome in group if outcome.unsold < len(outcome.results)]
        for name, group in series.items()
    }
    every = [mark for group in marks.values() for mark in group]
    low = min(mark.x for mark in every) * 0.85
    high = max(mark.x for mark in every) * 1.1
    top = max(mark.y for mark in every) * 1.1 + 0.01
    left_out = sum(len(group) for group in series.values()) - len(every)
    notes = [
        f"Means over {seeds} seeds, each the same shoppers for all; bars are 95 % intervals (t).",
        "Hollow: in some of these sales something was still unsold at the end."
        + (f" {left_out} not shown: never sold out." if left_out else ""),
    ]
    return Chart(
        title=title,
        x=Axis(
            title="minutes until the last unit is paid (logarithmic)",
            low=low,
            high=high,
            scale="log",
            ticks=[(m, str(m)) for m in MINUTES if low <= m <= high],
        ),
        y=Axis(
            title="of those called, found nothing (root scale)",
            low=0.0,
            high=top,
            scale="root",
            ticks=[(share, f"{share:.0%}") for share in SHARES if share <= top],
        ),
        series=[_curve(name, group) for name, group in marks.items()],
        notes=notes,
    ).svg()


def _curve(name: str, marks: Sequence[Mark]) -> Series:
    line = [(mark.x, mark.y) for mark in marks] if len(marks) > 1 else ()
    return Series(name=name, line=line, marks=marks)


def _mark(outcome: Outcome) -> Mark:
    time, share = outcome.interval("to_last_s"), outcome.interval("found_nothing_of_called")
    assert isinstance(time, Interval)
    assert isinstance(share, Interval)
    return Mark(
        x=time.mean / 60,
        y=share.mean,
        x_low=max(time.low, 1.0) / 60,
        x_high=time.high / 60,
        y_low=max(share.low, 0.0),
        y_high=share.high,
        label=outcome.variant.name.partition(":")[2].replace("disappointed_max=", "bound "),
        hollow=outcome.unsold > 0,
    )
