"""The engines of a run, each of which can be stopped, killed, frozen and started again.

They start in the thread that uses them, since their lives are tied to that thread's.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from waitroom.run.engines.postgres import Postgres, not_root
from waitroom.run.engines.server import stop
from waitroom.run.engines.valkey import Valkey


class Engine:
    """One of the embedded engines, as a context manager."""

    def __init__(self, server: Postgres | Valkey) -> None:
        self.server = server
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen: list[int] = []

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.thaw()
        self.stop()
        shutil.rmtree(self.server.socket_dir, ignore_errors=True)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start on the data that is there, and wait until connections are taken."""
        self._process = self.server.start()
        self.server.wait_ready(self._process)

    def stop(self) -> None:
        """Stop in order: sessions are cut off, and what was committed stays."""
        if self._process is not None:
            stop(self._process, self.server.stop_steps)
            self._process = None

    def kill(self) -> None:
        """Kill the engine's first process; those that it leaves end by themselves."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def freeze(self) -> None:
        self._frozen = freeze_with_children(self.pid)

    def thaw(self) -> None:
        thaw_all(self._frozen)
        self._frozen = []

    async def take_away(self, how: str) -> None:
        """Take it away: `frozen`, `killed` or `stopped`."""
        if how == "frozen":
            self.freeze()
        elif how == "killed":
            self.kill()
        else:
            await asyncio.to_thread(self.stop)

    async def bring_back(self, how: str) -> None:
        if how == "frozen":
            self.thaw()
            return
        if how == "killed":
            await asyncio.to_thread(self.server.clear_leftovers)
        # The process belongs to this thread; that it takes connections is for another to wait.
        self._process = self.server.start()
        await asyncio.to_thread(self.server.wait_ready, self._process)


class Database(Engine):
    """PostgreSQL in a folder, with settings of its own."""

    server: Postgres

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        super().__init__(
            Postgres(
                data_dir=folder,
                socket_dir=_sockets(),
                settings=settings,
                run_as=not_root(),
            )
        )

    @property
    def url(self) -> str:
        """The address for the owner of the tables."""
        return self.server.owner_url


class Memory(Engine):
    """Valkey in a folder."""

    server: Valkey

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        super().__init__(Valkey(data_dir=folder, socket_dir=_sockets()))


def _sockets() -> Path:
    """Return a folder for sockets, whose paths have to be short."""
    return Path(tempfile.mkdtemp(prefix="wr-", dir="/tmp"))


def freeze_with_children(parent: int) -> list[int]:
    """Freeze a process and its children; return them, the parent first."""
    # It is first, so that no process is born meanwhile.
    os.kill(parent, signal.SIGSTOP)
    children = children_of(parent)
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    return [parent, *children]


def thaw_all(frozen: list[int]) -> None:
    """Let processes go on, the parent last."""
    for pid in reversed(frozen):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def children_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in found.split()]
