"""A share of the connections for each room, so that a room whose work stands still fills no pool.

A room may take a connection while it has fewer than are free. A lone busy room so gets half of the
pool, and each further room that needs some finds some: two stuck rooms leave a third of them, three
a quarter. The bound moves with what is free, and nothing has to be set. Work of no room, such as a
sweep or an operator's look, shares among itself in the same way.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from inventory.kit.problem import Busy

# A worker's requests of one room that may wait for a connection, and for how long.
WAITING_MAX = 512
WAIT_MAX_S = 5.0

# The room that the present task works for; empty for work of no room.
_room: ContextVar[str] = ContextVar("room", default="")


def work_for(room: str) -> None:
    """Count what this task does from here on among a room's work; "" is no room."""
    _room.set(room)


class Shares:
    """The right to one of `size` connections, given to rooms in turn."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._taken: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until the present room may use a connection; raises `Busy` if that takes long."""
        room = _room.get()
        await self._take(room)
        try:
            yield
        finally:
            self._give_back(room)

    async def _take(self, room: str) -> None:
        if room not in self._waiting and self._may_take(room):
            self._grant(room)
            return
        waiting = self._waiting.setdefault(room, deque())
        if len(waiting) >= WAITING_MAX:
            raise Busy
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            async with asyncio.timeout(WAIT_MAX_S):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                # Granted in the very moment in which the wait ended.
                self._give_back(room)
            else:
                self._forget(room, turn)
            if isinstance(error, TimeoutError):
                raise Busy from error
            raise

    def _may_take(self, room: str) -> bool:
        return self._taken[room] < self._free

    def _grant(self, room: str) -> None:
        self._free -= 1
        self._taken[room] += 1

    def _give_back(self, room: str) -> None:
        self._free += 1
        self._taken[room] -= 1
        if not self._taken[room]:
            del self._taken[room]
        # The room that has the fewest connections comes first, then the one that waits longest.
        while self._waiting:
            neediest = min(self._waiting, key=self._taken.__getitem__)
            if not self._may_take(neediest):
                return
            self._grant(neediest)
            waiting = self._waiting.pop(neediest)
            turn = waiting.popleft()
            if waiting:
                self._waiting[neediest] = waiting
            turn.set_result(None)

    def _forget(self, room: str, turn: "asyncio.Future[None]") -> None:
        waiting = self._waiting[room]
        waiting.remove(turn)
        if not waiting:
            del self._waiting[room]
