"""File descriptors: the limit of the process, and how many connections it allows."""

import resource
from dataclasses import dataclass

import structlog

log = structlog.get_logger()

LIMIT_MAX = 65_536
# Below this a crowd of shoppers is turned away before anything else is busy.
LIMIT_WANTED = 4096
# For engines, gateways, webhooks, logs and files, besides the connections to PostgreSQL.
RESERVED = 256
# Who waits longer in the kernel than a client's patience would be answered in vain, and all behind
# them too. Beyond this the kernel lets a client knock again after a second.
BACKLOG_MAX = 1024
BOUND_MIN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The connections that a process keeps.

    `total_max` counts all of them, `network_max` those of one IPv4 address or IPv6 /64. `backlog`
    is how many may wait in the kernel; a burst of them is accepted before any can be ended.
    """

    total_max: int
    network_max: int
    backlog: int


def raise_limit() -> int:
    """Raise the soft limit to the hard one, within reason, and return it.

    Processes that are started afterwards inherit it, and find nothing left to raise.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = LIMIT_MAX if hard == resource.RLIM_INFINITY else min(hard, LIMIT_MAX)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return LIMIT_MAX if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError) as error:
        log.warning("descriptors_not_raised", limit=soft, error=str(error))
        return soft
    log.info("descriptors_raised", before=soft, limit=wanted)
    return wanted


def bounds_within(limit: int, *, engine_connections: int) -> Bounds:
    """Divide the descriptors among connections, the accepting of new ones, and all else."""
    backlog = min(BACKLOG_MAX, limit // 8)
    total = max(limit - RESERVED - engine_connections - backlog, BOUND_MIN)
    return Bounds(
        total_max=total, network_max=max(total // 4, BOUND_MIN), backlog=max(backlog, BOUND_MIN)
    )


def warn_if_few(limit: int, bounds: Bounds) -> None:
    """Say at the start that the limit is too small for a crowd."""
    if limit < LIMIT_WANTED:
        log.warning(
            "descriptors_few",
            limit=limit,
            connections_max=bounds.total_max,
            hint=f"allow at least {LIMIT_WANTED} with `ulimit -n` or systemd's LimitNOFILE",
        )
