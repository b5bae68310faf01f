"""A million waiting with thousands inside: what they take, and what looks, joins and pages cost.

A waiting number has no row of its own, so a million of them need a million joins. They are made
by `join_line` in large batches, with the keys that browsers send, which PostgreSQL keeps for an
hour. The same requests are measured in a small room by turns. The leader is that of a sale; its
ticks are measured by `leader`, which takes `--waiting` too.
"""

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import asyncpg
from contest import Contender, compete
from costs import CostWatch
from measure import Reading, against, spread
from outcome import Outcome, Plan
from planting import plant
from report import rates_table
from rich.console import Console
from sale import SHOP, SKU, Sale, Sizes
from stage import Stage, open_stage

# A page takes a hundred times as long as a look; more at once are refused as an overload.
CONNECTIONS = {"state": 64, "join": 64, "page": 8}
SMALL = "short"
SMALL_LINE = 1000
# One in a hundred of those who wait is inside as well.
INSIDE_SHARE = 0.01
# A batch of all workers at their busiest.
JOINS_AT_ONCE = 5000
KEY_BYTES = 16
A_DAY_S = 86_400.0
JOIN = "SELECT join_line($1, $2, $3, false, NULL, NULL, $4, $5)"
KINDS = ("state", "join", "page")


async def measure(plan: Plan, console: Console) -> Outcome:
    """Measure a room of `plan.waiting` beside a small one."""
    waiting = plan.waiting or 1_000_000
    inside = int(waiting * INSIDE_SHARE)
    async with open_stage(rooms=(SHOP, SMALL)) as stage:
        sale = stage.sale
        groups = {
            part: stage.running.pids[part] for part in ("web", "controller", "postgres", "valkey")
        }
        watch = CostWatch(groups=groups)
        await plant(sale, sku=SKU, holds=inside, due_in_s=A_DAY_S)
        await join_many(sale, SMALL, SMALL_LINE)
        await sale.published(SMALL)
        before, empty = await sale.sizes(), _memory(watch)
        console.print(f"{waiting:,} join")
        seconds = await join_many(sale, SHOP, waiting)
        state = await sale.published(SHOP)
        await stage.excuse_leader()
        await write_out(stage)
        after, full = await sale.sizes(), _memory(watch)
        readings = await compete(
            f"with {waiting:,} waiting",
            await contenders(stage),
            rounds=plan.rounds,
            slice_s=plan.slice_s,
        )
        bytes_of = await answers(stage)
    assert state.lines[0].tail >= waiting
    tenth = max(len(seconds) // 10, 1)
    facts = {
        "waiting": waiting,
        "inside": inside,
        "web_processes": len(groups["web"]),
        "joins_at_once": JOINS_AT_ONCE,
        "sql_joins_per_s": round(waiting / sum(seconds)),
        "sql_join_first_us": round(sum(seconds[:tenth]) * 1e6 / tenth / JOINS_AT_ONCE, 1),
        "sql_join_last_us": round(sum(seconds[-tenth:]) * 1e6 / tenth / JOINS_AT_ONCE, 1),
        "memory_mib": {part: {"few": empty[part], "many": full[part]} for part in groups},
        "grown_bytes": _grown(before, after),
        "answer_bytes": bytes_of,
        "request_us": {kind: _medians(found) for kind, found in readings.items()},
        "per_s": {
            kind: round(spread([r.per_second for r in found]).median)
            for kind, found in readings.items()
        },
    }
    ratios = {
        f"waiting_{kind}_many_vs_few": against(readings[f"{kind}_many"], readings[f"{kind}_few"])
        for kind in KINDS
    }
    title = f"Requests a second with {waiting:,} waiting and {inside:,} inside, beside a small room"
    notes = [
        f"{name}: {value}" for name, value in facts.items() if name not in {"request_us", "per_s"}
    ]
    return Outcome(
        readings=readings,
        ratios=ratios,
        facts={"waiting": facts},
        shown=[rates_table(title, readings), *notes],
    )


async def join_many(sale: Sale, room: str, joins: int) -> list[float]:
    """Let this many join by the function that the desks call; return the seconds of each batch."""
    seconds = []
    for first in range(0, joins, JOINS_AT_ONCE):
        batch = min(JOINS_AT_ONCE, joins - first)
        keys, ids = ([os.urandom(KEY_BYTES) for _ in range(batch)] for _ in range(2))
        began_at = time.perf_counter()
        await sale.connection.execute(JOIN, sale.line(room), batch, os.urandom(32), keys, ids)
        seconds.append(time.perf_counter() - began_at)
    return seconds


async def write_out(stage: Stage) -> None:
    """Let PostgreSQL write what changed, so that no request is charged for the joins."""
    administrator = stage.running.postgres_url.replace("//waitroom@", "//postgres@")
    connection = await asyncpg.connect(administrator)
    await connection.execute("CHECKPOINT")
    await connection.close()


async def contenders(stage: Stage) -> list[Contender]:
    """Return looks, joins and pages of the large room and of the small one, side by side."""
    crowds = {kind: await stage.crowd(size) for kind, size in CONNECTIONS.items()}
    requests = stage.requests

    def contender(kind: str, room: str) -> Contender:
        prepare = {"state": requests.states, "join": requests.joins_in, "page": requests.pages}[
            kind
        ]
        made = prepare(room)

        async def run(seconds: float) -> Reading:
            status = 201 if kind == "join" else 200
            return await stage.slice(
                crowds[kind], await made(seconds), status=status, seconds=seconds
            )

        return Contender(name=f"{kind}_{'many' if room == SHOP else 'few'}", run=run)

    return [contender(kind, room) for kind in KINDS for room in (SHOP, SMALL)]


async def answers(stage: Stage) -> dict[str, int]:
    """Return the bytes of one answer of each kind in the large room, with its head."""
    crowd = await stage.crowd(2)
    requests = stage.requests
    sizes = {}
    for kind, prepare in (
        ("state", requests.states(SHOP)),
        ("join", requests.joins_in(SHOP)),
        ("page", requests.pages(SHOP)),
    ):
        asked: Iterator[bytes] = await prepare(0.01)
        _, head, body = await crowd.ask(next(asked))
        sizes[kind] = len(head) + len(body) + 2
    return sizes


def _memory(watch: CostWatch) -> dict[str, float]:
    return {part: round(cost.mib, 1) for part, cost in watch.costs().items()}


def _grown(before: Sizes, after: Sizes) -> dict[str, int]:
    first, last = asdict(before), asdict(after)
    return {name: last[name] - first[name] for name in first}


def _medians(readings: list[Reading]) -> dict[str, Any]:
    """Return the median microseconds of processor time that one request takes in each part."""
    parts = ("web", "postgres", "valkey", "controller", "load")
    return {
        part: round(spread([r.cpu_us.get(part, 0.0) for r in readings]).median, 1) for part in parts
    }
