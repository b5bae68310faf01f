"""Facts about the machine, and what they mean for a sale. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from waitroom.run.doctor.finding import Finding, graded
from waitroom.run.listening.descriptors import BACKLOG_MAX, LIMIT_WANTED

MB, GB = 1024**2, 1024**3
DESCRIPTORS_MIN = 1024
PORTS_WANTED = 10_000
DISK_WARNS_BYTES, DISK_FAILS_BYTES = 2 * GB, 200 * MB
DISK_SHARE_WARNS = 0.05
# What a process was measured to take in a rush, and the embedded engines besides.
PROCESS_BYTES, ENGINES_BYTES = 120 * MB, 700 * MB
CLOCK_WARNS_S, CLOCK_FAILS_S = 1.0, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The disk below a folder; `writable` tells whether this user may write into the folder."""

    folder: str
    free_bytes: int
    total_bytes: int
    inodes_left: int
    writable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The limits of this machine; None where it does not tell them.

    `descriptors_max` is the hard limit, to which processes raise their own.
    """

    descriptors_max: int | None
    backlog_max: int | None
    ports: int | None
    memory_left_bytes: int | None
    processors: int
    disks: Sequence[Disk]


def judge_machine(found: Machine, *, workers: int, has_engines: bool) -> Iterator[Finding]:
    """Yield what is well and what is not; `has_engines` is for a data folder with engines."""
    limit = found.descriptors_max
    if limit is not None:
        yield graded(
            "limits.descriptors",
            f"each process may open {limit} files and connections",
            f"allow at least {LIMIT_WANTED} with `ulimit -n`, or systemd's LimitNOFILE",
            fails=limit < DESCRIPTORS_MIN,
            warns=limit < LIMIT_WANTED,
        )
    if found.backlog_max is not None:
        yield graded(
            "limits.backlog",
            f"{found.backlog_max} new connections may wait for each process (somaxconn)",
            f"run sysctl -w net.core.somaxconn={BACKLOG_MAX}: in a rush the rest is dropped",
            fails=False,
            warns=found.backlog_max < BACKLOG_MAX // 4,
        )
    if found.ports is not None:
        yield graded(
            "limits.ports",
            f"{found.ports} ports are there for connections to other machines",
            'run sysctl -w net.ipv4.ip_local_port_range="1024 65000" here and at the proxy',
            fails=False,
            warns=found.ports < PORTS_WANTED,
        )
    yield from _judge_memory(found, workers=workers, has_engines=has_engines)
    for disk in found.disks:
        yield _judge_disk(disk)


def _judge_memory(found: Machine, *, workers: int, has_engines: bool) -> Iterator[Finding]:
    left = found.memory_left_bytes
    if left is None:
        return
    wanted = (workers + 1) * PROCESS_BYTES + (ENGINES_BYTES if has_engines else 0)
    yield graded(
        "machine.memory",
        f"{left / GB:.1f} GB of memory are free, and a start with {workers} workers takes "
        f"{wanted / GB:.1f} GB",
        "lower workers, or give the machine more",
        fails=left < wanted // 4,
        warns=left < wanted,
    )
    yield graded(
        "machine.processors",
        f"{found.processors} processors for {workers} web processes",
        "lower workers to the number of processors: more of them only take turns",
        fails=False,
        warns=workers > 2 * found.processors,
    )


def _judge_disk(disk: Disk) -> Finding:
    share = disk.free_bytes / disk.total_bytes if disk.total_bytes else 0.0
    no_files = disk.inodes_left < 1000
    says = f"{disk.free_bytes / GB:.1f} GB ({share:.0%}) are free below {disk.folder}"
    if not disk.writable:
        says = f"this user may not write into {disk.folder}"
    elif no_files:
        says = f"no more files can be made below {disk.folder}"
    return graded(
        "machine.disk",
        says,
        "free space, or choose another --data-dir, before the sale: a full disk ends it"
        if disk.writable
        else "give the folder to the user who runs waitroom, or choose another --data-dir",
        fails=not disk.writable or no_files or disk.free_bytes < DISK_FAILS_BYTES,
        warns=disk.free_bytes < DISK_WARNS_BYTES or share < DISK_SHARE_WARNS,
    )


def judge_clock(what: str, ahead_s: float) -> Finding:
    """Say how a clock stands to this machine's; `what` is `postgres`, `valkey` or a machine."""
    off = abs(ahead_s)
    name = {"postgres": "PostgreSQL's", "valkey": "Valkey's"}.get(what, f"the clock of {what}")
    clock = name if name.startswith("the ") else f"{name} clock"
    says = f"{clock} is {off:.1f} s {'ahead of' if ahead_s > 0 else 'behind'} this machine's"
    return graded(
        "clock." + (what if what in {"postgres", "valkey"} else "processes"),
        says if off > CLOCK_WARNS_S else f"{clock} agrees with this machine's",
        "let chrony or systemd-timesyncd set both: deadlines are PostgreSQL's, and times in "
        "logs, messages and signatures are each machine's",
        fails=off > CLOCK_FAILS_S,
        warns=off > CLOCK_WARNS_S,
    )
