"""The chart, rendered by Helm's own library: its manifests fit Kubernetes and the program."""

import json
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from peers.containers import found, tools
from sources import ROOT
from support import KEY

from waitroom.cli.program import main
from waitroom.run.settings import load_secrets, load_settings

CHART = ROOT / "config" / "helm" / "waitroom"
RENDER = Path(__file__).with_name("helm_render.py")
GIVEN: dict[str, Any] = {
    "image": {"repository": "registry.example.com/waitroom"},
    "publicUrl": "https://queue.example.com",
    "secrets": {"existing": "sale-secrets", "existingOwner": "sale-owner"},
}
EVERYTHING: dict[str, Any] = {
    **GIVEN,
    "image": {**GIVEN["image"], "pullSecrets": ["one", "two"]},
    "settings": {"gateway": "test", "log_level": "warning", "postgres_connections_max": 6},
    "trustedProxies": ["10.42.0.0/16", "10.43.0.0/16"],
    "secrets": {
        "postgresUrl": "postgresql://waitroom_serving:x@db.example.com/waitroom?sslmode=verify-full",
        "postgresOwnerUrl": "postgresql://waitroom:x@db.example.com/waitroom?sslmode=verify-full",
        "valkeyUrl": "rediss://cache.example.com:6379/0",
        "secretsToml": f'signing_keys = ["{KEY}"]\n',
        "environmentFrom": ["sale-stripe"],
    },
    "web": {"autoscaling": {"enabled": True}},
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "tlsSecret": "queue-tls",
        "annotations": {"a.example/b": "c"},
        "admin": {"annotations": {"allow.example/from": "192.0.2.0/24"}},
    },
    "networkPolicy": {
        "ingressFrom": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}],
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
    },
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True},
    "podAnnotations": {"a.example/b": "c"},
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "sale", "operator": "Exists"}],
}


def rendered(values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tools() / "python", RENDER, CHART],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        check=False,
    )


def manifests(values: dict[str, Any]) -> list[dict[str, Any]]:
    done = rendered(values)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told["lint"] == []
    documents = [one for text in told["manifests"].values() for one in yaml.safe_load_all(text)]
    return [one for one in documents if one]


def containers_of(made: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the containers by name, each with the volumes and the safety of its pod."""
    pods = [one["spec"]["template"]["spec"] for one in made if one["kind"] in {"Deployment", "Job"}]
    return {
        container["name"]: {**container, "pod": pod}
        for pod in pods
        for container in pod["containers"]
    }


@pytest.mark.parametrize("values", [GIVEN, EVERYTHING], ids=["least", "everything"])
def test_every_manifest_is_one_that_kubernetes_takes(
    values: dict[str, Any], tmp_path: Path
) -> None:
    made = manifests(values)
    ours = [one for one in made if not one["apiVersion"].startswith("monitoring.coreos.com")]
    files = []
    for number, one in enumerate(ours):
        files.append(tmp_path / f"{number}.yaml")
        files[-1].write_text(yaml.safe_dump(one), encoding="utf-8")

    # 1.27 is the oldest that the chart allows, as far as the tool has it.
    for version in ("1.27", "1.31", "1.37"):
        command = [tools() / "kubernetes-validate", "--strict", "-k", version, *files]
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    names = [(one["kind"], one["metadata"]["name"]) for one in made]
    assert len(names) == len(set(names))


def test_every_pod_runs_a_command_of_ours_with_settings_that_are_read_and_may_do_little() -> None:
    found_in = containers_of(manifests(EVERYTHING))
    given = EVERYTHING["secrets"]
    kept = {
        "postgres-url": given["postgresUrl"],
        "postgres-owner-url": given["postgresOwnerUrl"],
        "valkey-url": given["valkeyUrl"],
    }

    for name, container in found_in.items():
        environment = {
            one["name"]: one.get("value") or kept[one["valueFrom"]["secretKeyRef"]["key"]]
            for one in container["env"]
        }
        settings = load_settings(environment=environment)
        command = main.get_command(click.Context(main), container["args"][0])
        assert command is not None
        command.parse_args(click.Context(command), list(container["args"][1:]))
        owner = given["postgresOwnerUrl"] if name == "migrate" else ""
        assert settings.postgres_owner_url == owner
        assert settings.proxies.networks
        assert (settings.gateway, settings.postgres_connections_max) == ("test", 6)
        ports = {port["containerPort"] for port in container.get("ports", ())}
        assert ports <= set(settings.ports)
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        pod = container["pod"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
        if name != "migrate":
            assert pod["terminationGracePeriodSeconds"] > settings.drain_s + settings.payment_wait_s

    assert set(found_in) == {"web", "controller", "migrate"}


def test_the_secrets_that_the_chart_makes_are_there_before_the_migration(tmp_path: Path) -> None:
    made = manifests(EVERYTHING)
    secrets = {one["metadata"]["name"]: one for one in made if one["kind"] == "Secret"}
    (job,) = (one for one in made if one["kind"] == "Job")
    (tmp_path / "secrets.toml").write_text(secrets["sale"]["stringData"]["secrets.toml"])
    settings = load_settings(environment={}, overrides={"data_dir": str(tmp_path)})

    weights = {
        one["metadata"]["name"]: int(one["metadata"]["annotations"]["helm.sh/hook-weight"])
        for one in (*secrets.values(), job)
    }

    assert load_secrets(settings, environment={}).keys
    assert set(secrets) == {"sale", "sale-owner"}
    assert weights["sale"] == weights["sale-owner"] < weights["sale-migrate"]
    assert not [one for one in manifests(GIVEN) if one["kind"] == "Secret"]


def test_services_and_policies_find_the_pods_and_the_operators_have_a_port_of_their_own() -> None:
    made = manifests(EVERYTHING)
    pods = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
        for one in made
        if one["kind"] == "Deployment"
    }
    reached = {
        one["metadata"]["name"]: [
            name
            for name, labels in pods.items()
            if one["spec"]["selector"].items() <= labels.items()
        ]
        for one in made
        if one["kind"] == "Service"
    }
    ways = {
        path["path"]: path["backend"]["service"]["port"]["name"]
        for one in made
        if one["kind"] == "Ingress"
        for rule in one["spec"]["rules"]
        for path in rule["http"]["paths"]
    }
    annotations = {
        one["metadata"]["name"]: one["metadata"]["annotations"]
        for one in made
        if one["kind"] == "Ingress"
    }

    assert reached == {"sale-web": ["sale-web"], "sale-controller": ["sale-controller"]}
    assert ways == {"/": "http", "/admin": "admin"}
    assert annotations["sale-web"] == {"a.example/b": "c"}
    assert annotations["sale-admin"] == {"a.example/b": "c", "allow.example/from": "192.0.2.0/24"}


def test_the_rules_of_the_chart_are_those_that_prometheus_takes(tmp_path: Path) -> None:
    (rule,) = (one for one in manifests(EVERYTHING) if one["kind"] == "PrometheusRule")
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump(rule["spec"]), encoding="utf-8")
    sample = (ROOT / "config" / "prometheus" / "waitroom.rules.yml").read_text("utf-8")

    subprocess.run([found("promtool"), "check", "rules", path], check=True, capture_output=True)

    assert rule["spec"] == yaml.safe_load(sample)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"publicUrl": ""}, "publicUrl"),
        ({"image": {}}, "repository"),
        ({"web": {"replica": 3}}, "replica"),
        ({"settings": {"port": 9000}}, "port"),
        ({"secrets": {}}, "secrets.postgresUrl"),
        (
            {"publicUrl": "https://shop.example.com/queue", "ingress": {"enabled": True}},
            "without a path",
        ),
    ],
)
def test_values_that_cannot_work_are_refused_by_name(change: dict[str, Any], said: str) -> None:
    done = rendered({**GIVEN, **change})

    assert done.returncode != 0 or json.loads(done.stdout)["lint"]
    assert said in done.stderr + done.stdout
