"""A process of a supervisor as it is launched, with the channel on which it beats."""

import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from waitroom.run.processes.heartbeat import CHANNEL, LISTENERS
from waitroom.run.processes.service_manager import OF_THIS_PROCESS


@dataclass(frozen=True, slots=True)
class Launched:
    """A process, and the supervisor's end of its channel, which never blocks."""

    process: subprocess.Popen[bytes]
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
