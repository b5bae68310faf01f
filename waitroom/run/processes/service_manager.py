"""What a process tells the service manager that started it, by systemd's protocol.

A message is a datagram to the socket that `NOTIFY_SOCKET` names. Without that variable nobody
listens, and nothing is said. A manager that is told to watch kills a process that falls silent, and
starts another: for a process without a supervisor of ours, and for the supervisor itself.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

NOTIFY_SOCKET = "NOTIFY_SOCKET"
# The manager's watch is over one process, and those that it starts have another one over them.
OF_THIS_PROCESS = (NOTIFY_SOCKET, "WATCHDOG_USEC", "WATCHDOG_PID")
_ABSTRACT = "@"


class ServiceManager:
    """The service manager, or nobody."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        named = environment.get(NOTIFY_SOCKET, "")
        self._address = "\0" + named[1:] if named.startswith(_ABSTRACT) else named

    def ready(self) -> None:
        """Say that this process serves."""
        self._say(b"READY=1")

    def alive(self) -> None:
        """Say that this process still works; a manager that watches waits for it."""
        self._say(b"WATCHDOG=1")

    def stopping(self) -> None:
        """Say that this process is about to end."""
        self._say(b"STOPPING=1")

    def _say(self, words: bytes) -> None:
        if not self._address:
            return
        # A manager that does not read, or is gone, is no reason to stop serving.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way, suppress(OSError):
            way.settimeout(0)
            way.sendto(words, self._address)
