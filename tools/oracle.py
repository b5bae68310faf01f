"""Hold the policy `expected` against its yardsticks over many sales, and against its targets.

Prints a table with intervals of 95 %, writes build/oracle.json, and ends with 1 if a target is
missed. A target is missed when the mean is beyond it; the interval says how sure that is. What is
told to shoppers stands beside what the oracle tells them in the same sales: it knows the rates of
the moment, but neither its shoppers nor a change to come.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from waitroom.cli.rehearse import Seeds
from waitroom.rehearse.results.compare import Interval, Outcome, compare, interval_of
from waitroom.rehearse.scenario import library
from waitroom.rehearse.scenario.variant import parse_variant

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
    most = {"chances off by": 0.05, "SKUs' chances off by": 0.05, "width of bands": 5.0}
    for figure, found in told_of(expected):
        beside = theirs.get(figure)
        yield Row(
            scenario=name,
            figure=figure,
            found=found,
            most=most.get(figure, COVERAGE_OFF),
            oracles=None if beside is None else beside.mean,
        )


def told_of(outcome: Outcome) -> Iterator[tuple[str, Interval]]:
    """Yield how far what was told was off, and how wide it was."""
    scores = {"chances off by": outcome.score(), "SKUs' chances off by": outcome.sku_score()}
    for figure, held in scores.items():
        if (off := held.miscalibration) is not None:
            yield figure, Interval(mean=off, low=off, high=off)
    covered = outcome.coverage()
    if covered is not None:
        off, half = abs(covered.mean - COVERAGE), covered.half
        yield "bands off 80 % by", Interval(mean=off, low=off - half, high=off + half)
        widths = [result.score.width for result in outcome.results if result.score.width]
        yield "width of bands", interval_of(widths)


@click.command()
@click.option("--seeds", type=Seeds(), default="20", show_default=True)
@click.option("--jobs", type=int, default=2, show_default=True)
@click.option("--scenario", "names", multiple=True, default=SCENARIOS, show_default=True)
def main(seeds: range, jobs: int, names: tuple[str, ...]) -> None:
    rows: list[Row] = []
    for name in names:
        scenario = library.load_scenario(name)
        variants = [parse_variant(text, scenario) for text in ("expected", "oracle", "clairvoyant")]
        expected, *yardsticks = compare(variants, seeds=seeds, jobs=jobs)
        for row in rows_of(name, expected, *yardsticks):
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
