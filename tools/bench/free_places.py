"""Free places: a hundred seats come free, five hundred people wait and look every five seconds.

They look at nothing but their own clock: each has a phase of its own and takes no notice of the
`poll_s` that it is told. The program is the real one, `waitroom serve` in several processes. What
is measured is the time from the moment at which the first of a hundred shoppers leaves until the
last of a hundred others has claimed.
"""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from contest import run_rounds
from leader_watch import LeaderWatch
from measure import spread
from outcome import Outcome, Plan
from processes import (
    KEY,
    LOG_SHOWN_CHARS,
    READY_WAIT_S,
    STOP_WAIT_S,
    ProcessFailed,
    Running,
    run_engines,
)
from rich.console import Console
from rich.table import Table

from inventory.kit.database import open_pool
from inventory.ledger_store import LedgerStore
from inventory.sku_store import StockStore
from waitroom.store.room_store import RoomStore

ROOM = "drop"
PLACES = 100
WAITING = 500
POLL_S = 5.0
# One poll interval, and what the service itself may take: a tick, a document's way, a claim.
BOUND_S = POLL_S + 3.0
FILL_MAX_S = 90.0
LOOK_EVERY_S = 0.1
SHARES = (0.25, 0.5, 0.75, 1.0)
# No shopper's time may run out while we measure.
RULES = f"""{{"seats_max": {PLACES}, "claim_window_s": 86400, "session_s": 86400}}"""


class PlacesStayedFree(Exception):
    """Not all places were filled in time to be measured, or by others than the next in line."""


@dataclass(slots=True, kw_only=True)
class Visitor:
    """A shopper who looks every `POLL_S` from a moment of their own, and claims when called."""

    http: aiohttp.ClientSession
    ticket: str
    number: int
    session: str = ""
    claimed_at: float = 0.0

    @classmethod
    async def join(cls, http: aiohttp.ClientSession) -> "Visitor":
        async with http.post(f"/rooms/{ROOM}/tickets") as answer:
            body = await answer.json()
            assert answer.status == 201, body
        return cls(http=http, ticket=body["ticket"], number=body["number"])

    async def wait(self) -> None:
        """Look again and again until called, and then come in."""
        looks_at = time.perf_counter() + random.uniform(0, POLL_S)
        while True:
            await asyncio.sleep(max(looks_at - time.perf_counter(), 0))
            async with self.http.get(
                f"/rooms/{ROOM}/tickets/me", headers=_bearer(self.ticket)
            ) as answer:
                standing = await answer.json()
                assert answer.status == 200, standing
            if standing["status"] == "called":
                break
            looks_at += POLL_S
        await self.come_in()

    async def come_in(self) -> None:
        async with self.http.post(f"/rooms/{ROOM}/claims", headers=_bearer(self.ticket)) as answer:
            body = await answer.json()
            assert answer.status == 201, body
        self.session, self.claimed_at = body["session"], time.perf_counter()

    async def leave(self) -> None:
        async with self.http.delete("/checkout/session", headers=_bearer(self.session)) as answer:
            assert answer.status == 204, await answer.text()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """How long it took until these shares of the places were filled, in seconds."""

    seconds: dict[str, float]

    @property
    def all_s(self) -> float:
        return self.seconds[_percent(1.0)]


@dataclass(kw_only=True)
class Crowd:
    """The shoppers inside, and the shoppers in line with their clocks running."""

    http: aiohttp.ClientSession
    watch: LeaderWatch
    inside: list[Visitor] = field(default_factory=list)
    waiting: dict[asyncio.Task[None], Visitor] = field(default_factory=dict)
    fillings: list[Filling] = field(default_factory=list)

    async def gather(self) -> None:
        """Fill all places, and let `WAITING` more shoppers wait."""
        await _until(self._is_open)
        self.inside = await self._join(PLACES)
        await asyncio.gather(*(visitor.come_in() for visitor in self.inside))
        await self.line_up(WAITING)

    async def line_up(self, newcomers: int) -> None:
        for visitor in await self._join(newcomers):
            self.waiting[asyncio.create_task(visitor.wait())] = visitor

    async def run_round(self, _: int, done: Callable[[], None]) -> None:
        # A moment that has nothing to do with the controller's tick or anybody's phase.
        await asyncio.sleep(random.uniform(0, POLL_S))
        leaving, began_at = self.inside, time.perf_counter()
        await asyncio.gather(*(visitor.leave() for visitor in leaving))
        self.inside = await self._filled()
        self.fillings.append(_filling([v.claimed_at - began_at for v in self.inside]))
        self.watch.check()
        await self.line_up(PLACES)
        done()

    def send_home(self) -> None:
        for task in self.waiting:
            task.cancel()

    async def _is_open(self) -> bool:
        """Say whether newcomers are called as they join: the leader has opened the gate."""
        async with self.http.get(f"/rooms/{ROOM}/state") as answer:
            return answer.status == 200

    async def _join(self, count: int) -> list[Visitor]:
        # One after the other, as they would come: the numbers are in the order of the list.
        return [await Visitor.join(self.http) for _ in range(count)]

    async def _filled(self) -> list[Visitor]:
        """Return the shoppers who came in, by number, once all places are filled."""
        came: list[Visitor] = []
        deadline = time.perf_counter() + FILL_MAX_S
        while len(came) < PLACES:
            left_s = deadline - time.perf_counter()
            if left_s <= 0:
                raise PlacesStayedFree(f"{len(came)} of {PLACES} were filled in {FILL_MAX_S} s")
            done, _ = await asyncio.wait(
                self.waiting, timeout=left_s, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                task.result()
                came.append(self.waiting.pop(task))
        came.sort(key=lambda visitor: visitor.number)
        first = self.inside[-1].number + 1
        if [visitor.number for visitor in came] != list(range(first, first + PLACES)):
            raise PlacesStayedFree("places were filled by others than the next in line")
        return came


async def measure(plan: Plan, _: Console) -> Outcome:
    async with run_engines() as running:
        rooms = await _open_room(running.postgres_url)
        async with _program(running) as log, _client(running) as http:
            crowd = Crowd(http=http, watch=LeaderWatch(log=log, rooms=rooms))
            await crowd.gather()
            try:
                await run_rounds(
                    f"{PLACES} free places, {WAITING} waiting",
                    crowd.run_round,
                    rounds=plan.rounds,
                    slices=1,
                    forget=crowd.fillings.clear,
                )
            finally:
                crowd.send_home()
    fillings = crowd.fillings
    return Outcome(
        ratios={"free_places_bound_vs_filled": spread([BOUND_S / f.all_s for f in fillings])},
        facts={
            "free_places": {
                "places": PLACES,
                "waiting": WAITING,
                "poll_s": POLL_S,
                "bound_s": BOUND_S,
                "filled_within_bound": sum(f.all_s <= BOUND_S for f in fillings),
                "rounds": [f.seconds for f in fillings],
                "all_filled_s": spread([f.all_s for f in fillings]),
                "slowest_s": max(f.all_s for f in fillings),
            }
        },
        shown=[
            _table(fillings),
            "Each time exactly the next hundred in line came in.",
        ],
    )


async def _open_room(postgres_url: str) -> dict[int, str]:
    """Open the room; return the names of all rooms by id."""
    pool = await open_pool(postgres_url, size_max=1)
    rooms, stock, ledger = RoomStore(pool), StockStore(pool), LedgerStore(pool)
    await rooms.create(ROOM, ROOM, rules=RULES, who="bench")
    await stock.add("mug", room=ROOM, name="Mug", price_minor=2400)
    await ledger.move("mug", kind="received", quantity=1_000_000, who="bench")
    await rooms.set_status(ROOM, "open", who="bench")
    found = await pool.fetch("SELECT room_id, room FROM room")
    await pool.close()
    return {row["room_id"]: row["room"] for row in found}


@asynccontextmanager
async def _program(running: Running) -> AsyncIterator[Path]:
    """Run `waitroom serve`: web processes, and one that leads and sweeps. Yield its log."""
    log = running.folder / "program.log"
    with log.open("wb") as file:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "waitroom", "serve"),
            env={
                **os.environ,
                "WAITROOM_PORT": str(running.port),
                "WAITROOM_POSTGRES_URL": running.postgres_url,
                "WAITROOM_VALKEY_URL": running.valkey_url,
                "WAITROOM_SIGNING_KEYS": KEY,
                "WAITROOM_DRAIN_S": "0",
                "WAITROOM_GATEWAY": "test",
                "WAITROOM_LOG_LEVEL": "warning",
                "WAITROOM_LOG_JSON": "true",
            },
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    async def ready() -> bool:
        if child.returncode is not None:
            raise ProcessFailed(log.read_text()[-LOG_SHOWN_CHARS:])
        return await _answers(running)

    try:
        await _until(ready)
        yield log
    finally:
        if child.returncode is None:
            child.terminate()
        await asyncio.wait_for(child.wait(), STOP_WAIT_S)


def _client(running: Running) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        f"http://{running.host}:{running.port}",
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


async def _answers(running: Running) -> bool:
    try:
        async with _client(running) as http, http.get("/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def _until(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(READY_WAIT_S):
        while True:
            if await check():
                return
            await asyncio.sleep(LOOK_EVERY_S)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _filling(seconds: Sequence[float]) -> Filling:
    ordered = sorted(seconds)
    return Filling(
        seconds={_percent(share): round(ordered[int(share * PLACES) - 1], 2) for share in SHARES}
    )


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _table(fillings: Sequence[Filling]) -> Table:
    table = Table(title=f"Seconds until shares of {PLACES} free places were filled")
    for column in ("round", *map(_percent, SHARES), f"within {BOUND_S:g} s"):
        table.add_column(column, justify="right")
    for index, filling in enumerate(fillings):
        figures = (f"{filling.seconds[_percent(share)]:.1f}" for share in SHARES)
        table.add_row(str(index + 1), *figures, "yes" if filling.all_s <= BOUND_S else "no")
    return table
