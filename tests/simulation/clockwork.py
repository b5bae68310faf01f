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
from functools import partial
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


class Handle:
    """What can be cancelled until the loop has run it."""

    is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True

    def cancelled(self) -> bool:
        return self.is_cancelled


# Of what nobody cancels.
FOR_SURE = Handle()
# What the loop will run once, in a context. asyncio's own handles do the same at twice the cost.
Callback = tuple[Handle, Context, Callable[..., Any], tuple[Any, ...]]


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
        # A heap: equal moments come in the order in which they were set.
        self._timers: list[tuple[float, int, Callback]] = []
        self._waiting: list[Callback] = []
        self._numbers = itertools.count()
        self.nowhere = context_of(None)
        # All of them, to the end: a killed process leaves its tasks behind, as they stand.
        self.tasks: list[asyncio.Task[Any]] = []
        self.errors: list[str] = []
        # No method of Python stands between a future and its making.
        self.create_future = partial(asyncio.Future, loop=self)  # type: ignore[method-assign]
        self.set_exception_handler(self._note_error)

    def time(self) -> float:
        return self._now

    def wall_time(self) -> float:
        return EPOCH_S + self._now

    # asyncio asks this for each future: `bool()` is False, at the speed of C.
    get_debug = bool  # type: ignore[assignment]

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> Any:
        handle = Handle()
        context = copy_context() if context is None else context
        self._waiting.append((handle, context, callback, args))
        return handle

    def call_at(
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        timer = (Handle(), copy_context() if context is None else context, callback, args)
        return self._set(when, timer)

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        timer = (Handle(), copy_context() if context is None else context, callback, args)
        return self._set(self._now + delay, timer)

    def later(self, seconds: float, callback: Callable[..., None], *args: object) -> None:
        """Let something happen that belongs to no process: no kill keeps it from happening."""
        self._set(self._now + seconds, (FOR_SURE, self.nowhere, callback, args))

    def _set(self, when: float, timer: Callback) -> Handle:
        heapq.heappush(self._timers, (when, next(self._numbers), timer))
        return timer[0]

    def create_task(  # type: ignore[override]
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        self.tasks.append(task)
        return task

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
        """Run turn after turn until the loop is told to stop."""
        while not self._stopping:  # type: ignore[attr-defined]
            for one in self._next_turn():
                handle, context, callback, args = one
                process = context.get(_process)
                if handle.is_cancelled or (process is not None and self._is_kept(process, one)):
                    continue
                try:
                    context.run(callback, *args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:  # noqa: BLE001 - as asyncio does
                    told = {"message": f"in {callback!r}", "exception": error}
                    self.call_exception_handler(told)

    def _next_turn(self) -> list[Callback]:
        """Return what is ready, in an order of the dice; time goes on if nothing is."""
        self._turns += 1
        assert self._turns < TURNS_MAX, "the sale goes round in circles"
        timers, ready = self._timers, self._waiting
        self._waiting = []
        while timers and timers[0][2][0].is_cancelled:
            heapq.heappop(timers)
        if not ready:
            assert timers, "nothing is left that could happen"
            self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            timer = heapq.heappop(timers)[2]
            if not timer[0].is_cancelled:
                ready.append(timer)
        if len(ready) > 1:
            self._shuffle(ready)
        return ready

    def _shuffle(self, batch: list[Callback]) -> None:
        steps = [i for i, (_, _, callback, _) in enumerate(batch) if _is_step(callback)]
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


def _is_step(callback: Callable[..., Any]) -> bool:
    """Say whether it is a step of a task; the steps of different tasks may change places."""
    return isinstance(getattr(callback, "__self__", None), asyncio.Task)


@contextmanager
def clockwork(seed: int) -> Iterator[tuple[Clockwork, random.Random]]:
    """Lend a loop whose time, randomness and order all come from a seed."""
    dice = random.Random(seed)
    loop = Clockwork(random.Random(dice.random()))
    chances = random.Random(dice.random())
    collects = gc.isenabled()
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
            if collects:
                gc.enable()


# The moment of the database's clock at which virtual time is 0.
EPOCH_S = 1_900_000_000.0


def _end(loop: Clockwork) -> None:
    """Drop all tasks without running any of them further."""
    for task in loop.tasks:
        if not task.done():
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            # It may want to await in a `finally`.
            with suppress(Exception):
                task.get_coro().close()  # type: ignore[union-attr]
    # They hold one another: what is dropped here need not be found by a collection.
    loop.tasks.clear()
    loop._timers.clear()
    loop._waiting.clear()
    loop.close()
