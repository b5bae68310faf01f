"""Newcomers whom nobody could serve in time: they are told so at once, at the socket.

In a storm new connections come faster than the loop takes them in, and wait in the kernel for
longer than their shoppers do. While what waits already fills the time of a process, newcomers are
taken off the kernel's queue here, many in a turn of the loop, and answered with the bytes that
`refusing.py` has made, without a transport or a protocol.

Who may be inside, and who has not said yet what they want, is let in as always.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

from inventory.kit.batcher import REFUSED
from inventory.kit.http import observe
from inventory.kit.problem import Busy
from waitroom.run.listening.precedence import is_inside
from waitroom.run.listening.refusing import BusyAnswers

# So many of each listener in a turn; they take it a millisecond or two.
TURNED_AWAY_A_TURN = 48
# A head that is longer is read and refused by the connection's own rules.
LOOKED_AT_BYTES = 16 * 1024


class Door:
    """Turns newcomers of some listeners away.

    `let_in` makes the protocol of a connection that is let in.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        *,
        loop: asyncio.AbstractEventLoop,
        let_in: Callable[[], asyncio.Protocol],
        busy: BusyAnswers,
    ) -> None:
        # Copies that outlive those of the loop until they are closed here.
        self._listeners = [one.dup() for one in listeners]
        for one in self._listeners:
            one.settimeout(0)
        self._loop, self._let_in, self._busy = loop, let_in, busy
        self._entering: set[asyncio.Task[object]] = set()
        self._refused = REFUSED.labels("requests")

    def turn_away(self) -> None:
        """Refuse the newcomers who wait, as many as a turn of the loop has room for."""
        for listener in self._listeners:
            for _ in range(TURNED_AWAY_A_TURN):
                try:
                    newcomer, _ = listener.accept()
                except OSError:
                    # Nobody waits, or there is no descriptor left.
                    break
                self._meet(newcomer)

    def close(self) -> None:
        for one in self._listeners:
            one.close()
        self._listeners = []

    def _meet(self, newcomer: socket.socket) -> None:
        newcomer.settimeout(0)
        said = b""
        with suppress(OSError):
            said = newcomer.recv(LOOKED_AT_BYTES, socket.MSG_PEEK)
        if not said.endswith(b"\r\n\r\n") or is_inside(said):
            entering = self._loop.create_task(self._enter(newcomer), name="newcomer")
            self._entering.add(entering)
            entering.add_done_callback(self._entering.discard)
            return
        answer, _ = self._busy.answer(said, self._busy.again_after_s(), ends=True)
        with newcomer, suppress(OSError):
            # What is left unread would reset the connection, and the answer with it.
            newcomer.recv(len(said))
            newcomer.send(answer)
        observe("none", Busy.status, 0.0)
        self._refused.inc()

    async def _enter(self, newcomer: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._let_in, newcomer)
        except OSError:
            newcomer.close()
