"""`waitroom doctor` on real engines, beside a service and without one."""

import asyncio
import json
import os
import resource
import socket
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp.test_utils import TestClient, make_mocked_request
from click.testing import CliRunner, Result
from support import KEY, execute

from inventory.kit.doors.client import SAMPLED_EVERY, Clients
from inventory.kit.doors.client_address import TrustedProxies
from waitroom.cli.program import main
from waitroom.outgoing.mail.relay import parse_relay
from waitroom.run.app import Service
from waitroom.run.doctor import examination
from waitroom.run.doctor.finding import Level
from waitroom.run.doctor.machine import judge_machine
from waitroom.run.doctor.machine_facts import machine_facts
from waitroom.run.doctor.outside import check_relay
from waitroom.run.processes import claim_port

Client = TestClient[Any, Any]
# A client that asks for TLS first does so by a message of this length.
SSL_REQUEST_BYTES = 8
# Looked at by the exit code alone: other programs and the machine's size are not the test's.
OF_THE_MACHINE = ("machine.", "limits.")


@pytest.fixture(autouse=True)
def _secrets_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAITROOM_SIGNING_KEYS", KEY)
    monkeypatch.setenv("WAITROOM_GATEWAY", "test")


async def doctor(*arguments: str) -> Result:
    """Run the command in a thread of its own, since it runs a loop of its own."""
    port = str(claim_port("127.0.0.1", 0))
    return await asyncio.to_thread(
        CliRunner().invoke, main, ["doctor", "--port", port, "--json", *arguments]
    )


def findings_in(result: Result) -> dict[str, list[tuple[str, str]]]:
    """Return level and words of each check."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in json.loads(result.stdout)["findings"]:
        if not one["check"].startswith(OF_THE_MACHINE):
            words = f"{one['says']}: {one['advice']}"
            found.setdefault(one["check"], []).append((one["level"], words))
    return found


async def test_real_engines_are_looked_at_with_the_rights_of_the_processes(
    service: Service, postgres_url: str, valkey_url: str, tmp_path: Path, pooler: Path | None
) -> None:
    await service.key_report.report()
    await execute(
        service,
        "INSERT INTO process_keys (process, host, pid, key_ids, clock_ahead_s, forwarder)"
        " VALUES ($1, 'web-b', 7, '{x}', 300, '10.0.0.9')",
        uuid4(),
    )

    result = await doctor(
        "--postgres-url", postgres_url, "--valkey-url", valkey_url, "--data-dir", str(tmp_path)
    )

    found = findings_in(result)
    bad = {name for name, several in found.items() if any(level != "ok" for level, _ in several)}
    # The engine of the tests takes no care for crashes, and others use it.
    assert bad - {f"postgres.{name}" for name in ("durability", "connections", "vacuum")} == {
        *("settings.public_url", "outside.gateway", "web.proxies"),
        *("keys.processes", "clock.processes"),
        *(["postgres.pooler"] if pooler else []),
    }
    assert "process 7 on web-b" in found["keys.processes"][0][1]
    assert any("web-b is 300" in words for _, words in found["clock.processes"])
    assert "10.0.0.9" in found["web.proxies"][0][1]
    assert result.exit_code == 2


async def test_engines_that_are_silent_or_away_hold_nothing_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(examination, "CHECK_MAX_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        at = f"127.0.0.1:{silent.getsockname()[1]}"
        before = time.monotonic()

        result = await doctor(
            *("--postgres-url", f"postgresql://me:geheimnis@{at}/x"),
            *("--valkey-url", f"redis://me:geheimnis@{at}"),
            *("--data-dir", str(tmp_path)),
        )

    found = findings_in(result)
    assert result.exit_code == 2
    assert found["postgres.reached"][0][0] == "fail"
    assert "does not answer" in found["postgres.reached"][0][1]
    assert found["valkey.reached"][0][0] == "fail"
    assert "geheimnis" not in result.stdout + result.stderr
    # Twenty times the time of a check.
    assert time.monotonic() - before < 20 * examination.CHECK_MAX_S


@pytest.mark.parametrize(
    ("arguments", "check", "words"),
    [
        (["--config", "nowhere.toml"], "settings.readable", "nowhere.toml"),
        (["--postgres-url", "mysql://h/x"], "settings.readable", "postgres_url begins with"),
        (
            ["--postgres-url", "postgresql://127.0.0.1:1/x", "--valkey-url", "redis://127.0.0.1:1"],
            "postgres.reached",
            "no PostgreSQL listens",
        ),
    ],
)
async def test_what_keeps_the_program_from_starting_is_a_finding(
    tmp_path: Path, arguments: list[str], check: str, words: str
) -> None:
    result = await doctor("--data-dir", str(tmp_path), *arguments)

    assert result.exit_code == 2
    assert findings_in(result)[check][0][0] == "fail"
    assert words in findings_in(result)[check][0][1]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('wrokers = "2"', "workers"),
        ("port = 8080\nadmin_port = 8080", "admin_port has to differ from port"),
        (f'signing_keys = ["{KEY}"]', "signing_keys"),
        ('workers = "many"', "workers"),
    ],
)
async def test_settings_that_are_unknown_or_contradict_each_other_are_named(
    tmp_path: Path, line: str, words: str
) -> None:
    file = tmp_path / "waitroom.toml"
    file.write_text(line, encoding="utf-8")

    result = await asyncio.to_thread(
        CliRunner().invoke,
        main,
        ["doctor", "--json", "--config", str(file), "--data-dir", str(tmp_path)],
    )

    level, said = findings_in(result)["settings.readable"][0]
    assert (result.exit_code, level) == (2, "fail")
    assert words in said
    assert KEY not in result.stdout


async def test_a_postgresql_without_a_free_connection_is_told_from_one_that_is_away(
    tmp_path: Path,
) -> None:
    """It takes the connection, and refuses it with 53300 and the words of PostgreSQL."""
    fields = b"SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0"
    refusal = b"E" + (len(fields) + 4).to_bytes(4, "big") + fields

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(4), "big")
        if length == SSL_REQUEST_BYTES:
            await reader.readexactly(4)
            writer.write(b"N")
            length = int.from_bytes(await reader.readexactly(4), "big")
        await reader.readexactly(length - 4)
        writer.write(refusal)
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as full:
        at = full.sockets[0].getsockname()[1]
        result = await doctor(
            *("--postgres-url", f"postgresql://me@127.0.0.1:{at}/x"),
            *("--valkey-url", "redis://127.0.0.1:1", "--data-dir", str(tmp_path)),
        )

    level, said = findings_in(result)["postgres.reached"][0]
    assert (result.exit_code, level) == (2, "fail")
    assert "connection" in said
    assert "no PostgreSQL listens" not in said


def test_the_limits_of_a_real_process_and_a_disk_that_is_nearly_full_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    few = 300
    real = os.statvfs(tmp_path)
    full = os.statvfs_result((*real[:3], 1000, 1000, *real[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (few, few))

    facts = machine_facts([tmp_path / "not" / "made"])
    found = {
        one.check: (one.level, one.says)
        for one in judge_machine(facts, workers=1, has_engines=False)
    }

    assert found["limits.descriptors"][0] is Level.FAIL
    assert str(few) in found["limits.descriptors"][1]
    assert found["machine.disk"][0] is Level.FAIL
    assert str(tmp_path) in found["machine.disk"][1]


async def test_a_hung_look_at_the_system_keeps_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(examination, "CHECK_MAX_S", 0.3)
    monkeypatch.setattr(examination, "machine_facts", lambda _: time.sleep(60))
    before = time.monotonic()

    result = await doctor("--data-dir", str(tmp_path))

    machine = [one for one in json.loads(result.stdout)["findings"] if "machine" in one["check"]]
    assert [one["level"] for one in machine] == ["fail"]
    assert time.monotonic() - before < 30


async def test_other_programs_at_the_port_and_a_running_service_are_told_apart(
    client: Client, tmp_path: Path
) -> None:
    port = str(client.server.port)
    ours = await doctor("--data-dir", str(tmp_path), "--port", port)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        theirs = await doctor("--data-dir", str(tmp_path), "--port", port)

    # The service has no loop that would refresh its rooms, so it may say that it is not ready.
    assert "waitroom serves at" in findings_in(ours)["web.port"][0][1]
    assert findings_in(theirs)["web.port"][0][0] == "fail"
    assert "in use by another program" in findings_in(theirs)["web.port"][0][1]


async def test_the_mail_relay_is_asked_for_its_greeting() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 relay.example.com ESMTP\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    relay = parse_relay(f"smtp://127.0.0.1:{port}")

    async with server:
        well = await check_relay(relay)
    gone = await check_relay(relay)

    assert (well.level, gone.level) == (Level.OK, Level.FAIL)


def test_a_proxy_that_is_not_named_is_noticed_and_a_single_client_is_not() -> None:
    clients = Clients(TrustedProxies())

    def ask(times: int, peer: str, **headers: str) -> None:
        for _ in range(times * SAMPLED_EVERY):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            request = make_mocked_request("GET", "/", headers=named)
            clients.network(request.clone(remote=peer))

    ask(2, "10.0.0.9", X_Forwarded_For="192.0.2.7")
    too_few = clients.forwarder()
    ask(2, "10.0.0.9", X_Forwarded_For="192.0.2.8")
    through_a_proxy = clients.forwarder()
    ask(5, "192.0.2.1")

    assert (too_few, through_a_proxy, clients.forwarder()) == ("", "10.0.0.9", "")
