"""The processes of a benchmark, started like those of a sale, and the CPU time they take."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec
import redis.asyncio as redis
from server import Order

from waitroom.run.engines import EmbeddedEngines
from waitroom.run.processes import claim_port
from waitroom.run.settings import Settings
from waitroom.store.migrate import migrate

HERE = Path(__file__).parent
KEY = "11" * 32
WEB_PROCESSES = 2
READY_WAIT_S = 60.0
STOP_WAIT_S = 20.0
LOG_SHOWN_CHARS = 2000
# Whose CPU time goes to which part; the controller's goes with the tick and not with requests.
ROLES = {"server.py": "web", "leader.py": "controller", "submitters.py": "submitters"}
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

# Commits are durable, as by default. No table is ever analysed, as in a sale that has just begun.
POSTGRES = {"autovacuum": "off"}


class ProcessFailed(Exception):
    """A process of the benchmark did not start, or ended; the message has its last lines."""


@dataclass(slots=True, kw_only=True)
class Running:
    """Everything that runs: addresses, and process ids by the part they play.

    `leader` and `submitters` are there while a service runs.
    """

    host: str
    port: int
    postgres_url: str
    valkey_url: str
    folder: Path
    pids: dict[str, list[int]] = field(default_factory=dict)
    leader: asyncio.subprocess.Process | None = None
    submitters: asyncio.subprocess.Process | None = None

    @property
    def service(self) -> list[int]:
        """The processes of the service, without its engines."""
        return [pid for part in ROLES.values() for pid in self.pids[part]]

    @property
    def samples(self) -> Path:
        """The folder of the answers that the bare handlers repeat."""
        return self.folder / "samples"

    @property
    def metrics(self) -> Path:
        """The folder of the files in which all processes keep their counters."""
        return self.folder / "metrics"

    @property
    def leader_log(self) -> Path:
        return self.folder / "leader.log"


@asynccontextmanager
async def run_engines() -> AsyncIterator[Running]:
    """Start PostgreSQL and Valkey in a folder of their own, with all tables and no rows."""
    with tempfile.TemporaryDirectory(prefix="waitroom-bench-") as name:
        folder = Path(name)
        for made in ("samples", "metrics"):
            (folder / made).mkdir()
        with EmbeddedEngines(folder / "data", postgres_settings=POSTGRES) as urls:
            assert urls.postgres_owner_url is not None
            assert urls.valkey_url is not None
            await migrate(urls.postgres_owner_url)
            running = Running(
                host="127.0.0.1",
                port=claim_port("127.0.0.1", 0),
                postgres_url=urls.postgres_owner_url,
                valkey_url=urls.valkey_url,
                folder=folder,
            )
            running.pids["postgres"] = [_postmaster(folder / "data")]
            running.pids["valkey"] = [await _valkey_pid(urls.valkey_url)]
            running.pids["load"] = [os.getpid()]
            yield running


@asynccontextmanager
async def run_service(
    running: Running,
    *,
    web: int = WEB_PROCESSES,
    log_level: str = "warning",
) -> AsyncIterator[None]:
    """Start web processes, a controller that sweeps too, and the submitters.

    The rooms must be there already: a worker looks for new ones only every other second.
    """
    settings = Settings(
        host=running.host,
        port=running.port,
        postgres_url=running.postgres_url,
        valkey_url=running.valkey_url,
        data_dir=str(running.folder),
        drain_s=0.0,
        gateway="test",
        # Each request comes from a shopper's own address, as behind a proxy.
        trusted_proxies=[running.host],
        log_level=log_level,
    )
    order = Order(settings=settings, signing_keys=[KEY], samples=str(running.samples))
    text = msgspec.json.encode(order).decode()
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(running.metrics)}
    started: list[asyncio.subprocess.Process] = []
    try:
        for script, told in [
            *[("server.py", text)] * web,
            ("leader.py", text),
            ("submitters.py", text),
        ]:
            with running.leader_log.open("ab") as log:
                errors = log if script == "leader.py" else None
                child = await _start(environment, script, told, errors=errors)
            started.append(child)
            running.pids.setdefault(ROLES[script], []).append(child.pid)
        running.leader, running.submitters = started[-2:]
        yield
    finally:
        thaw(child.pid for child in started)
        for child in started:
            await _stop(child)


async def _start(
    environment: Mapping[str, str], script: str, order: str, *, errors: IO[bytes] | None
) -> asyncio.subprocess.Process:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        str(HERE / script),
        order,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        # Ctrl-C reaches the benchmark alone, which then stops its processes in order.
        start_new_session=True,
    )
    assert child.stdout is not None
    line = await asyncio.wait_for(child.stdout.readline(), READY_WAIT_S)
    if line != b"ready\n":
        raise ProcessFailed(f"{script} did not start: {line!r} {_end_of(errors)}")
    return child


def _end_of(log: IO[bytes] | None) -> str:
    return "" if log is None else Path(log.name).read_text()[-LOG_SHOWN_CHARS:]


async def _stop(child: asyncio.subprocess.Process) -> None:
    assert child.stdin is not None
    child.stdin.close()
    try:
        await asyncio.wait_for(child.wait(), STOP_WAIT_S)
    except TimeoutError:
        child.kill()
        await child.wait()


def _postmaster(data_dir: Path) -> int:
    text = (data_dir / "postgres" / "postmaster.pid").read_text()
    return int(text.split("\n", 1)[0])


async def _valkey_pid(url: str) -> int:
    client = redis.from_url(url)
    info = await client.info("server")
    await client.aclose()
    return int(info["process_id"])


def freeze(pids: Iterable[int]) -> None:
    """Stop processes where they are, so that what is not measured takes nothing from what is."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)


def thaw(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


class CpuClock:
    """CPU time, user and system, that the parts of the service have taken so far."""

    def __init__(self, pids: Mapping[str, Iterable[int]]) -> None:
        self._pids = {part: list(found) for part, found in pids.items()}
        self._last = self._read()

    def lap_us(self) -> dict[str, float]:
        """Return the microseconds of each part since the last lap."""
        before, self._last = self._last, self._read()
        return {
            part: sum(now - before[part].get(pid, 0) for pid, now in found.items())
            * 1e6
            / TICKS_PER_S
            for part, found in self._last.items()
        }

    def lap_each_us(self, requests: int) -> dict[str, float]:
        """Return the microseconds of each part for each request since the last lap."""
        return {part: us / max(requests, 1) for part, us in self.lap_us().items()}

    def _read(self) -> dict[str, dict[int, int]]:
        # PostgreSQL does its work in children of the postmaster.
        family = _children_of(self._pids["postgres"])
        pids = {**self._pids, "postgres": [*self._pids["postgres"], *family]}
        return {part: {pid: _ticks(pid) for pid in found} for part, found in pids.items()}


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    # A program's name may hold anything, blanks and brackets too.
    return text.rpartition(")")[2].split()


def _ticks(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[11]) + int(fields[12]) if fields else 0


def _children_of(parents: list[int]) -> list[int]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if (fields := _stat(pid)) and int(fields[1]) in parents]
