"""Whether a server still answers: one small question at a time, which nobody waits for.

A server that runs and does not answer (frozen, or stuck in its own fault) is found by the clock of
a supervisor that itself runs, as frozen processes are (`waitroom.run.processes.silence`). The
question asks nothing of the data: PostgreSQL's main process answers it by a fork, also while all
connections are taken, while it recovers, and behind the longest lock. So silence means that this
process itself stands still, and a slow disk or a long statement does not.
"""

import socket
import time
from contextlib import suppress
from pathlib import Path

import structlog

from waitroom.run.processes.silence import Silence

log = structlog.get_logger()

ASK_EVERY_S = 2.0
# A server that has said nothing for this long is killed and started again. It loses nothing that it
# promised, but its recovery takes seconds, so it gets more time than a web process.
HUNG_AFTER_S = 10.0
# While it is to stop, a server that does not answer within this time is killed.
LAST_ANSWER_S = 2.0
_ANSWER_BYTES = 64


class Pulse:
    """The answers of one server on its socket."""

    def __init__(self, path: Path, question: bytes) -> None:
        self._path = path
        self._question = question
        # The server was waited for until it answered.
        self._silence = Silence(frozen_after_s=HUNG_AFTER_S, heard_once=True)
        self._asked: socket.socket | None = None
        self._looked_at = time.monotonic()
        self._ask_at = 0.0

    def is_hung(self) -> bool:
        """Look once, without waiting; return whether the server has been silent for too long."""
        now = time.monotonic()
        since_s, self._looked_at = now - self._looked_at, now
        if self._asked is not None and self._has_answered(self._asked):
            self._silence.heard()
            self.close()
            self._ask_at = now + ASK_EVERY_S
        if self._asked is None and now >= self._ask_at:
            self._ask()
        return self._silence.look(since_s)

    def answers(self) -> bool:
        """Ask, and wait for the answer for a moment."""
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
            asked.settimeout(LAST_ANSWER_S)
            asked.connect(str(self._path))
            asked.sendall(self._question)
            return bool(asked.recv(_ANSWER_BYTES))
        return False

    def begin_anew(self) -> None:
        """Forget the silence of the process before: another one has been started."""
        self.close()
        self._silence, self._looked_at = Silence(frozen_after_s=HUNG_AFTER_S), time.monotonic()

    def close(self) -> None:
        if self._asked is not None:
            self._asked.close()
            self._asked = None

    def _ask(self) -> None:
        asked = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        asked.settimeout(0)
        try:
            # On a Unix socket both are done at once, or the server's queue is full.
            asked.connect(str(self._path))
            asked.send(self._question)
        except OSError:
            asked.close()
        else:
            self._asked = asked

    def _has_answered(self, asked: socket.socket) -> bool:
        try:
            if asked.recv(_ANSWER_BYTES):
                return True
        except BlockingIOError:
            return False
        except OSError as error:
            log.debug("engine_hung_up", error=repr(error))
        # It hung up without a word, as a server does that is about to end: ask again.
        self.close()
        return False
