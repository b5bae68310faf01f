"""Checkout's health, from the answers that workers gave to the calls that the leader makes."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from support import Shopper, admitted, authorization, eventually, execute, open_room, tick

from inventory.kit.http import rim
from inventory.kit.problem import Busy, Refusal
from inventory.kit.pulse import Pulse, pulse_of
from waitroom.leader.health_watch import UNTIMED, HealthShare, HealthWatch
from waitroom.line.checkout_health import PROBE_EVERY_S, HealthLimit
from waitroom.run.app import Service
from waitroom.run.engines.postgres import OWNER
from waitroom.store.memory import Memory

Client = TestClient[Any, Any]


@pytest.fixture
async def memory(valkey_url: str) -> AsyncIterator[Memory]:
    memory = Memory(valkey_url)
    yield memory
    await memory.close()


@pytest.fixture(autouse=True)
def _forget(memory: Memory) -> None:
    """Forget what other tests of this process did at checkout."""
    HealthShare(memory)
    pulse = pulse_of("/checkout")
    assert pulse is not None
    pulse.take(0.0)


class Clock:
    """The leader's clock and the calls it made; a tick is a second."""

    def __init__(self, watch: HealthWatch) -> None:
        self.watch = watch
        self.now = 1000.0

    async def ticks(self, times: int, *, called: int = 10) -> HealthLimit:
        """Let so many ticks pass, calling as many as wanted and allowed; return the last limit."""
        limit = HealthLimit(None, None)
        for _ in range(times):
            self.now += 1.0
            limit = await self.watch.read(self.now)
            self.watch.note(called if limit.calls is None else min(called, limit.calls))
        return limit


async def tell(memory: Memory, *, fast: int = 0, slow: int = 0, failed: int = 0) -> None:
    """Let a worker tell of so many answers."""
    pulse = Pulse("/checkout", frozenset())
    for seconds, status, times in ((0.01, 200, fast), (2.2, 201, slow), (0.01, 503, failed)):
        for _ in range(times):
            pulse.end(pulse.begin("POST", "/checkout", 0.0), status, seconds)
    counts = pulse.take(0.0)
    await memory.add_counts("/checkout", counts, ttl_s=60)


async def test_a_checkout_that_is_well_limits_nothing(memory: Memory) -> None:
    clock = Clock(HealthWatch(memory))
    for _ in range(5):
        await tell(memory, fast=100)
        limit = await clock.ticks(1)

    assert limit == HealthLimit(None, None)


async def test_slow_answers_slow_the_calls_and_fast_ones_bring_them_back(memory: Memory) -> None:
    clock = Clock(HealthWatch(memory))
    await tell(memory, fast=100)
    await clock.ticks(20)

    await tell(memory, fast=80, slow=20)
    slow = await clock.ticks(1)
    seconds = 0
    while (limit := await clock.ticks(1)).calls is not None:
        await tell(memory, fast=100)
        seconds += 1
        assert seconds < 200

    assert slow.reason == "checkout_slow"
    assert slow.calls is not None
    assert slow.calls < 10
    assert limit == HealthLimit(None, None)


async def test_failures_all_but_stop_the_calls_but_refusals_do_not(memory: Memory) -> None:
    refusing, failing = HealthWatch(memory), HealthWatch(memory)
    pulse = Pulse("/checkout", frozenset())
    for _ in range(100):
        pulse.end(pulse.begin("POST", "/checkout/holds", 0.0), 409, 0.01)
    await memory.add_counts("/checkout", pulse.take(0.0), ttl_s=60)
    refused = await Clock(refusing).ticks(1)

    await tell(memory, fast=50, failed=50)
    failed = await Clock(failing).ticks(1)

    assert refused.calls is None
    assert failed == HealthLimit(0, "checkout_failing", 1 / PROBE_EVERY_S)


async def test_the_counts_of_all_workers_are_taken_together_and_once(memory: Memory) -> None:
    # Neither worker alone has seen enough of failures.
    await tell(memory, fast=90)
    await tell(memory, failed=30)

    taken = await memory.take_counts("/checkout")

    assert (taken["answered"], taken["failed"]) == (120, 30)
    assert await memory.take_counts("/checkout") == {}


async def test_rooms_that_are_led_in_one_tick_share_what_checkout_can_bear(
    memory: Memory,
) -> None:
    watch = HealthWatch(memory)
    clock = Clock(watch)
    await tell(memory, fast=10)
    await clock.ticks(20, called=20)
    await tell(memory, slow=100)
    limit = await clock.ticks(3)
    while not limit.calls:
        limit = await clock.ticks(1, called=0)

    watch.take(limit.calls - 1)
    second = await watch.read(clock.now)
    watch.take(1)
    third = await watch.read(clock.now)

    assert (second.calls, third.calls) == (1, 0)


async def test_one_burst_of_slow_answers_cuts_once(memory: Memory) -> None:
    clock = Clock(HealthWatch(memory))
    await tell(memory, fast=100)
    await clock.ticks(20, called=20)

    await tell(memory, slow=100)
    cut = await clock.ticks(1, called=20)
    await tell(memory, fast=20)
    later = await clock.ticks(8, called=10)

    assert cut.per_second is not None
    assert later.per_second is not None
    assert later.per_second >= cut.per_second


async def test_a_hundred_shoppers_who_leave_slowly_keep_nobody_out(memory: Memory) -> None:
    pulse = Pulse("/checkout", UNTIMED)
    for _ in range(100):
        pulse.end(pulse.begin("DELETE", "/checkout/session", 0.0), 204, 3.0)
    await memory.add_counts("/checkout", pulse.take(0.0), ttl_s=60)

    assert await Clock(HealthWatch(memory)).ticks(1) == HealthLimit(None, None)


async def test_hardly_anything_heard_is_no_reason_to_slow_down(memory: Memory) -> None:
    await tell(memory, slow=2, failed=2)

    assert await Clock(HealthWatch(memory)).ticks(1) == HealthLimit(None, None)


async def test_without_valkey_there_is_no_limit() -> None:
    away = Memory("redis://127.0.0.1:1/0")
    try:
        await HealthShare(away).share()
        await away.add_counts("/checkout", {"answered": 9, "failed": 9}, ttl_s=5)
        limit = await Clock(HealthWatch(away)).ticks(3)
    finally:
        await away.close()

    assert limit == HealthLimit(None, None)


@asynccontextmanager
async def shop(answer: Callable[[], Awaitable[web.Response]]) -> AsyncIterator[Client]:
    """Serve a checkout of our own making behind the real rim."""

    async def handle(_: web.Request) -> web.Response:
        return await answer()

    app = web.Application(middlewares=[rim])
    app.add_routes([web.get("/checkout/session", handle), web.post("/checkout/orders", handle)])
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_what_hangs_is_noticed_before_it_answers(memory: Memory) -> None:
    go_on, share = asyncio.Event(), HealthShare(memory)
    pulse = pulse_of("/checkout/session")
    assert pulse is not None

    async def hang() -> web.Response:
        await go_on.wait()
        return web.Response()

    async with shop(hang) as client:
        asked = [asyncio.ensure_future(client.get("/checkout/session")) for _ in range(8)]
        # Nobody waits for the clock here: what is asked is what would have been in three seconds.
        later = asyncio.get_running_loop().time() + 1000

        async def all_in() -> bool:
            return sum(pulse.take(later).values()) == len(asked)

        await eventually(all_in)
        counts = pulse.take(later)
        go_on.set()
        await asyncio.gather(*asked)
        await share.share()

    await memory.take_counts("/checkout")
    await memory.add_counts("/checkout", counts, ttl_s=60)
    limit = await Clock(HealthWatch(memory)).ticks(1)
    assert limit.reason == "checkout_slow"


async def test_a_slow_gateway_is_not_a_slow_checkout(memory: Memory) -> None:
    clock = iter(itertools.count(0.0, 5.0))
    HealthShare(memory)
    pulse = pulse_of("/checkout/orders")
    assert pulse is not None

    for status in [201] * 20 + [503]:
        pulse.end(pulse.begin("POST", "/checkout/orders", next(clock)), status, next(clock))

    assert pulse.take(next(clock)) == {"answered": 21, "failed": 1}


async def test_only_failures_are_counted_as_such_and_who_hangs_up_as_nothing(
    memory: Memory,
) -> None:
    HealthShare(memory)
    pulse = pulse_of("/checkout/session")
    assert pulse is not None
    said: list[Exception | None] = [
        None, Refusal(), Busy(), RuntimeError("broken"), web.HTTPSeeOther("/elsewhere"),
    ]  # fmt: skip

    async def answer() -> web.Response:
        error = said.pop(0)
        if error is not None:
            raise error
        return web.Response()

    async with shop(answer) as client:
        for _ in range(5):
            await client.get("/checkout/session", allow_redirects=False)
    number = pulse.begin("POST", "/checkout/session", 0.0)
    pulse.end(number, 0, 9.0)

    counts = pulse.take(100.0)
    assert (counts["answered"], counts["failed"]) == (5, 2)
    assert sum(counts.values()) == 5 + 2 + 5


async def test_other_routes_are_not_counted(memory: Memory) -> None:
    HealthShare(memory)

    for route in ("/rooms/{room}/state", "/checkouts", "/", "none"):
        assert pulse_of(route) is None, route
    assert pulse_of("/checkout/holds/{hold_id}") is not None


async def test_a_locked_table_slows_the_calls_and_its_release_brings_them_back(
    service: Service, client: Client
) -> None:
    """The whole way: real holds that hang in the database, and the leader's limit from that."""
    await open_room(service, skus={"mug": 50}, seats_max=50, limit=50)
    await tick(service)
    shoppers = [await admitted(client) for _ in range(6)]
    share, clock = service.health_share, Clock(HealthWatch(service.memory))
    await share.share()
    await clock.ticks(20)

    async with AsyncExitStack() as stack:
        blocker = await stack.enter_async_context(service.pool.acquire())
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute(f"SET LOCAL ROLE {OWNER}")
        await blocker.execute("SELECT FROM stock FOR UPDATE")
        holds = [asyncio.ensure_future(shopper.hold(mug=1)) for shopper in shoppers]

        async def slow() -> bool:
            await share.share()
            return (await clock.ticks(1)).reason == "checkout_slow"

        await eventually(slow)
        limited = await clock.ticks(1)
        await transaction.rollback()
    answers = await asyncio.gather(*holds)

    async def well_again() -> bool:
        for _ in range(10):
            await client.get("/checkout/session", headers=authorization(shoppers[0].session))
        await share.share()
        return (await clock.ticks(1)).calls is None

    await eventually(well_again)
    assert [answer.status for answer in answers] == [201] * 6
    assert limited.calls is not None
    assert limited.calls < 10
    assert await execute(service, "SELECT FROM conservation_breach") == []


async def test_the_leader_calls_nobody_into_a_failing_checkout(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 99}, policy="rate", seats_max=3)
    await tick(service)
    inside = [await admitted(client) for _ in range(3)]
    for _ in range(9):
        await Shopper(client).join()
    watch = service.controller._parts.watch  # noqa: SLF001 - when it has heard, no answer says

    # No hold can be placed; what the leader does goes on.
    await execute(service, "ALTER FUNCTION place_hold RENAME TO lost")
    failed = [await one.hold(mug=1) for one in inside * 5]

    async def heard() -> bool:
        await service.health_share.share()
        await tick(service)
        return (await watch.read()).reason == "checkout_failing"

    await eventually(heard)
    await execute(service, "ALTER FUNCTION lost RENAME TO place_hold")
    await service.rooms.change("drop", '{"seats_max": 100}', who="test")
    await tick(service)

    assert {answer.status for answer in failed} == {500}
    figures = await service.rooms.figures("drop")
    assert (figures.head, figures.waiting) == (3, 9)
