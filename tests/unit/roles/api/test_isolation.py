"""Another tenant's object is a 404, byte for byte like an unknown one (CONTRACT section 1)."""

from __future__ import annotations

from typing import Any

import pytest
import structlog

from heliograph.core.model import Key
from heliograph.testing.store import MemoryStore
from tests.unit.given import TENANT
from tests.unit.roles.api.service import Service
from tests.unit.roles.world import ANNA


class Ours:
    """What tenant acme has, by the name that stands in a path."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.ids: dict[str, str] = {"user": "anna", "device": "dev_1"}

    async def make(self) -> Ours:
        await self.service.anna(phone=True)
        self.ids["notification"] = (await self.service.send())["id"]
        batch = await self.service.send(to=["anna", "bert"])
        self.ids |= {"batch": batch["batch_id"], "member": batch["ids"][1]}
        await self.service.bury((await self.service.history(self.ids["notification"])).notification)
        return self

    def unknown(self, name: str) -> str:
        """An id of the same shape that nobody has."""
        found = self.ids[name]
        return found[:-1] + ("z" if not found.endswith("z") else "y")


def snapshot(store: MemoryStore) -> str:
    rows = store._kept
    return repr((rows.sent, rows.batches, rows.users, rows.devices, rows.letters, rows.suppressed, rows.preferences))


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/v1/notifications/{}", "notification"),
        ("GET", "/v1/notifications/{}/timeline", "notification"),
        ("GET", "/v1/notifications/{}/explain", "notification"),
        ("DELETE", "/v1/notifications/{}", "notification"),
        ("GET", "/v1/notifications/{}", "member"),
        ("DELETE", "/v1/notifications/{}", "member"),
        ("GET", "/v1/batches/{}", "batch"),
        ("GET", "/v1/users/{}", "user"),
        ("DELETE", "/v1/users/{}", "user"),
        ("GET", "/v1/users/{}/devices", "user"),
        ("GET", "/v1/users/{}/preferences", "user"),
        ("DELETE", "/v1/users/{}/devices/dev_1", "user"),
        ("DELETE", "/v1/users/anna/devices/{}", "device"),
    ],
)
async def test_a_foreign_object_answers_like_an_unknown_one(
    service: Service, method: str, path: str, name: str
) -> None:
    """Status, headers and body; and whoever owns it still has it."""
    ours = await Ours(service).make()
    before = snapshot(service.store)
    foreign = await service.call(method, path.format(ours.ids[name]), key=service.other_key)
    unknown = await service.call(method, path.format(ours.unknown(name)), key=service.other_key)
    assert foreign.everything == unknown.everything
    assert foreign.status == (200 if path.endswith(("/devices", "/preferences")) else 404)
    assert snapshot(service.store) == before
    own = await service.call("GET", f"/v1/notifications/{ours.ids['notification']}")
    assert own.status == 200


async def test_who_asks_for_it_leaves_a_trace(service: Service) -> None:
    """Answers look alike, so the log must tell who tries ids of others; never with the whole key."""
    ours = await Ours(service).make()
    with structlog.testing.capture_logs() as lines:
        await service.call("GET", f"/v1/notifications/{ours.ids['notification']}", key=service.other_key)
    (line,) = [line for line in lines if line.get("action") == "audit"]
    assert (line["code"], line["method"], line["client"]) == ("not_found", "GET", "127.0.0.1")
    assert line["path"] == f"/v1/notifications/{ours.ids['notification']}"
    assert service.other_key.startswith(line["key"])
    assert len(line["key"]) == len("hg_sk_abcd")


@pytest.mark.parametrize("path", ["/v1/inbox/{}/read", "/v1/inbox/{}/archive", "/v1/inbox/{}/seen"])
async def test_a_namesake_in_another_tenant_sees_nothing(service: Service, path: str) -> None:
    """The same user id, the same notification id: two people."""
    ours = await Ours(service).make()
    namesake = service.token("anna", tenant="other")
    foreign = await service.call("POST", path.format(ours.ids["notification"]), key=namesake)
    unknown = await service.call("POST", path.format(ours.unknown("notification")), key=namesake)
    assert foreign.everything == unknown.everything
    foreign.problem(404, "not_found")
    assert (await service.call("GET", "/v1/inbox", key=namesake)).json["items"] == []
    assert (await service.call("GET", "/v1/inbox/unread", key=namesake)).json == {"unread": 0}
    await service.call("POST", "/v1/inbox/read-all", key=namesake)
    assert (await service.call("GET", "/v1/inbox/unread", key=service.token())).json == {"unread": 1}


async def test_a_namesakes_devices_are_not_ours(service: Service) -> None:
    """The same token in two tenants is two devices; removing one leaves the other."""
    await Ours(service).make()
    body = {"kind": "fcm_token", "value": "token-dev_1"}
    theirs = await service.call("POST", "/v1/users/anna/devices", body, key=service.other_key)
    assert theirs.status == 201
    assert theirs.json["id"] != "dev_1"
    path = f"/v1/users/anna/devices/{theirs.json['id']}"
    assert (await service.call("DELETE", path, key=service.other_key)).status == 204
    assert [device.id for device in await service.store.devices(ANNA)] == ["dev_1"]


async def test_putting_a_namesake_changes_nobody_else(service: Service) -> None:
    """Users are their tenant's."""
    await Ours(service).make()
    await service.call("PUT", "/v1/users/anna", {"email": "x@other.example"}, key=service.other_key)
    found = await service.store.user(Key(TENANT, "anna"))
    assert found
    assert found.email == "anna@acme.example"


@pytest.mark.parametrize("body", [{"cause": "503"}, {"ids": ["{}"]}, {"ids": ["{}:email"]}])
async def test_foreign_dead_letters_are_neither_shown_nor_replayed(service: Service, body: dict[str, Any]) -> None:
    """By cause or by id."""
    ours = await Ours(service).make()
    wanted = {k: v if k == "cause" else [one.format(ours.ids["notification"]) for one in v] for k, v in body.items()}
    assert (await service.call("GET", "/v1/dlq", key=service.other_key)).json == {"groups": []}
    replayed = await service.call("POST", "/v1/dlq/replay", wanted, key=service.other_key)
    assert replayed.json == {"replayed": 0}
    assert len(await service.store.dead_letters(TENANT)) == 1


async def test_a_foreign_user_is_never_reached(service: Service) -> None:
    """A send to a namesake is stored in the sender's own tenant."""
    await Ours(service).make()
    answer = await service.call("POST", "/v1/send", {"to": "anna", "title": "x"}, key=service.other_key)
    await service.sending.drained()
    (found,) = await service.store.histories([Key("other", answer.json["id"])])
    assert found
    assert found.notification.tenant == "other"
    assert (await service.call("GET", "/v1/inbox/unread", key=service.token())).json == {"unread": 1}
