"""What `waitroom doctor` makes of facts: each fault is found, told with what to change."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import KEY, settings

from waitroom.run.doctor import configuration
from waitroom.run.doctor.cache import Cache, judge_cache
from waitroom.run.doctor.database import (
    Archiver,
    Database,
    Replica,
    Rights,
    Wal,
    judge_database,
)
from waitroom.run.doctor.database_store import Endpoint
from waitroom.run.doctor.finding import (
    Finding,
    Level,
    fail,
    ok,
    report_body,
    warn,
    without_secrets,
    worst_of,
)
from waitroom.run.doctor.machine import GB, MB, Disk, Machine, judge_clock, judge_machine
from waitroom.run.doctor.outside import check_webhooks
from waitroom.run.keys.key_store import Process, shown_id
from waitroom.run.settings import Secrets
from waitroom.store.migrate import Migration

KNOWN = [Migration(name="0001_a.sql", sql="A"), Migration(name="0002_b.sql", sql="B")]
RUN = {one.name: one.checksum for one in KNOWN}
SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "max_connections": "100",
    "autovacuum": "on",
    "autovacuum_naptime": "10",
    "TimeZone": "UTC",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
    "session.lock_timeout": "2s",
    "session.jit": "off",
}
RIGHTS = Rights(role="selling", is_mighty=False, owns_tables=False)
DATABASE = Database(
    version=180_006,
    settings=SETTINGS,
    round_trip_s=0.001,
    in_recovery=False,
    behind_pooler=False,
    connections_left=97,
    own_connections=0,
    archiver=Archiver(on=True, failed=3, is_failing=False),
    rights=RIGHTS,
    replicas=[Replica(name="b", state="streaming", replay_lag_s=0.1)],
    migrations=RUN,
)
CHOSEN = settings("postgresql://h/x", "redis://h", public_url="https://queue.example.com")
POOLED = settings("postgresql://h/x", "redis://h", postgres_pooler=True)


def settings_but(**changes: str) -> dict[str, Any]:
    return {"settings": SETTINGS | changes}


def found(findings: list[Finding]) -> dict[str, Level]:
    """Return the worst level of each check."""
    checks = {one.check for one in findings}
    return {check: worst_of(one for one in findings if one.check == check) for check in checks}


def test_a_database_as_it_should_be_is_well() -> None:
    findings = list(judge_database(DATABASE, CHOSEN, KNOWN))

    assert set(found(findings).values()) == {Level.OK}
    assert all(one.advice == "" for one in findings)


@pytest.mark.parametrize(
    ("changes", "check", "level", "said"),
    [
        ({"version": 140_009}, "postgres.version", Level.FAIL, "14.9"),
        ({"round_trip_s": 0.02}, "postgres.round_trip", Level.WARN, "20.0 ms"),
        ({"round_trip_s": 0.5}, "postgres.round_trip", Level.FAIL, "nearer"),
        ({"in_recovery": True}, "postgres.writes", Level.FAIL, "standby"),
        (
            settings_but(default_transaction_read_only="on"),
            "postgres.writes",
            Level.FAIL,
            "refused",
        ),
        (settings_but(fsync="off"), "postgres.durability", Level.FAIL, "fsync off"),
        (settings_but(full_page_writes="off"), "postgres.durability", Level.FAIL, "full_page_"),
        (settings_but(synchronous_commit="off"), "postgres.durability", Level.FAIL, "turn it on"),
        (
            settings_but(synchronous_commit="local", synchronous_standby_names="b"),
            "postgres.durability",
            Level.WARN,
            "failover",
        ),
        ({"connections_left": 20}, "postgres.connections", Level.WARN, "raise max_connections"),
        ({"connections_left": 0}, "postgres.connections", Level.FAIL, "raise max_connections"),
        ({"processes_alive": 9}, "postgres.connections", Level.WARN, "9 processes"),
        ({"behind_pooler": True}, "postgres.pooler", Level.WARN, "postgres_pooler = true"),
        ({"rights": replace(RIGHTS, is_mighty=True)}, "postgres.rights", Level.WARN, "superuser"),
        ({"rights": replace(RIGHTS, unreadable=["room"])}, "postgres.rights", Level.FAIL, "room"),
        ({"rights": replace(RIGHTS, closed_functions=2)}, "postgres.rights", Level.FAIL, "migrate"),
        ({"migrations": None}, "postgres.migrations", Level.FAIL, "no tables"),
        ({"migrations": dict([*RUN.items()][:1])}, "postgres.migrations", Level.FAIL, "1 of 2"),
        ({"migrations": RUN | {"0003_c.sql": "x"}}, "postgres.migrations", Level.FAIL, "later"),
        (settings_but(autovacuum="off"), "postgres.vacuum", Level.FAIL, "turn it on"),
        (settings_but(autovacuum_naptime="60"), "postgres.vacuum", Level.WARN, "60 s"),
        ({"oldest_transaction_s": 90.0}, "postgres.vacuum", Level.WARN, "90 s"),
        (
            {"archiver": Archiver(on=True, failed=7, is_failing=True)},
            "postgres.archiver",
            Level.FAIL,
            "7 times",
        ),
        ({"kept_for_slots_bytes": {"b": 5 * GB}}, "postgres.wal", Level.WARN, "slot b"),
        ({"kept_for_slots_bytes": {"b": 50 * GB}}, "postgres.wal", Level.FAIL, "slot b"),
        ({"wal": Wal(bytes=9 * GB, most_bytes=GB)}, "postgres.wal", Level.WARN, "keeps it"),
        (
            {"replicas": [Replica(name="b", state="catchup", replay_lag_s=None)]},
            "postgres.replicas",
            Level.WARN,
            "catchup",
        ),
        (
            {"replicas": [Replica(name="b", state="streaming", replay_lag_s=99.0)]},
            "postgres.replicas",
            Level.WARN,
            "99.0 s behind",
        ),
        (
            {"replicas": [], **settings_but(synchronous_standby_names="b")},
            "postgres.replicas",
            Level.FAIL,
            "wait for ever",
        ),
        (settings_but(TimeZone="Europe/Berlin"), "postgres.time_zone", Level.WARN, "UTC"),
    ],
)
def test_each_fault_of_a_database_is_found(
    changes: dict[str, Any], check: str, level: Level, said: str
) -> None:
    findings = list(judge_database(replace(DATABASE, **changes), CHOSEN, KNOWN))

    bad = [one for one in findings if one.level is not Level.OK]
    assert [(one.check, one.level) for one in bad] == [(check, level)]
    assert said in bad[0].line
    assert bad[0].advice


@pytest.mark.parametrize(
    ("changes", "level", "said"),
    [
        ({}, Level.OK, ""),
        ({"session.lock_timeout": "0"}, Level.WARN, "ALTER ROLE selling SET lock_timeout = '2s'"),
        ({"default_transaction_isolation": "serializable"}, Level.FAIL, "read committed"),
    ],
)
def test_behind_a_pooler_settings_come_from_the_role(
    changes: dict[str, str], level: Level, said: str
) -> None:
    behind = replace(DATABASE, behind_pooler=True, settings=SETTINGS | changes)

    (pooler,) = [
        one for one in judge_database(behind, POOLED, KNOWN) if one.check == "postgres.pooler"
    ]

    assert pooler.level is level
    assert said in pooler.line


INFO = {
    "valkey_version": "9.1.2",
    "role": "master",
    "maxmemory_policy": "noeviction",
    "aof_enabled": "1",
    "used_memory": f"{50 * MB}",
    "maxmemory": "0",
    "total_system_memory": f"{4 * GB}",
}


def test_a_valkey_as_it_should_be_is_well() -> None:
    findings = list(judge_cache(Cache(info=INFO, round_trip_s=0.001)))

    assert set(found(findings).values()) == {Level.OK}


def test_a_cluster_that_is_asked_as_one_is_well_whatever_node_answers() -> None:
    info = {**INFO, "cluster_enabled": "1", "role": "slave"}

    findings = list(judge_cache(Cache(info=info, round_trip_s=0.001, by_cluster=True)))

    assert set(found(findings).values()) == {Level.OK}


@pytest.mark.parametrize(
    ("info", "round_trip_s", "check", "level"),
    [
        ({"valkey_version": "6.0.1"}, 0.0, "valkey.version", Level.FAIL),
        ({}, 0.1, "valkey.round_trip", Level.WARN),
        ({}, 0.9, "valkey.round_trip", Level.FAIL),
        ({"role": "slave"}, 0.0, "valkey.role", Level.FAIL),
        ({"cluster_enabled": "1"}, 0.0, "valkey.role", Level.FAIL),
        ({"maxmemory_policy": "allkeys-lru"}, 0.0, "valkey.policy", Level.WARN),
        ({"maxmemory": f"{60 * MB}"}, 0.0, "valkey.memory", Level.WARN),
        ({"maxmemory": f"{51 * MB}"}, 0.0, "valkey.memory", Level.FAIL),
        ({"used_memory": f"{3 * GB}"}, 0.0, "valkey.memory", Level.WARN),
        ({"aof_last_write_status": "err"}, 0.0, "valkey.persistence", Level.FAIL),
    ],
)
def test_each_fault_of_valkey_is_found(
    info: dict[str, str], round_trip_s: float, check: str, level: Level
) -> None:
    findings = judge_cache(Cache(info=INFO | info, round_trip_s=round_trip_s))

    assert [(f.check, f.level) for f in findings if f.level is not Level.OK] == [(check, level)]


DISK = Disk(
    folder="/data", free_bytes=50 * GB, total_bytes=100 * GB, inodes_left=9**9, writable=True
)
MACHINE = Machine(
    descriptors_max=65_536,
    backlog_max=4096,
    ports=28_232,
    memory_left_bytes=8 * GB,
    processors=2,
    disks=[DISK],
)


@pytest.mark.parametrize(
    ("changes", "check", "level"),
    [
        ({"descriptors_max": 2048}, "limits.descriptors", Level.WARN),
        ({"descriptors_max": 256}, "limits.descriptors", Level.FAIL),
        ({"backlog_max": 128}, "limits.backlog", Level.WARN),
        ({"ports": 1000}, "limits.ports", Level.WARN),
        ({"memory_left_bytes": 500 * MB}, "machine.memory", Level.WARN),
        ({"memory_left_bytes": 50 * MB}, "machine.memory", Level.FAIL),
        ({"disks": [replace(DISK, free_bytes=GB)]}, "machine.disk", Level.WARN),
        ({"disks": [replace(DISK, free_bytes=9 * MB)]}, "machine.disk", Level.FAIL),
        ({"disks": [replace(DISK, inodes_left=3)]}, "machine.disk", Level.FAIL),
        ({"disks": [replace(DISK, writable=False)]}, "machine.disk", Level.FAIL),
    ],
)
def test_each_limit_of_the_machine_is_found(
    changes: dict[str, Any], check: str, level: Level
) -> None:
    well = list(judge_machine(MACHINE, workers=2, has_engines=True))
    findings = judge_machine(replace(MACHINE, **changes), workers=2, has_engines=True)

    assert set(found(well).values()) == {Level.OK}
    assert [(f.check, f.level) for f in findings if f.level is not Level.OK] == [(check, level)]


def test_more_workers_than_processors_can_run_are_worth_a_word() -> None:
    findings = list(judge_machine(MACHINE, workers=8, has_engines=False))

    assert found(findings)["machine.processors"] is Level.WARN


def test_a_clock_that_is_off_is_told_with_its_machine() -> None:
    assert judge_clock("postgres", 0.2).level is Level.OK
    assert judge_clock("valkey", -5.0).level is Level.WARN
    off = judge_clock("web-b", 120.0)

    assert (off.check, off.level) == ("clock.processes", Level.FAIL)
    assert "the clock of web-b is 120.0 s ahead of this machine's" in off.says


def addresses(**changes: Any) -> dict[str, Level]:
    forwarders = changes.pop("forwarders", [])
    made = settings("postgresql://h/x", "redis://h", **changes)
    return found(list(configuration.check_addresses(made, forwarders)))


def test_addresses_and_proxies_have_to_fit_together() -> None:
    https = {"public_url": "https://queue.example.com"}

    fits = addresses(**https, trusted_proxies=["10.0.0.1"])
    assert fits == {"settings.public_url": Level.OK, "web.proxies": Level.OK}
    assert addresses(**https, trusted_proxies=[])["web.proxies"] is Level.WARN
    unlisted = addresses(**https, trusted_proxies=["10.0.0.1"], forwarders=["10.0.0.2"])
    assert unlisted["web.proxies"] is Level.FAIL
    assert addresses(public_url="http://queue.example.com")["settings.public_url"] is Level.FAIL
    assert addresses()["settings.public_url"] is Level.WARN
    assert addresses(demo=True)["settings.demo"] is Level.WARN


LIVE = {"signing_keys": [KEY], "stripe_secret_key": "sk_live_x", "stripe_webhook_secrets": ["w"]}


@pytest.mark.parametrize(
    ("gateway", "secrets", "level"),
    [
        ({"gateway": ""}, None, Level.FAIL),
        ({"gateway": "test"}, None, Level.WARN),
        ({"gateway": "test", "demo": True}, None, Level.OK),
        ({"stripe_publishable_key": "pk_live_x"}, LIVE, Level.OK),
        ({"stripe_publishable_key": "pk_test_x"}, LIVE, Level.FAIL),
        ({"stripe_publishable_key": "pk_live_x"}, None, Level.FAIL),
        (
            {"stripe_publishable_key": "pk_live_x"},
            LIVE | {"stripe_webhook_secrets": []},
            Level.WARN,
        ),
        (
            {"stripe_publishable_key": "pk_test_x"},
            LIVE | {"stripe_secret_key": "sk_test_x"},
            Level.WARN,
        ),
    ],
)
def test_shoppers_can_pay_and_are_charged(
    gateway: dict[str, Any], secrets: dict[str, Any] | None, level: Level
) -> None:
    made = settings("postgresql://h/x", "redis://h", **{"gateway": "stripe", **gateway})

    finding = configuration.check_gateway(made, Secrets(**secrets) if secrets else None)

    assert finding.level is level


def test_keys_are_compared_with_those_of_the_processes_that_run() -> None:
    mine = Secrets(signing_keys=[KEY])
    good = Process(host="a", pid=1, key_ids=[shown_id(bytes.fromhex(KEY))])
    other = Process(host="b", pid=2, key_ids=[shown_id(b"x" * 32)])

    assert set(found(list(configuration.check_keys(mine, [good]))).values()) == {Level.OK}
    apart = list(configuration.check_keys(mine, [good, other]))
    waits = list(configuration.check_keys(Secrets(signing_keys=[KEY], coming_key="22" * 32), []))

    assert found(apart)["keys.processes"] is Level.FAIL
    assert "process 2 on b" in " ".join(one.line for one in apart)
    assert found(waits)["keys.file"] is Level.WARN


@pytest.mark.parametrize(
    ("mode", "check", "holds", "level"),
    [
        (0o600, "settings.secrets", True, Level.OK),
        (0o640, "settings.secrets", True, Level.FAIL),
        (0o640, "settings.readable", True, Level.OK),
        (0o644, "settings.readable", True, Level.FAIL),
        (0o644, "settings.readable", False, Level.OK),
    ],
)
def test_a_file_with_secrets_is_its_owners_alone(
    tmp_path: Path, mode: int, check: str, level: Level, *, holds: bool
) -> None:
    path = tmp_path / "file.toml"
    path.touch()
    path.chmod(mode)

    assert configuration.check_file(path, check, holds_secrets=holds).level is level


def test_receivers_of_webhooks_that_take_nothing_are_told() -> None:
    endpoints = [
        Endpoint(url="https://a.example/x?token=geheim", active=True, late=0),
        Endpoint(url="https://b.example/x", active=False, late=0),
        Endpoint(url="https://c.example/x", active=True, late=9),
        Endpoint(url="http://127.0.0.1/x", active=True, late=0),
    ]

    findings = list(check_webhooks(endpoints, CHOSEN))

    assert [one.level for one in findings] == [Level.OK, Level.WARN, Level.WARN, Level.WARN]
    assert "geheim" not in str(findings)


def test_the_worst_finding_decides_the_exit_code() -> None:
    good, odd, bad = ok("a", "x"), warn("b", "x", "y"), fail("c", "x", "y")

    assert [worst_of(some).exit_code for some in ([good], [good, odd], [odd, bad, good])] == [
        0,
        1,
        2,
    ]
    assert report_body([good, odd]) == {
        "result": "warn",
        "findings": [
            {"check": "a", "level": "ok", "says": "x", "advice": ""},
            {"check": "b", "level": "warn", "says": "x", "advice": "y"},
        ],
    }


def test_no_secret_is_printed() -> None:
    said = "postgresql://me:pa%40ss@h/x refused pa@ssword1 and host=h password=pa@ssword1"

    shown = without_secrets(said, ["pa@ssword1", "x"])

    assert shown == "postgresql://…h/x refused … and host=h password=…"
