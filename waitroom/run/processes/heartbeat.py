"""What a process tells its supervisor: that its event loop turns, and where it listens.

The words go over a pair of sockets that the child inherits, so they reach the supervisor whatever
has become of PostgreSQL and the network. The supervisor has one word for the process: that it may
go. A channel that ends says that the supervisor is gone, in the moment in which it dies.
"""

import asyncio
import os
import socket
from collections.abc import Coroutine, Sequence
from typing import Any

from waitroom.run.processes.service_manager import ServiceManager

# The variables by which the supervisor names the inherited files.
CHANNEL = "WAITROOM_HEARTBEAT"
LISTENERS = "WAITROOM_LISTENERS"

BEAT_EVERY_S = 1.0
# The words, each one byte. With `LISTENS` come the sockets on which the process listens.
BEAT, LISTENS, LEAVES = b".", b"l", b"d"
# The supervisor's word.
GO = b"g"
# A supervisor that is frozen lets nobody go. A process that is told to end waits so long for its
# word.
GO_WAIT_S = 15.0
_WORDS_MAX = 64
SOCKETS_MAX = 8


class Heartbeat:
    """The side of the process that beats: to its supervisor, or to the service manager."""

    def __init__(self) -> None:
        self._manager = ServiceManager()
        number = os.environ.get(CHANNEL)
        self._channel = socket.socket(fileno=int(number)) if number else None
        if self._channel is not None:
            self._channel.settimeout(0)
            self._channel.set_inheritable(False)
        # Set when the supervisor needs this process no more, and when the supervisor is gone.
        self.may_go, self.is_alone = asyncio.Event(), asyncio.Event()

    def both_ways(self) -> Sequence[Coroutine[Any, Any, None]]:
        """Return what speaks to the supervisor and what hears it, for a task each."""
        return self.run(), self._hear()

    async def _hear(self) -> None:
        """Hear what the supervisor says, until it is gone."""
        while self._channel is not None:
            try:
                words = await asyncio.get_running_loop().sock_recv(self._channel, _WORDS_MAX)
            except ConnectionError:
                words = b""
            if not words:
                self.is_alone.set()
                return
            self.may_go.set()

    async def run(self) -> None:
        """Beat for as long as the event loop turns."""
        while True:
            self._say(BEAT)
            self._manager.alive()
            await asyncio.sleep(BEAT_EVERY_S)

    def listens_on(self, sockets: Sequence[socket.socket]) -> None:
        """Give the supervisor the sockets, which it keeps open for the process that comes after."""
        self._say(LISTENS, sockets)

    def serves(self) -> None:
        """Say that this process serves."""
        self._manager.ready()

    def leaves(self) -> None:
        """Say that this process is to end; without a supervisor it may do so at once.

        A supervisor lets it go once another process serves in its place.
        """
        self._say(LEAVES)
        self._manager.stopping()
        if self._channel is None:
            self.may_go.set()

    def _say(self, word: bytes, sockets: Sequence[socket.socket] = ()) -> None:
        if self._channel is None:
            return
        try:
            socket.send_fds(self._channel, [word], [one.fileno() for one in sockets])
        except BlockingIOError:
            # The supervisor has not read for long: it is frozen, and the next beat is as good.
            return
        except OSError:
            # The supervisor is gone, which this process notices by itself.
            return


def inherited_listeners() -> list[socket.socket]:
    """Return the sockets on which the process before this one listened, if it left any."""
    found = [socket.socket(fileno=int(n)) for n in os.environ.get(LISTENERS, "").split(",") if n]
    for one in found:
        one.set_inheritable(False)
    return found
