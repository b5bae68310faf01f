"""Something stalls in mid-sale: how long until claims and payments go on.

    python tools/stalls.py --rounds 3 [--only "web process killed"]

The real program sells on engines of its own: two web processes, and one for controller and sweeper.
Shoppers go through the whole walk without a pause, and try a step again until it is done, as a page
does. In mid-sale one part stalls. For each step that was under way then, or began soon after, the
tool takes the seconds from the stall to the step's end, and prints the longest of each kind. Where
all stands still for a while and then goes on, the seconds count from there.
"""

import asyncio
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import aiohttp
import asyncpg
import click
import structlog
from pollers import visitors
from stoppable import Stage, stage
from support import authorization, eventually, open_room, secrets, settings

from waitroom.run.app import open_service

PROCESSES = 3
SHOPPERS = 6
UNITS = 1_000_000
# The sale runs for a moment before the stall, and steps that begin so long after it count.
BEFORE_S, AFTER_S = 2.0, 12.0
STANDS_S = 10.0
AGAIN_S = 0.1
PATIENCE_S = 60.0
WITHIN_S = 5.0
KINDS = ("join", "call", "claim", "hold", "payment")
# A step that another process does for this one is asked for again.
DONE, AGAIN = (200, 201), (202, 409, 429, 503)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a shopper's walk, with all its tries."""

    kind: str
    began_at: float
    ended_at: float


@dataclass(slots=True)
class Sale:
    """Shoppers who go through the whole walk again and again, and what each step took."""

    http: aiohttp.ClientSession
    steps: list[Step] = field(default_factory=list)

    async def walk(self) -> None:
        """Go through the walk without end."""
        while True:
            joined = await self._step("join", "/rooms/drop/tickets")
            path, ticket = "/rooms/drop/claims", joined["ticket"]
            if joined["status"] != "called":
                await self._until_called(ticket)
            session = (await self._step("claim", path, token=ticket))["session"]
            items = [{"sku": "mug", "quantity": 1}]
            hold = await self._step("hold", "/checkout/holds", token=session, items=items)
            paid = {"hold_id": hold["hold_id"], "payment": {"token": "tok_approve"}}
            await self._step("payment", "/checkout/orders", token=session, **paid)

    async def _until_called(self, ticket: str) -> None:
        """Wait for a leader: while none leads, nobody is called."""
        began_at, path = time.monotonic(), "/rooms/drop/tickets/me"
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self.http.get(path, headers=authorization(ticket)) as answer:
                    if answer.status == 200 and (await answer.json())["status"] == "called":
                        self._done("call", began_at)
                        return
            await asyncio.sleep(AGAIN_S)

    async def _step(self, kind: str, path: str, *, token: str = "", **body: Any) -> Any:
        """Ask until it is done, under one key, and wait as long as the answers say."""
        headers = {"Idempotency-Key": str(uuid4()), **(authorization(token) if token else {})}
        began_at = time.monotonic()
        while True:
            wait_s = AGAIN_S
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self.http.post(path, json=body or None, headers=headers) as answer:
                    said = await answer.json()
                    if answer.status in DONE:
                        self._done(kind, began_at)
                        return said
                    assert answer.status in AGAIN, (answer.status, said)
                    wait_s = float(answer.headers.get("Retry-After", AGAIN_S))
            await asyncio.sleep(wait_s)

    def _done(self, kind: str, began_at: float) -> None:
        self.steps.append(Step(kind=kind, began_at=began_at, ended_at=time.monotonic()))

    def longest(self, kind: str, *, since: float) -> float:
        """Return the longest that a step took from a moment on, if it was under way soon after."""
        took = [
            step.ended_at - max(step.began_at, since)
            for step in self.steps
            if step.kind == kind and step.ended_at > since and step.began_at < since + AFTER_S
        ]
        return max(took, default=0.0)


@dataclass(slots=True, kw_only=True)
class Theatre:
    """The running program and its engines."""

    running: Stage

    def process(self, roles: str) -> int:
        """Return the id of a process of the program by its roles."""
        for pid in self.running.program.children:
            words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
            if words[words.index("--role") + 1] == roles:
                return pid
        raise LookupError(roles)

    async def is_whole(self) -> bool:
        """Say whether every process that was ever started has come up."""
        said = self.running.program.log.read_text()
        starts = PROCESSES + said.count("process_restarted")
        return said.count("event=serving ") >= starts

    async def ask_database(self, sql: str, *values: object) -> Any:
        connection = await asyncpg.connect(self.running.database.url)
        try:
            return await connection.fetchval(sql, *values)
        finally:
            await connection.close()


# A stall of one part; it returns the moment from which on the sale has to go on.
Stall = Callable[[Theatre], Awaitable[float]]


def killed(role: str) -> Stall:
    async def stall(theatre: Theatre) -> float:
        os.kill(theatre.process(role), signal.SIGKILL)
        return time.monotonic()

    return stall


async def web_frozen(theatre: Theatre) -> float:
    """Freeze a web process; its supervisor has to notice and to replace it."""
    pid = theatre.process("web")
    os.kill(pid, signal.SIGSTOP)
    began_at = time.monotonic()

    async def replaced() -> bool:
        return pid not in theatre.running.program.children

    await eventually(replaced)
    click.echo(f"  (noticed after {time.monotonic() - began_at:.1f} s)")
    return time.monotonic()


# The process of PostgreSQL that placed the last holds.
BACKEND = """SELECT pid FROM pg_stat_activity WHERE query LIKE '%place_holds%'
             AND pid <> pg_backend_pid() ORDER BY state_change DESC LIMIT 1"""


async def backend_frozen(theatre: Theatre) -> float:
    """Freeze one process of PostgreSQL for a while.

    If it is in the middle of a transaction it keeps its locks, and nobody else can take them away.
    """
    pid = await eventually(lambda: theatre.ask_database(BACKEND))
    os.kill(pid, signal.SIGSTOP)
    since = time.monotonic()
    state = "SELECT state FROM pg_stat_activity WHERE pid = $1"
    if await theatre.ask_database(state, pid) == "idle":
        click.echo("  (between two transactions)")
        asyncio.get_running_loop().call_later(STANDS_S, os.kill, pid, signal.SIGCONT)
        return since
    click.echo("  (within a transaction)")
    await asyncio.sleep(STANDS_S)
    os.kill(pid, signal.SIGCONT)
    return time.monotonic()


async def postgres_frozen(theatre: Theatre) -> float:
    await theatre.running.database.take_away("frozen")
    await asyncio.sleep(STANDS_S)
    await theatre.running.database.bring_back("frozen")
    return time.monotonic()


async def postgres_restarted(theatre: Theatre) -> float:
    await theatre.running.database.take_away("stopped")
    await theatre.running.database.bring_back("stopped")
    return time.monotonic()


async def replies_lost(theatre: Theatre) -> float:
    theatre.running.wire.lose_replies()
    return time.monotonic()


async def replies_lost_and_web_killed(theatre: Theatre) -> float:
    """Kill the driver of payments that have begun and that no answer tells of."""
    theatre.running.wire.lose_replies()
    await asyncio.sleep(0.5)
    return await killed("web")(theatre)


STALLS: dict[str, Stall] = {
    "web process killed": killed("web"),
    "controller killed": killed("controller,sweeper"),
    "replies lost, then the driver killed": replies_lost_and_web_killed,
    "replies of PostgreSQL lost": replies_lost,
    "backend of PostgreSQL frozen": backend_frozen,
    "PostgreSQL frozen for 10 s": postgres_frozen,
    "PostgreSQL restarted": postgres_restarted,
    "web process frozen": web_frozen,
}


async def measure(theatre: Theatre, stall: Stall) -> dict[str, float]:
    """Sell, stall one part, and return the longest that a step of each kind took since."""
    async with visitors(theatre.running.program.url) as http:
        sale = Sale(http)
        walking = [asyncio.create_task(sale.walk()) for _ in range(SHOPPERS)]
        try:
            await asyncio.sleep(BEFORE_S)
            since = await stall(theatre)
            await asyncio.sleep(AFTER_S)
            # All that was under way then has to come to its end.
            counted = len(sale.steps)

            async def go_on() -> bool:
                return len(sale.steps) > counted + 4 * SHOPPERS

            await eventually(go_on, within_s=PATIENCE_S)
        finally:
            for task in walking:
                task.cancel()
            ends = await asyncio.gather(*walking, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end
        return {kind: sale.longest(kind, since=since) for kind in KINDS}


async def measure_all(folder: Path, stalls: dict[str, Stall], rounds: int) -> dict[str, float]:
    """Print a line for each round of each stall; return the longest claim or payment of each."""
    async with stage(folder, by_wire=True, WAITROOM_WORKERS="2") as running:
        made = settings(running.database.url, running.valkey_url)
        async with open_service(made, secrets(), roles=frozenset()) as service:
            rules = {"policy": "rate", "seats_max": 10_000, "batch_max": 10_000}
            await open_room(service, skus={"mug": UNITS}, limit=9, **rules)
        longest = dict.fromkeys(stalls, 0.0)
        for name, stall in stalls.items():
            for _ in range(rounds):
                await eventually(Theatre(running=running).is_whole, within_s=PATIENCE_S)
                took = await measure(Theatre(running=running), stall)
                shown = ", ".join(f"{kind} {seconds:.1f} s" for kind, seconds in took.items())
                click.echo(f"{name}: {shown}")
                longest[name] = max(longest[name], took["claim"], took["payment"])
        return longest


@click.command()
@click.option("--rounds", default=3, show_default=True)
@click.option(
    "--only", type=click.Choice(sorted(STALLS)), multiple=True, help="These stalls alone."
)
def main(rounds: int, only: tuple[str, ...]) -> None:
    """Stall one part after the other in mid-sale, and say how soon claims and payments go on."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)
    stalls = {name: stall for name, stall in STALLS.items() if not only or name in only}
    with tempfile.TemporaryDirectory(prefix="waitroom-stalls-") as folder:
        longest = asyncio.run(measure_all(Path(folder), stalls, rounds))
    click.echo(f"longest claim or payment, of {rounds} rounds:")
    for name, seconds in longest.items():
        click.echo(f"{'yes' if seconds <= WITHIN_S else 'NO '}  {seconds:4.1f} s  {name}")
    sys.exit(0 if max(longest.values()) <= WITHIN_S else 1)


if __name__ == "__main__":
    main()
