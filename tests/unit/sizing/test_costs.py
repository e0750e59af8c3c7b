"""Unit costs: the shipped ones have a source each, and a result of `heliograph bench` replaces what it holds."""

from __future__ import annotations

import json

import msgspec
import pytest

from heliograph.sizing.costs import Costs, measured, shipped


def report() -> bytes:
    rows = {
        "accept": ("64 connections", {"heliograph": 200.0, "nats-server": 12.0, "valkey-server": 3.0}),
        "drain": ("inbox", {"heliograph": 40.0}),
    }
    scenarios = [
        {"name": name, "figures": [], "measurements": [{"side": "heliograph", "setting": setting, "cpu_us": used}]}
        for name, (setting, used) in rows.items()
    ]
    return json.dumps({"at": "2026-01-01T00:00:00Z", "scenarios": scenarios}).encode()


def test_every_shipped_cost_is_more_than_nothing_and_has_a_source() -> None:
    costs = shipped()
    named = set(Costs.__struct_fields__) - {"sources"}
    assert set(costs.sources) == named
    assert all(getattr(costs, name) > 0 for name in named)


def test_a_result_replaces_what_it_holds() -> None:
    """What the router takes is not the API's, though one process does both."""
    costs = measured(shipped(), report(), "mine.json")
    assert (costs.accept_us, costs.route_us, costs.broker_us, costs.cache_us) == (160, 40, 12, 3)
    assert costs.push_us == shipped().push_us
    assert (costs.sources["accept_us"], costs.sources["push_us"]) == ("mine.json", shipped().sources["push_us"])


def test_figures_of_other_scenarios() -> None:
    found = {
        "cost": [{"name": "e-mail, rows a notification", "value": 7.5}],
        "sockets": [{"name": "memory a socket", "value": 4.0}],
    }
    scenarios = [{"name": name, "figures": figures, "measurements": []} for name, figures in found.items()]
    text = json.dumps({"at": "", "scenarios": scenarios}).encode()
    costs = measured(shipped(), text, "mine.json")
    assert (costs.rows, costs.socket_bytes) == (7.5, 4096)


def test_what_is_no_result_is_refused() -> None:
    with pytest.raises(msgspec.MsgspecError):
        measured(shipped(), b'{"scenarios": 5}', "x")
