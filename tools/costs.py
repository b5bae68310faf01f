"""What groups of processes take: processor time and memory, as Linux tells in /proc."""

import asyncio
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
LOOK_EVERY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Processor time in seconds, user and system, and memory in MiB; shared pages count once."""

    cpu_s: float
    mib: float


@dataclass(slots=True, kw_only=True)
class CostWatch:
    """Looks at groups of processes by name; each group is its processes and all below them."""

    groups: Mapping[str, Iterable[int]]
    _most: dict[str, float] = field(default_factory=dict)

    async def run(self) -> None:
        """Note the most memory, until cancelled."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        for name, pids in self.groups.items():
            self._most[name] = max(self._most.get(name, 0.0), memory_mib(families(pids)))

    def costs(self) -> dict[str, Cost]:
        """Return what each group has taken so far."""
        self.look()
        return {
            name: Cost(cpu_s=cpu_s(families(pids)), mib=self._most[name])
            for name, pids in self.groups.items()
        }


def families(pids: Iterable[int]) -> set[int]:
    """Return processes with all of their descendants that live."""
    parents = {
        int(path.name): int(fields[1])
        for path in PROC.iterdir()
        if path.name.isdigit() and (fields := _stat(int(path.name)))
    }
    found: set[int] = set()
    newer = set(pids)
    while newer:
        found |= newer
        newer = {pid for pid, parent in parents.items() if parent in newer} - found
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """Return the processor time of processes and of their children that have ended."""
    return sum(sum(map(int, fields[11:15])) for pid in pids if (fields := _stat(pid))) / TICKS_PER_S


def memory_mib(pids: Iterable[int]) -> float:
    """Return the memory of processes together; a page that several share counts once."""
    kib = 0
    for pid in pids:
        with suppress(OSError):
            for line in (PROC / str(pid) / "smaps_rollup").read_text("ascii").splitlines():
                if line.startswith("Pss:"):
                    kib += int(line.split()[1])
    return kib / 1024


def _stat(pid: int) -> list[str]:
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return []
    # A program's name may hold anything, blanks and brackets too.
    return text.rpartition(")")[2].split()
