"""One batcher for joins, claims, holds and reads: collect while the previous flush runs."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

import structlog
from prometheus_client import Counter, Gauge

from inventory.kit.database import work_for
from inventory.kit.problem import Busy, Refusal
from inventory.kit.traces.spans import root_span

log = structlog.get_logger()

BATCHES = Counter("waitroom_batches_total", "Engine calls made by the batchers.", ["batcher"])
BATCHED = Counter("waitroom_batched_total", "Requests that went out in batches.", ["batcher"])
QUEUED = Gauge(
    "waitroom_queue",
    "Requests that waited for an engine call when the last one was made.",
    ["batcher"],
    multiprocess_mode="livesum",
)
REFUSED = Counter(
    "waitroom_queue_refused_total",
    "Requests that were refused because too many waited, or because they waited too long.",
    ["batcher"],
)

Item = TypeVar("Item")
Verdict = TypeVar("Verdict")
# Measured: fewer turns leave half of a crowd behind. A crowd of which a few begin in each turn is
# there after some more turns; each of them adds more than this part of what the batch has.
COLLECT_TURNS, COLLECT_TURNS_MAX = 4, 16
GROWTH_MIN = 1 / 8
# A request that has waited this long in a queue is refused: its shopper has given up by then.
WAIT_MAX_S = 8.0

# An item, its verdict to come, and the moment of the loop's clock until which it may wait.
_Queued = tuple[Item, "asyncio.Future[Verdict]", float]
Flush = Callable[[Sequence[Item]], Awaitable[Sequence[Verdict | Refusal]]]


class Spacing(Protocol):
    """Decides how long a small batch waits for more items; its owner brings the clock."""

    @property
    def enough(self) -> int:
        """Return the number of items that never wait."""

    def wait_s(self, now: float, size: int) -> float:
        """Return how long a batch of this size waits, in seconds."""

    def note(self, now: float, size: int) -> None:
        """Count a batch that goes out now."""


class Batcher(Generic[Item, Verdict]):
    """Turn many small requests into one engine call for each tick.

    A tick is as long as the previous flush took: whatever arrived meanwhile goes out
    together, in the order in which it arrived. An idle batcher flushes after a few turns of the
    loop, so batching adds no waiting of its own.

    `flush` receives up to `batch_max` items and returns one verdict for each, in order; a
    verdict that is a `Refusal` is raised to that submitter alone. When `flush` itself fails
    with any other error than a `Refusal`, the items run singly, so that one broken item never
    fails its neighbours. At most `queue_max` items wait, each for at most `wait_max_s`; one more is
    refused with `Busy`, and so is an item whose time is up. `room` is the room whose connections
    the flush uses. With a `spacing` small batches wait for more items while many of them come.
    """

    def __init__(
        self,
        name: str,
        flush: Flush[Item, Verdict],
        *,
        room: str = "",
        batch_max: int = 256,
        queue_max: int = 8192,
        wait_max_s: float = WAIT_MAX_S,
        spacing: Spacing | None = None,
    ) -> None:
        self.name = name
        self._spacing = spacing
        self._enough = asyncio.Event()
        self._room = room
        self._wait_max_s = wait_max_s
        self._flush = flush
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._queue: deque[_Queued[Item, Verdict]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._closed = False
        self._batches, self._batched = BATCHES.labels(name), BATCHED.labels(name)
        self._queued, self._refused = QUEUED.labels(name), REFUSED.labels(name)

    def submit(self, item: Item) -> asyncio.Future[Verdict]:
        """Queue one item; the returned future holds its verdict or raises its refusal."""
        if self._closed or len(self._queue) >= self._queue_max:
            self._refused.inc()
            raise Busy
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Verdict] = loop.create_future()
        until = loop.time() + self._wait_max_s
        self._queue.append((item, future, until))
        if self._clock is None:
            self._clock = loop.call_at(until, self._refuse_overdue)
        if self._task is None:
            self._task = asyncio.create_task(self._drain(), name=f"batcher-{self.name}")
        elif self._spacing is not None and len(self._queue) >= self._spacing.enough:
            self._enough.set()
        return future

    async def close(self) -> None:
        """Refuse newcomers and wait for everything already queued."""
        self._closed = True
        self._enough.set()
        if self._task is not None:
            await self._task

    def _refuse_overdue(self) -> None:
        """Refuse the items whose time is up; one timer serves the whole queue."""
        loop = asyncio.get_running_loop()
        while self._queue and self._queue[0][2] <= loop.time():
            self._refused.inc()
            _settle(self._queue.popleft()[1], Busy())
        self._clock = loop.call_at(self._queue[0][2], self._refuse_overdue) if self._queue else None

    async def _drain(self) -> None:
        work_for(self._room)
        try:
            while self._queue:
                await self._collect()
                if self._spacing is not None:
                    await self._space(self._spacing)
                size = min(len(self._queue), self._batch_max)
                if size:
                    await self._run([self._queue.popleft() for _ in range(size)])
        finally:
            # No await stands between the loop's last check and this line, so an item
            # queued later always finds the task gone and starts a new one.
            self._task = None
            if self._clock is not None:
                self._clock.cancel()
                self._clock = None

    async def _collect(self) -> None:
        """Let the requests that have already arrived at the sockets get into the batch.

        Each turn of the loop reads what is there and runs its handlers, which takes them a few
        turns to come here; a flush costs far more than the turns. Without this, the crowd falls
        into halves that wait for each other's flushes.
        """
        for turn in range(COLLECT_TURNS_MAX):
            before = len(self._queue)
            if before >= self._batch_max:
                return
            await asyncio.sleep(0)
            grown = len(self._queue) - before
            if turn + 1 >= COLLECT_TURNS and grown <= before * GROWTH_MIN:
                return

    async def _space(self, spacing: Spacing) -> None:
        """Let a small batch wait for more items, unless it is the last one."""
        loop = asyncio.get_running_loop()
        wait_s = spacing.wait_s(loop.time(), len(self._queue))
        if wait_s > 0 and not self._closed:
            self._enough.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._enough.wait()
            await self._collect()
        spacing.note(loop.time(), min(len(self._queue), self._batch_max))

    async def _run(self, batch: "list[_Queued[Item, Verdict]]") -> None:
        self._batches.inc()
        self._batched.inc(len(batch))
        self._queued.set(len(self._queue))
        try:
            with root_span(f"batch {self.name}", **{"waitroom.requests": len(batch)}):
                verdicts = await self._flush([item for item, _, _ in batch])
        except Refusal as refusal:
            for _, future, _ in batch:
                _settle(future, refusal)
        except Exception as error:  # noqa: BLE001 - each item is tried again by itself
            await self._run_singly(batch, error)
        else:
            if len(verdicts) != len(batch):
                # The verdicts cannot be matched to their items, and the work may be done.
                fault = RuntimeError(f"{self.name}: {len(verdicts)} verdicts for {len(batch)}")
                for _, future, _ in batch:
                    _settle(future, fault)
                return
            for (_, future, _), verdict in zip(batch, verdicts, strict=True):
                _settle(future, verdict)

    async def _run_singly(self, batch: "list[_Queued[Item, Verdict]]", error: Exception) -> None:
        log.warning("batch_failed", batcher=self.name, size=len(batch), error=error)
        if len(batch) == 1:
            _settle(batch[0][1], error)
            return
        for item, future, until in batch:
            if asyncio.get_running_loop().time() > until:
                _settle(future, Busy())
                continue
            try:
                (verdict,) = await self._flush([item])
            except Exception as single_error:  # noqa: BLE001 - it goes to the one who asked
                _settle(future, single_error)
            else:
                _settle(future, verdict)


class BatcherByRoom(Generic[Item, Verdict]):
    """A batcher for each room, so that a flush which stands still delays its own room alone."""

    def __init__(self, name: str, flush: Flush[Item, Verdict]) -> None:
        self._name = name
        self._flush = flush
        self._batchers: dict[str, Batcher[Item, Verdict]] = {}

    def of(self, room: str) -> Batcher[Item, Verdict]:
        """Return the batcher of a room that exists."""
        found = self._batchers.get(room)
        if found is None:
            found = Batcher(self._name, self._flush, room=room)
            self._batchers[room] = found
        return found

    async def close(self) -> None:
        """Refuse newcomers and wait for everything already queued."""
        await asyncio.gather(*(batcher.close() for batcher in self._batchers.values()))


def _settle(future: "asyncio.Future[Verdict]", verdict: "Verdict | Exception") -> None:
    # A client that hung up has cancelled its future; the work is done all the same.
    if future.done():
        return
    if isinstance(verdict, Exception):
        # Several submitters may share one refusal, and a traceback grows at each raise.
        future.set_exception(verdict.with_traceback(None))
    else:
        future.set_result(verdict)
