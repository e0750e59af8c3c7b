"""What a server key may do: every route says which scope it wants, and a key without it is told which (403)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from heliograph.access import create_key
from heliograph.core.errors import Problem
from heliograph.core.keys import SCOPES, ApiKey, Scope, demand
from heliograph.roles.api.operations import OPERATOR
from heliograph.web import application
from tests.unit.roles.api.service import Service, call
from tests.unit.test_docs import routes

PUBLIC = {
    "POST /v1/webhooks/sendgrid": "signed by the provider",
    "POST /v1/webhooks/{provider}": "signed by the provider",
    "GET /v1/unsubscribe/{token}": "a signed link in a mail",
    "POST /v1/unsubscribe/{token}": "a signed link in a mail",
}
"""Routes that ask for no credential, and what stands in its place."""
BODIES: dict[str, Any] = {"POST /v1/send/bulk": []}


async def document(service: Service) -> dict[str, Any]:
    """Of all the routes that there are."""
    app = application([*routes()], ready=service.ready, before_metrics=service.refresh)
    paths = (await call(app, "GET", "/openapi.json")).json["paths"]
    return {f"{method.upper()} {path}": one for path, methods in paths.items() for method, one in methods.items()}


async def test_every_route_declares_who_may_call_it(service: Service) -> None:
    """A user, a server key with one scope, or, for a reason that stands above, everybody. A new route that forgets to
    is nobody's, and fails here."""
    operations = await document(service)
    assert len(operations) > 40
    for name, operation in operations.items():
        if name in PUBLIC:
            assert "security" not in operation, name
            continue
        ways = {way: scopes for one in operation["security"] for way, scopes in one.items()}
        assert set(ways) <= {"server", "user"}, name
        assert ways.get("user", []) == [], name
        if "server" in ways:
            assert len(ways["server"]) == 1, name
            assert ways["server"][0] in SCOPES, name
    assert set(PUBLIC) <= set(operations)


async def test_a_key_without_the_scope_is_refused_and_told_which(service: Service) -> None:
    """On every route that takes server keys: 403 before anything is read. With the scope it goes on to the request."""
    secrets = {scope: await create_key(service.store, OPERATOR, service.clock(), scopes=(scope,)) for scope in SCOPES}
    for name, operation in (await document(service)).items():
        wanted = next((one["server"][0] for one in operation.get("security", ()) if "server" in one), None)
        if wanted is None:
            continue
        method, path = name.split()
        path = re.sub(r"\{[^}]+\}", "x", path)
        for scope, secret in secrets.items():
            answer = await service.call(method, path, BODIES.get(name, {}), key=secret)
            if scope == wanted:
                assert answer.status not in (401, 403), name
            else:
                answer.problem(403, "forbidden")
                assert f"`{wanted}`" in answer.json["detail"], name


async def test_reading_a_key_is_not_sending_with_it(service: Service) -> None:
    """Nothing is stored by a request that is refused for its scope."""
    reader = await create_key(service.store, "acme", service.clock(), scopes=("read",))
    kept = service.kept
    (await service.call("POST", "/v1/send", {"to": "anna", "title": "x"}, key=reader)).problem(403, "forbidden")
    assert service.kept == kept


async def test_a_broadcast_wants_a_scope_of_its_own(service: Service) -> None:
    """Attack 25: who may send to named people may not thereby write to everybody who is subscribed."""
    to_topic, to_one = {"to": {"topic": "news"}, "title": "x"}, {"to": "anna", "title": "x"}
    sender = await create_key(service.store, "acme", service.clock(), scopes=("send",))
    speaker = await create_key(service.store, "acme", service.clock(), scopes=("send", "broadcast"))
    refused = await service.call("POST", "/v1/send", to_topic, key=sender)
    refused.problem(403, "forbidden")
    assert "`broadcast`" in refused.json["detail"]
    assert (await service.call("POST", "/v1/send", to_one, key=sender)).status == 202
    assert (await service.call("POST", "/v1/send", to_topic, key=speaker)).status == 202
    alone = await create_key(service.store, "acme", service.clock(), scopes=("broadcast",))
    (await service.call("POST", "/v1/send", to_topic, key=alone)).problem(403, "forbidden")


@pytest.mark.parametrize("scope", SCOPES)
def test_no_scope_includes_another(scope: Scope) -> None:
    """And a call that declares none is nobody's."""
    key = ApiKey(digest="d", tenant="acme", prefix="p", created_at=0, scopes=(scope,))
    for other in (*SCOPES, None):
        if other == scope:
            demand(key, other)
        else:
            with pytest.raises(Problem, match="forbidden"):
                demand(key, other)
