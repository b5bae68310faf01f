"""Facts about PostgreSQL, and what they mean for a sale. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from waitroom.run.doctor.finding import Finding, fail, graded, ok, warn
from waitroom.run.settings import Settings
from waitroom.store.migrate import Migration, MigrationError, missing_migrations

VERSION_MIN = 150_000
# A statement that shoppers wait for takes two round trips or so.
ROUND_TRIP_WARNS_S, ROUND_TRIP_FAILS_S = 0.010, 0.200
# Connections of a process besides `postgres_connections_max`: audits and the beat.
OTHER_CONNECTIONS = 5
# A flash sale fills its tables within a minute.
NAPTIME_MAX_S = 10
REPLAY_LAG_MAX_S = 10.0
WAL_KEPT_MAX_BYTES = 4 * 1024**3
# A busy hour may leave more than `max_wal_size`; several times as much is kept by something.
WAL_TIMES_MAX = 3
TRANSACTION_MAX_S = 60.0
LOCK_TIMEOUT = "2s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Archiver:
    """How `archive_command` fares.

    `failed` counts failures since the statistics began; `is_failing` is about the last file.
    """

    on: bool
    failed: int
    is_failing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wal:
    """The write-ahead log on the disk, and the size up to which a checkpoint keeps it."""

    bytes: int
    most_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A standby; `replay_lag_s` is None where this role may not see it."""

    name: str
    state: str
    replay_lag_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What the role may do: what it lacks, and what it could do beyond selling."""

    role: str
    is_mighty: bool
    owns_tables: bool
    unreadable: Sequence[str] = ()
    closed_functions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """What PostgreSQL says of itself.

    `settings` are its settings by name, in its base units. `connections_left` is what is free for
    this role, `own_connections` what the role has open. `behind_pooler` tells that another program
    answers for PostgreSQL. `migrations` maps the files that the database has run to their
    checksums, None where it has run none. `wal` is None where the role may not see it.
    `kept_for_slots_bytes` is the write-ahead log that a standby which is away keeps, by its slot.
    """

    version: int
    settings: Mapping[str, str]
    round_trip_s: float
    in_recovery: bool
    behind_pooler: bool
    connections_left: int
    own_connections: int
    archiver: Archiver
    rights: Rights
    processes_alive: int = 0
    replicas: Sequence[Replica] = ()
    wal: Wal | None = None
    kept_for_slots_bytes: Mapping[str, int] = field(default_factory=dict)
    oldest_transaction_s: float = 0.0
    size_bytes: int = 0
    migrations: Mapping[str, str] | None = None


def judge_database(
    found: Database, settings: Settings, known: Sequence[Migration]
) -> Iterator[Finding]:
    """Yield what is well and what is not."""
    yield graded(
        "postgres.version",
        f"PostgreSQL {found.version // 10_000}.{found.version % 10_000}, "
        f"{found.size_bytes / 1024**2:.0f} MB of data",
        "15 or later is needed",
        fails=found.version < VERSION_MIN,
    )
    yield graded(
        "postgres.round_trip",
        f"an answer takes {found.round_trip_s * 1000:.1f} ms",
        "bring PostgreSQL nearer: each join, claim and hold waits for several answers",
        fails=found.round_trip_s > ROUND_TRIP_FAILS_S,
        warns=found.round_trip_s > ROUND_TRIP_WARNS_S,
    )
    yield _judge_writes(found)
    yield _judge_durability(found)
    yield _judge_connections(found, settings)
    yield _judge_pooler(found, settings)
    yield _judge_rights(found.rights)
    yield _judge_migrations(found, known)
    yield _judge_vacuum(found)
    yield from _judge_wal(found)
    yield from _judge_replicas(found)
    zone = found.settings.get("TimeZone", "")
    yield graded(
        "postgres.time_zone",
        f"the time zone is {zone}",
        "set timezone to UTC, so that its log and yours tell the same time",
        fails=False,
        warns=zone.upper() not in {"UTC", "ETC/UTC", "GMT", "ETC/GMT"},
    )


def _judge_writes(found: Database) -> Finding:
    read_only = found.settings.get("default_transaction_read_only") == "on"
    return graded(
        "postgres.writes",
        "it is a standby, which takes no writes"
        if found.in_recovery
        else f"writes are {'refused by default_transaction_read_only' if read_only else 'taken'}",
        "let postgres_url lead to the primary, and end its read-only mode",
        fails=found.in_recovery or read_only,
    )


def _judge_durability(found: Database) -> Finding:
    off = [
        name
        for name in ("fsync", "full_page_writes", "synchronous_commit")
        if found.settings.get(name) == "off"
    ]
    if off:
        return fail(
            "postgres.durability",
            f"{' and '.join(off)} off: a crash loses orders that shoppers were told are paid",
            f"turn {'it' if len(off) == 1 else 'them'} on",
        )
    commit = found.settings.get("synchronous_commit", "")
    return graded(
        "postgres.durability",
        f"what is committed outlives a crash (synchronous_commit {commit})",
        "with local a failover to a standby loses commits: set it to on",
        fails=False,
        warns=commit == "local" and bool(found.settings.get("synchronous_standby_names")),
    )


def _judge_connections(found: Database, settings: Settings) -> Finding:
    check = "postgres.connections"
    each = settings.postgres_connections_max + OTHER_CONNECTIONS
    processes = max(settings.workers + 1, found.processes_alive)
    wanted, room = processes * each, found.connections_left + found.own_connections
    says = (
        f"{processes} processes may open {wanted} connections, and {room} of max_connections "
        f"{found.settings.get('max_connections')} are there for them"
    )
    if settings.postgres_pooler:
        return ok(check, f"{processes} processes may open {wanted} connections to the pooler")
    return graded(
        check,
        says,
        "raise max_connections, or lower postgres_connections_max or workers",
        fails=room < processes * 2,
        warns=room < wanted,
    )


def _judge_pooler(found: Database, settings: Settings) -> Finding:
    check = "postgres.pooler"
    if found.behind_pooler and not settings.postgres_pooler:
        return warn(
            check,
            "a pooler stands in front of PostgreSQL, and postgres_pooler is false",
            "set postgres_pooler = true, unless the pooler keeps a connection for each client",
        )
    if not settings.postgres_pooler:
        return ok(check, "no pooler stands in between")
    wanted = {"lock_timeout": LOCK_TIMEOUT, "jit": "off"}
    unset = [
        f"{name} = '{value}'"
        for name, value in wanted.items()
        if found.settings.get(f"session.{name}") != value
    ]
    isolation = found.settings.get("default_transaction_isolation")
    if isolation != "read committed":
        unset.append("default_transaction_isolation = 'read committed'")
    return graded(
        check,
        "a pooler is expected, so settings have to come from the role",
        f"run ALTER ROLE {found.rights.role} SET {', SET '.join(unset)}",
        fails=isolation != "read committed",
        warns=bool(unset),
    )


def _judge_rights(rights: Rights) -> Finding:
    check = "postgres.rights"
    if rights.unreadable or rights.closed_functions:
        some = ", ".join(rights.unreadable[:3]) or f"{rights.closed_functions} functions"
        return fail(
            check,
            f"the role {rights.role} may not use {some}",
            "run `waitroom migrate` with postgres_owner_url: it gives the role its rights",
        )
    if rights.is_mighty:
        return warn(
            check,
            f"the role {rights.role} may make databases or roles, or is a superuser",
            "let postgres_url name a role that only serves: docs/start.md has the statements",
        )
    whose = "owns the tables and serves" if rights.owns_tables else "serves, and owns no table"
    return ok(check, f"the role {rights.role} {whose}")


def _judge_migrations(found: Database, known: Sequence[Migration]) -> Finding:
    check = "postgres.migrations"
    if found.migrations is None:
        return fail(check, "the database has no tables of waitroom", "run `waitroom migrate`")
    try:
        missing = missing_migrations(known, found.migrations)
    except MigrationError as error:
        return fail(check, "the database is not one of this version", str(error))
    return graded(
        check,
        f"{len(missing)} of {len(known)} migrations are missing"
        if missing
        else f"all {len(known)} migrations were run",
        "run `waitroom migrate`",
        fails=bool(missing),
    )


def _judge_vacuum(found: Database) -> Finding:
    check, naptime = "postgres.vacuum", found.settings.get("autovacuum_naptime", "0")
    if found.settings.get("autovacuum") == "off":
        return fail(check, "autovacuum is off", "turn it on: plans need its counts within seconds")
    if found.oldest_transaction_s > TRANSACTION_MAX_S:
        return warn(
            check,
            f"a transaction has been open for {found.oldest_transaction_s:.0f} s",
            "end it: what it could see is never cleared away",
        )
    return graded(
        check,
        f"autovacuum looks for changed tables every {naptime} s",
        f"set autovacuum_naptime to {NAPTIME_MAX_S} s or less: a sale fills its tables in a minute",
        fails=False,
        warns=int(naptime) > NAPTIME_MAX_S,
    )


def _judge_wal(found: Database) -> Iterator[Finding]:
    archiver = found.archiver
    yield graded(
        "postgres.archiver",
        f"archiving fails ({archiver.failed} times), and its files pile up on the disk"
        if archiver.is_failing
        else f"archiving is {'on, and works' if archiver.on else 'off'}",
        "mend archive_command, or the place to which it copies: a full disk ends the sale",
        fails=archiver.is_failing,
    )
    if found.wal is not None:
        size = found.wal.bytes
        yield graded(
            "postgres.wal",
            f"{size / 1024**2:.0f} MB of write-ahead log lie on the disk",
            "something keeps it: a failing archiver, a standby that is away, or wal_keep_size",
            fails=False,
            warns=size > WAL_TIMES_MAX * found.wal.most_bytes,
        )
    for slot, kept in found.kept_for_slots_bytes.items():
        yield graded(
            "postgres.wal",
            f"the slot {slot} keeps {kept / 1024**2:.0f} MB of write-ahead log",
            "bring its standby back, drop the slot, or set max_slot_wal_keep_size",
            fails=kept > 4 * WAL_KEPT_MAX_BYTES,
            warns=kept > WAL_KEPT_MAX_BYTES,
        )


def _judge_replicas(found: Database) -> Iterator[Finding]:
    check, wanted = "postgres.replicas", found.settings.get("synchronous_standby_names", "")
    if wanted and not found.replicas:
        yield fail(
            check,
            "synchronous_standby_names is set and no standby is there: commits wait for ever",
            "start a standby, or empty synchronous_standby_names and reload",
        )
    for replica in found.replicas:
        lag = replica.replay_lag_s
        yield graded(
            check,
            f"standby {replica.name} is in state {replica.state}"
            f"{'' if lag is None else f', {lag:.1f} s behind'}",
            "look at its disk and network: a failover would lose or wait for what it lacks",
            fails=False,
            warns=replica.state != "streaming" or (lag or 0.0) > REPLAY_LAG_MAX_S,
        )
