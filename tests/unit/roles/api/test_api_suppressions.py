"""The suppression list and the sender of a tenant, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from heliograph.core.model import Key
from heliograph.core.suppressing import REASONS
from tests.unit.given import TENANT
from tests.unit.roles.api.service import Service

PATH = "/v1/suppressions"
AT = "2027-01-15T08:00:00.000Z"


async def listed(service: Service, query: str = "", **fields: Any) -> list[tuple[str, str]]:
    answer = await service.call("GET", PATH + query, **fields)
    assert answer.status == 200, answer.body
    return [(one["address"], one["reason"]) for one in answer.json["suppressions"]]


async def test_add_list_and_remove(service: Service) -> None:
    """One address or several, by hand or for a reason; whatever the case; one reason or all taken away."""
    assert (await service.call("POST", PATH, {"address": "Anna@X.example"})).status == 204
    body = {"address": ["ben@x.example", "anna@x.example"], "reason": "hard_bounce"}
    assert (await service.call("POST", PATH, body)).status == 204
    assert (await service.call("GET", PATH)).json == {
        "suppressions": [
            {"address": "anna@x.example", "reason": "hard_bounce", "at": AT},
            {"address": "anna@x.example", "reason": "manual", "at": AT},
            {"address": "ben@x.example", "reason": "hard_bounce", "at": AT},
        ],
        "next_cursor": None,
    }
    assert (await service.call("DELETE", f"{PATH}/ANNA@x.example?reason=manual")).status == 204
    (await service.call("DELETE", f"{PATH}/anna@x.example?reason=manual")).problem(404, "not_found")
    assert await listed(service, "?reason=hard_bounce") == [
        ("anna@x.example", "hard_bounce"), ("ben@x.example", "hard_bounce"),
    ]  # fmt: skip
    assert (await service.call("DELETE", f"{PATH}/anna@x.example")).status == 204
    assert await listed(service) == [("ben@x.example", "hard_bounce")]


@pytest.mark.parametrize(("reason", "limit"), [("", 1), ("", 3), ("&reason=manual", 2), ("&reason=complaint", 1)])
async def test_pages(service: Service, reason: str, limit: int) -> None:
    """Following the cursor gives everything once, in order."""
    for name in ("c", "a", "b"):
        for one in REASONS:
            await service.call("POST", PATH, {"address": f"{name}@x.example", "reason": one})
    found: list[tuple[str, str]] = []
    cursor: str | None = ""
    while cursor is not None:
        query = f"?limit={limit}{reason}" + (f"&cursor={cursor}" if cursor else "")
        answer = await service.call("GET", PATH + query)
        page = [(one["address"], one["reason"]) for one in answer.json["suppressions"]]
        assert 0 < len(page) <= limit
        found += page
        cursor = answer.json["next_cursor"]
    assert found == await listed(service, f"?limit=100{reason}")
    assert len(found) == (3 if reason else 12)


async def test_a_list_belongs_to_its_tenant(service: Service) -> None:
    """Another's entry is neither shown nor removed."""
    await service.call("POST", PATH, {"address": "anna@x.example"})
    assert await listed(service, key=service.other_key) == []
    (await service.call("DELETE", f"{PATH}/anna@x.example", key=service.other_key)).problem(404, "not_found")
    assert await service.store.suppressed([Key(TENANT, "anna@x.example")]) == [("manual",)]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "address"), ({"address": "nobody"}, "address"), ({"address": ["a@x.example", "b"]}, "address[1]"),
        ({"address": []}, "address"), ({"address": "a@x.example", "reason": "dislike"}, "reason"),
        ({"address": "a@x.example\r\n"}, "address"), ({"address": "a@x.example", "why": 1}, "why"),
        ({"address": ["a@x.example"] * 1_001}, "address"),
    ],
)  # fmt: skip
async def test_bad_bodies_change_nothing(service: Service, body: dict[str, Any], path: str) -> None:
    """Named by path; of a list with one bad address nothing is added."""
    assert path in (await service.call("POST", PATH, body)).problem(422, "invalid")
    assert await listed(service) == []


@pytest.mark.parametrize(
    "query", ["?reason=x", "?limit=0", "?limit=1001", "?limit=x", "?cursor=x", "?cursor=manual:x", "?page=1"]
)
async def test_bad_queries(service: Service, query: str) -> None:
    """Told, not guessed at."""
    (await service.call("GET", PATH + query)).problem(422, "invalid")


async def test_nothing_without_a_key(service: Service) -> None:
    """A server key, and no user token."""
    for method, path in (("GET", PATH), ("POST", PATH), ("DELETE", f"{PATH}/a@x.example"),
                         ("GET", "/v1/settings/email"), ("PUT", "/v1/settings/email")):  # fmt: skip
        for key in ("", service.token()):
            (await service.call(method, path, {}, key=key)).problem(401, "unauthorized")


# --- sender -----------------------------------------------------------------------------------------------------------

EMAIL = "/v1/settings/email"


async def test_a_tenants_sender(service: Service) -> None:
    """Set, shown and taken away again; another tenant's stays what it was."""
    nothing = {"from": None, "reply_to": None}
    mine = {"from": "Acme <news@acme.example>", "reply_to": "help@acme.example"}
    assert (await service.call("GET", EMAIL)).json == nothing
    assert (await service.call("PUT", EMAIL, mine)).json == mine
    assert (await service.call("GET", EMAIL)).json == mine
    assert (await service.call("GET", EMAIL, key=service.other_key)).json == nothing
    assert (await service.call("PUT", EMAIL, {})).json == nothing
    assert (await service.call("GET", EMAIL)).json == nothing
    assert not service.store._kept.settings


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"from": "a\r\nBcc: b@c.example <d@e.example>"}, "from"), ({"from": "nobody"}, "from"), ({"from": 5}, "from"),
        ({"reply_to": "a@b.example\nX: y"}, "reply_to"), ({"sender": "a@b.example"}, "sender"),
    ],
)  # fmt: skip
async def test_a_sender_that_could_write_headers_is_refused(service: Service, body: Any, path: str) -> None:
    """Nothing is stored."""
    assert path in (await service.call("PUT", EMAIL, body)).problem(422, "invalid")
    assert not service.store._kept.settings
