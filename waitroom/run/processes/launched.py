"""A process of a supervisor as it is launched, with the channel on which it beats.

Its program is started, or another process that has loaded it forks. What forks is no longer the new
process's parent then, since the supervisor adopts it.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path

from waitroom.run.processes.heartbeat import CHANNEL, LISTENERS
from waitroom.run.processes.service_manager import OF_THIS_PROCESS

# Only Linux lets a process adopt others: https://man7.org/linux/man-pages/man2/prctl.2.html
CAN_ADOPT = sys.platform == "linux"
_PR_SET_CHILD_SUBREAPER = 36
_LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Launched:
    """A process, and the supervisor's end of its channel, which never blocks."""

    process: "subprocess.Popen[bytes] | Forked"
    channel: socket.socket

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    @property
    def waited_s(self) -> float:
        """Return for how long in all it has waited for a processor; 0 where no kernel tells it."""
        try:
            told = Path(f"/proc/{self.process.pid}/schedstat").read_text(encoding="ascii")
        except OSError:
            return 0.0
        # https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
        return int(told.split()[1]) / 1e9


class Forked:
    """A child of ours that another one has forked for us; it is used like `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def wait(self, timeout: float = inf) -> int:
        """Return the exit code once it has ended; raises what `subprocess.Popen` does."""
        until = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(_LOOK_S)
        return code

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        # Its number is nobody else's before its end was heard of here.
        if self.poll() is None:
            os.kill(self.pid, number)


@contextmanager
def adopting() -> Iterator[None]:
    """Become the parent of processes whose parent ends meanwhile, if a child of ours made them."""
    _adopt(yes=True)
    try:
        yield
    finally:
        _adopt(yes=False)


def _adopt(*, yes: bool) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot adopt processes")


def launch(
    command: Sequence[str],
    environment: Mapping[str, str],
    listeners: Sequence[socket.socket] = (),
) -> Launched:
    """Start a process, which inherits the sockets on which another one has listened."""
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    numbers = [one.fileno() for one in listeners]
    with theirs:
        # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which then
        # stops its processes in order.
        process = subprocess.Popen(
            command,
            env={
                **environment,
                CHANNEL: str(theirs.fileno()),
                LISTENERS: ",".join(map(str, numbers)),
            },
            pass_fds=[theirs.fileno(), *numbers],
            start_new_session=True,
        )
    return Launched(process, ours)


def inherited_environment() -> dict[str, str]:
    """Return our own environment, without what is for this process alone."""
    ours = {"WAITROOM_CONFIG", CHANNEL, LISTENERS, *OF_THIS_PROCESS}
    return {name: value for name, value in os.environ.items() if name not in ours}
