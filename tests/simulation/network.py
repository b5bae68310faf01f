"""The network between any two parts: each request has a fate of the dice."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from simulation.clockwork import Clockwork

# One way over a calm network (s), and how late a late message is.
CALM_S = (0.0005, 0.01)
LATE_S = (2.0, 9.0)


class Fate(Enum):
    FINE = auto()
    # The request or the reply never arrives. The client waits for its own time-out.
    REQUEST_LOST = auto()
    REPLY_LOST = auto()
    # It arrives when the client may have given up.
    REQUEST_LATE = auto()
    REPLY_LATE = auto()
    # The connection breaks, before the request arrived or after it was served.
    CUT_BEFORE = auto()
    CUT_AFTER = auto()


FAULTS = tuple(fate for fate in Fate if fate is not Fate.FINE)


@dataclass(slots=True, kw_only=True)
class Weather:
    """The faults on a kind of link: each request meets one with chance `faulty`.

    No more than `in_a_row_max` requests of one link in a row do, or no sale could be promised
    anything. `until` ends the faults, so that a sale can come to rest.
    """

    faulty: float = 0.0
    in_a_row_max: int = 3
    until: float = float("inf")


class Cut(Exception):
    """The connection broke."""


class Reply:
    """The way back of one request."""

    __slots__ = ("_answer", "_back_s", "_fate", "_loop")

    def __init__(
        self, loop: Clockwork, answer: "asyncio.Future[Any]", fate: Fate, back_s: float
    ) -> None:
        self._loop, self._answer, self._fate, self._back_s = loop, answer, fate, back_s

    def say(self, what: Any) -> None:
        """Send an answer back, or raise an exception at the client."""
        if self._fate is Fate.CUT_AFTER:
            what = Cut()
        if self._fate is not Fate.REPLY_LOST:
            self._loop.later(self._back_s, self._arrive, what)

    def cut(self) -> None:
        self._arrive(Cut())

    def _arrive(self, what: Any) -> None:
        if self._answer.done():
            return
        if isinstance(what, BaseException):
            self._answer.set_exception(what)
        else:
            self._answer.set_result(what)


class Link:
    """One client's way to a server."""

    def __init__(self, loop: Clockwork, dice: random.Random, weather: Weather) -> None:
        self.loop = loop
        self._dice, self._weather = dice, weather
        self._in_a_row = 0

    def fate(self) -> Fate:
        weather = self._weather
        is_faulty = self._dice.random() < weather.faulty and self.loop.time() < weather.until
        if not is_faulty or self._in_a_row >= weather.in_a_row_max:
            self._in_a_row = 0
            return Fate.FINE
        self._in_a_row += 1
        return self._dice.choice(FAULTS)

    async def ask(self, within_s: float, serve: Callable[..., None], *values: object) -> Any:
        """Send a request and wait for its answer; raises `TimeoutError` after `within_s`."""
        answer = self.send(serve, *values)
        # In the client's context: a frozen client takes an answer that came meanwhile.
        timer = self.loop.call_later(within_s, _give_up, answer)
        try:
            return await answer
        finally:
            timer.cancel()

    def send(
        self, serve: Callable[..., None], *values: object, fate: Fate | None = None
    ) -> "asyncio.Future[Any]":
        """Send a request; the future gets the answer, or `Cut`, or nothing ever.

        `serve` is called with the reply and the values when the request arrives, even if the client
        is dead by then. It replies now or later.
        """
        fate = self.fate() if fate is None else fate
        answer: asyncio.Future[Any] = self.loop.create_future()
        random, (least_s, most_s) = self._dice.random, CALM_S
        # As `uniform` reckons, which would be called twice for each message.
        there_s = least_s + (most_s - least_s) * random()
        back_s = least_s + (most_s - least_s) * random()
        if fate is Fate.REQUEST_LATE:
            there_s = self._dice.uniform(*LATE_S)
        elif fate is Fate.REPLY_LATE:
            back_s = self._dice.uniform(*LATE_S)
        reply = Reply(self.loop, answer, fate, back_s)
        if fate is Fate.CUT_BEFORE:
            self.loop.later(there_s, reply.cut)
        elif fate is not Fate.REQUEST_LOST:
            self.loop.later(there_s, serve, reply, *values)
        return answer


def _give_up(answer: "asyncio.Future[Any]") -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())
