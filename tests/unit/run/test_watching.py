"""What operators' Prometheus and Grafana ask for is what the program tells."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families

import waitroom.run.app  # noqa: F401 - loads the modules that have metrics
from waitroom.run.settings import Settings
from waitroom.run.shards.shard import Shard
from waitroom.web.ops import ShardMetrics

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


def test_every_metric_of_a_shard_names_it_and_says_the_same_otherwise() -> None:
    told = generate_latest(ShardMetrics(REGISTRY, "autumn")).decode()

    samples = [one for family in text_string_to_metric_families(told) for one in family.samples]

    assert len(samples) > 30
    assert {one.labels.pop("shard") for one in samples} == {"autumn"}
    own = text_string_to_metric_families(generate_latest(REGISTRY).decode())
    assert {one.name for one in samples} == {one.name for family in own for one in family.samples}


@pytest.mark.parametrize("own", ["", "main"])
def test_a_process_names_its_shard_where_there_are_some(own: str) -> None:
    shards = {"main": Shard(public_url="https://a.example")}

    assert Settings(shards=shards, shard=own).shard_map.named == "main"
    assert Settings().shard_map.named == ""


def test_no_alert_and_no_panel_adds_up_what_several_shards_tell() -> None:
    asked = questions(json.loads(DASHBOARD.read_text(encoding="utf-8")))
    rules = RULES.read_text(encoding="utf-8")

    groups = re.findall(r"\b(?:sum|max|min|avg|count|group)\b([^(]*)\(([^)]*)", rules)

    assert len(groups) > 12
    assert [by for by, labels in groups if by.strip() != "by" or "shard" not in labels] == []
    assert [one for one in asked for _ in _NAME.finditer(one) if 'shard=~"$shard"' not in one] == []
