"""Reads the facts that `machine` judges: limits, memory and disks of this machine."""

import os
import resource
from pathlib import Path

from waitroom.run.doctor.machine import Disk, Machine

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")


def machine_facts(folders: list[Path]) -> Machine:
    """Return the facts of this machine, and of the disks below these folders."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    ports = _numbers(PROC / "sys/net/ipv4/ip_local_port_range")
    backlog = _numbers(PROC / "sys/net/core/somaxconn")
    return Machine(
        descriptors_max=None if hard == resource.RLIM_INFINITY else hard,
        backlog_max=backlog[0] if backlog else None,
        ports=ports[1] - ports[0] + 1 if len(ports) == 2 else None,
        memory_left_bytes=_memory_left(),
        processors=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        disks=[_disk(folder) for folder in folders],
    )


def _memory_left() -> int | None:
    """Return what this machine has left, or what its container may still take."""
    left = None
    for line in _text(PROC / "meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            left = int(line.split()[1]) * 1024
    most, used = _numbers(CGROUP / "memory.max"), _numbers(CGROUP / "memory.current")
    if most and used:
        return min(most[0] - used[0], left if left is not None else most[0])
    return left


def _disk(folder: Path) -> Disk:
    """Look at a folder, or at the nearest one above it that is there."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    found = os.statvfs(there)
    return Disk(
        folder=str(folder),
        free_bytes=found.f_bavail * found.f_frsize,
        total_bytes=found.f_blocks * found.f_frsize,
        # Some file systems count none.
        inodes_left=found.f_favail if found.f_files else 1_000_000,
        writable=os.access(there, os.W_OK | os.X_OK) and not found.f_flag & os.ST_RDONLY,
    )


def _numbers(path: Path) -> list[int]:
    return [int(word) for word in _text(path).split() if word.isdigit()]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
