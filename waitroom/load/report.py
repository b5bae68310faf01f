"""The tables that `waitroom load` shows in a terminal."""

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from waitroom.load.crowd import CrowdResult, Progress

BAR_COLUMNS = 40
_PHASES = {
    "coming": "still to come",
    "waiting": "waiting in line",
    "called": "called",
    "inside": "inside, shopping",
    "bought": "bought",
    "left": "left with nothing",
}
_WORDS = {
    "bought": "bought",
    "sold_out": "told: sold out",
    "found_nothing": "found nothing inside",
    "gave_up": "gave up waiting",
    "no_show": "never came when called",
    "browsed_only": "only browsed",
    "declined": "payment declined",
    "abandoned": "left a basket",
    "missed": "missed a deadline",
    "ended": "told: the sale has ended",
    "failed": "failed",
}


def progress_table(room: str, url: str, progress: Progress) -> RenderableType:
    """Return one bar for each place where shoppers can be."""
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    for name, word in _PHASES.items():
        count = getattr(progress, name)
        bar = ProgressBar(total=progress.shoppers, completed=count, width=BAR_COLUMNS)
        table.add_row(word, f"{count:,}", bar)
    head = Text(f"{progress.shoppers:,.0f} shoppers in {room} at {url}", style="bold")
    foot = Text(
        f"{progress.seconds:.0f} s, {progress.units_bought:,.0f} units bought, "
        f"{progress.requests:,.0f} requests, {progress.polls_per_s:,.1f} polls a second, "
        f"{progress.errors:,.0f} errors; Ctrl-C ends it",
        style="dim",
    )
    return Group(head, table, foot)


def result_table(result: CrowdResult, url: str) -> Table:
    """Return what became of the crowd, the outcomes first."""
    table = Table(
        title=f"{result.shoppers:,} shoppers in {result.room} at {url}", show_header=False
    )
    table.add_column()
    table.add_column(justify="right")
    for outcome, count in result.outcomes.items():
        table.add_row(_WORDS[outcome], f"{count:,}")
    if result.unfinished:
        table.add_row("sent home unfinished", f"{result.unfinished:,}")
    table.add_section()
    table.add_row("units bought", f"{result.units_bought:,}")
    table.add_row("wait to the call, median", _seconds(result.wait_p50_s))
    table.add_row("wait to the call, 95 of 100", _seconds(result.wait_p95_s))
    table.add_row("calls missed and come back", f"{result.calls_missed:,}")
    table.add_row("shoppers whose place rose", f"{result.place_rises:,}")
    table.add_section()
    table.add_row("requests", f"{result.requests:,}")
    table.add_row("polls of the state a second", f"{result.polls_per_s:,.1f}")
    table.add_row("duration", _seconds(result.duration_s))
    for code, count in result.refusals.items():
        table.add_row(f"refused: {code}", f"{count:,}")
    for code, count in result.errors.items():
        table.add_row(f"[red]error: {code}[/red]", f"{count:,}")
    return table


def _seconds(seconds: float | None) -> str:
    return "nobody was called" if seconds is None else f"{seconds:,.1f} s"
