"""The tools of operators read the samples: alerts for Prometheus, and the units of systemd."""

import asyncio
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from programs import Running
from sources import ROOT
from support import eventually

from waitroom.cli.serve import ROLE_NAMES

FIND = ROOT / "tests" / "find_peers.sh"
CONFIG = ROOT / "config"
UNITS = CONFIG / "systemd"
INSTALLED = "/opt/waitroom/.venv/bin/waitroom"
NIGHTS = Path(__file__).with_name("alerts.yml")
# What systemd calls OK, out of 10 for a service that may do everything.
EXPOSURE_MAX = 2.0


def run(tool: str, *arguments: str) -> str:
    """Run a tool that has to be content; return what it said."""
    found = subprocess.run(["sh", FIND, tool], stdout=subprocess.PIPE, text=True, check=True)
    done = subprocess.run(
        [found.stdout.strip(), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_prometheus_takes_the_sample_with_its_rules(tmp_path: Path) -> None:
    folder, key = tmp_path / "prometheus", tmp_path / "waitroom.key"
    shutil.copytree(CONFIG / "prometheus", folder)
    key.write_text("wrk_example", encoding="utf-8")
    sample = folder / "prometheus.yml"
    text = sample.read_text(encoding="utf-8")
    assert "/etc/prometheus/waitroom.key" in text
    sample.write_text(text.replace("/etc/prometheus/waitroom.key", str(key)), encoding="utf-8")

    run("promtool", "check", "config", str(sample))


def test_alerts_are_raised_when_something_is_wrong_and_not_on_a_quiet_night() -> None:
    run("promtool", "test", "rules", str(NIGHTS))


@pytest.mark.parametrize(
    ("sample", "name"),
    [
        *(("waitroom@.service", f"waitroom@{role}.service") for role in ROLE_NAMES),
        ("waitroom-migrate.service", "waitroom-migrate.service"),
    ],
)
def test_systemd_takes_the_units_and_finds_little_that_they_may_do(
    tmp_path: Path, sample: str, name: str
) -> None:
    program = Path(sys.executable).with_name("waitroom")
    text = (UNITS / sample).read_text(encoding="utf-8")
    assert INSTALLED in text
    (tmp_path / sample).write_text(text.replace(INSTALLED, str(program)), encoding="utf-8")
    unit = tmp_path / name
    if name != sample:
        # An instance is verified by the name of a link to its template.
        unit.symlink_to(tmp_path / sample)

    said = run("systemd-analyze", "verify", str(unit))
    exposure = run("systemd-analyze", "security", "--offline=true", str(unit))

    assert said == ""
    (level,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", exposure)
    assert float(level) <= EXPOSURE_MAX


async def test_a_service_manager_is_told_when_the_program_serves_lives_and_stops(
    tmp_path: Path,
    program: Callable[..., Awaitable[Running]],
    postgres_url: str,
    valkey_url: str,
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(0)
        running = await program(
            "serve",
            WAITROOM_POSTGRES_URL=postgres_url,
            WAITROOM_VALKEY_URL=valkey_url,
            WAITROOM_WORKERS="2",
            NOTIFY_SOCKET=str(tmp_path / "notify"),
        )
        heard: list[bytes] = []

        async def hears(word: bytes, times: int = 1) -> bool:
            with suppress(BlockingIOError):
                while True:
                    heard.append(manager.recv(64))
            return heard.count(word) >= times

        await eventually(lambda: hears(b"READY=1"))
        lives = heard.count(b"WATCHDOG=1")
        await eventually(lambda: hears(b"WATCHDOG=1", lives + 1))
        before = heard.count(b"STOPPING=1")
        code = await asyncio.to_thread(running.stop)

        assert await hears(b"STOPPING=1")
    assert (before, code) == (0, 0)
    assert heard.count(b"READY=1") == 1
