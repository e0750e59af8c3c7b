"""What every HTTP role shares: health, metrics, OpenAPI, other origins, and backends that are away."""

from __future__ import annotations

import re

import pytest

from heliograph import __version__
from heliograph.core.errors import PresenceUnavailable, QueueUnavailable, StoreUnavailable
from heliograph.web import application
from tests.support.metrics import shown_metrics
from tests.unit.roles.api.service import Service

ROUTES = {
    "POST /v1/send", "POST /send", "POST /v1/send/bulk",
    "GET /v1/notifications/{notification_id}", "DELETE /v1/notifications/{notification_id}",
    "GET /v1/notifications/{notification_id}/timeline", "GET /v1/notifications/{notification_id}/explain",
    "GET /v1/batches/{batch_id}",
    "PUT /v1/users/{user_id}", "GET /v1/users/{user_id}", "DELETE /v1/users/{user_id}",
    "POST /v1/users/{user_id}/token",
    "GET /v1/users/{user_id}/devices", "POST /v1/users/{user_id}/devices",
    "DELETE /v1/users/{user_id}/devices/{device_id}", "POST /v1/devices", "DELETE /v1/devices/{device_id}",
    "GET /v1/webpush/key",
    "GET /v1/inbox", "GET /v1/inbox/unread", "POST /v1/inbox/{item_id}/{mark}", "POST /v1/inbox/read-all",
    "GET /v1/topics/{topic}", "GET /v1/users/{user_id}/topics",
    "GET /v1/topics/{topic}/subscribers", "POST /v1/topics/{topic}/subscribers", "POST /v1/topics/{topic}/unsubscribe",
    "PUT /v1/topics/{topic}/subscribers/{user_id}", "DELETE /v1/topics/{topic}/subscribers/{user_id}",
    "GET /v1/preferences", "PUT /v1/preferences", "GET /v1/users/{user_id}/preferences",
    "PUT /v1/users/{user_id}/preferences", "GET /v1/lanes", "GET /v1/dlq", "POST /v1/dlq/replay",
    "GET /v1/dlq/{letter_id}", "POST /v1/dlq/edit", "POST /v1/dlq/discard", "GET /v1/status", "GET /v1/pauses",
    "PUT /v1/pauses/{name}", "DELETE /v1/pauses/{name}",
    "GET /v1/suppressions", "POST /v1/suppressions", "DELETE /v1/suppressions/{address}",
    "GET /v1/settings/email", "PUT /v1/settings/email",
}  # fmt: skip
"""CONTRACT sections 2 to 4 and 7, as far as they are built; templates come later."""
BODIES = {
    "POST /v1/send": "SendRequest", "POST /send": "SendRequest", "PUT /v1/users/{user_id}": "UserInput",
    "POST /v1/users/{user_id}/token": "TokenInput", "POST /v1/users/{user_id}/devices": "DeviceInput",
    "POST /v1/devices": "DeviceInput", "POST /v1/dlq/replay": "ReplayInput",
    "POST /v1/dlq/edit": "EditInput", "POST /v1/dlq/discard": "DiscardInput", "PUT /v1/pauses/{name}": "PauseInput",
    "POST /v1/topics/{topic}/subscribers": "SubscribersInput",
    "POST /v1/topics/{topic}/unsubscribe": "SubscribersInput",
    "PUT /v1/preferences": "PreferencesInput", "PUT /v1/users/{user_id}/preferences": "PreferencesInput",
    "POST /v1/suppressions": "SuppressionInput", "PUT /v1/settings/email": "Sender",
}  # fmt: skip


async def test_health_asks_nobody(service: Service) -> None:
    """The process lives, whatever else doesn't."""
    await service.store.close_store()
    service.queue.broker.away = service.cache.away = True
    answer = await service.call("GET", "/healthz", key="")
    assert (answer.status, answer.json) == (200, {"status": "ok", "version": __version__})


async def test_readiness_is_the_stores(service: Service) -> None:
    """Queue and presence down do not unready; the store does."""
    service.queue.broker.away = service.cache.away = True
    assert (await service.call("GET", "/readyz", key="")).json == {"status": "ready", "queue": "up"}
    await service.store.close_store()
    (await service.call("GET", "/readyz", key="")).problem(503, "store_unavailable")


async def test_metrics_are_for_prometheus(service: Service) -> None:
    """Text, with what was accepted and refused."""
    await service.send(type="transactional")
    await service.call("POST", "/v1/send", {})
    answer = await service.call("GET", "/metrics", key="")
    assert answer.headers["content-type"].startswith("text/plain")
    text = answer.body.decode()
    assert re.search(r'^heliograph_accepted_total\{level="p0"\} [1-9]', text, re.MULTILINE)
    assert re.search(r'^heliograph_requests_refused_total\{code="invalid"\} [1-9]', text, re.MULTILINE)


async def test_the_openapi_document_has_every_route_and_every_body(service: Service) -> None:
    """What isn't in it doesn't exist for a client; what exists isn't missing from it."""
    document = (await service.call("GET", "/openapi.json", key="")).json
    assert document["openapi"].startswith("3.1")
    operations = {f"{m.upper()} {path}": op for path, ops in document["paths"].items() for m, op in ops.items()}
    assert set(operations) == ROUTES
    for name, operation in operations.items():
        assert operation["summary"], name
        assert {way for ways in operation["security"] for way in ways} <= {"server", "user"}, name
        assert {"4XX", "503"} <= set(operation["responses"]), name
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        assert schema.get("$ref", "").removeprefix("#/components/schemas/") == BODIES.get(name, ""), name
    bulk = operations["POST /v1/send/bulk"]["requestBody"]["content"]["application/json"]["schema"]
    assert bulk == {"type": "array", "items": {"$ref": "#/components/schemas/SendRequest"}}
    send = document["components"]["schemas"]["SendRequest"]
    assert send["required"] == ["to"]
    assert send["additionalProperties"] is False
    assert set(document["components"]["securitySchemes"]) == {"server", "user"}


async def test_every_reference_of_the_document_leads_somewhere(service: Service) -> None:
    """A generator of clients follows them all."""
    answer = await service.call("GET", "/openapi.json", key="")
    references = set(re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', answer.body.decode()))
    assert "Problem" in references
    assert references <= set(answer.json["components"]["schemas"])


async def test_the_document_says_which_parameters_there_are(service: Service) -> None:
    """Of the path and of the query."""
    paths = (await service.call("GET", "/openapi.json", key="")).json["paths"]
    inbox = {(one["name"], one["in"]) for one in paths["/v1/inbox"]["get"]["parameters"]}
    assert inbox == {(name, "query") for name in ("limit", "cursor", "unread", "category", "archived")}
    mark = {(one["name"], one["in"]) for one in paths["/v1/inbox/{item_id}/{mark}"]["post"]["parameters"]}
    assert mark == {("item_id", "path"), ("mark", "path")}


async def test_every_documented_route_wants_a_credential(service: Service) -> None:
    """Without one: 401, before anything is read or told."""
    for route in sorted(ROUTES):
        method, path = route.split()
        path = re.sub(r"\{[^}]+\}", "x", path)
        (await service.call(method, path, {}, key="")).problem(401, "unauthorized")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StoreUnavailable, "store_unavailable"),
        (QueueUnavailable, "queue_unavailable"),
        (PresenceUnavailable, "cache_unavailable"),
    ],
)
async def test_a_backend_that_is_away_is_a_503_by_its_name(
    service: Service, monkeypatch: pytest.MonkeyPatch, error: type[Exception], code: str
) -> None:
    """With Retry-After: the caller did nothing wrong."""

    async def away(*_: object) -> object:
        raise error("away")

    monkeypatch.setattr(service.store, "histories", away)
    answer = await service.call("GET", "/v1/notifications/ntf_1")
    answer.problem(503, code)
    assert int(answer.headers["retry-after"]) >= 1


async def test_pages_of_other_origins_may_call(service: Service) -> None:
    """The clients run in browsers; credentials are bearer tokens, never cookies."""
    asked = {"origin": "https://shop.example", "access-control-request-method": "POST",
             "access-control-request-headers": "authorization"}  # fmt: skip
    preflight = await service.call("OPTIONS", "/v1/inbox/read-all", key="", headers=asked)
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    answer = await service.call("GET", "/v1/inbox", key=service.token(), headers={"origin": "https://shop.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    refused = await service.call("GET", "/v1/inbox", key="", headers={"origin": "https://shop.example"})
    assert refused.headers["access-control-allow-origin"] == "*"


async def test_every_metric_has_a_row_before_anything_happened(service: Service) -> None:
    """A rule about something that never happened yet finds its metric, by HELP and TYPE at least."""
    text = (await service.call("GET", "/metrics", key="")).body.decode()
    assert [name for name in shown_metrics() if f"# TYPE {name} " not in text] == []


async def test_metrics_and_details_can_ask_for_a_token(service: Service) -> None:
    """With `metrics_token`: /metrics is for who has it; /readyz tells all others its status only."""
    service.app = application([], ready=service.ready, before_metrics=service.refresh, token="operators-only")
    (await service.call("GET", "/metrics", key="")).problem(401, "unauthorized")
    (await service.call("GET", "/metrics", key="operators-onlx")).problem(401, "unauthorized")
    assert (await service.call("GET", "/metrics", key="operators-only")).status == 200
    assert (await service.call("GET", "/readyz", key="")).json == {"status": "ready"}
    assert (await service.call("GET", "/readyz", key="operators-only")).json == {"status": "ready", "queue": "up"}
    assert (await service.call("GET", "/healthz", key="")).status == 200
