"""Whatever `/openapi.json` allows, and whatever it doesn't: no request is a 5xx (schemathesis makes them up)."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode

from tests.unit.roles.api.service import Service

EXAMPLES = 15
"""Of each call and kind: some 20 seconds in all on a busy machine."""


def described(service: Service) -> Any:
    document = json.loads(asyncio.run(service.call("GET", "/openapi.json")).body)
    return schemathesis.openapi.from_dict(document)


async def ask(service: Service, case: Any) -> None:
    """Sends what was made up, with a good credential, and checks the answer."""
    given_to = case.as_transport_kwargs(base_url="http://x")
    where = urlsplit(given_to["url"])
    query = "&".join(f"{name}={value}" for name, value in dict(given_to.get("params") or {}).items())
    raw = given_to["data"] if "data" in given_to else json.dumps(given_to["json"]) if "json" in given_to else b""
    path = f"{where.path}?{query}" if query else where.path
    key = service.token() if "inbox" in path or path in ("/v1/devices", "/v1/preferences") else None
    body = raw if isinstance(raw, bytes) else str(raw).encode("utf-8", "surrogatepass")
    answer = await service.call(case.method, path, key=key, raw=body)
    assert answer.status < 500, (case.method, path, body, answer.body)
    if answer.status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.filterwarnings("ignore")  # of schemathesis and its own libraries
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_is_our_fault(mode: GenerationMode) -> None:
    """Valid and broken ones for every call: 2xx or 4xx, and every refusal is a problem document."""
    service = asyncio.run(Service().open())
    asked = 0
    for found in described(service).get_all_operations():
        strategy = found.ok().as_strategy(generation_mode=mode)

        @seed(20_261_124)
        @given(case=strategy)
        @settings(
            max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate],
            database=None,
        )  # fmt: skip
        def run(case: Any) -> None:
            nonlocal asked
            asked += 1
            asyncio.run(ask(service, case))

        run()
    assert asked > 100
