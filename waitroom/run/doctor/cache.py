"""Facts about Valkey, and what they mean for a sale. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from waitroom.run.doctor.finding import Finding, graded, ok

# GETDEL came with 6.2.
VERSION_MIN = (6, 2)
ROUND_TRIP_WARNS_S, ROUND_TRIP_FAILS_S = 0.010, 0.500
MEMORY_WARNS, MEMORY_FAILS = 0.75, 0.95
# Without a bound of its own, Valkey may use this share of the machine before it is worth a word.
MACHINE_SHARE_WARNS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """What Valkey says of itself: its INFO by name, and the seconds that an answer takes.

    `by_cluster` says that it is asked as a cluster, where any node sends a command on.
    """

    info: Mapping[str, str]
    round_trip_s: float
    by_cluster: bool = False

    def number(self, name: str) -> int:
        text = self.info.get(name, "")
        return int(text) if text.isdigit() else 0


def judge_cache(found: Cache) -> Iterator[Finding]:
    """Yield what is well and what is not. Nothing in Valkey is a promise, so little of it fails."""
    version = found.info.get("valkey_version") or found.info.get("redis_version", "0")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    yield graded(
        "valkey.version",
        f"{'Valkey' if 'valkey_version' in found.info else 'Redis'} {version}",
        f"{VERSION_MIN[0]}.{VERSION_MIN[1]} or later is needed",
        fails=numbers < VERSION_MIN,
    )
    yield graded(
        "valkey.round_trip",
        f"an answer takes {found.round_trip_s * 1000:.1f} ms",
        "bring Valkey nearer, or leave it idler: after a second it is left alone",
        fails=found.round_trip_s > ROUND_TRIP_FAILS_S,
        warns=found.round_trip_s > ROUND_TRIP_WARNS_S,
    )
    role = found.info.get("role", "master")
    clustered = found.info.get("cluster_enabled") == "1"
    yield graded(
        "valkey.role",
        "it is part of a cluster" if clustered else f"it is a {role}",
        "let valkey_url begin with redis+cluster:// and name nodes of the cluster"
        if clustered
        else "let valkey_url name the server that takes writes, or its sentinels",
        fails=not found.by_cluster and (clustered or role != "master"),
    )
    policy = found.info.get("maxmemory_policy", "noeviction")
    yield graded(
        "valkey.policy",
        f"maxmemory-policy is {policy}",
        "set it to noeviction: a full memory would forget limits and notes of others",
        fails=False,
        warns=policy != "noeviction",
    )
    yield _judge_memory(found)
    yield _judge_persistence(found)


def _judge_memory(found: Cache) -> Finding:
    check, used = "valkey.memory", found.number("used_memory")
    most, machine = found.number("maxmemory"), found.number("total_system_memory")
    of, share = ("maxmemory", used / most) if most else ("the machine's memory", 0.0)
    if not most and machine:
        share = used / machine
    return graded(
        check,
        f"it uses {used / 1024**2:.0f} MB, {share:.0%} of {of}",
        "raise maxmemory, or give it a machine with more: a full Valkey counts no limits",
        fails=bool(most) and share > MEMORY_FAILS,
        warns=share > (MEMORY_WARNS if most else MACHINE_SHARE_WARNS),
    )


def _judge_persistence(found: Cache) -> Finding:
    check = "valkey.persistence"
    broken = [
        name
        for name in ("rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status")
        if found.info.get(name, "ok") != "ok"
    ]
    if not broken:
        kind = "append-only file" if found.info.get("aof_enabled") == "1" else "snapshots or none"
        return ok(check, f"its data is kept by {kind}; nothing in it is a promise")
    return graded(
        check,
        f"it cannot write its data ({', '.join(broken)})",
        "look at its disk and its log: it may refuse all writes until then",
        fails=True,
    )
