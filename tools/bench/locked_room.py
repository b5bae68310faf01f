"""Holds in one room beside a room that is locked while its own crowd goes on asking.

Another transaction keeps the other room's stock and the head of its log locked, and a crowd of it
asks for holds and places without a pause: its requests wait, fill its share of the connections and
are told to come again. The shop's rate meanwhile stands beside its rate while the other room is
quiet. The age of the shop's document is read too: it may never be older than three seconds.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import aiohttp
import asyncpg
from client import Crowd
from contest import Contender, compete
from counters import BatchCounter
from kinds import HOLDS
from measure import Reading, against, read_slice, spread
from outcome import Outcome, Plan
from processes import KEY, CpuClock
from report import rates_table
from rich.console import Console
from sale import ADMIT, SHOP
from stage import Stage, open_stage

from checkout.session import Session, SessionSeal
from inventory.kit.database import open_pool
from inventory.ledger_store import LedgerStore
from inventory.sku_store import StockStore

CONNECTIONS = 32
STUCK = "stuck"
STUCK_SKU = "stuck-mug"
# Shoppers of the locked room who ask at any time.
ASKING = 24
# A locked slice is so much longer than a usual one, so that waits for locks end within it.
SLICES = 4
LOOK_EVERY_S = 0.1
AGE_MAX_S = 3.0

LOCKS = (
    "SELECT FROM stock JOIN sku USING (sku_id) WHERE sku = $1 FOR UPDATE OF stock",
    "SELECT FROM log_head JOIN room USING (room_id) WHERE room = $1 FOR UPDATE OF log_head",
)
AGE = """
SELECT extract(epoch FROM clock_timestamp() - published_at)::float8
FROM room_state JOIN room USING (room_id) WHERE room = $1"""


async def measure(plan: Plan, _: Console) -> Outcome:
    ages: list[float] = []
    async with open_stage(rooms=(SHOP, STUCK), log_level="error") as stage:
        sessions = await _stock(stage)
        crowd = await stage.crowd(CONNECTIONS)

        async def quiet(seconds: float) -> Reading:
            return await _slice(stage, crowd, SLICES * seconds)

        async def locked(seconds: float) -> Reading:
            async with _locked(stage), _asking(stage, sessions), _watching(stage, ages):
                # The first requests of the room have to stand still.
                await asyncio.sleep(seconds)
                reading = await _slice(stage, crowd, SLICES * seconds)
            await stage.excuse_leader()
            return reading

        readings = await compete(
            "beside a locked room",
            [
                Contender(name="hold_http_beside_quiet", run=quiet),
                Contender(name="hold_http_beside_locked", run=locked),
            ],
            rounds=plan.rounds,
            slice_s=plan.slice_s,
        )
    return Outcome(
        readings=readings,
        ratios={
            "hold_beside_locked_room_vs_quiet": against(
                readings["hold_http_beside_locked"], readings["hold_http_beside_quiet"]
            ),
            "document_age_bound_vs_oldest": spread([AGE_MAX_S / max(ages)]),
        },
        facts={"locked_room": {"oldest_document_s": max(ages)}, "postgres": stage.settings},
        shown=[
            rates_table(
                "Holds in one room beside another that is quiet, and that is locked", readings
            ),
            f"The room's document was at most {max(ages):.1f} s old beside the locked room.",
        ],
    )


async def _stock(stage: Stage) -> list[int]:
    """Put something on the other room's shelf, and let shoppers in; return their sessions."""
    pool = await open_pool(stage.running.postgres_url, size_max=1)
    await StockStore(pool).add(STUCK_SKU, room=STUCK, name="Mug", price_minor=100)
    await LedgerStore(pool).move(STUCK_SKU, kind="received", quantity=10**6, who="bench")
    await pool.close()
    line = stage.sale.line(STUCK)
    rows = await stage.sale.connection.fetch(ADMIT, line, ASKING, b"0" * 16)
    return [row["admission_id"] for row in rows]


async def _slice(stage: Stage, crowd: Crowd, seconds: float) -> Reading:
    """Measure one slice; the leader is not asked about, since one of its rooms is locked."""
    requests = await stage.requests.holds(HOLDS)(seconds)
    batches, clock = BatchCounter(stage.running.metrics), CpuClock(stage.running.pids)
    part = await crowd.run(requests, status=201, seconds=seconds)
    return read_slice(part, clock, batches)


@asynccontextmanager
async def _locked(stage: Stage) -> AsyncIterator[None]:
    connection = await asyncpg.connect(stage.running.postgres_url)
    try:
        async with connection.transaction():
            for lock, name in zip(LOCKS, (STUCK_SKU, STUCK), strict=True):
                await connection.execute(lock, name)
            yield
    finally:
        await connection.close()


@asynccontextmanager
async def _asking(stage: Stage, sessions: list[int]) -> AsyncIterator[None]:
    """Let shoppers of the locked room ask for a hold and a place by turns, without a pause."""
    seal = SessionSeal([bytes.fromhex(KEY)])
    address = f"http://{stage.running.host}:{stage.running.port}"

    async def ask(client: aiohttp.ClientSession, session: int) -> None:
        token = seal.sign(Session(session_id=session, room=STUCK))
        body = {"items": [{"sku": STUCK_SKU, "quantity": 1}]}
        while True:
            headers = {"Idempotency-Key": str(uuid4())}
            async with client.post(f"/rooms/{STUCK}/tickets", headers=headers) as answer:
                await answer.read()
            headers["Authorization"] = f"Bearer {token}"
            async with client.post("/checkout/holds", json=body, headers=headers) as answer:
                await answer.read()

    jar = aiohttp.DummyCookieJar()
    async with (
        aiohttp.ClientSession(address, cookie_jar=jar) as client,
        _beside(*(ask(client, session) for session in sessions)),
    ):
        yield


@asynccontextmanager
async def _watching(stage: Stage, ages: list[float]) -> AsyncIterator[None]:
    """Note how old the shop's document is, again and again."""
    connection = await asyncpg.connect(stage.running.postgres_url)

    async def watch() -> None:
        while True:
            ages.append(await connection.fetchval(AGE, SHOP))
            await asyncio.sleep(LOOK_EVERY_S)

    try:
        async with _beside(watch()):
            yield
    finally:
        await connection.close()


@asynccontextmanager
async def _beside(*acts: Coroutine[None, None, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(act) for act in acts]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
