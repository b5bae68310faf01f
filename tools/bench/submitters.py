"""Holds in process: the store and its batcher without HTTP, in a process of their own.

Reads a wish a line, runs it, and answers with a line of figures; stops when its input closes.
"""

import asyncio
import time
from uuid import uuid4

import msgspec
from client import percentiles_ms
from sale import SHOP
from server import Order, input_line, run, say

from inventory.hold import HoldRequest, body_hash, idempotency_uuid
from inventory.hold_store import Placed
from inventory.kit.batcher import Batcher
from waitroom.run.app import open_service
from waitroom.run.settings import Secrets


class Wish(msgspec.Struct, frozen=True):
    """Let `submitters` place holds on one SKU for some seconds, by turns for these sessions."""

    submitters: int
    seconds: float
    sku: str
    first_session: int
    sessions: int


class Done(msgspec.Struct, frozen=True):
    """Holds placed in time, all with those under way at the end, and how long all of them took."""

    in_time: int
    placed: int
    p50_ms: float
    p99_ms: float


async def submit(batcher: Batcher[HoldRequest, Placed], wish: Wish) -> Done:
    started_at = time.perf_counter()
    ends_at = started_at + wish.seconds
    latencies: list[float] = []
    in_time = turn = 0

    async def one() -> None:
        nonlocal in_time, turn
        now = time.perf_counter()
        while now <= ends_at:
            asked_at = now
            turn += 1
            quantities = {wish.sku: 1}
            request = HoldRequest(
                session_id=wish.first_session + turn % wish.sessions,
                # The same work on a client's key as behind HTTP.
                key=idempotency_uuid(f"{started_at}-{turn}"),
                body_hash=body_hash(quantities),
                quantities=quantities,
                hold_id=uuid4(),
            )
            placed = await batcher.submit(request)
            assert not placed.replay
            now = time.perf_counter()
            latencies.append(now - asked_at)
            in_time += now <= ends_at

    async with asyncio.TaskGroup() as group:
        for _ in range(wish.submitters):
            group.create_task(one())
    p50_ms, p99_ms = percentiles_ms(latencies)
    return Done(in_time=in_time, placed=len(latencies), p50_ms=p50_ms, p99_ms=p99_ms)


async def main(order: Order) -> None:
    secrets = Secrets(signing_keys=order.signing_keys)
    async with open_service(order.settings, secrets, roles=frozenset()) as service:
        batcher = service.checkout.hold_batchers.of(SHOP)
        say(b"ready")
        while line := await input_line():
            done = await submit(batcher, msgspec.json.decode(line, type=Wish))
            say(msgspec.json.encode(done))


if __name__ == "__main__":
    run(main)
