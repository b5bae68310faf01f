"""The terminal output of `waitroom rehearse`."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from waitroom.rehearse.results.compare import (
    FIGURES,
    HELD_AGAINST,
    INTERVAL,
    Figure,
    Interval,
    Outcome,
    Reliability,
    interval_of,
    yardsticks_of,
)
from waitroom.rehearse.scenario.recording import Recording

COLUMNS_MAX = 3
# Rows that are left out where they are zero for every variant.
RARE = {"refused_of_called", "missed_choice", "bots_bought", "overtaken", "found_nothing_of_inside"}
KNOWN = {figure.key: figure for figure in FIGURES}
# The shares of the called numbers at which a replay is compared with its record.
HEAD_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
DIFFERENCES = ("to_last_s", "to_95_s", "found_nothing_of_called", "idle_unit_s")


def comparison(
    outcomes: Sequence[Outcome], *, title: str, seeds: int, brief: bool = False
) -> RenderableType:
    """Return tables of all figures side by side, and of the differences from the first variant.

    When `brief`, each variant gets one line with the most important figures.
    """
    parts: list[RenderableType] = [Text(title, style="bold")]
    if brief:
        parts.append(_lines(outcomes))
    else:
        parts.extend(_figures(some) for some in _columns(outcomes))
        told = [outcome for outcome in outcomes if outcome.score().chances]
        parts.extend(_chances(some) for some in _columns(told))
    yardsticks = {} if brief else yardsticks_of(outcomes)
    for name, yardstick in yardsticks.items():
        others = [one for one in outcomes if one not in yardsticks.values()]
        parts.extend(_against(name, yardstick, some) for some in _columns(others))
    if not brief and len(outcomes) > 1 and seeds > 1:
        parts.extend(_differences(outcomes[0], some) for some in _columns(outcomes[1:]))
    note = f"{INTERVAL}, over {seeds} seeds.\nAll variants meet the same shoppers."
    parts.append(Text(note, style="dim"))
    if any(outcome.unsold for outcome in outcomes):
        length = f"{outcomes[0].variant.scenario.until_s:,.0f} s"
        note = f"A sale that left something unsold counts as lasting {length}."
        parts.append(Text(note, style="dim"))
    return Group(*parts)


def _columns(outcomes: Sequence[Outcome]) -> Iterator[Sequence[Outcome]]:
    for start in range(0, len(outcomes), COLUMNS_MAX):
        yield outcomes[start : start + COLUMNS_MAX]


def _figures(outcomes: Sequence[Outcome]) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    table.add_column(no_wrap=True)
    for outcome in outcomes:
        table.add_column(outcome.variant.name, justify="right")
    for figure in FIGURES:
        found = [outcome.interval(figure.key) for outcome in outcomes]
        if figure.key in RARE and not any(each and each.mean for each in found):
            continue
        table.add_row(figure.label, *(written(figure, each) for each in found))
    if any(outcome.unsold for outcome in outcomes):
        counts = (f"{o.unsold} of {len(o.results)}" for o in outcomes)
        table.add_row("sales not sold out", *counts)
    table.add_section()
    scores = [outcome.score() for outcome in outcomes]
    covered = (outcome.coverage() for outcome in outcomes)
    table.add_row("waits within the band, %", *(_share_within(one) for one in covered))
    widths = ("-" if s.width is None else f"{s.width:.1f}" for s in scores)
    table.add_row("latest wait over earliest", *widths)
    table.add_row("chances off by, % points", *(_share(s.miscalibration) for s in scores))
    of_skus = [outcome.sku_score() for outcome in outcomes]
    if any(one.chances for one in of_skus):
        table.add_row("chances of one SKU off by", *(_share(s.miscalibration) for s in of_skus))
    return table


def _chances(outcomes: Sequence[Outcome]) -> Table:
    """Return the reliability of the chances: the share that found something, by chance told."""
    table = Table(title="chance told: share that found something, % (shoppers, sales)")
    for column in ("", *(outcome.variant.name for outcome in outcomes)):
        table.add_column(column, justify="right")
    rows = zip(*(outcome.reliability() for outcome in outcomes), strict=True)
    for index, tenths in enumerate(rows):
        if any(tenths):
            label = f"{index * 10} to {index * 10 + 10} %"
            table.add_row(label, *(_reliability(tenth) for tenth in tenths))
    return table


def _reliability(tenth: Reliability | None) -> str:
    if tenth is None:
        return "-"
    found = f"{tenth.told * 100:.0f}: {_share_within(tenth.found)}"
    return f"{found} ({tenth.count:,}, {tenth.sales})"


def _lines(outcomes: Sequence[Outcome]) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    table.add_column(no_wrap=True)
    for key in DIFFERENCES:
        table.add_column(KNOWN[key].label, justify="right")
    table.add_column("unsold", justify="right")
    for outcome in outcomes:
        cells = (written(KNOWN[key], outcome.interval(key)) for key in DIFFERENCES)
        table.add_row(outcome.variant.name, *cells, f"{outcome.unsold} of {len(outcome.results)}")
    return table


def _against(name: str, yardstick: Outcome, others: Sequence[Outcome]) -> Table:
    """Return the ratio of each variant's figures to a yardstick's; shares stand beside its own."""
    table = Table(show_edge=False, pad_edge=False)
    table.add_column(f"times the {name}'s", no_wrap=True)
    for outcome in others:
        table.add_column(outcome.variant.name, justify="right")
    for key in HELD_AGAINST:
        figure = KNOWN[key]
        if figure.kind == "share":
            own = written(figure, yardstick.interval(key))
            cells = [f"{written(figure, one.interval(key))} to {own}" for one in others]
        else:
            ratios = (outcome.ratio(yardstick, key) for outcome in others)
            cells = ["-" if ratio is None else _ratio(ratio) for ratio in ratios]
        table.add_row(figure.label, *cells)
    return table


def _ratio(ratio: Interval) -> str:
    return f"{ratio.mean:.2f} ± {ratio.half:.2f}"


def _differences(first: Outcome, others: Sequence[Outcome]) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    table.add_column(f"against {first.variant.name}", no_wrap=True)
    for outcome in others:
        table.add_column(outcome.variant.name, justify="right")
    for key in DIFFERENCES:
        cells = (written(KNOWN[key], other.against(first, key), signed=True) for other in others)
        table.add_row(KNOWN[key].label, *cells)
    return table


def reproduction(recording: Recording, replayed: Outcome) -> RenderableType:
    """Return a table that compares the recorded sale with its replay under the same rules."""
    table = Table(title="played again as it was, against the record", show_edge=False)
    table.add_column()
    table.add_column("recorded", justify="right")
    table.add_column("played again", justify="right")
    heads = [share * recording.called for share in HEAD_SHARES]
    again = [result.head_times(heads) for result in replayed.results]
    for index, at in enumerate(recording.head_times(HEAD_SHARES)):
        times = [found for one in again if (found := one[index]) is not None]
        label = f"{HEAD_SHARES[index]:.0%} of {recording.called:,} numbers called, s"
        table.add_row(label, f"{at:,.0f}", _times(times, of=len(again)))
    if recording.sold_out_s is not None:
        last = [r.to_last_s for r in replayed.results if r.to_last_s is not None]
        table.add_row("sold out, s", f"{recording.sold_out_s:,.0f}", _times(last, of=len(again)))
    return table


def _times(times: Sequence[float], *, of: int) -> str:
    if not times:
        return "never"
    found = interval_of(times)
    some = "" if len(times) == of else f" (in {len(times)} of {of})"
    return f"{found.mean:,.0f} ± {found.half:,.0f}{some}"


def written(figure: Figure, interval: Interval | None, *, signed: bool = False) -> str:
    """Write a mean with half its interval, in the unit of the figure."""
    if interval is None:
        return "-"
    sign = "+" if signed and interval.mean > 0 else "-" if interval.mean < 0 else ""
    scale, digits = (100, 2) if figure.kind == "share" else (1, 0)
    mean, half = abs(interval.mean) * scale, interval.half * scale
    return f"{sign}{mean:,.{digits}f} ± {half:,.{digits}f}"


def _share_within(share: Interval | None) -> str:
    # A single sale has no interval.
    if share is None:
        return "-"
    half = "" if share.high == share.low else f" ± {share.half * 100:.1f}"
    return f"{share.mean * 100:.1f}{half}"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.1f}"
