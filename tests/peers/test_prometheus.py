"""Prometheus's own tool reads the rules, and plays nights on which they are raised, or are not."""

import subprocess
from pathlib import Path

from sources import ROOT

FIND = ROOT / "tests" / "find_peers.sh"
CONFIG = ROOT / "config" / "prometheus" / "prometheus.yml"
NIGHTS = Path(__file__).with_name("alerts.yml")


def promtool(*arguments: str) -> None:
    found = subprocess.run(["sh", FIND, "promtool"], capture_output=True, text=True, check=True)
    done = subprocess.run(
        [found.stdout.strip(), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_sample_with_its_rules() -> None:
    promtool("check", "config", str(CONFIG))


def test_alerts_are_raised_when_something_is_wrong_and_not_on_a_quiet_night() -> None:
    promtool("test", "rules", str(NIGHTS))
