"""Holds of other shoppers while a session with many releases behind it goes on acting.

A program placed and gave back a hold on the hot SKU 100,000 times, and still tries to hold and
looks at its session without a pause. The other shoppers' rate stands beside their rate while a
fresh session does the same. The acts of the two sessions are timed too.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from uuid import uuid4

import aiohttp
from contest import Contender, compete
from kinds import HOLDS
from measure import Reading, Spread, against, spread
from outcome import Outcome, Plan
from report import rates_table
from rich.console import Console
from sale import SKU
from stage import Stage, open_stage

CONNECTIONS = 32
BUSY, FRESH = "releases", "none"

# A session in the shop's room, with holds behind it that it placed and released.
ENTER = """
WITH clock AS MATERIALIZED (SELECT shopper_now() AS t),
moved AS (
    UPDATE line SET tail = tail + 1, gate = tail + 1 WHERE line_id = $1 RETURNING tail, room_id),
admitted AS (
    INSERT INTO admission
        (room_id, line_id, number, state, ticket_id, called_at, claimed_at, expires_at)
    SELECT room_id, $1, tail, 'claimed', '\\x00', t, t, t + interval '1 day'
    FROM clock, moved RETURNING admission_id, room_id),
released AS (
    INSERT INTO hold (hold_id, session_id, room_id, idempotency_key, body_hash, state, placed_at,
                      expires_at, ended_at)
    SELECT gen_random_uuid(), admission_id, room_id, gen_random_uuid(), '\\x00', 'released', now(),
           t, now()
    FROM clock, admitted, generate_series(1, $2) RETURNING hold_id),
lined AS (
    INSERT INTO hold_line (hold_id, sku_id, quantity, price_minor)
    SELECT hold_id, sku_id, 1, price_minor FROM released, sku WHERE sku = $3)
SELECT admission_id FROM admitted"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acts:
    """The milliseconds that each act of a restless session took."""

    hold_ms: list[float] = field(default_factory=list)
    look_ms: list[float] = field(default_factory=list)


async def measure(plan: Plan, console: Console) -> Outcome:
    async with open_stage() as stage:
        console.print(f"planting a session with {plan.releases:,} releases")
        busy = await _enter(stage, plan.releases)
        await stage.excuse_leader()
        crowd = await stage.crowd(CONNECTIONS)
        prepare = stage.requests.holds(HOLDS)
        acts = {BUSY: Acts(), FRESH: Acts()}

        async def beside(name: str, seconds: float) -> Reading:
            session = busy if name == BUSY else await _enter(stage, 0)
            acting = asyncio.create_task(_act(stage, session, acts[name]))
            try:
                return await stage.over_http(crowd, prepare, seconds)
            finally:
                acting.cancel()
                with suppress(asyncio.CancelledError):
                    await acting

        contenders = [
            Contender(name=f"hold_http_beside_{name}", run=partial(beside, name))
            for name in (FRESH, BUSY)
        ]
        readings = await compete(
            "beside a session with releases", contenders, rounds=plan.rounds, slice_s=plan.slice_s
        )
    times = {name: (median(own.hold_ms), median(own.look_ms)) for name, own in acts.items()}
    return Outcome(
        readings=readings,
        ratios={
            "hold_beside_releases_vs_none": against(
                readings[f"hold_http_beside_{BUSY}"], readings[f"hold_http_beside_{FRESH}"]
            ),
            "look_without_releases_vs_with": _each(acts, "look_ms"),
            "own_hold_without_releases_vs_with": _each(acts, "hold_ms"),
        },
        facts={"releases": plan.releases, "own_ms": times, "postgres": stage.settings},
        shown=[
            rates_table(
                f"Holds of others beside a session with {plan.releases:,} releases", readings
            ),
            *(
                f"{name}: its own hold or refusal took {hold:.1f} ms, a look {look:.1f} ms"
                for name, (hold, look) in times.items()
            ),
        ],
    )


def _each(acts: dict[str, Acts], name: str) -> Spread:
    """Return a fresh session's time as a share of the busy one's."""
    return spread([median(getattr(acts[FRESH], name)) / median(getattr(acts[BUSY], name))])


async def _enter(stage: Stage, releases: int) -> int:
    sale = stage.sale
    session: int = await sale.connection.fetchval(ENTER, sale.line(), releases, SKU)
    return session


async def _act(stage: Stage, session: int, acts: Acts) -> None:
    """Hold, look and give back without a pause, until cancelled."""
    running, token = stage.running, stage.sale.session(session).decode()
    async with aiohttp.ClientSession(
        f"http://{running.host}:{running.port}", headers={"Authorization": f"Bearer {token}"}
    ) as client:
        while True:
            started = time.perf_counter()
            async with client.post(
                "/checkout/holds",
                json={"items": [{"sku": SKU, "quantity": 1}]},
                headers={"Idempotency-Key": str(uuid4())},
            ) as answer:
                held = (await answer.json()).get("hold_id")
            holding = time.perf_counter()
            async with client.get("/checkout/session") as answer:
                await answer.read()
                answer.raise_for_status()
            acts.hold_ms.append((holding - started) * 1000)
            acts.look_ms.append((time.perf_counter() - holding) * 1000)
            if held is not None:
                async with client.delete(f"/checkout/holds/{held}") as answer:
                    answer.raise_for_status()
