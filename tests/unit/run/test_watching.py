"""What operators' Prometheus and Grafana ask for is what the program tells."""

import json
import re
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY

import waitroom.run.app  # noqa: F401 - loads the modules that have metrics

CONFIG = Path(__file__).parents[3] / "config"
RULES = CONFIG / "prometheus" / "waitroom.rules.yml"
DASHBOARD = CONFIG / "grafana" / "waitroom.json"
_NAME = re.compile(r"\bwaitroom_\w+")
_SUFFIXES = ("_bucket", "_count", "_sum", "_total")


def told() -> set[str]:
    """Return the names of the program's metrics, without what Prometheus adds to them."""
    return {metric.name for metric in REGISTRY.collect() if metric.name.startswith("waitroom_")}


def base(name: str) -> str:
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def questions(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def test_alerts_and_dashboard_name_metrics_that_there_are() -> None:
    asked = questions(json.loads(DASHBOARD.read_text(encoding="utf-8")))
    names = set(_NAME.findall(RULES.read_text(encoding="utf-8") + "".join(asked)))

    assert len(names) > 12
    assert {base(name) for name in names} - told() == set()


def test_every_metric_is_on_the_dashboard() -> None:
    asked = questions(json.loads(DASHBOARD.read_text(encoding="utf-8")))

    shown = {base(name) for name in _NAME.findall("".join(asked))}

    # These two are for alerts: the dashboard has what they come from.
    assert told() - shown <= {"waitroom_loop_failing", "waitroom_money_oldest_seconds"}
