"""The process of a rehearsal: plays a sale under two sets of rules, and ends by itself.

It reads an `Order` as JSON and writes a `Report`. It stands back behind all other work of the
machine, and the system ends it where it takes more memory or time than it may.
"""

import os
import resource
import sys
import time
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from waitroom.rehearse.play.simulation import Simulation
from waitroom.rehearse.results.compare import Interval, Outcome
from waitroom.rehearse.results.result import SOON_MINUTES, Result, result_of
from waitroom.rehearse.scenario.scenario import Scenario
from waitroom.rehearse.scenario.variant import Variant

NICENESS = 5
MEMORY_BYTES_MAX = 1 << 30
CPU_S_MAX = 60
SEEDS_MAX = 12
# The first pair of sales has so many seconds more.
FIRST_S = 6.0
# The figures of a report, in the order in which a screen shows them.
FIGURES = (
    "to_95_s",
    "to_last_s",
    "sold",
    "called_soon",
    "wait_median_s",
    "wait_p95_s",
    "found_nothing_of_called",
)


class Order(Struct, frozen=True, kw_only=True):
    """The sale under the rules of now and under those asked about.

    `seconds` is for how long to play, in time of the processor: a busy machine takes longer, and
    tells no less.
    """

    now: Scenario
    then: Scenario
    seconds: Annotated[float, Meta(ge=0, le=60)]


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
    """The outcome of so many sales under either rules, and the difference sale by sale.

    They were played for `until_s` seconds of the sale.
    """

    sales: int
    until_s: float
    now: Half
    then: Half
    difference: dict[str, Range | None]


def rehearse(order: Order, *, started: float) -> Report:
    """Play pairs of sales with the same shoppers until the time is up, and at least one.

    The first pair has longer, and is cut off where even that is not enough: both of its sales at
    the same moment. Raises `TimeoutError` if that is too early to say anything.
    """
    ends_at, pairs, reached_s = started + order.seconds, list[tuple[Result, Result]](), 0.0
    for seed in range(1, SEEDS_MAX + 1):
        pair = [Simulation(one, seed=seed, figures=False) for one in (order.now, order.then)]
        whole = _play(pair, until=ends_at if pairs else started + FIRST_S + order.seconds)
        if not whole and pairs:
            break
        pairs.append((result_of(pair[0]), result_of(pair[1])))
        if not whole:
            reached_s = pair[0].now
            if reached_s < SOON_MINUTES * 60:
                raise TimeoutError
            break
    until_s = reached_s or order.now.until_s
    befores, afters = (
        Outcome(variant=_cut(name, scenario, until_s), results=[pair[index] for pair in pairs])
        for index, (name, scenario) in enumerate((("now", order.now), ("then", order.then)))
    )
    return Report(
        sales=len(pairs),
        until_s=until_s,
        now=_half(befores),
        then=_half(afters),
        difference={name: _range(afters.against(befores, name)) for name in FIGURES},
    )


def _play(pair: Sequence[Simulation], *, until: float) -> bool:
    """Take two sales second by second; return whether both came to their end in time."""
    while not all(sale.over for sale in pair):
        if time.process_time() > until:
            return False
        for sale in pair:
            if not sale.over:
                sale.step()
    return True


def _cut(name: str, scenario: Scenario, until_s: float) -> Variant:
    return Variant(name=name, scenario=msgspec.structs.replace(scenario, until_s=until_s))


def _half(outcome: Outcome) -> Half:
    figures = {name: _range(outcome.interval(name)) for name in FIGURES}
    return Half(figures=figures, sold_out=len(outcome.results) - outcome.unsold)


def _range(found: Interval | None) -> Range | None:
    return None if found is None else Range(mean=found.mean, low=found.low, high=found.high)


def main() -> None:
    started = time.process_time()
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S_MAX, CPU_S_MAX))
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    report = rehearse(order, started=started)
    sys.stdout.buffer.write(msgspec.json.encode(report))


if __name__ == "__main__":
    main()
