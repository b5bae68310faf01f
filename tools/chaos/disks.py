"""Disks that can be full: PostgreSQL's data and its log of changes on small file systems.

They are in memory, and mounting them needs root.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DATA_MIB, WAL_MIB = 320, 160
WAL = "wal"
BALLAST = "ballast"
PIECE = b"\0" * 2**20


@contextmanager
def small_disks(folder: Path) -> Iterator[None]:
    """Put a folder for PostgreSQL on one small file system, and its folder `wal` on another."""
    if os.geteuid() != 0:
        raise PermissionError("full disks are small file systems, which root alone can mount")
    mounted: list[Path] = []
    try:
        for path, size in ((folder, DATA_MIB), (folder / WAL, WAL_MIB)):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            options = f"size={size}m,mode=0711"
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", options, "waitroom-chaos", path], check=True
            )
            mounted.append(path)
        yield
    finally:
        for path in reversed(mounted):
            subprocess.run(["umount", "--lazy", path], check=True)


def move_wal(folder: Path) -> None:
    """Move the log of a stopped cluster to the file system that is meant for it."""
    inside = folder / "postgres" / "pg_wal"
    shutil.copytree(inside, folder / WAL / "pg_wal")
    shutil.rmtree(inside)
    inside.symlink_to(folder / WAL / "pg_wal")


def fill(disk: Path) -> None:
    """Write to a disk until it is full."""
    with (disk / BALLAST).open("wb", buffering=0) as file:
        try:
            while True:
                file.write(PIECE)
        except OSError:
            pass


def clear(disk: Path) -> None:
    """Make room again."""
    (disk / BALLAST).unlink(missing_ok=True)
