"""A spare process: it has loaded all code, and waits to be told what it is.

Loading is nine tenths of a start. So a supervisor keeps one spare, which takes the place of the
next process that dies within a fraction of a second. The first half of this module is the
supervisor's, the second half the spare's own.
"""

import gc
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType

import structlog

from waitroom.run.processes.exits import DONE
from waitroom.run.processes.heartbeat import BEAT, CHANNEL, LISTENERS, SOCKETS_MAX
from waitroom.run.processes.launched import Launched, launch

log = structlog.get_logger()

# What a spare has as its role on its command line.
TOLD = "told"
# The code of every role; the supervisor has no use for it.
CODE = "waitroom.run.serve"
# All processes have served for this long before one more loads its code beside them.
CALM_S = 3.0
# A spare that could not load its code is not tried again at once.
REST_S = 30.0
_WORDS_MAX = 400
# Ends the role, so that a word that comes right after it is told from it.
_END = b"\n"
_NAME_MAX = 15


class Spare:
    """The one process that is ready for any place, or none."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = [*command, TOLD]
        self._launched: Launched | None = None
        self._is_loaded = False
        self._due_at = 0.0
        # Why the last one could not load its code, "" where one has.
        self.why = ""

    @property
    def pid_if_ready(self) -> int | None:
        """The spare's process id once it has loaded its code."""
        return self._launched.process.pid if self._launched and self._is_loaded else None

    def tend(self, environment: Mapping[str, str], *, calm: bool, wanted: bool = False) -> None:
        """Start a spare once all has been `calm` for a while; notice what became of it.

        One that is `wanted` is started at once.
        """
        now = time.monotonic()
        if self._launched is None:
            if not calm and not wanted:
                self._due_at = max(self._due_at, now + CALM_S)
            elif now >= self._due_at or (wanted and not self.why):
                self._launched = launch(self._command, environment)
            return
        if not self._is_loaded:
            with suppress(BlockingIOError, ConnectionError):
                said = self._launched.channel.recv(_WORDS_MAX)
                self._is_loaded = said.startswith(BEAT)
                self.why = said.removeprefix(BEAT).decode(errors="replace")
        if (code := self._launched.process.poll()) is not None:
            self.why = self.why or f"it ended with exit code {code}"
            log.warning("spare_ended", exit_code=code, why=self.why)
            self.end()
            self._due_at = now + REST_S

    def take(self, role: str, listeners: Sequence[socket.socket]) -> Launched | None:
        """Let the spare become a process of this role; None if there is none that has loaded."""
        if self._launched is None or not self._is_loaded:
            return None
        numbers = [one.fileno() for one in listeners]
        try:
            socket.send_fds(self._launched.channel, [role.encode() + _END], numbers)
        except OSError:
            # It has died since the last look, which the next one will notice.
            return None
        taken, self._launched, self._is_loaded = self._launched, None, False
        return taken

    def end(self) -> None:
        """End the spare, if there is one: it has nothing to finish."""
        if self._launched is not None:
            self._launched.process.kill()
            self._launched.process.wait()
            self._launched.channel.close()
            self._launched, self._is_loaded = None, False


def load_code() -> ModuleType:
    """Import the code of every role.

    All of it stays for as long as the process does, so the garbage collector does not look at it
    meanwhile, nor ever again.
    """
    gc.disable()
    try:
        return import_module(CODE)
    finally:
        gc.freeze()
        gc.enable()


def wait_to_be_told(check: Callable[[], object]) -> str:
    """Load the code, and return the role for which the supervisor needs this process.

    `check` raises what will keep the process from starting, such as bad settings; the supervisor is
    told of it, and of code that cannot be loaded. The process ends here if its supervisor does, or
    if it is told to go in the same moment.
    """
    with socket.socket(fileno=int(os.environ[CHANNEL])) as channel:
        try:
            load_code()
            check()
        except Exception as error:
            why = f"{type(error).__name__}: {error}".encode()[:_WORDS_MAX]
            with suppress(OSError):
                channel.send(why.replace(_END, b" "))
            raise
        try:
            channel.send(BEAT)
            words, files, _, _ = socket.recv_fds(channel, _WORDS_MAX, SOCKETS_MAX)
        except OSError:
            words = b""
        role, _, more = words.partition(_END)
        if not role or more:
            sys.exit(DONE)
        # The process goes on as one that was started with them.
        channel.detach()
    os.environ[LISTENERS] = ",".join(map(str, files))
    return role.decode()


def show_role(role: str) -> None:
    """Name this process after its role, for `top` and `ps -o comm`; its command line may not."""
    with suppress(OSError):
        Path("/proc/self/comm").write_text(f"waitroom:{role}"[:_NAME_MAX], encoding="ascii")
