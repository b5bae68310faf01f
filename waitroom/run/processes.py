"""Several processes on one port: start them, watch them, restart them, stop them."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from waitroom.run.settings import ENVIRONMENT_PREFIX, Settings

log = structlog.get_logger()

STOP_WAIT_S = 20.0
WATCH_S = 0.2
# A process that dies is started again, but not for ever: this often within this time.
RESTARTS_MAX = 10
RESTARTS_WITHIN_S = 60.0
# The exit code of a process that cannot start for a reason outside of it. If it has lived with the
# same settings before, an engine is away, and it is tried until the engine is back.
CANNOT_START = 2
LIVED_AFTER_S = 5.0
TRIED_AGAIN_AFTER_S = 2.0


class PortInUse(Exception):
    """The port cannot be had; the message is one line that says why."""


def claim_port(host: str, port: int) -> int:
    """Return the port if it is free, a free one for 0; raises `PortInUse`.

    The web processes share the port by SO_REUSEPORT, with which a second service would start
    happily beside the first and take half of its shoppers. So it is tried without it first.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            why = {
                errno.EADDRINUSE: "is in use by another program",
                errno.EACCES: "may not be used by this user",
            }.get(error.errno or 0, f"cannot be used ({error.strerror})")
            raise PortInUse(f"port {port} on {host} {why}; choose another with --port") from error
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class _Child:
    name: str
    command: list[str]
    process: subprocess.Popen[bytes]
    started_at: float = field(default_factory=time.monotonic)
    lived: bool = False

    def look(self) -> int | None:
        """Return the exit code of the process, None while it runs."""
        code = self.process.poll()
        if code is None and time.monotonic() - self.started_at > LIVED_AFTER_S:
            self.lived = True
        return code


def as_variable(value: object) -> str:
    """Return a setting's value as `load_settings` reads it from the environment."""
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


class Supervisor:
    """Run `workers` web processes and one for the other roles, each with these settings."""

    def __init__(self, settings: Settings, *, roles: Sequence[str]) -> None:
        self._settings = settings
        self._children: list[_Child] = []
        self._restarts: deque[float] = deque()
        self._metrics_dir = tempfile.mkdtemp(prefix="waitroom-metrics-")
        self._stopping = False
        names = [f"web-{i + 1}" for i in range(settings.workers)] if "web" in roles else []
        jobs = [(name, "web") for name in names]
        others = [role for role in roles if role != "web"]
        if others:
            jobs.append(("+".join(others), ",".join(others)))
        for name, role in jobs:
            command = [sys.executable, "-m", "waitroom", "serve", "--role", role, "--workers", "1"]
            self._children.append(_Child(name, command, self._start(command)))

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which then
        # stops its processes in order.
        return subprocess.Popen(command, env=self._environment(), start_new_session=True)

    def _environment(self) -> dict[str, str]:
        values = msgspec.to_builtins(self._settings)
        settings = {
            ENVIRONMENT_PREFIX + name.upper(): as_variable(value) for name, value in values.items()
        }
        inherited = {k: v for k, v in os.environ.items() if k != "WAITROOM_CONFIG"}
        return {
            **inherited,
            **settings,
            "WAITROOM_SUPERVISOR": str(os.getpid()),
            "PROMETHEUS_MULTIPROC_DIR": self._metrics_dir,
        }

    def run(self, when_ready: Callable[[], None], is_ready: Callable[[], bool]) -> int:
        """Watch the processes until a signal comes; return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told)
        told_ready = False
        try:
            while not self._stopping:
                if not self._keep_alive():
                    return 1
                if not told_ready and is_ready():
                    told_ready = True
                    when_ready()
                time.sleep(WATCH_S)
            return 0
        finally:
            self.stop()

    def _told(self, *_: object) -> None:
        self._stopping = True

    def _keep_alive(self) -> bool:
        for child in self._children:
            code = child.look()
            if code is None:
                continue
            if child.lived and code == CANNOT_START:
                self._restart(child, code, after_s=TRIED_AGAIN_AFTER_S)
                continue
            now = time.monotonic()
            self._restarts.append(now)
            while self._restarts[0] < now - RESTARTS_WITHIN_S:
                self._restarts.popleft()
            if len(self._restarts) > RESTARTS_MAX:
                log.error("process_cannot_live", process=child.name, exit_code=code)
                return False
            # The first restart is prompt, the next ones ever slower.
            self._restart(child, code, after_s=min(0.2 * (len(self._restarts) - 1), 2.0))
        return True

    def _restart(self, child: _Child, code: int, *, after_s: float) -> None:
        log.warning("process_restarted", process=child.name, exit_code=code)
        time.sleep(after_s)
        child.process, child.started_at = self._start(child.command), time.monotonic()

    def stop(self) -> None:
        for child in self._children:
            if child.process.poll() is None:
                child.process.terminate()
        deadline = time.monotonic() + STOP_WAIT_S
        for child in self._children:
            try:
                child.process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                log.exception("process_killed", process=child.name)
                child.process.kill()
                child.process.wait()
        shutil.rmtree(self._metrics_dir, ignore_errors=True)
