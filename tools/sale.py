"""One large sale over HTTP, from the doors to the last unit, with every rule checked at its end.

    python tools/sale.py --shoppers 100000 --units 1000

The real program sells on engines of its own: one web process, and one for controller and sweeper.
The shoppers of `waitroom load` come from other processes, so two cores carry both sides. They ask
when the service tells them to, and a machine that is too slow shows in the waits. The sale is over
when nobody is on the way, in line or inside. Then the tool compares what the shoppers were told
with the books and the public log, and says what the sale cost.
"""

import asyncio
import json
import logging
import multiprocessing
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import asyncpg
import click
import structlog
import uvloop
from chaos.books import read_books
from chaos.stage import LEADER, WEB, Needs, Stage, alone, stage
from chaos.told import Books
from costs import Cost, CostWatch
from support import open_room, secrets, settings

from waitroom.load.behaviour import Behaviour
from waitroom.load.crowd import Crowd, CrowdResult, Progress, quantile
from waitroom.load.journey import Journey
from waitroom.run.app import open_service

ROOM = "drop"
SHARE_SOLD = 0.95
# These shoppers take seconds to choose and to pay, so times are a third to a fifth of the usual.
TIMES = {"hold_s": 60, "session_s": 150, "claim_window_s": 40}
# The rates of looks and joins at their most are means over so many seconds.
WINDOW_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one process of shoppers was told, the looks of each second, and what it took."""

    result: CrowdResult
    journeys: list[Journey]
    looks: list[float]
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """What a sale took: seconds, and costs by part."""

    seconds: float
    sold_at: tuple[float, float]
    costs: dict[str, Cost]


def walk(url: str, behaviour: Behaviour) -> Part:
    """Let one process's share of the crowd live its plans."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    looks: list[float] = []

    def note(progress: Progress) -> None:
        looks.append(progress.polls_per_s)

    crowd = Crowd(url, ROOM, behaviour, on_progress=note)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(crowd.run())
    used = resource.getrusage(resource.RUSAGE_SELF)
    cost = Cost(cpu_s=used.ru_utime + used.ru_stime, mib=used.ru_maxrss / 1024)
    return Part(result=result, journeys=crowd.journeys, looks=looks, cost=cost)


async def sell(
    folder: Path, *, behaviours: list[Behaviour], units: int, seats: int, out: Path | None
) -> int:
    """Sell, print what became of it, and return how many rules were broken."""
    needs = Needs(parts=(alone(WEB), alone(LEADER)))
    async with stage(folder, needs, WAITROOM_LIMITS_FACTOR="1000") as running:
        made = settings(running.database.server.url, running.valkey_url)
        async with open_service(made, secrets(), roles=frozenset()) as service:
            rules = {"policy": "expected", "seats_max": seats, "pay_after_s": 0, **TIMES}
            await open_room(service, ROOM, skus={"mug": units}, limit=1, **rules)
        groups = {
            "web": [running.process(WEB)],
            "leader": [running.process(LEADER)],
            "postgres": [running.database.pid],
            "valkey": [running.memory.pid],
        }
        watch = CostWatch(groups=groups)
        watching = asyncio.create_task(watch.run())
        began = time.monotonic()
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(len(behaviours), mp_context=context) as pool:
            loop = asyncio.get_running_loop()
            walks = [loop.run_in_executor(pool, walk, running.url, each) for each in behaviours]
            parts = await asyncio.gather(*walks)
        seconds = time.monotonic() - began
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        crowd = Cost(
            cpu_s=sum(part.cost.cpu_s for part in parts), mib=sum(part.cost.mib for part in parts)
        )
        costs = {**watch.costs(), "crowd": crowd}
        books = await read_books(running)
        took = Took(seconds=seconds, sold_at=await _sold_at(running), costs=costs)
    figures = figures_of(parts, books, took, units=units, seats=seats)
    _tell(figures)
    broken = broken_rules(parts, books, units=units)
    for rule in broken:
        click.echo(f"BROKEN: {rule}")
    click.echo("every rule holds" if not broken else f"{len(broken)} rules are broken")
    if out is not None:
        _write(out, {**figures, "broken": broken})
    return len(broken)


def _write(out: Path, figures: dict[str, Any]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def broken_rules(parts: list[Part], books: Books, *, units: int) -> list[str]:
    """Hold what shoppers were told against each other and against the books."""
    journeys = [journey for part in parts for journey in part.journeys]
    bought = sum(journey.units for journey in journeys)
    paid = {order.order_id for order in books.orders if order.state == "paid"}
    told = [journey.order_id for journey in journeys if journey.order_id and journey.units]
    checks = {
        "units that shoppers bought are those that were sold": bought == books.sold == units,
        "an order that was told as paid is in the books": set(told) <= paid,
        "a number belongs to one shopper": _once(
            [(j.line, j.number) for j in journeys if j.number]
        ),
        "a session belongs to one shopper": _once([j.session for j in journeys if j.session]),
        "an order belongs to one shopper": _once(told),
        "no place rose": all(part.result.place_rises == 0 for part in parts),
        "nobody failed": all(not part.result.outcomes.get("failed") for part in parts),
        "nobody was left": all(part.result.unfinished == 0 for part in parts),
        "the books agree": books.breaches == [],
        "the public log verifies": books.log_says == "",
    }
    return [rule for rule, holds in checks.items() if not holds]


def _once(things: list[object]) -> bool:
    return len(things) == len(set(things))


def figures_of(
    parts: list[Part], books: Books, took: Took, *, units: int, seats: int
) -> dict[str, Any]:
    """Return what a sale was and what it took, for programs; times in seconds."""
    results = [part.result for part in parts]
    outcomes: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for result in results:
        outcomes.update(result.outcomes)
        refused.update(result.refusals)
        refused.update(result.errors)
    journeys = [journey for part in parts for journey in part.journeys]
    waits = sorted(j.wait_s for j in journeys if j.wait_s is not None)
    joined = [j.joined_at for j in journeys if j.joined_at is not None]
    looks = [sum(each) for each in zip(*(part.looks for part in parts), strict=False)]
    joins = Counter(int(at) for at in joined)
    return {
        "shoppers": sum(result.shoppers for result in results),
        "units": units,
        "seats": seats,
        "sold": books.sold,
        "joined": len(joined),
        "last_joined_s": round(max(joined), 1),
        "most_sold_s": round(took.sold_at[0], 1),
        "last_sold_s": round(took.sold_at[1], 1),
        "seconds": round(took.seconds, 1),
        "wait_median_s": quantile(waits, 0.5),
        "wait_p95_s": quantile(waits, 0.95),
        "calls": len(waits),
        "calls_missed": sum(result.calls_missed for result in results),
        "requests": sum(result.requests for result in results),
        "looks": sum(result.polls for result in results),
        "looks_per_s_most": round(_most(looks)),
        "joins_per_s_most": round(_most([joins[second] for second in range(int(max(joined)) + 1)])),
        "costs": {
            name: {kind: round(value, 1) for kind, value in asdict(cost).items()}
            for name, cost in took.costs.items()
        },
        "outcomes": dict(outcomes.most_common()),
        "refusals": dict(refused.most_common()),
    }


def _most(rates: Sequence[float]) -> float:
    """Return the largest mean of neighbouring seconds."""
    windows = [rates[start : start + WINDOW_S] for start in range(len(rates))]
    return max((sum(window) / WINDOW_S for window in windows), default=0.0)


def _tell(figures: dict[str, Any]) -> None:
    requests, seconds = figures["requests"], figures["seconds"]
    rows = [
        ("shoppers", f"{figures['shoppers']:,}"),
        (
            "who got a number",
            f"{figures['joined']:,}, the last after {figures['last_joined_s']:.0f} s",
        ),
        ("units", f"{figures['units']:,}, of which {figures['sold']:,} sold"),
        ("95 % sold after", f"{figures['most_sold_s']:.0f} s"),
        ("the last sold after", f"{figures['last_sold_s']:.0f} s"),
        ("nobody waits after", f"{seconds:.0f} s"),
        (
            "wait of those called",
            f"{figures['wait_median_s']} s (median), {figures['wait_p95_s']} s (95 %)",
        ),
        ("calls missed", f"{figures['calls_missed']:,}"),
        ("requests", f"{requests:,}, {requests / seconds:,.0f} a second"),
        ("looks", f"{figures['looks']:,}, at most {figures['looks_per_s_most']:,} a second"),
        ("joins", f"at most {figures['joins_per_s_most']:,} a second"),
        *(
            (name, f"{cost['cpu_s']:.0f} s of processor time, at most {cost['mib']:.0f} MiB")
            for name, cost in figures["costs"].items()
        ),
        *(
            (name, ", ".join(f"{what} {n:,}" for what, n in figures[name].items()) or "none")
            for name in ("outcomes", "refusals")
        ),
    ]
    for name, text in rows:
        click.echo(f"{name:28} {text}")


async def _sold_at(running: Stage) -> tuple[float, float]:
    """Return the seconds from the first join to 95 % of the units sold, and to the last."""
    database = await asyncpg.connect(running.database_url)
    try:
        row = await database.fetchrow(
            """SELECT percentile_disc($1) WITHIN GROUP (ORDER BY s), max(s) FROM (
                   SELECT extract(epoch FROM sold_at - (
                       SELECT min((body::jsonb ->> 'at')::timestamptz) FROM log_entry
                       WHERE body LIKE '%"kind": "joined"%'))::float8 AS s
                   FROM purchase WHERE sold_at IS NOT NULL) x""",
            SHARE_SOLD,
        )
    finally:
        await database.close()
    return row[0] or float("nan"), row[1] or float("nan")


@click.command()
@click.option("--shoppers", default=100_000, show_default=True)
@click.option("--units", default=1000, show_default=True)
@click.option("--seats", default=400, show_default=True)
@click.option("--arrive-s", default=120.0, show_default=True)
@click.option("--clients", default=2, show_default=True, help="Processes of shoppers.")
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="A file for the figures, as JSON.")
def main(
    *,
    shoppers: int,
    units: int,
    seats: int,
    arrive_s: float,
    clients: int,
    seed: int,
    out: Path | None,
) -> None:
    """Sell to a large crowd, and hold what it was told against the books."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)
    behaviours = [
        Behaviour(
            shoppers=shoppers // clients,
            arrive_s=arrive_s,
            leave_share=0,
            want_share=1,
            second_unit_share=0,
            seed=seed * 100 + number,
        )
        for number in range(clients)
    ]
    with tempfile.TemporaryDirectory(prefix="waitroom-sale-") as folder:
        sale = sell(Path(folder), behaviours=behaviours, units=units, seats=seats, out=out)
        sys.exit(min(asyncio.run(sale), 1))


if __name__ == "__main__":
    main()
