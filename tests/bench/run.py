"""The benchmarks, side by side in one go: `python tests/bench/run.py [--quick]`.

Joins, polls of the state, claims and holds of one hot SKU through HTTP, against a bare handler in
the same processes and against the same holds by `SELECT ... FOR UPDATE`; holds in process; and
what a line of a million costs more than one of ten thousand. What counts are ratios within one
run: every slice stands between two bare ones, so that a noisy machine spoils both alike.

`hold_inprocess_vs_for_update` compares holds through store and batcher, by 256 submitters in one
process without HTTP, with the yardstick through HTTP.
"""

import argparse
import asyncio
import gc
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop
from client import Crowd
from kinds import Kind, Requests
from measure import Bench
from processes import run_engines, run_service
from report import GROWTH_BYTES_MAX, growth, show, write
from rich.console import Console
from rich.progress import Progress
from sale import Sale, Sizes

from waitroom.board import STATES_EVERY_S

CONNECTIONS = 64
SHORT_LINE = 10_000
TABLE_WIDTH = 112
ROOT = Path(__file__).parents[2]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--slice-s", type=float, default=1.0)
    parser.add_argument("--quick", action="store_true", help="three rounds")
    parser.add_argument("--long-line", type=int, default=1_000_000, help="numbers issued")
    parser.add_argument("--only", default="", help="kinds to measure, with commas between")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench.json")
    return parser.parse_args()


async def issue_lines(sale: Sale, console: Console, long_line: int) -> tuple[Sizes, Sizes]:
    """Issue a short line and a long one; return what the engines held before and after it."""
    await sale.issue("short", SHORT_LINE)
    await sale.issue("long", SHORT_LINE)
    await sale.published("short")
    await sale.published("long")
    before = await sale.sizes()
    console.print(f"issuing {long_line:,} numbers")
    await sale.issue("long", long_line - SHORT_LINE)
    await sale.published("long")
    # The workers fetch what is new about twice a second.
    await asyncio.sleep(2 * STATES_EVERY_S)
    return before, await sale.sizes()


async def measure(bench: Bench, groups: Sequence[Sequence[Kind]], rounds: int) -> None:
    await bench.take_samples(groups)
    # The first round warms caches and plans up and is not counted.
    await bench.run_round(groups, reverse=False, done=lambda: None)
    bench.readings.clear()
    # Nothing of the benchmark's own shall run in the background of a slice.
    gc.collect()
    gc.freeze()
    gc.disable()
    with Progress(auto_refresh=False) as progress:
        task = progress.add_task("slices", total=rounds * sum(map(len, groups)))

        def done() -> None:
            progress.update(task, advance=1, refresh=True)

        for index in range(rounds):
            await bench.run_round(groups, reverse=index % 2 == 1, done=done)
            gc.collect()


async def main(chosen: argparse.Namespace) -> None:
    console = Console()
    # The tables are wider than a terminal that is not there.
    console.width = max(console.width, TABLE_WIDTH)
    rounds = 3 if chosen.quick else chosen.rounds
    only = set(filter(None, chosen.only.split(",")))
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(run_engines())
        sale = await Sale.open(running)
        stack.push_async_callback(sale.close)
        await stack.enter_async_context(run_service(running))
        before, after = await issue_lines(sale, console, chosen.long_line)
        crowd = await Crowd.connect(
            running.host, running.port, servers=running.pids["web"], size=CONNECTIONS
        )
        stack.callback(crowd.close)
        requests = Requests(sale, host=running.host, port=running.port)
        bench = Bench(
            running=running, sale=sale, crowd=crowd, requests=requests, slice_s=chosen.slice_s
        )
        await measure(bench, _chosen(requests.kinds(), only), rounds)
    grown = growth(before, after)
    show(console, bench, grown)
    facts = {"rounds": rounds, "slice_s": chosen.slice_s, "long_line": chosen.long_line}
    write(chosen.out, bench, grown, facts)
    console.print(f"written to {chosen.out}")
    if grown["database_bytes"] + grown["valkey_bytes"] >= GROWTH_BYTES_MAX:
        console.print("the longer line took a megabyte or more")


def _chosen(groups: Sequence[Sequence[Kind]], only: set[str]) -> list[list[Kind]]:
    """Leave out what was not asked for; a kind brings those along that it is compared with."""
    picked = [
        [kind for kind in group if not only or kind.name in only or kind.bare in only]
        for group in groups
    ]
    return [group for group in picked if group]


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(options()))
