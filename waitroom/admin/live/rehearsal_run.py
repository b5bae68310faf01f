"""The process of a rehearsal: plays a sale under two sets of rules, and ends by itself.

It reads an `Order` as JSON and writes a `Report`. It stands back behind all other work of the
machine, and the system ends it where it takes more memory or time than it may.
"""

import os
import resource
import sys
import time
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from waitroom.rehearse.results.compare import Interval, Outcome, play
from waitroom.rehearse.results.result import Result
from waitroom.rehearse.scenario.scenario import Scenario
from waitroom.rehearse.scenario.variant import Variant

NICENESS = 10
MEMORY_BYTES_MAX = 1 << 30
CPU_S_MAX = 30
SEEDS_MAX = 12
# The figures of a report, in the order in which a screen shows them.
FIGURES = (
    "to_95_s",
    "to_last_s",
    "called_soon",
    "wait_median_s",
    "wait_p95_s",
    "found_nothing_of_called",
)


class Order(Struct, frozen=True, kw_only=True):
    """The sale under the rules of now and under those asked about, and the seconds to play."""

    now: Scenario
    then: Scenario
    seconds: Annotated[float, Meta(gt=0, le=60)]


class Range(Struct, frozen=True, kw_only=True):
    """A mean over the sales that were played, with its interval."""

    mean: float
    low: float
    high: float


class Half(Struct, frozen=True, kw_only=True):
    """The figures under one set of rules, None where a sale had none.

    `sold_out` counts the sales in which everything was sold.
    """

    figures: dict[str, Range | None]
    sold_out: int


class Report(Struct, frozen=True, kw_only=True):
    """The outcome of so many sales under either rules, and the difference sale by sale."""

    sales: int
    now: Half
    then: Half
    difference: dict[str, Range | None]


def rehearse(order: Order, *, until: float) -> Report:
    """Play pairs of sales with the same shoppers until the clock says `until`, at least one."""
    now = Variant(name="now", scenario=order.now)
    then = Variant(name="then", scenario=order.then)
    pairs: list[tuple[Result, Result]] = []
    for seed in range(1, SEEDS_MAX + 1):
        pairs.append((play(now, seed, figures=False), play(then, seed, figures=False)))
        if time.monotonic() > until:
            break
    befores = Outcome(variant=now, results=[before for before, _ in pairs])
    afters = Outcome(variant=then, results=[after for _, after in pairs])
    return Report(
        sales=len(pairs),
        now=_half(befores),
        then=_half(afters),
        difference={name: _range(afters.against(befores, name)) for name in FIGURES},
    )


def _half(outcome: Outcome) -> Half:
    figures = {name: _range(outcome.interval(name)) for name in FIGURES}
    return Half(figures=figures, sold_out=len(outcome.results) - outcome.unsold)


def _range(found: Interval | None) -> Range | None:
    return None if found is None else Range(mean=found.mean, low=found.low, high=found.high)


def main() -> None:
    started = time.monotonic()
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S_MAX, CPU_S_MAX))
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    report = rehearse(order, until=started + order.seconds)
    sys.stdout.buffer.write(msgspec.json.encode(report))


if __name__ == "__main__":
    main()
