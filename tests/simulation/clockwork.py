"""An event loop with virtual time, processes that can be killed, and all chances from a seed."""

import asyncio
import gc
import heapq
import itertools
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

# Beyond this many turns a sale goes round in circles.
TURNS_MAX = 2_000_000
# Virtual time begins here (s), as the steady clock of a machine that has run for a while.
START_S = 1000.0


@dataclass(eq=False, slots=True)
class Process:
    """A process of the simulation: all tasks that were started in its context."""

    name: str
    alive: bool = True
    # Until then nothing of it runs, as if it were stopped by a signal.
    frozen_until: float = 0.0
    waiting: list[Any] = field(default_factory=list)
    tasks: list["asyncio.Task[Any]"] = field(default_factory=list)

    def kill(self) -> None:
        """End it as SIGKILL does: not even a `finally` runs."""
        self.alive = False
        self.waiting.clear()


_process: ContextVar[Process | None] = ContextVar("process", default=None)


def this_process() -> Process | None:
    return _process.get()


def context_of(process: Process | None) -> Context:
    """Return a context in which whatever is started belongs to a process, None for to nobody."""
    context = copy_context()
    context.run(_process.set, process)
    return context


class Callback:
    """What the loop will run once. asyncio's own handles do the same at twice the cost."""

    __slots__ = ("_when", "args", "callback", "context", "is_cancelled")

    def __init__(
        self,
        when: float,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> None:
        self._when, self.callback, self.args = when, callback, args
        self.context = copy_context() if context is None else context
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True

    def cancelled(self) -> bool:
        return self.is_cancelled

    def when(self) -> float:
        return self._when

    @property
    def is_step(self) -> bool:
        """Whether it is a step of a task; the steps of different tasks may change places."""
        return isinstance(getattr(self.callback, "__self__", None), asyncio.Task)


class Clockwork(asyncio.BaseEventLoop):
    """Runs what is ready in an order of the dice, and jumps to the next timer when nothing is.

    Only steps of different tasks change places: the order of one task's own steps, and that of
    plain callbacks, is part of what asyncio promises.
    """

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self._dice = dice
        self._now = START_S
        self._turns = 0
        # A heap of tuples: the timers themselves compare slowly.
        self._timers: list[tuple[float, int, Callback]] = []
        self._waiting: list[Callback] = []
        self._numbers = itertools.count()
        self.nowhere = context_of(None)
        self.errors: list[str] = []
        self.set_task_factory(_of_process)
        self.set_exception_handler(self._note_error)

    def time(self) -> float:
        return self._now

    def wall_time(self) -> float:
        return EPOCH_S + self._now

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> Any:
        soon = Callback(self._now, callback, args, context)
        self._waiting.append(soon)
        return soon

    def call_at(
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        timer = Callback(when, callback, args, context)
        heapq.heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """Run at once: a thread beside the loop takes no virtual time."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it belongs to the one who waits
            future.set_exception(error)
        return future

    def _note_error(self, _: asyncio.AbstractEventLoop, told: dict[str, Any]) -> None:
        self.errors.append(f"{told.get('message')}: {told.get('exception')!r}")

    def _run_once(self) -> None:
        self._turns += 1
        assert self._turns < TURNS_MAX, "the sale goes round in circles"
        timers, batch = self._timers, self._waiting
        while timers and timers[0][2].is_cancelled:
            heapq.heappop(timers)
        if not batch:
            assert timers, "nothing is left that could happen"
            self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            timer = heapq.heappop(timers)[2]
            if not timer.is_cancelled:
                batch.append(timer)
        self._waiting = []
        if len(batch) > 1:
            self._shuffle(batch)
        for callback in batch:
            process = callback.context.get(_process)
            if callback.is_cancelled or (process is not None and self._is_kept(process, callback)):
                continue
            try:
                callback.context.run(callback.callback, *callback.args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001 - as asyncio does
                told = {"message": f"in {callback.callback!r}", "exception": error}
                self.call_exception_handler(told)

    def _shuffle(self, batch: list[Callback]) -> None:
        steps = [i for i, callback in enumerate(batch) if callback.is_step]
        if len(steps) > 1:
            order = [batch[i] for i in steps]
            self._dice.shuffle(order)
            for i, callback in zip(steps, order, strict=True):
                batch[i] = callback

    def _is_kept(self, process: Process, callback: Callback) -> bool:
        """Say whether a process is dead or frozen, and keep what it will do once it is thawed."""
        if process.frozen_until <= self._now:
            return not process.alive
        if not process.waiting:
            self.call_at(process.frozen_until, self._thaw, process, context=self.nowhere)
        process.waiting.append(callback)
        return True

    def _thaw(self, process: Process) -> None:
        if process.alive:
            self._waiting.extend(process.waiting)
        process.waiting.clear()

    def _asyncgen_firstiter_hook(self, _: Any) -> None:
        """Keep no list of generators: what a killed process leaves behind must not run on."""

    def _asyncgen_finalizer_hook(self, _: Any) -> None:
        """As above."""

    def _process_events(self, _: Any) -> None:
        """No sockets."""

    def _write_to_self(self) -> None:
        """No threads that could wake this loop."""


def _of_process(loop: asyncio.AbstractEventLoop, coro: Any, **rest: Any) -> "asyncio.Task[Any]":
    task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **rest)
    process = (rest.get("context") or copy_context()).get(_process)
    if process is not None:
        process.tasks.append(task)
        # A killed process leaves its tasks behind, and that is no mistake.
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    return task


@contextmanager
def clockwork(seed: int) -> Iterator[tuple[Clockwork, random.Random]]:
    """Lend a loop whose time, randomness and order all come from a seed."""
    dice = random.Random(seed)
    loop = Clockwork(random.Random(dice.random()))
    chances = random.Random(dice.random())
    gc.disable()  # A collection would end what killed processes left behind, at any moment.
    with (
        mock.patch.object(time, "monotonic", loop.time),
        mock.patch.object(time, "time", loop.wall_time),
        mock.patch.object(os, "urandom", chances.randbytes),
        mock.patch.object(random, "_urandom", chances.randbytes),
        mock.patch.object(random, "random", chances.random),
    ):
        asyncio.set_event_loop(loop)
        try:
            yield loop, dice
        finally:
            _end(loop)
            asyncio.set_event_loop(None)
            gc.enable()


# The moment of the database's clock at which virtual time is 0.
EPOCH_S = 1_900_000_000.0


def _end(loop: Clockwork) -> None:
    """Drop all tasks without running any of them further."""
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        # It may want to await in a `finally`.
        with suppress(Exception):
            task.get_coro().close()  # type: ignore[union-attr]
    loop.close()
