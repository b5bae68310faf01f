"""A service of its own with engines of its own, a sale in it, and what a slice of holds takes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import msgspec
from client import Crowd
from kinds import SESSIONS, Prepare, Requests
from measure import Reading, read_slice
from processes import WEB_PROCESSES, CpuClock, Running, run_engines, run_service
from sale import SHOP, SKU, Sale
from submitters import Done, Wish

ANSWER_WAIT_S = 60.0


@dataclass(kw_only=True)
class Stage:
    """Everything that a part of the benchmark measures on. Open it with `open_stage`."""

    running: Running
    sale: Sale
    requests: Requests
    settings: dict[str, str]
    stack: AsyncExitStack

    async def crowd(self, size: int, *, servers: Sequence[int] = ()) -> Crowd:
        """Connect a crowd to all web processes, or to those named; closed with the stage."""
        crowd = await Crowd.connect(
            self.running.host,
            self.running.port,
            servers=servers or self.running.pids["web"],
            size=size,
        )
        self.stack.callback(crowd.close)
        return crowd

    async def over_http(self, crowd: Crowd, prepare: Prepare, seconds: float) -> Reading:
        """Let a crowd place holds for one slice."""
        requests = await prepare(seconds)
        clock = CpuClock(self.running.pids)
        part = await crowd.run(requests, status=201, seconds=seconds)
        return await self._with_batches(read_slice(part, clock))

    async def in_process(self, submitters: int, seconds: float) -> Reading:
        """Let submitters place holds for one slice without HTTP."""
        process = self.running.submitters
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        sessions = await self.sale.admit(int(SESSIONS * seconds))
        wish = Wish(
            submitters=submitters,
            seconds=seconds,
            sku=SKU,
            first_session=sessions.start,
            sessions=len(sessions),
        )
        clock = CpuClock(self.running.pids)
        process.stdin.write(msgspec.json.encode(wish) + b"\n")
        line = await asyncio.wait_for(process.stdout.readline(), ANSWER_WAIT_S)
        done = msgspec.json.decode(line, type=Done)
        reading = Reading(
            per_second=done.in_time / seconds,
            p50_ms=done.p50_ms,
            p99_ms=done.p99_ms,
            cpu_us=clock.lap_each_us(done.placed),
        )
        return await self._with_batches(reading)

    async def _with_batches(self, reading: Reading) -> Reading:
        return replace(reading, a_batch=await self.sale.holds_a_batch())


@asynccontextmanager
async def open_stage(
    *,
    rooms: Sequence[str] = (SHOP,),
    skus: Sequence[str] = (SKU,),
    web: int = WEB_PROCESSES,
    log_level: str = "warning",
) -> AsyncIterator[Stage]:
    """Start engines and service with an open sale in them; everything ends with the stage."""
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(run_engines())
        sale = await Sale.open(running, rooms=rooms, skus=skus)
        stack.push_async_callback(sale.close)
        settings = await sale.durability()
        # Figures of commits that may be lost would say nothing.
        assert (settings["fsync"], settings["synchronous_commit"]) == ("on", "on")
        await stack.enter_async_context(run_service(running, web=web, log_level=log_level))
        yield Stage(
            running=running,
            sale=sale,
            requests=Requests(sale, host=running.host, port=running.port),
            settings=settings,
            stack=stack,
        )
