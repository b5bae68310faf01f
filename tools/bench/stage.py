"""A service of its own with engines of its own, an open sale in it, and slices measured on it.

A slice counts only if the leader did not fail: `LeaderFailed` ends the benchmark otherwise.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import msgspec
from client import Crowd
from counters import BatchCounter
from kinds import SESSIONS, Prepare, Requests
from leader_watch import LeaderFailed, LeaderWatch
from measure import Reading, read_slice
from processes import WEB_PROCESSES, CpuClock, Running, run_engines, run_service
from sale import SHOP, SKU, Sale
from submitters import Done, Wish

ANSWER_WAIT_S = 60.0
TICK_WAIT_S = 60.0
LOOK_EVERY_S = 0.1


@dataclass(kw_only=True)
class Stage:
    """Everything that a part of the benchmark measures on. Open it with `open_stage`."""

    running: Running
    sale: Sale
    requests: Requests
    settings: dict[str, str]
    watch: LeaderWatch
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
        return await self.slice(crowd, await prepare(seconds), status=201, seconds=seconds)

    async def slice(
        self, crowd: Crowd, requests: Iterator[bytes], *, status: int, seconds: float
    ) -> Reading:
        """Let a crowd send these requests for one slice."""
        batches, clock = BatchCounter(self.running.metrics), CpuClock(self.running.pids)
        part = await crowd.run(requests, status=status, seconds=seconds)
        reading = read_slice(part, clock, batches)
        self.check_leader()
        return reading

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
        batches, clock = BatchCounter(self.running.metrics), CpuClock(self.running.pids)
        process.stdin.write(msgspec.json.encode(wish) + b"\n")
        line = await asyncio.wait_for(process.stdout.readline(), ANSWER_WAIT_S)
        done = msgspec.json.decode(line, type=Done)
        reading = Reading(
            per_second=done.in_time / seconds,
            p50_ms=done.p50_ms,
            p99_ms=done.p99_ms,
            cpu_us=clock.lap_each_us(done.placed),
            batches=batches.lap(),
        )
        self.check_leader()
        return reading

    def check_leader(self) -> None:
        """Raise `LeaderFailed` if a step of the leader has failed, or its process has ended."""
        self.watch.check()
        leader = self.running.leader
        if leader is None or leader.returncode is not None:
            raise LeaderFailed("the leader failed: its process has ended")

    async def excuse_leader(self) -> None:
        """Skip failures up to the leader's next whole tick: it was frozen or locked out by us.

        A leader that cannot finish a tick has failed all the same.
        """
        since = await self.sale.last_published()
        ends_at = time.perf_counter() + TICK_WAIT_S
        while await self.sale.last_published() <= since:
            if time.perf_counter() > ends_at:
                self.check_leader()
                raise LeaderFailed(f"the leader failed: not every room ticked in {TICK_WAIT_S} s")
            await asyncio.sleep(LOOK_EVERY_S)
        self.watch.excuse()


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
        stage = Stage(
            running=running,
            sale=sale,
            requests=Requests(sale, host=running.host, port=running.port),
            settings=settings,
            watch=LeaderWatch(log=running.leader_log, rooms=sale.rooms),
            stack=stack,
        )
        yield stage
        stage.check_leader()
