"""The benchmarks, side by side in one go: `python tools/bench/run.py [--quick] [--only PARTS]`.

The results are ratios within one run: two kinds that are compared stand side by side, slice beside
slice, in an order that is turned round in each round, so that a noisy machine spoils both alike.
Commits are durable. Each part has engines and a service of its own. A failure of the leader ends
the run with exit code 1: it takes CPU time, and would spoil every ratio.

requests    joins, polls of the state, claims and holds against handlers that only answer; and
            what a line of a million costs more than one of ten thousand
holds       holds on one hot SKU at 1 to 256 clients, over HTTP and in process, against a
            transaction for each hold: by SELECT ... FOR UPDATE, and by one statement
open-holds  the same SKU with a million open holds on it, against one without any
releases    holds of others beside a session that placed and released 100,000 times
locked-room holds in one room beside another that is locked while its crowd goes on asking
workers     one hot row from one web process to four
storm       new holds while 100,000 old ones end in the same second
baskets     baskets over twelve SKUs against single holds
free-places how long a hundred free seats stay empty while five hundred people look every 5 s
leader      a tick of the leader with 5,000, 50,000 and 200,000 inside, against one in an empty room
limits      joins, polls and claims with limits by network and ticket, against none
waiting     looks, joins and pages with a million waiting and 10,000 inside, beside a small room
draw        the numbers of a million entries, and the whole log of their draw checked

The kinds of `requests` can be named singly: state, join, claim, hold_http, and so on.
`hold_inprocess_vs_for_update` of that part compares 256 submitters in one process without HTTP
with the yardstick over 256 connections.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import baskets
import beside_bare
import draw
import free_places
import holds
import leader_ticks
import limits
import locked_room
import open_holds
import releases
import storm
import uvloop
import waiting
import workers
from leader_watch import LeaderFailed
from outcome import Outcome, Plan
from report import show, write
from rich.console import Console

TABLE_WIDTH = 136
ROOT = Path(__file__).parents[2]
ROUNDS = 9
# A round lets 255,000 shoppers in, and makes eleven ticks for each size.
ROUNDS_OF_THE_LEADER = 1
# Their ratios lie close to 1, where a small difference tells.
ROUNDS_OF_REQUESTS = 15
ROUNDS_IF_QUICK = 3

PARTS: dict[str, Callable[[Plan, Console], Awaitable[Outcome]]] = {
    "requests": beside_bare.measure,
    "holds": holds.measure,
    "open-holds": open_holds.measure,
    "releases": releases.measure,
    "locked-room": locked_room.measure,
    "workers": workers.measure,
    "storm": storm.measure,
    "baskets": baskets.measure,
    "free-places": free_places.measure,
    "leader": leader_ticks.measure,
    "waiting": waiting.measure,
    "draw": draw.measure,
    "limits": limits.measure,
}


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usual = (
        f"{ROUNDS} of each part, {ROUNDS_OF_REQUESTS} of `requests`,"
        f" {ROUNDS_OF_THE_LEADER} of `leader`"
    )
    parser.add_argument("--rounds", type=int, help=usual)
    parser.add_argument("--slice-s", type=float, default=1.0)
    parser.add_argument("--quick", action="store_true", help="three rounds, and less of everything")
    parser.add_argument("--long-line", type=int, default=1_000_000, help="numbers issued")
    parser.add_argument("--open-holds", type=int, help="1,000,000, or 20,000 with --quick")
    parser.add_argument("--storm-holds", type=int, help="100,000, or 5,000 with --quick")
    parser.add_argument("--releases", type=int, help="100,000, or 5,000 with --quick")
    parser.add_argument("--inside", type=sizes, help="5000,50000,200000, or 1000 with --quick")
    parser.add_argument(
        "--waiting", type=int, help="1,000,000, or 20,000 with --quick; 1,000 beside `leader`"
    )
    parser.add_argument("--clients", type=sizes, default=(1, 8, 64, 256), help="of `holds`")
    parser.add_argument("--only", default="", help="parts, or kinds of `requests`, with commas")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench.json")
    chosen = parser.parse_args(arguments)
    chosen.only = list(filter(None, chosen.only.split(",")))
    unknown = set(chosen.only) - {*PARTS, *beside_bare.KINDS}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    return chosen


def sizes(text: str) -> tuple[int, ...]:
    """Return numbers that are separated by commas."""
    return tuple(map(int, text.split(",")))


def plans(chosen: argparse.Namespace) -> dict[str, Plan]:
    """Return how much to measure of each part."""
    kinds = frozenset(chosen.only) & frozenset(beside_bare.KINDS)
    return {
        part: Plan(
            rounds=_rounds(part, chosen),
            slice_s=chosen.slice_s,
            long_line=chosen.long_line,
            open_holds=chosen.open_holds or (20_000 if chosen.quick else 1_000_000),
            storm_holds=chosen.storm_holds or (5_000 if chosen.quick else 100_000),
            releases=chosen.releases or (5_000 if chosen.quick else 100_000),
            inside=chosen.inside or ((1_000,) if chosen.quick else (5_000, 50_000, 200_000)),
            waiting=chosen.waiting or (20_000 if chosen.quick and part == "waiting" else 0),
            clients=chosen.clients,
            kinds=frozenset() if part in chosen.only else kinds,
        )
        for part in PARTS
        if not chosen.only or part in chosen.only or (part == "requests" and kinds)
    }


def _rounds(part: str, chosen: argparse.Namespace) -> int:
    if chosen.quick:
        return ROUNDS_IF_QUICK
    usual = {"requests": ROUNDS_OF_REQUESTS, "leader": ROUNDS_OF_THE_LEADER}
    return int(chosen.rounds or usual.get(part, ROUNDS))


async def main(chosen: argparse.Namespace) -> None:
    console = Console()
    # The tables are wider than a terminal that is not there.
    console.width = max(console.width, TABLE_WIDTH)
    outcomes, seconds = [], {}
    planned = plans(chosen)
    rounds = {part: plan.rounds for part, plan in planned.items()}
    for part, plan in planned.items():
        started_at = time.perf_counter()
        try:
            outcome = await PARTS[part](plan, console)
        except LeaderFailed as failed:
            raise LeaderFailed(f"{part}: {failed}") from failed
        seconds[part] = round(time.perf_counter() - started_at)
        console.print(*outcome.shown, sep="\n")
        outcomes.append(outcome)
        # After each part, so that what was measured stays when a later part fails.
        facts = {"rounds": rounds, "slice_s": chosen.slice_s, "seconds": seconds}
        write(chosen.out, outcomes, facts)
    show(console, outcomes)
    console.print(f"took, in seconds: {seconds}; written to {chosen.out}")


def run(arguments: Sequence[str] | None = None) -> int:
    """Measure; return the exit code, which is 1 where the leader failed meanwhile."""
    chosen = options(arguments)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(main(chosen))
        except LeaderFailed as failed:
            print(f"bench: {failed}", file=sys.stderr)  # noqa: T201 - the verdict
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(run())
