"""The tools of operators read the samples: alerts for Prometheus, and the unit of systemd."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from sources import ROOT

FIND = ROOT / "tests" / "find_peers.sh"
CONFIG = ROOT / "config"
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


def test_systemd_takes_the_unit_and_finds_little_that_it_may_do(tmp_path: Path) -> None:
    unit = tmp_path / "waitroom.service"
    program = Path(sys.executable).with_name("waitroom")
    sample = (CONFIG / "systemd" / unit.name).read_text(encoding="utf-8")
    installed = "/opt/waitroom/.venv/bin/waitroom"
    assert installed in sample
    unit.write_text(sample.replace(installed, str(program)), encoding="utf-8")

    said = run("systemd-analyze", "verify", str(unit))
    exposure = run("systemd-analyze", "security", "--offline=true", str(unit))

    assert said == ""
    (level,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", exposure)
    assert float(level) <= EXPOSURE_MAX
