"""Topics: subscribing, unsubscribing, listing, and sending to all who are subscribed."""

from __future__ import annotations

from typing import Any

import pytest

from heliograph.core.lanes import INGEST, BatchItem
from heliograph.core.model import Key
from tests.unit.given import TENANT
from tests.unit.roles.api.service import Service

NEWS = "/v1/topics/news"


async def subscribe(service: Service, *users: str) -> Any:
    return (await service.call("POST", f"{NEWS}/subscribers", {"users": list(users)})).json


async def test_many_at_once(service: Service) -> None:
    """Who was subscribed already doesn't count."""
    assert await subscribe(service, "anna", "ben") == {"subscribed": 2}
    assert await subscribe(service, "ben", "zoe") == {"subscribed": 1}
    assert (await service.call("GET", NEWS)).json == {"topic": "news", "subscribers": 3}
    answer = await service.call("POST", f"{NEWS}/unsubscribe", {"users": ["anna", "carl"]})
    assert (answer.status, answer.json) == (200, {"unsubscribed": 1})
    assert (await service.call("GET", NEWS)).json["subscribers"] == 2


async def test_one_at_a_time(service: Service) -> None:
    """Repeating changes nothing."""
    for method, found in (("PUT", ["news"]), ("DELETE", [])):
        for _ in range(2):
            assert (await service.call(method, f"{NEWS}/subscribers/anna")).status == 204
        assert (await service.call("GET", "/v1/users/anna/topics")).json == {"topics": found}


async def test_pages(service: Service) -> None:
    """Everybody once."""
    await subscribe(service, *(f"user-{n}" for n in range(5)))
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await service.call("GET", f"{NEWS}/subscribers?limit=2&cursor={cursor}")).json
        seen += page["users"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"user-{n}" for n in range(5)]


async def test_a_topic_send_is_one_document(service: Service) -> None:
    """Its members are known when the router has found them."""
    await subscribe(service, "anna", "ben")
    answer = await service.send(to={"topic": "news"}, type="marketing")
    assert set(answer) == {"batch_id"}
    assert service.waiting(INGEST) == [BatchItem(TENANT, answer["batch_id"], 2)]
    shown = await service.call("GET", f"/v1/batches/{answer['batch_id']}")
    assert shown.json == {"id": answer["batch_id"], "accepted": 0, "by_status": {}}
    batch = await service.store.batch(Key(TENANT, answer["batch_id"]))
    assert batch
    assert batch.topic == "news"


async def test_an_idempotent_topic_send(service: Service) -> None:
    """Once per key."""
    first = await service.send(to={"topic": "news"}, idempotency_key="k")
    assert await service.send(to={"topic": "news"}, idempotency_key="k") == first
    assert len(service.waiting(INGEST)) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "path_of_flaw"),
    [
        ("POST", f"{NEWS}/subscribers", {"users": []}, "users"),
        ("POST", f"{NEWS}/subscribers", {"users": ["a b"]}, "users[0]"),
        ("POST", f"{NEWS}/subscribers", {"users": ["a"], "all": True}, "all"),
        ("POST", f"{NEWS}/unsubscribe", {"users": 5}, "users"),
        ("PUT", "/v1/topics/a%20b/subscribers/anna", None, "topic"),
        ("GET", f"{NEWS}/subscribers?limit=0", None, "limit"),
        ("GET", f"{NEWS}/subscribers?limit=x", None, "limit"),
        ("GET", f"{NEWS}/subscribers?before=x", None, "before"),
    ],
)
async def test_bad_input(service: Service, method: str, path: str, body: Any, path_of_flaw: str) -> None:
    """422 with its path; nothing changes."""
    kept = service.kept
    answer = await service.call(method, path.replace("%20", " "), body)
    assert path_of_flaw in answer.problem(422, "invalid")
    assert service.kept == kept


async def test_tenants_are_apart(service: Service) -> None:
    """Another tenant's topic of the same name is another topic."""
    await subscribe(service, "anna")
    theirs = await service.call("GET", NEWS, headers={"Authorization": f"Bearer {service.other_key}"})
    assert theirs.json == {"topic": "news", "subscribers": 0}
