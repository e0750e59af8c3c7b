"""Alert rules and the dashboard ask for what `/metrics` really shows: names, labels, and values that there can be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from heliograph import telemetry
from heliograph.cli.roles import ROLES
from heliograph.core.errors import ERRORS
from heliograph.core.lanes import LANES
from heliograph.core.model import Level
from tests.support.metrics import shown_metrics, shown_series

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/heliograph.json").read_text("utf-8"))
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
OF_PROMETHEUS = {"job", "instance"}
VALUES: dict[str, list[str]] = {
    "stage": list(ROLES),
    "level": [level.name.lower() for level in Level],
    "queue": [lane.name for lane in LANES],
    "channel": list(telemetry.CHANNELS),
    "state": list(telemetry.ENDS),
    "code": list(ERRORS),
    "reason": list(telemetry.REPUBLISHED),
    "outcome": ["delivered", "throttled", "unavailable", "rejected", "unregistered", "held"],
    "job": ["heliograph"],
}


def expressions() -> Iterator[tuple[str, str]]:
    """(where, PromQL) of every rule and panel."""
    for rule in RULES:
        yield rule.get("alert") or rule["record"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$__rate_interval", "1m")


def selectors(expression: str) -> Iterator[Any]:
    """The vector selectors of an expression that Prometheus' own grammar accepts."""
    todo = [promql_parser.parse(expression)]
    while todo:
        node = todo.pop()
        if isinstance(node, promql_parser.VectorSelector):
            yield node
        for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
            found = getattr(node, name, None)
            if isinstance(found, promql_parser.Expr):
                todo.append(found)
        todo.extend(arg for arg in getattr(node, "args", None) or [] if isinstance(arg, promql_parser.Expr))


USED = [(where, selector) for where, expression in expressions() for selector in selectors(expression)]


def bounds(metric: str) -> list[str]:
    histogram = next(one for one in vars(telemetry).values() if getattr(one, "_name", "") == metric)
    return [str(float(bound)) for bound in histogram._kwargs["buckets"]]


@pytest.mark.parametrize(("where", "selector"), USED, ids=lambda one: one if isinstance(one, str) else one.name)
def test_what_is_asked_for_exists(where: str, selector: Any) -> None:
    """The series, each label that it is chosen by, and at least one value that the choice can mean."""
    if selector.name == "up" or selector.name in RECORDED:
        return
    assert selector.name in shown_series()
    for matcher in selector.matchers.matchers:
        assert matcher.name in {*shown_series()[selector.name], *OF_PROMETHEUS}
        known = bounds(selector.name.removesuffix("_bucket")) if matcher.name == "le" else VALUES[matcher.name]
        chosen = matcher.value if matcher.op in (promql_parser.MatchOp.Re, promql_parser.MatchOp.NotRe) else None
        fits = [one for one in known if (re.fullmatch(chosen, one) if chosen else one == matcher.value)]
        assert fits, f"{matcher.name} is never {matcher.value}"


def test_the_dashboard_shows_every_metric() -> None:
    """What we count can be seen without writing a query."""
    shown = {re.sub(r"_(bucket|sum|count)$", "", selector.name) for _, selector in USED}
    ours = {name for name in shown_metrics() if name.startswith("heliograph_")}
    assert ours - {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown} == set()


def test_every_alert_says_what_to_do() -> None:
    """Who is called, in one sentence why, and where docs/operations.md says what to do."""
    page = (DEPLOY.parent / "docs/operations.md").read_text("utf-8")
    headings = re.findall(r"^### (Heliograph\w+)$", page, re.MULTILINE)
    assert headings == [alert["alert"] for alert in ALERTS]
    for alert in ALERTS:
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert alert["annotations"]["summary"]
        assert alert["annotations"]["runbook"] == f"docs/operations.md#{alert['alert'].lower()}"


def test_panels_have_places_of_their_own() -> None:
    """Ids are unique, and no panel lies on another."""
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        for place in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            assert place not in taken, (panel["title"], taken[place])
            assert place[0] < 24
            taken[place] = panel["title"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
