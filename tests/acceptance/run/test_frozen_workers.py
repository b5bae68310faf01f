"""All web workers are frozen for a while, and the controller and the sweeper go on."""

import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any, cast

import aiohttp
import pytest
from programs import Running, all_know
from support import Shopper, eventually, execute, join_together, open_room, size

from waitroom.run.app import Service

# `make endure` freezes them for longer than the default windows.
FROZEN_S = size("FROZEN_S", 6)
# The clock goes on for three seconds after the last report.
LOST_MAX_S = 3.5

Start = Callable[..., Awaitable[Running]]
STOPPED = "SELECT extract(epoch FROM stopped)::float8 AS stopped_s FROM office"
CALLED = "SELECT count(*) AS called FROM admission WHERE state = 'called'"


@pytest.fixture
async def web(program: Start, postgres_url: str, valkey_url: str) -> AsyncIterator[list[Running]]:
    """Two web workers, and a process for the other roles that none of them can take along."""
    engines = {"WAITROOM_POSTGRES_URL": postgres_url, "WAITROOM_VALKEY_URL": valkey_url}
    alone = ("serve", "--role", "web")
    started = [await program(*alone, WAITROOM_WORKERS="1", **engines) for _ in range(2)]
    yield started
    for one in started:
        one.process.send_signal(signal.SIGCONT)


async def stopped_s(service: Service) -> float:
    return float((await execute(service, STOPPED))[0]["stopped_s"])


async def deadline(shopper: Shopper) -> datetime:
    return datetime.fromisoformat((await shopper.me())["claim_until"])


async def freeze(workers: list[Running]) -> None:
    """Freeze all workers for a while, then wake them."""
    for worker in workers:
        worker.process.send_signal(signal.SIGSTOP)
    until = time.monotonic() + FROZEN_S

    async def over() -> bool:
        return time.monotonic() > until

    await eventually(over, within_s=FROZEN_S + 60)
    for worker in workers:
        worker.process.send_signal(signal.SIGCONT)


async def test_holders_and_the_called_keep_their_time_while_no_worker_serves(
    web: list[Running], services: Callable[..., Awaitable[Service]]
) -> None:
    service = await services(roles=frozenset({"controller", "sweeper"}))
    await open_room(service, skus={"mug": 10}, limit=1, seats_max=10, batch_max=10)
    for worker in web:
        await all_know(worker.url)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(web[0].url, cookie_jar=jar) as http:
        shoppers = [Shopper(cast("Any", http)) for _ in range(50)]
        await join_together(shoppers)

        async def ten_are_called() -> bool:
            return bool((await execute(service, CALLED))[0]["called"] == 10)

        await eventually(ten_are_called)
        holders, called = shoppers[:5], shoppers[5:10]
        holds = []
        for holder in holders:
            assert (await holder.claim()).status == 201
            holds.append(await (await holder.hold(mug=1)).json())
        due, stood_s = await deadline(called[0]), await stopped_s(service)

        await freeze(web)

        async def goes_on() -> bool:
            return await stopped_s(service) >= stood_s + FROZEN_S - LOST_MAX_S

        await eventually(goes_on)
        for shopper in called:
            assert (await shopper.me())["status"] == "called"
        moved_s = (await deadline(called[0]) - due).total_seconds()
        assert moved_s >= FROZEN_S - LOST_MAX_S
        for holder, hold in zip(holders, holds, strict=True):
            assert (await holder.pay(hold["hold_id"])).status == 201
        for shopper in called:
            assert (await shopper.claim()).status == 201
            assert (await shopper.hold(mug=1)).status == 201
