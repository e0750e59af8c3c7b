"""The metrics that `/metrics` really shows: name, as it is written there, to label names."""

from __future__ import annotations

import re
from functools import cache

from prometheus_client import generate_latest
from prometheus_client.metrics import MetricWrapperBase

from heliograph import telemetry

_BY_TYPE = {"histogram": ("_bucket", "_sum", "_count")}


def shown_metrics() -> dict[str, tuple[str, ...]]:
    """Metrics of the process, Heliograph's and the client library's. Labels only of Heliograph's."""
    labels = {
        declared._name: tuple(declared._labelnames)
        for declared in vars(telemetry).values()
        if isinstance(declared, MetricWrapperBase)
    } | {"heliograph_build": ("version", "roles")}
    types = re.findall(r"^# TYPE (\S+) (\w+)$", generate_latest().decode(), re.MULTILINE)
    return {name: labels.get(re.sub("_(total|info)$", "", name), ()) for name, _ in types}


@cache
def shown_series() -> dict[str, tuple[str, ...]]:
    """What can be asked for: the metrics, and a histogram's three series each."""
    types = dict(re.findall(r"^# TYPE (\S+) (\w+)$", generate_latest().decode(), re.MULTILINE))
    return {
        f"{name}{suffix}": (*labels, "le") if suffix == "_bucket" else labels
        for name, labels in shown_metrics().items()
        for suffix in _BY_TYPE.get(types[name], ("",))
    }
