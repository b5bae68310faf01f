"""The results of all runs, one line of JSON each, and the table that is made of them."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from chaos.faults import FAULTS
from chaos.runs import Result

KINDS = ("join", "claim", "paid")
# The answers that count as errors, as the table words them.
WORDS = {"0": "no answer", "429": "429", "500": "500", "502": "502", "503": "503", "504": "504"}
HEADINGS = (
    "| fault | runs | promises broken | first join / claim / payment after it (s)"
    " | slowest of each (s) | errors that a crowd saw | longest wait (s) |"
)
BEGIN, END = "<!-- table -->", "<!-- end of table -->"


def keep(results: Path, result: Result) -> None:
    """Add a result to a file."""
    results.parent.mkdir(parents=True, exist_ok=True)
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result)) + "\n")


def read(results: Path) -> list[Result]:
    """Return the latest result of each fault and seed, in the order of the list of faults."""
    latest: dict[tuple[str, int], Result] = {}
    if results.exists():
        for line in results.read_text(encoding="utf-8").splitlines():
            found = Result(**json.loads(line))
            latest[found.fault, found.seed] = found
    order = {name: position for position, name in enumerate(FAULTS)}
    known = [result for result in latest.values() if result.fault in order]
    return sorted(known, key=lambda result: (order[result.fault], result.seed))


def said_of(result: Result) -> str:
    """Return one line about a run."""
    if result.failed:
        return f"{result.fault}, seed {result.seed}: the run failed: {result.failed}"
    verdict = "; ".join(_counted(result)) or "all promises held"
    note = f" ({result.note})" if result.note else ""
    return (
        f"{result.fault}{note}, seed {result.seed}, {result.policy}: {verdict};"
        f" first after {_goes_on([result])} s, slowest {_slowest([result])} s;"
        f" {_errors([result]) or 'no errors'};"
        f" {result.orders} orders of {result.shoppers} shoppers, in {result.took_s:.0f} s"
    )


def table(results: Sequence[Result], before: str = "") -> str:
    """Return a table in Markdown: one row for each kind of fault.

    A kind without results keeps its row of the table `before`.
    """
    rows = [HEADINGS, re.sub(r"[^|]+", "---", HEADINGS)]
    for name, kind in FAULTS.items():
        runs = [result for result in results if result.fault == name and not result.failed]
        label = f"{name} ({kind.note})" if kind.note else name
        if not runs:
            rows += [row for row in before.splitlines() if row.startswith(f"| {label} | ")]
            continue
        broken: Counter[str] = Counter()
        for result in runs:
            broken.update({promise for promise, _ in result.broken})
        shown = "; ".join(f"{promise} ({count})" for promise, count in broken.items())
        rows.append(
            f"| {label} | {len(runs)} | {shown or 'none'} | {_goes_on(runs)} | {_slowest(runs)} "
            f"| {_errors(runs) or 'none'} | {max(run.longest_s for run in runs):.1f} |"
        )
    return "\n".join(rows) + "\n"


def write(page: Path, results: Sequence[Result]) -> None:
    """Put the table into the page, between its two marks."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN, 1)
    earlier, after = rest.split(END, 1)
    made = table(results, earlier)
    page.write_text(f"{before}{BEGIN}\n{made}{END}{after}", encoding="utf-8")


def _counted(result: Result) -> list[str]:
    counts = Counter(promise for promise, _ in result.broken)
    return [f"BROKEN: {promise} ({count})" for promise, count in counts.items()]


def _goes_on(results: Sequence[Result]) -> str:
    """Return the worst of each kind: a run in which it did not go on is worse than any other."""
    found = []
    for kind in KINDS:
        values = [result.goes_on[kind] for result in results if kind in result.goes_on]
        seconds = [value for value in values if value is not None]
        if not values:
            found.append("sold out")
        elif len(seconds) < len(values):
            found.append("**never**")
        else:
            found.append(f"{max(seconds):.1f}" if max(seconds) <= 5 else f"**{max(seconds):.1f}**")
    return " / ".join(found)


def _slowest(results: Sequence[Result]) -> str:
    worst = [max(result.slowest.get(kind, 0.0) for result in results) for kind in KINDS]
    return " / ".join(f"{seconds:.1f}" for seconds in worst)


def _errors(results: Sequence[Result]) -> str:
    """Return the worst run's count of each kind of error."""
    worst: dict[str, int] = {}
    for result in results:
        for status, count in result.errors.items():
            worst[status] = max(worst.get(status, 0), count)
    return ", ".join(f"{WORDS.get(status, status)}: {count}" for status, count in worst.items())
