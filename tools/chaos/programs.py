"""The program in processes of its own, each of which can be killed, frozen and started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from support import KEY

from chaos.engines import children_of
from waitroom.run.engines.server import MYSELF
from waitroom.run.processes.spare import TOLD

STOP_WAIT_S = 60
LOG_SHOWN_CHARS = 3000
USUAL = {
    "WAITROOM_SIGNING_KEYS": KEY,
    "WAITROOM_DRAIN_S": "0.2",
    "WAITROOM_GATEWAY": "test",
    # The shoppers of a crowd each name an address, as a proxy would.
    "WAITROOM_TRUSTED_PROXIES": "127.0.0.1",
    # The code of an installed program is compiled.
    "PYTHONDONTWRITEBYTECODE": "",
}


@dataclass(slots=True, kw_only=True)
class Program:
    """`waitroom …` with its arguments and environment: a supervisor, or one process."""

    url: str
    log: Path
    arguments: Sequence[str] = ("serve",)
    # What stands for `waitroom` on the command line of Python.
    command: Sequence[str] = ("-m", "waitroom")
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start it, or start it again after its end."""
        with self.log.open("ab") as file:
            self.process = subprocess.Popen(
                # It ends with this process, also if that is killed.
                MYSELF.wrap([sys.executable, *self.command, *self.arguments], signal.SIGTERM),
                env={**os.environ, **USUAL, **self.environment},
                stdout=file,
                stderr=subprocess.STDOUT,
                # A service has its own share of a busy machine, and so it has here.
                start_new_session=True,
            )

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    @property
    def children(self) -> list[int]:
        return children_of(self.process.pid)

    def with_roles(self, roles: str) -> list[int]:
        """Return the ids of its processes with these roles; it may be the only one itself."""
        if roles_of(self.process.pid) == roles and self._is_alone:
            return [self.process.pid]
        return [pid for pid in self.children if roles_of(pid) == roles]

    @property
    def _is_alone(self) -> bool:
        """Say whether it has no processes beside its own: `serve` then supervises nothing."""
        return self.environment.get("WAITROOM_WORKERS") == "1" or "web" not in self.arguments[-1]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it with all of its processes, in an instant."""
        pids = [self.process.pid, *self.children] if self.runs else []
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """End it in order; frozen processes are woken for it."""
        if self.runs:
            for pid in [self.process.pid, *self.children]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            self.process.terminate()
        self.process.wait(STOP_WAIT_S)

    def said(self) -> str:
        """Return the end of what the program has logged."""
        return self.log.read_text(errors="replace")[-LOG_SHOWN_CHARS:]

    async def is_ready(self) -> bool:
        assert self.runs, self.said()
        return await answers(f"{self.url}/readyz")


def roles_of(pid: int) -> str:
    """Return what follows --role on a process's command line, "" for a process without.

    A fork of a spare has it in its name, and the spare itself has "told".
    """
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
    role = words[words.index("--role") + 1] if "--role" in words else ""
    # The kernel keeps the beginning of a long name.
    known = (one for one in ("web", "controller,sweeper") if f"waitroom:{one}".startswith(name))
    return next(known, role) if role == TOLD else role


def at_work(supervisor: int) -> list[int]:
    """Return the ids of a supervisor's processes, without a spare and without dead ones."""
    return [pid for pid in children_of(supervisor) if roles_of(pid) not in {TOLD, ""}]


async def answers(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
