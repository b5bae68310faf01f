"""One large sale over HTTP, from the doors to the last unit, with every rule checked at its end.

    python tools/sale.py --shoppers 100000 --units 1000

The real program sells on engines of its own: one web process, and one for controller and sweeper.
The shoppers of `waitroom load` come from other processes, so two cores carry both sides. They ask
when the service tells them to, and a machine that is too slow shows in the waits. The sale is over
when nobody is on the way, in line or inside. Then the tool compares what the shoppers were told
with the books and the public log, and says what the sale cost.
"""

import asyncio
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import asyncpg
import click
import structlog
from chaos.books import read_books
from chaos.stage import LEADER, WEB, Needs, Stage, alone, stage
from chaos.told import Books
from support import open_room, secrets, settings

from waitroom.load.behaviour import Behaviour
from waitroom.load.crowd import Crowd, CrowdResult, quantile
from waitroom.load.journey import Journey
from waitroom.run.app import open_service

ROOM = "drop"
SHARE_SOLD = 0.95
# These shoppers take seconds to choose and to pay, so times are a third to a fifth of the usual.
TIMES = {"hold_s": 60, "session_s": 150, "claim_window_s": 40}
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one process of shoppers was told."""

    result: CrowdResult
    journeys: list[Journey]


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What the processes of the service took: processor time in seconds, memory at its most."""

    web_cpu_s: float
    leader_cpu_s: float
    web_mib: float
    leader_mib: float


def walk(url: str, behaviour: Behaviour) -> Part:
    """Let one process's share of the crowd live its plans."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    crowd = Crowd(url, ROOM, behaviour)
    return Part(result=asyncio.run(crowd.run()), journeys=crowd.journeys)


async def sell(folder: Path, *, behaviours: list[Behaviour], units: int, seats: int) -> int:
    """Sell, print what became of it, and return how many rules were broken."""
    needs = Needs(parts=(alone(WEB), alone(LEADER)))
    async with stage(folder, needs, WAITROOM_LIMITS_FACTOR="1000") as running:
        made = settings(running.database.server.url, running.valkey_url)
        async with open_service(made, secrets(), roles=frozenset()) as service:
            rules = {"policy": "expected", "seats_max": seats, "pay_after_s": 0, **TIMES}
            await open_room(service, ROOM, skus={"mug": units}, limit=1, **rules)
        began = time.monotonic()
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(len(behaviours), mp_context=context) as pool:
            loop = asyncio.get_running_loop()
            walks = [loop.run_in_executor(pool, walk, running.url, each) for each in behaviours]
            parts = await asyncio.gather(*walks)
        seconds = time.monotonic() - began
        costs = Costs(
            web_cpu_s=_cpu_s(running.process(WEB)),
            leader_cpu_s=_cpu_s(running.process(LEADER)),
            web_mib=_most_mib(running.process(WEB)),
            leader_mib=_most_mib(running.process(LEADER)),
        )
        books = await read_books(running)
        sold_at = await _sold_at(running)
    _tell(parts, books, costs, seconds=seconds, sold_at=sold_at, units=units)
    broken = broken_rules(parts, books, units=units)
    for rule in broken:
        click.echo(f"BROKEN: {rule}")
    click.echo("every rule holds" if not broken else f"{len(broken)} rules are broken")
    return len(broken)


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


def _tell(
    parts: list[Part],
    books: Books,
    costs: Costs,
    *,
    seconds: float,
    sold_at: tuple[float, float],
    units: int,
) -> None:
    results = [part.result for part in parts]
    outcomes: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for result in results:
        outcomes.update(result.outcomes)
        refused.update(result.refusals)
        refused.update(result.errors)
    waits = sorted(j.wait_s for part in parts for j in part.journeys if j.wait_s is not None)
    requests = sum(result.requests for result in results)
    joined = [j.joined_at for part in parts for j in part.journeys if j.joined_at is not None]
    rows = [
        ("shoppers", f"{sum(result.shoppers for result in results):,}"),
        ("who got a number", f"{len(joined):,}, the last after {max(joined):.0f} s"),
        ("units", f"{units:,}, of which {books.sold:,} sold"),
        ("95 % sold after", f"{sold_at[0]:.0f} s"),
        ("the last sold after", f"{sold_at[1]:.0f} s"),
        ("nobody waits after", f"{seconds:.0f} s"),
        (
            "wait of those called",
            f"{quantile(waits, 0.5)} s (median), {quantile(waits, 0.95)} s (95 %)",
        ),
        ("calls missed", f"{sum(result.calls_missed for result in results):,}"),
        ("requests", f"{requests:,}, {requests / seconds:,.0f} a second"),
        ("processor time, web", f"{costs.web_cpu_s:.0f} s"),
        ("processor time, controller", f"{costs.leader_cpu_s:.0f} s"),
        ("most memory, web", f"{costs.web_mib:.0f} MiB"),
        ("most memory, controller", f"{costs.leader_mib:.0f} MiB"),
        ("outcomes", ", ".join(f"{name} {count:,}" for name, count in outcomes.most_common())),
        (
            "refusals",
            ", ".join(f"{name} {count:,}" for name, count in refused.most_common()) or "none",
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


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _most_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


@click.command()
@click.option("--shoppers", default=100_000, show_default=True)
@click.option("--units", default=1000, show_default=True)
@click.option("--seats", default=200, show_default=True)
@click.option("--arrive-s", default=120.0, show_default=True)
@click.option("--clients", default=2, show_default=True, help="Processes of shoppers.")
@click.option("--seed", default=1, show_default=True)
def main(
    *, shoppers: int, units: int, seats: int, arrive_s: float, clients: int, seed: int
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
        sys.exit(
            min(asyncio.run(sell(Path(folder), behaviours=behaviours, units=units, seats=seats)), 1)
        )


if __name__ == "__main__":
    main()
