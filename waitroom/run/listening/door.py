"""Newcomers whom nobody could serve in time: they are told so at once, at the socket.

In a storm new connections come faster than the loop takes them in, and wait in the kernel for
longer than their shoppers do. While what waits already, there and here, fills the time of a
process, newcomers are taken off the kernel's queue here, many in a turn of the loop, and answered
with the bytes that `refusing.py` has made, without a transport or a protocol.

Who may be inside, and who has not said yet what they want, is let in. While thousands open silent
connections, those inside wait behind them in the kernel, so the door lets newcomers in besides the
loop.
"""

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from inventory.kit.batcher import REFUSED
from inventory.kit.http import observe
from inventory.kit.problem import Busy
from waitroom.run.listening.precedence import is_inside
from waitroom.run.listening.refusing import BusyAnswers

# This part of those who wait at a listener is turned away in a turn, and at least so many, which
# takes a millisecond. They come as fast as before while turns are long, as on a busy machine.
TURNED_AWAY_PART, TURNED_AWAY_MIN = 1 / 4, 16
# To let one in takes as long as to turn several away.
LET_IN_MAX = 16
# A head that is longer is read and refused by the connection's own rules.
LOOKED_AT_BYTES = 16 * 1024
# Of a listener, `tcpi_unacked` is the length of its queue.
_TCP_INFO = getattr(socket, "TCP_INFO", 11)
_ACCEPTED = slice(24, 28)


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

    def waiting(self) -> int:
        """Return how many newcomers wait in the kernel; 0 where it does not tell."""
        return sum(map(_queued_at, self._listeners))

    def turn_away(self) -> None:
        """Refuse newcomers who wait, as many as a turn of the loop has room for."""
        self._take(self._refuse)

    def take_in(self) -> None:
        """Let newcomers in who wait, besides those whom the loop takes by itself."""
        self._take(lambda _: False)

    def _take(self, is_refused: Callable[[socket.socket], bool]) -> None:
        for listener in self._listeners:
            left = max(int(_queued_at(listener) * TURNED_AWAY_PART), TURNED_AWAY_MIN)
            to_let_in = LET_IN_MAX
            while left and to_let_in:
                left -= 1
                try:
                    newcomer, _ = listener.accept()
                except OSError:
                    # Nobody waits, or there is no descriptor left.
                    break
                newcomer.settimeout(0)
                if not is_refused(newcomer):
                    to_let_in -= 1
                    entering = self._loop.create_task(self._enter(newcomer), name="newcomer")
                    self._entering.add(entering)
                    entering.add_done_callback(self._entering.discard)

    def close(self) -> None:
        for one in self._listeners:
            one.close()
        self._listeners = []

    def _refuse(self, newcomer: socket.socket) -> bool:
        """Refuse one, unless they are inside, or have not said yet what they want."""
        said = b""
        with suppress(OSError):
            said = newcomer.recv(LOOKED_AT_BYTES, socket.MSG_PEEK)
        if not said.endswith(b"\r\n\r\n") or is_inside(said):
            return False
        answer, _ = self._busy.answer(said, self._busy.again_after_s(), ends=True)
        with newcomer, suppress(OSError):
            # What is left unread would reset the connection, and the answer with it.
            newcomer.recv(len(said))
            newcomer.send(answer)
        observe("none", Busy.status, 0.0)
        self._refused.inc()
        return True

    async def _enter(self, newcomer: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._let_in, newcomer)
        except OSError:
            newcomer.close()


def _queued_at(listener: socket.socket) -> int:
    """Return how many connections of a listener wait to be taken (Linux, `tcp_info(7)`)."""
    try:
        info = listener.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _ACCEPTED.stop)
    except OSError:
        return 0
    return int.from_bytes(info[_ACCEPTED], sys.byteorder)
