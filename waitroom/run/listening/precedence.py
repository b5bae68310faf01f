"""Who is served first while a process has more requests than it gets done.

A loop runs what is ready in the order in which it became ready, so one request of a shopper who
pays would stand behind thousands that ask how the line stands, and behind as many again for each
step of it. Requests therefore begin a few in each turn of the loop, and those of shoppers who are
inside begin first. All others wait here, where waiting costs nothing, each for a bounded time. How
many can begin within that time is measured as they do; one more is told at once to come again, by
bytes that were made before, and newcomers are told so at the door (`door.py`).

An idle process starts a request in the moment in which it comes.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from math import inf
from time import thread_time
from typing import Protocol

from inventory.kit.batcher import REFUSED

# A turn of the loop is to take so much processor time. Each step of a request takes a turn, and a
# payment has some twenty. Shorter turns would make those inside wait less, but batches smaller.
TURN_S = 0.002
# So few or so many requests of others begin in one turn: the dearest take a millisecond each, the
# cheapest a twentieth of it.
OTHERS_A_TURN_MIN, OTHERS_A_TURN_MAX = 1, 64
# Who claims to be inside is not looked at here, so they never get all of a turn.
INSIDE_A_TURN = 24
WAITING_MAX = 8192
REFUSED_A_TURN = 16
# Newcomers are counted so often, and while so many wait the process is busy.
LOOK_EVERY_S, NEWCOMERS_MANY = 0.005, 32
# How many begin in a second is measured over so much time in which others waited.
RATE_OVER_S = 0.1
# A measurement that is lower than what was known counts for so much: the process may have stood
# still for a moment, and who is refused then would have been served. A process that has become
# slower is known within a second.
LOWER_COUNTS = 0.3
# So few may always wait, whatever was measured: a process may have stood still for a while.
WAITING_ALWAYS = 64

# A request begins with its method, a blank and its path.
_METHOD_LENGTH_MAX = 8
_INSIDE = (b"/checkout", b"/admin", b"/check/", b"/check ", b"/healthz", b"/readyz", b"/metrics")
_OF_ROOMS = b"/rooms/"
# The claim of a program and that of a page.
_CLAIMS = (b"/claims", b"/enter")
# Browsers send it with whatever a page of theirs needs.
_SESSION = b"waitroom_session_"


def is_inside(data: bytes) -> bool:
    """Say whether a request is one of a shopper inside, of one who enters, or of an operator."""
    at = data.find(b" ", 0, _METHOD_LENGTH_MAX) + 1
    if _SESSION in data or (at and data.startswith(_INSIDE, at)):
        return True
    if not at or not data.startswith(_OF_ROOMS, at):
        return False
    return data.endswith(_CLAIMS, at, max(data.find(b" ", at), at))


class Waiter(Protocol):
    """A connection whose request waits to begin; `waiting` is what it has sent, in bytes."""

    waiting: bytes

    def begin(self) -> None:
        """Begin with the request."""

    def refuse(self) -> None:
        """Answer that the service is busy."""


class Rank(IntEnum):
    """Whose request it is: the first of these begin first."""

    INSIDE = 0
    OTHER = 1
    # Of a client that was told to come again later, and did not wait.
    EARLY = 2


INSIDE, OTHER = int(Rank.INSIDE), int(Rank.OTHER)
# Who still waits then is told that the service is busy, while they still listen. Who was told so
# before and did not heed it waits for as long as they were told, or costs an answer each time.
WAIT_MAX_S = {Rank.INSIDE: 2.0, Rank.OTHER: 0.5, Rank.EARLY: 8.0}


@dataclass(slots=True, kw_only=True)
class _Queue:
    """Requests of one rank that wait, the first to come first, each with when its time is up."""

    wait_max_s: float
    # The requests that begin within `wait_max_s`, as far as is known.
    fits: float = inf
    waiters: "deque[tuple[Waiter, float]]" = field(default_factory=deque)

    def is_full(self, besides: int = 0) -> bool:
        """Say whether one more would wait in vain behind these, and so many besides."""
        return len(self.waiters) + besides >= min(self.fits, WAITING_MAX)

    def next(self) -> Waiter | None:
        """Return the first that waits; a connection that was lost waits for nothing any more."""
        while self.waiters:
            waiter = self.waiters[0][0]
            if waiter.waiting:
                return waiter
            self.waiters.popleft()
        return None


class Entrance(Protocol):
    """Where newcomers wait until they are let in."""

    def waiting(self) -> int:
        """Return how many wait there."""

    def turn_away(self) -> None:
        """Refuse some of them."""

    def take_in(self) -> None:
        """Let some of them in, besides those who come in by themselves."""


class Precedence:
    """Lets the requests of a process begin, a few in each turn of its loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Newcomers are turned away there while no more of the others fit.
        self.entrance: Entrance | None = None
        self._loop = loop
        self._queues = [_Queue(wait_max_s=WAIT_MAX_S[rank]) for rank in Rank]
        # How many may still begin in this turn: of those inside, and of all others.
        self._left_inside, self._left = INSIDE_A_TURN, OTHERS_A_TURN_MIN
        self._others_a_turn = OTHERS_A_TURN_MIN
        self._turning = False
        self._turn_began_at = 0.0
        # The newcomers who waited at the last look, and when it was.
        self._newcomers, self._looked_at = 0, 0.0
        # The others that began while others waited, here or outside, and for how long they did.
        self._begun, self._busy_s, self._busy_since = 0, 0.0, 0.0
        self._refused = REFUSED.labels("requests")

    def __len__(self) -> int:
        """Return how many wait, with those that were lost since."""
        return sum(len(queue.waiters) for queue in self._queues)

    def ask(self, waiter: Waiter, rank: Rank) -> None:
        """Let a request begin: now, or in its turn, or not at all, if too many wait."""
        queue = self._queues[rank]
        if not queue.waiters and self._take(rank):
            waiter.begin()
        elif not queue.is_full():
            queue.waiters.append((waiter, self._loop.time() + queue.wait_max_s))
        else:
            self._refuse(waiter)
        if not self._turning:
            self._turning = True
            self._turn_began_at = thread_time()
            self._loop.call_soon(self._turn)

    def let_in(self) -> None:
        """Count a newcomer who has come in: while nobody waits here, that is how fast it goes."""
        self._begun += not self._queues[OTHER].waiters

    def _take(self, rank: int) -> bool:
        """Take one of the beginnings of this turn, if one is left for this rank."""
        if rank == INSIDE:
            self._left_inside -= 1
            return self._left_inside >= 0
        self._left -= 1
        return self._left >= 0

    def _turn(self) -> None:
        """Begin with the next ones. It runs once in each turn of the loop while any begin."""
        idle = (self._left_inside, self._left) == (INSIDE_A_TURN, self._others_a_turn)
        now = self._loop.time()
        self._adapt()
        self._left_inside, self._left = INSIDE_A_TURN, self._others_a_turn
        if not idle and now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            self._look_at_the_entrance()
        self._measure(now)
        # Who is turned away takes nobody's turn.
        self._turn_began_at = thread_time()
        for rank, queue in enumerate(self._queues):
            if not queue.waiters:
                continue
            idle = False
            self._refuse_overdue(queue, now)
            while (waiter := queue.next()) is not None and self._take(rank):
                queue.waiters.popleft()
                waiter.begin()
                self._begun += rank == OTHER
        if idle:
            self._turning = False
            self._newcomers, self._queues[OTHER].fits = 0, inf
        else:
            self._loop.call_soon(self._turn)

    def _look_at_the_entrance(self) -> None:
        """Turn newcomers away if those who wait, there and here, are more than begin in time.

        Fewer are let in sooner if they are many.
        """
        if self.entrance is not None:
            self._newcomers = self.entrance.waiting()
            if self._queues[OTHER].is_full(self._newcomers):
                self.entrance.turn_away()
            elif self._newcomers >= NEWCOMERS_MANY:
                self.entrance.take_in()

    def _measure(self, now: float) -> None:
        """Learn how many of the others begin within the time for which they may wait."""
        others = self._queues[OTHER]
        if not others.waiters and self._newcomers < NEWCOMERS_MANY:
            self._busy_since = 0.0
            return
        if self._busy_since:
            self._busy_s += now - self._busy_since
        else:
            self._begun, self._busy_s = 0, 0.0
        self._busy_since = now
        if self._busy_s >= RATE_OVER_S:
            fits = self._begun / self._busy_s * others.wait_max_s
            if fits < others.fits < inf:
                fits = others.fits + (fits - others.fits) * LOWER_COUNTS
            others.fits = max(fits, WAITING_ALWAYS)
            self._begun, self._busy_s = 0, 0.0

    def _adapt(self) -> None:
        """Let more of the others begin in the next turn if this one was short, and else fewer."""
        if thread_time() - self._turn_began_at > TURN_S:
            self._others_a_turn = max(self._others_a_turn // 2, OTHERS_A_TURN_MIN)
        elif self._left <= 0:
            self._others_a_turn = min(self._others_a_turn + 1, OTHERS_A_TURN_MAX)

    def _refuse_overdue(self, queue: _Queue, now: float) -> None:
        for _ in range(REFUSED_A_TURN):
            waiter = queue.next()
            if waiter is None or queue.waiters[0][1] > now:
                return
            queue.waiters.popleft()
            self._refuse(waiter)

    def refuse_all(self) -> None:
        """Refuse everything that waits, since the process is about to end."""
        for queue in self._queues:
            while (waiter := queue.next()) is not None:
                queue.waiters.popleft()
                self._refuse(waiter)

    def _refuse(self, waiter: Waiter) -> None:
        self._refused.inc()
        waiter.refuse()
