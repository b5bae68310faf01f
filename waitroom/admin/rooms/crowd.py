"""Simulated crowds against this same service, for demonstrations: one for each room."""

import asyncio
import signal
import sys
from dataclasses import dataclass, replace

import msgspec

from inventory.kit.doors.decoding import Json
from waitroom.refusals import CrowdRunning
from waitroom.store.memory import Memory

STOP_WAIT_S = 5.0
LINE_BYTES_MAX = 64 * 1024


@dataclass(slots=True)
class _Crowd:
    process: asyncio.subprocess.Process
    reader: asyncio.Task[None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdReport:
    """The state of a room's crowd, as every worker can read it.

    `progress` and `result` are as `waitroom load --json` printed them: the last progress, and the
    result once the crowd is over.
    """

    running: bool
    progress: Json | None = None
    result: Json | None = None


_REPORT = msgspec.json.Decoder(CrowdReport)


class Crowds:
    """Start `waitroom load` as a separate process and keep its latest report.

    Several web processes share a port, and a crowd belongs to one of them. Therefore its reports
    go through `share`, which every worker reads.
    """

    def __init__(self, *, base_url: str, share: "Shared") -> None:
        self._base_url = base_url
        self._share = share
        self._crowds: dict[str, _Crowd] = {}

    async def start(self, room: str, *, shoppers: int, arrive_s: float) -> None:
        report = await self._share.read(room)
        if report.running:
            raise CrowdRunning
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "waitroom", "load", "--url", self._base_url, "--room", room),
            *("--shoppers", str(shoppers), "--arrive-s", str(arrive_s), "--json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=LINE_BYTES_MAX,
        )
        reader = asyncio.create_task(self._follow(room, process), name=f"crowd-{room}")
        self._crowds[room] = _Crowd(process, reader)
        await self._share.write(room, CrowdReport(running=True))

    async def _follow(self, room: str, process: asyncio.subprocess.Process) -> None:
        """Pass on each line that the crowd prints: progress, and at the end its result."""
        assert process.stdout is not None
        report = CrowdReport(running=True)
        async for line in process.stdout:
            try:
                said = msgspec.json.decode(line)
            except msgspec.DecodeError:
                continue
            report = replace(report, **{k: said[k] for k in ("progress", "result") if k in said})
            if await self._share.stop_wanted(room):
                _interrupt(process)
            await self._share.write(room, report)
        await process.wait()
        await self._share.write(room, replace(report, running=False))

    async def report(self, room: str) -> CrowdReport:
        return await self._share.read(room)

    async def stop(self, room: str) -> None:
        """Stop the crowd, even if another worker started it."""
        await self._share.want_stop(room)

    async def close(self) -> None:
        for crowd in self._crowds.values():
            _interrupt(crowd.process)
        for crowd in self._crowds.values():
            _, running = await asyncio.wait({crowd.reader}, timeout=STOP_WAIT_S)
            if running:
                crowd.process.kill()
                crowd.reader.cancel()


def _interrupt(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGINT)


class Shared:
    """Reports of crowds for every worker: in Valkey, for a few seconds."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def read(self, room: str) -> CrowdReport:
        raw = await self._memory.note(f"crowd:{room}")
        return _REPORT.decode(raw) if raw else CrowdReport(running=False)

    async def write(self, room: str, report: CrowdReport) -> None:
        # A running crowd reports every second, so the report of a crashed one soon expires.
        ttl_s = 10 if report.running else 3600
        await self._memory.keep_note(f"crowd:{room}", msgspec.json.encode(report), ttl_s=ttl_s)

    async def want_stop(self, room: str) -> None:
        await self._memory.keep_note(f"crowd-stop:{room}", b"1", ttl_s=10)

    async def stop_wanted(self, room: str) -> bool:
        return await self._memory.take_note(f"crowd-stop:{room}") is not None
