"""What `waitroom rehearse` shows in a terminal."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from waitroom.rehearse.compare import FIGURES, INTERVAL, Figure, Interval, Outcome

COLUMNS_MAX = 4
# Where these are nothing everywhere, nobody needs to read it.
RARE = {"missed_choice", "bots_bought", "overtaken", "found_nothing_of_inside"}
DIFFERENCES = ("to_last_s", "to_95_s", "found_nothing_of_called", "idle_unit_s")


def comparison(outcomes: Sequence[Outcome], *, title: str, seeds: int) -> RenderableType:
    """Return tables of all figures side by side, and of the differences from the first variant."""
    parts: list[RenderableType] = [Text(title, style="bold")]
    parts.extend(_figures(some) for some in _columns(outcomes))
    if len(outcomes) > 1 and seeds > 1:
        parts.append(_differences(outcomes))
    note = f"{INTERVAL}; {seeds} seeds, the same shoppers for all"
    parts.append(Text(note, style="dim"))
    if any(outcome.unsold for outcome in outcomes):
        length = _time(outcomes[0].variant.scenario.until_s)
        parts.append(
            Text(f"A sale that left something unsold counts as lasting {length}.", style="dim")
        )
    return Group(*parts)


def _columns(outcomes: Sequence[Outcome]) -> Iterator[Sequence[Outcome]]:
    for start in range(0, len(outcomes), COLUMNS_MAX):
        yield outcomes[start : start + COLUMNS_MAX]


def _figures(outcomes: Sequence[Outcome]) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    table.add_column()
    for outcome in outcomes:
        table.add_column(outcome.variant.name, justify="right")
    for figure in FIGURES:
        found = [outcome.interval(figure.key) for outcome in outcomes]
        if figure.key in RARE and not any(each and each.mean for each in found):
            continue
        table.add_row(figure.label, *(written(figure, each) for each in found))
    if any(outcome.unsold for outcome in outcomes):
        counts = (f"{o.unsold} of {len(o.results)}" for o in outcomes)
        table.add_row("sales that left something unsold", *counts)
    table.add_section()
    scores = [outcome.score() for outcome in outcomes]
    table.add_row("waits within the published band", *(_share(s.coverage) for s in scores))
    table.add_row("chances off by, on average", *(_share(s.miscalibration) for s in scores))
    return table


def _differences(outcomes: Sequence[Outcome]) -> Table:
    first, *others = outcomes
    table = Table(show_edge=False, pad_edge=False)
    table.add_column(f"difference from {first.variant.name}, seed by seed")
    known = {figure.key: figure for figure in FIGURES}
    for key in DIFFERENCES:
        table.add_column(known[key].label, justify="right")
    for outcome in others:
        cells = (written(known[k], outcome.against(first, k), signed=True) for k in DIFFERENCES)
        table.add_row(outcome.variant.name, *cells)
    return table


def written(figure: Figure, interval: Interval | None, *, signed: bool = False) -> str:
    """Write a mean with half its interval, in the unit of the figure."""
    if interval is None:
        return "-"
    sign = "+" if signed and interval.mean > 0 else "-" if interval.mean < 0 else ""
    mean = abs(interval.mean)
    if figure.kind == "share":
        return f"{sign}{mean:.2%} ± {interval.half:.2%}"
    if figure.kind == "time":
        return f"{sign}{_time(mean)} ± {_time(interval.half)}"
    return f"{sign}{mean:,.0f} ± {interval.half:,.0f}"


def _time(seconds: float) -> str:
    """Write seconds as a person would say them: 48 s, 12:30 min, 2:05:00 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
