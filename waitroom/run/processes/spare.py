"""A spare process: it has loaded all code, and forks whatever process its supervisor needs.

Loading is nine tenths of a start. So a supervisor loads the code once, in a spare, and its
processes begin as forks of that: all of them at first, and later each that dies or is renewed,
within a fraction of a second. They are the supervisor's children nevertheless. The first half of
this module is the supervisor's, the second half the spare's own.
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
from waitroom.run.processes.launched import CAN_ADOPT, Forked, Launched, adopting, launch

log = structlog.get_logger()

# What a spare has as its role on its command line.
TOLD = "told"
# The code of every role; the supervisor has no use for it.
CODE = "waitroom.run.serve"
# All processes have served for this long before one more loads its code beside them.
CALM_S = 3.0
# A spare that could not load its code is not tried again at once.
REST_S = 30.0
# Who needs a process waits so long for a spare that loads, and then so long for its fork.
LOAD_MAX_S = 30.0
FORK_MAX_S = 2.0
_WORDS_MAX = 400
_NAME_MAX = 15


class Spare:
    """The one process that can fork all others, or none."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = [*command, TOLD]
        self._launched: Launched | None = None
        self._is_loaded = False
        self._launched_at = self._due_at = 0.0
        # Why the last one could not load its code, "" where one has.
        self.why = ""

    @property
    def pid_if_ready(self) -> int | None:
        """The spare's process id once it has loaded its code."""
        return self._launched.process.pid if self._launched and self._is_loaded else None

    @property
    def is_loading(self) -> bool:
        """True while it is worth waiting for a spare that loads its code."""
        if self._launched is None or self._is_loaded:
            return False
        return time.monotonic() < self._launched_at + LOAD_MAX_S

    def tend(self, environment: Mapping[str, str], *, calm: bool, wanted: bool = False) -> None:
        """Start a spare once all has been `calm` for a while; notice what became of it.

        One that is `wanted` is started at once.
        """
        now = time.monotonic()
        if self._launched is None:
            if not calm and not wanted:
                self._due_at = max(self._due_at, now + CALM_S)
            elif CAN_ADOPT and (now >= self._due_at or (wanted and not self.why)):
                self._launched, self._launched_at = launch(self._command, environment), now
            return
        # In this order: what it said before it ended has come.
        code = self._launched.process.poll()
        if not self._is_loaded:
            with suppress(BlockingIOError, ConnectionError):
                said = self._launched.channel.recv(_WORDS_MAX)
                # Nothing at all is read once it has closed its end, which it may do before it ends.
                if said:
                    self._is_loaded = said.startswith(BEAT)
                    self.why = said.removeprefix(BEAT).decode(errors="replace")
        if code is not None:
            self.why = self.why or f"it ended with exit code {code}"
            log.warning("spare_ended", exit_code=code, why=self.why)
            self.end()
            self._due_at = now + REST_S

    def fork(self, role: str, listeners: Sequence[socket.socket]) -> Launched | None:
        """Let the spare make a process of this role; None if there is none that can."""
        if self._launched is None or not self._is_loaded:
            return None
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        channel, files = self._launched.channel, [theirs, *listeners]
        try:
            with theirs, adopting():
                socket.send_fds(channel, [role.encode()], [one.fileno() for one in files])
                channel.settimeout(FORK_MAX_S)
                pid = int(channel.recv(_WORDS_MAX))
                channel.settimeout(0)
        except (OSError, ValueError) as error:
            # It has died since the last look, or is frozen. What it may have made ends by itself.
            log.warning("spare_ended", why=repr(error))
            ours.close()
            self.end()
            return None
        return Launched(Forked(pid), ours)

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
    """Load the code, and return once in each process that the supervisor needs, with its role.

    `check` raises what will keep processes from starting, such as bad settings; the supervisor is
    told of it, and of code that cannot be loaded. The spare itself ends here with its supervisor.
    """
    with socket.socket(fileno=int(os.environ[CHANNEL])) as channel:
        try:
            load_code()
            check()
        except Exception as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())
            with suppress(OSError):
                channel.send(why.encode()[:_WORDS_MAX])
            raise
        try:
            channel.send(BEAT)
            role, files = _forked_for(channel)
        except OSError:
            sys.exit(DONE)
    os.environ[CHANNEL], os.environ[LISTENERS] = str(files[0]), ",".join(map(str, files[1:]))
    return role


def _forked_for(channel: socket.socket) -> tuple[str, list[int]]:
    """Fork for each role that the supervisor asks for, and return it in the new process.

    With it come the new process's own channel and the sockets on which it is to listen.
    """
    while True:
        words, files, _, _ = socket.recv_fds(channel, _WORDS_MAX, SOCKETS_MAX + 1)
        if not words:
            sys.exit(DONE)
        pid = _fork()
        if pid == 0:
            return words.decode(), files
        for number in files:
            os.close(number)
        channel.send(str(pid).encode())


def _fork() -> int:
    """Return the id of a new process; 0 in that one.

    It comes by way of another one that ends at once. The supervisor, which adopts it then, can hear
    of its end by the time at which it is told of it.
    """
    read, write = os.pipe()
    between = os.fork()
    if between == 0:
        pid = os.fork()
        if pid == 0:
            os.close(read)
            os.close(write)
            # As `launch` does it.
            os.setsid()
            return 0
        os.write(write, str(pid).encode())
        os._exit(DONE)
    os.close(write)
    os.waitpid(between, 0)
    pid = int(os.read(read, _WORDS_MAX))
    os.close(read)
    return pid


def show_role(role: str) -> None:
    """Name this process after its role, for `top` and `ps -o comm`; its command line may not."""
    with suppress(OSError):
        Path("/proc/self/comm").write_text(f"waitroom:{role}"[:_NAME_MAX], encoding="ascii")
