"""The real program on engines of its own, so that PostgreSQL can be taken away and come back."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import aiohttp
from support import KEY, eventually
from wire import Wire, wired

from waitroom.run.engines import EmbeddedEngines
from waitroom.run.engines.postgres import STOP_STEPS, Postgres, not_root
from waitroom.run.engines.server import stop
from waitroom.run.processes import claim_port
from waitroom.store.migrate import migrate

STOP_WAIT_S = 30
READY_WAIT_S = 60.0
LOG_SHOWN_CHARS = 3000


class Database:
    """The embedded PostgreSQL, which can be stopped, or frozen with all its processes.

    As a context manager it starts and stops. It starts in the thread that uses it, since its life
    is tied to that thread's.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        folder.mkdir(mode=0o700)
        self._sockets = Path(tempfile.mkdtemp(prefix="wr-", dir="/tmp"))
        self._postgres = Postgres(
            data_dir=folder, socket_dir=self._sockets, settings=settings, run_as=not_root()
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen: list[int] = []

    @property
    def url(self) -> str:
        return self._postgres.owner_url

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._thaw()
        self.stop()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def start(self) -> None:
        """Start on the data that is there, and wait until connections are taken."""
        self._process = self._postgres.start()
        self._postgres.wait_ready(self._process)

    def stop(self) -> None:
        """Stop in order: sessions are cut off, and what was committed stays."""
        if self._process is not None:
            stop(self._process, STOP_STEPS)
            self._process = None

    async def take_away(self, how: str) -> None:
        if how == "frozen":
            self._freeze()
        else:
            await asyncio.to_thread(self.stop)

    async def bring_back(self, how: str) -> None:
        if how == "frozen":
            self._thaw()
            return
        # The process belongs to this thread; that it takes connections is for another to wait.
        self._process = self._postgres.start()
        await asyncio.to_thread(self._postgres.wait_ready, self._process)

    def _freeze(self) -> None:
        assert self._process is not None
        # The parent first, so that no process is born meanwhile.
        os.kill(self._process.pid, signal.SIGSTOP)
        self._frozen = [self._process.pid, *children_of(self._process.pid)]
        for pid in self._frozen[1:]:
            os.kill(pid, signal.SIGSTOP)

    def _thaw(self) -> None:
        for pid in reversed(self._frozen):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._frozen = []


@dataclass(slots=True, kw_only=True)
class Program:
    """`waitroom serve` in several processes."""

    url: str
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def children(self) -> list[int]:
        return children_of(self.process.pid)

    def said(self) -> str:
        """Return the end of what the program has logged."""
        return self.log.read_text()[-LOG_SHOWN_CHARS:]


@dataclass(slots=True, kw_only=True)
class Stage:
    """A program, the engines under it, and a wire that may lie between it and PostgreSQL."""

    database: Database
    valkey_url: str
    program: Program
    wire: Wire


@asynccontextmanager
async def stage(
    folder: Path, *, durable: bool = True, by_wire: bool = False, **environment: str
) -> AsyncIterator[Stage]:
    """Start engines in a folder and the program on them, with all tables and no rows."""
    with (
        _engines(folder, durable=durable) as (database, valkey_url),
        tempfile.TemporaryDirectory(prefix="wire-", dir="/tmp") as sockets,
    ):
        await migrate(database.url)
        async with wired(database.url, Path(sockets)) as (wire, by_wire_url):
            url = by_wire_url if by_wire else database.url
            engines = {"WAITROOM_POSTGRES_URL": url, "WAITROOM_VALKEY_URL": valkey_url}
            async with _program(folder / "program.log", {**engines, **environment}) as program:
                yield Stage(database=database, valkey_url=valkey_url, program=program, wire=wire)


@contextmanager
def _engines(folder: Path, *, durable: bool) -> Iterator[tuple[Database, str]]:
    settings = {} if durable else {"fsync": "off", "full_page_writes": "off"}
    with (
        EmbeddedEngines(folder / "memory", postgres=False) as urls,
        Database(folder / "database", settings) as database,
    ):
        yield database, str(urls.valkey_url)


@asynccontextmanager
async def _program(log: Path, environment: Mapping[str, str]) -> AsyncIterator[Program]:
    port = claim_port("127.0.0.1", 0)
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: ASYNC220 - it starts at once, and is waited for
            [sys.executable, "-m", "waitroom", "serve"],
            env={
                **os.environ,
                "WAITROOM_PORT": str(port),
                "WAITROOM_SIGNING_KEYS": KEY,
                "WAITROOM_DRAIN_S": "0.2",
                "WAITROOM_GATEWAY": "test",
                # The shoppers of a crowd each name an address, as a proxy would.
                "WAITROOM_TRUSTED_PROXIES": "127.0.0.1",
                **environment,
            },
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    program = Program(url=f"http://127.0.0.1:{port}", log=log, process=process)

    async def ready() -> bool:
        assert process.poll() is None, program.said()
        return await _answers(f"{program.url}/readyz")

    try:
        await eventually(ready, within_s=READY_WAIT_S)
        yield program
    finally:
        if process.poll() is None:
            process.terminate()
        await asyncio.to_thread(process.wait, STOP_WAIT_S)


async def _answers(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


def children_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in found.split()]
