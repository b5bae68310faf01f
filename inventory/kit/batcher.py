"""One batcher for joins, claims, holds and reads: collect while the previous flush runs."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import structlog
from prometheus_client import Counter

from inventory.kit.problem import Busy, Refusal

log = structlog.get_logger()

BATCHES = Counter("waitroom_batches_total", "Engine calls made by the batchers.", ["batcher"])
BATCHED = Counter("waitroom_batched_total", "Requests that went out in batches.", ["batcher"])

Item = TypeVar("Item")
Verdict = TypeVar("Verdict")
# Measured: fewer turns leave half of a crowd behind, and more turns find no further requests.
COLLECT_TURNS = 4

Flush = Callable[[Sequence[Item]], Awaitable[Sequence[Verdict | Refusal]]]


class Batcher(Generic[Item, Verdict]):
    """Turn many small requests into one engine call for each tick.

    A tick is as long as the previous flush took: whatever arrived meanwhile goes out
    together, in the order in which it arrived. An idle batcher flushes after a few turns of the
    loop, so batching adds no waiting of its own.

    `flush` receives up to `batch_max` items and returns one verdict for each, in order; a
    verdict that is a `Refusal` is raised to that submitter alone. When `flush` itself fails
    with any other error than a `Refusal`, the items run singly, so that one broken item never
    fails its neighbours. At most `queue_max` items wait; one more is refused with `Busy`.
    """

    def __init__(
        self, name: str, flush: Flush[Item, Verdict], *, batch_max: int = 256, queue_max: int = 8192
    ) -> None:
        self.name = name
        self._flush = flush
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._queue: deque[tuple[Item, asyncio.Future[Verdict]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._batches, self._batched = BATCHES.labels(name), BATCHED.labels(name)

    def submit(self, item: Item) -> asyncio.Future[Verdict]:
        """Queue one item; the returned future holds its verdict or raises its refusal."""
        if self._closed or len(self._queue) >= self._queue_max:
            raise Busy
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._queue.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._drain(), name=f"batcher-{self.name}")
        return future

    async def close(self) -> None:
        """Refuse newcomers and wait for everything already queued."""
        self._closed = True
        if self._task is not None:
            await self._task

    async def _drain(self) -> None:
        try:
            while self._queue:
                await self._collect()
                size = min(len(self._queue), self._batch_max)
                await self._run([self._queue.popleft() for _ in range(size)])
        finally:
            # No await stands between the loop's last check and this line, so an item
            # queued later always finds the task gone and starts a new one.
            self._task = None

    async def _collect(self) -> None:
        """Let the requests that have already arrived at the sockets get into the batch.

        Each turn of the loop reads what is there and runs its handlers, which takes them a few
        turns to come here; a flush costs far more than the turns. Without this, the crowd falls
        into halves that wait for each other's flushes.
        """
        for _ in range(COLLECT_TURNS):
            if len(self._queue) >= self._batch_max:
                return
            await asyncio.sleep(0)

    async def _run(self, batch: list[tuple[Item, asyncio.Future[Verdict]]]) -> None:
        self._batches.inc()
        self._batched.inc(len(batch))
        try:
            verdicts = await self._flush([item for item, _ in batch])
        except Refusal as refusal:
            for _, future in batch:
                _settle(future, refusal)
        except Exception as error:  # noqa: BLE001 - each item is tried again by itself
            await self._run_singly(batch, error)
        else:
            if len(verdicts) != len(batch):
                # The verdicts cannot be matched to their items, and the work may be done.
                fault = RuntimeError(f"{self.name}: {len(verdicts)} verdicts for {len(batch)}")
                for _, future in batch:
                    _settle(future, fault)
                return
            for (_, future), verdict in zip(batch, verdicts, strict=True):
                _settle(future, verdict)

    async def _run_singly(
        self, batch: list[tuple[Item, asyncio.Future[Verdict]]], error: Exception
    ) -> None:
        log.warning("batch_failed", batcher=self.name, size=len(batch), error=repr(error))
        if len(batch) == 1:
            _settle(batch[0][1], error)
            return
        for item, future in batch:
            try:
                (verdict,) = await self._flush([item])
            except Exception as single_error:  # noqa: BLE001 - it goes to the one who asked
                _settle(future, single_error)
            else:
                _settle(future, verdict)


def _settle(future: "asyncio.Future[Verdict]", verdict: "Verdict | Exception") -> None:
    # A client that hung up has cancelled its future; the work is done all the same.
    if future.done():
        return
    if isinstance(verdict, Exception):
        # Several submitters may share one refusal, and a traceback grows at each raise.
        future.set_exception(verdict.with_traceback(None))
    else:
        future.set_result(verdict)
