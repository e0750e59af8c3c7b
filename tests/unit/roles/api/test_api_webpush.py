"""Web Push at the API: the key that pages subscribe with, and subscriptions that may be registered."""

from __future__ import annotations

from typing import Any

import pytest

from heliograph.roles.api import users, webpush
from heliograph.web import application
from tests.unit.roles.api.service import Service, call
from tests.unit.roles.world import ANNA

KEYS = {"p256dh": "BAAA", "auth": "AAAA"}


@pytest.mark.parametrize("of", ["server", "user"])
async def test_the_key(service: Service, of: str) -> None:
    """For a web page with a user token, and for a backend that passes it on."""
    key = service.key if of == "server" else service.token()
    answer = await service.call("GET", "/v1/webpush/key", key=key)
    assert (answer.status, answer.json) == (200, {"public_key": "BPublic"})


@pytest.mark.parametrize("key", ["", "hg_sk_wrong", "a.b.c"])
async def test_the_key_is_for_callers(service: Service, key: str) -> None:
    """Nobody else."""
    (await service.call("GET", "/v1/webpush/key", key=key)).problem(401, "unauthorized")


async def test_without_a_key_there_is_none(service: Service) -> None:
    """Says which setting is missing."""
    app = application(webpush.routes(None, service.callers), ready=service.ready, before_metrics=service.refresh)
    found = await call(app, "GET", "/v1/webpush/key", headers={"authorization": f"Bearer {service.key}"})
    found.problem(404, "not_found")
    assert "HELIOGRAPH_VAPID_PRIVATE_KEY" in found.json["detail"]


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        ({}, {"value.endpoint", "value.keys.p256dh", "value.keys.auth"}),
        ({"endpoint": "https://10.0.0.1/x", "keys": KEYS}, {"value.endpoint"}),
        ({"endpoint": "http://push.example/x", "keys": KEYS}, {"value.endpoint"}),
        ({"endpoint": "http://127.0.0.1:8090/x", "keys": KEYS}, {"value.endpoint"}),
        ({"endpoint": 5, "keys": KEYS}, {"value.endpoint"}),
        ({"endpoint": "https://push.example/x", "keys": {"p256dh": "x"}}, {"value.keys.auth"}),
        ({"endpoint": "https://push.example/x", "keys": []}, {"value.keys.p256dh", "value.keys.auth"}),
    ],
)
async def test_what_is_no_subscription(service: Service, value: Any, paths: set[str]) -> None:
    """Every flaw by its path; nothing is kept."""
    answer = await service.call("POST", "/v1/users/anna/devices", {"kind": "webpush", "value": value})
    assert set(answer.problem(422, "invalid")) == paths
    assert await service.store.devices(ANNA) == []


async def test_a_lab_may_be_allowed(service: Service) -> None:
    """The very host and port that the settings name."""
    routes = users.routes(
        service.store, service.presence, service.bus, service.callers, service.clock, frozenset({"127.0.0.1:8090"})
    )
    service.app = application(routes, ready=service.ready, before_metrics=service.refresh)
    for port, status in ((8090, 201), (8091, 422)):
        value = {"endpoint": f"http://127.0.0.1:{port}/webpush/push/1", "keys": KEYS}
        answer = await service.call("POST", "/v1/users/anna/devices", {"kind": "webpush", "value": value})
        assert answer.status == status
