"""Hold the policy `expected` against its yardsticks over many sales, and against its targets.

Prints a table with intervals of 95 %, writes build/oracle.json, and ends with 1 if a target is
missed. A target is missed when the mean is beyond it; the interval says how sure that is. What is
told to shoppers stands beside what the oracle tells them in the same sales: it knows the rates of
the moment, but neither its shoppers nor a change to come.

How far chances are off is asked of all sales together: their samples are put into tenths by the
chance told. One sale's samples share its luck, so within one sale a chance is off by more. The mean
over single sales stands beside it, without a target.

Each sale is written to build/oracle as it ends. With --resume those that are there are read and not
played again: for more seeds, or after an interruption. Delete them once the code has changed.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import click
import msgspec

from waitroom.cli.rehearse import Seeds
from waitroom.rehearse.results.compare import Interval, Outcome, interval_of, play
from waitroom.rehearse.results.result import Result
from waitroom.rehearse.results.score import Score
from waitroom.rehearse.scenario import library
from waitroom.rehearse.scenario.variant import Variant, parse_variant

SALES = Path("build/oracle")
SCENARIOS = (
    *("drop", "drop-shift", "drop-twice", "tickets", "bots", "small", "trouble"),
    *("shelves", "skewed", "no-shows"),
)
COVERAGE, COVERAGE_OFF = 0.8, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure of one scenario, and the most that it may be; None where it has no target.

    oracles: the oracle's own figure, where it stands beside.
    """

    scenario: str
    figure: str
    found: Interval
    most: float | None = None
    oracles: float | None = None

    @property
    def is_missed(self) -> bool:
        return self.most is not None and self.found.mean > self.most


def rows_of(name: str, expected: Outcome, oracle: Outcome, clairvoyant: Outcome) -> Iterator[Row]:
    """Yield the figures of one scenario."""
    bound = expected.variant.scenario.rules.disappointed_max
    ratios = (("to_95_s", 1.15), ("to_last_s", 1.2), ("idle_unit_s", 1.3))
    for key, most in ratios:
        for yardstick, target in ((oracle, most), (clairvoyant, None)):
            ratio = expected.ratio(yardstick, key)
            if ratio is not None:
                label = f"{key}, times the {yardstick.variant.name}'s"
                yield Row(scenario=name, figure=label, found=ratio, most=target)
    plain = (
        ("to_95_s", None),
        ("to_last_s", None),
        ("found_nothing_of_called", bound),
        ("refused_of_called", 2 * bound),
    )
    for key, target in plain:
        found, beside = expected.interval(key), oracle.interval(key)
        if found is not None and beside is not None:
            yield Row(scenario=name, figure=key, found=found, most=target, oracles=beside.mean)
    yield from told_rows(name, expected, oracle)


def told_rows(name: str, expected: Outcome, oracle: Outcome) -> Iterator[Row]:
    """Yield the figures of what shoppers were told, beside those of the oracle."""
    theirs = dict(told_of(oracle))
    most = {
        "chances off by": 0.05,
        "SKUs' chances off by": 0.05,
        "bands off 80 % by": COVERAGE_OFF,
        "width of bands": 5.0,
    }
    for figure, found in told_of(expected):
        beside = theirs.get(figure)
        yield Row(
            scenario=name,
            figure=figure,
            found=found,
            most=most.get(figure),
            oracles=None if beside is None else beside.mean,
        )


def told_of(outcome: Outcome) -> Iterator[tuple[str, Interval]]:
    """Yield how far what was told was off, and how wide it was."""
    scores: dict[str, Callable[[Result], Score]] = {
        "chances off by": lambda result: result.score,
        "SKUs' chances off by": lambda result: result.sku_score,
    }
    for figure, score in scores.items():
        sales = [score(result) for result in outcome.results if score(result).chances]
        if not sales:
            continue
        yield figure, off_by(sales)
        yield f"{figure}, one sale", interval_of([sale.miscalibration or 0.0 for sale in sales])
    covered = outcome.coverage()
    if covered is not None:
        off, half = abs(covered.mean - COVERAGE), covered.half
        yield "bands off 80 % by", Interval(mean=off, low=off - half, high=off + half)
        widths = [result.score.width for result in outcome.results if result.score.width]
        yield "width of bands", interval_of(widths)


def off_by(sales: Sequence[Score]) -> Interval:
    """Return how far the chances of these sales together are off, with its jackknife interval."""
    off = _pooled(sales)
    if len(sales) < 2:
        return Interval(mean=off, low=off, high=off)
    without = [_pooled([*sales[:at], *sales[at + 1 :]]) for at in range(len(sales))]
    # Sales left out one by one vary less than sales do, by this factor (Efron and Stein, 1981).
    spread = interval_of(without).half * (len(sales) - 1)
    return Interval(mean=off, low=off - spread, high=off + spread)


def _pooled(sales: Sequence[Score]) -> float:
    total = Score()
    for sale in sales:
        total.add(sale)
    return total.miscalibration or 0.0


def outcome_of(variant: Variant, name: str, seeds: range, *, jobs: int, resume: bool) -> Outcome:
    """Play a variant in the scenario of this name, and write each sale down as it ends."""
    one = partial(played, variant, name, resume=resume)
    with ProcessPoolExecutor(jobs) as pool:
        return Outcome(variant=variant, results=list(pool.map(one, seeds)))


def played(variant: Variant, name: str, seed: int, *, resume: bool) -> Result:
    path = SALES / f"{name}-{variant.name}-{seed}.json"
    if resume and path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Result)
    result = play(variant, seed)
    path.with_suffix(".part").write_bytes(msgspec.json.encode(result))
    path.with_suffix(".part").replace(path)
    return result


@click.command()
@click.option("--seeds", type=Seeds(), default="20", show_default=True)
@click.option("--jobs", type=int, default=2, show_default=True)
@click.option("--scenario", "names", multiple=True, default=SCENARIOS, show_default=True)
@click.option("--resume", is_flag=True, help="Read the sales that were played before.")
def main(seeds: range, jobs: int, names: tuple[str, ...], *, resume: bool) -> None:
    rows: list[Row] = []
    SALES.mkdir(parents=True, exist_ok=True)
    for name in names:
        scenario = library.load_scenario(name)
        expected, knowing, clear = (
            outcome_of(parse_variant(text, scenario), name, seeds, jobs=jobs, resume=resume)
            for text in ("expected", "oracle", "clairvoyant")
        )
        for row in rows_of(name, expected, knowing, clear):
            rows.append(row)
            most = "" if row.most is None else f"at most {row.most:g}"
            said = "missed" if row.is_missed else ""
            found = f"{row.found.mean:10,.4g} ± {row.found.half:<9,.3g}"
            beside = "" if row.oracles is None else f"oracle {row.oracles:.4g}"
            line = f"{row.scenario:<11} {row.figure:<38} {found} {beside:<15} {most:<13} {said}"
            click.echo(line.rstrip())
    out = Path("build/oracle.json")
    out.parent.mkdir(exist_ok=True)
    values = [asdict(row) | {"missed": row.is_missed} for row in rows]
    out.write_text(json.dumps({"seeds": list(seeds), "rows": values}, indent=1) + "\n")
    sys.exit(any(row.is_missed for row in rows))


if __name__ == "__main__":
    main()
