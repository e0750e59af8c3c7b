"""Users, their tokens and their devices (CONTRACT section 3)."""

from __future__ import annotations

from typing import Any

import pytest

from heliograph.core.lanes import INGEST
from heliograph.core.model import Key
from heliograph.core.ports import PresenceLease
from tests.unit.given import T0, TENANT
from tests.unit.roles.api.service import Service
from tests.unit.roles.world import ANNA

ANNA_SHOWN = {
    "id": "anna", "email": "anna@acme.example", "name": "Anna", "locale": "de", "timezone": "Europe/Berlin",
    "data": {"a": 1},
}  # fmt: skip


async def test_a_user_is_put_and_shown(service: Service) -> None:
    """What is put is what is shown; putting again replaces, also with nothing."""
    body = {name: value for name, value in ANNA_SHOWN.items() if name != "id"}
    put = await service.call("PUT", "/v1/users/anna", body)
    assert (put.status, put.json) == (200, ANNA_SHOWN)
    shown = await service.call("GET", "/v1/users/anna")
    assert shown.json == {**ANNA_SHOWN, "devices": []}
    await service.call("PUT", "/v1/users/anna", {})
    empty: dict[str, Any] = {
        "id": "anna",
        "email": None,
        "name": None,
        "locale": None,
        "timezone": None,
        "data": {},
        "devices": [],
    }
    assert (await service.call("GET", "/v1/users/anna")).json == empty


@pytest.mark.parametrize("user_id", ["a", "x" * 128, "user@acme.example", "auth0|5f7c", "üser", "a:b.c_d-e"])
async def test_ids_of_other_systems_are_fine(service: Service, user_id: str) -> None:
    """Whatever a product calls its users, within reason."""
    assert (await service.call("PUT", f"/v1/users/{user_id}", {"name": "N"})).status == 200
    assert (await service.call("GET", f"/v1/users/{user_id}")).json["id"] == user_id


async def test_an_unknown_user_is_a_404(service: Service) -> None:
    """Showing, erasing."""
    (await service.call("GET", "/v1/users/nobody")).problem(404, "not_found")
    (await service.call("DELETE", "/v1/users/nobody")).problem(404, "not_found")


async def test_an_erased_user_is_gone_everywhere(service: Service) -> None:
    """User, devices, notifications, dead letters, presence and stream; a second time there is nothing to erase."""
    await service.anna(phone=True)
    name = (await service.send())["id"]
    await service.bury((await service.history(name)).notification)
    await service.presence.renew([PresenceLease(ANNA, "n1")], T0, 45_000)
    await service.streams.open_stream(ANNA)
    assert (await service.call("DELETE", "/v1/users/anna")).status == 204
    (await service.call("GET", "/v1/users/anna")).problem(404, "not_found")
    (await service.call("GET", f"/v1/notifications/{name}")).problem(404, "not_found")
    assert await service.store.devices(ANNA) == []
    assert await service.store.dead_letters(TENANT) == []
    (presence,) = await service.presence.look([ANNA], T0)
    assert (presence.online, presence.known) == (False, False)
    (await service.call("DELETE", "/v1/users/anna")).problem(404, "not_found")


async def test_erasing_waits_for_the_cache(service: Service) -> None:
    """With the cache away nothing is erased, so that the call can be repeated and erase everything."""
    await service.anna()
    service.cache.away = True
    (await service.call("DELETE", "/v1/users/anna")).problem(503, "cache_unavailable")
    service.cache.away = False
    assert (await service.call("DELETE", "/v1/users/anna")).status == 204


@pytest.mark.parametrize(("body", "ttl_s"), [(None, 3_600), ({}, 3_600), ({"ttl_s": 60}, 60)])
async def test_a_token_is_minted_for_a_user(service: Service, body: Any, ttl_s: int) -> None:
    """It opens that user's inbox until it expires; the user need not be known."""
    answer = await service.call("POST", "/v1/users/anna/token", body)
    assert answer.status == 200
    assert answer.json["expires_at"] == f"2027-01-15T0{8 + ttl_s // 3_600}:0{ttl_s % 3_600 // 60}:00.000Z"
    token = answer.json["token"]
    assert (await service.call("GET", "/v1/inbox/unread", key=token)).json == {"unread": 0}
    service.clock.forward(ttl_s)
    (await service.call("GET", "/v1/inbox/unread", key=token)).problem(401, "unauthorized")


async def test_a_device_is_registered_by_the_service_or_the_person(service: Service) -> None:
    """201 with its id and never its token; registering again is the same device."""
    await service.anna()
    fcm = {"kind": "fcm_token", "value": "secret-token"}
    first = await service.call("POST", "/v1/users/anna/devices", fcm)
    second = await service.call("POST", "/v1/devices", fcm, key=service.token())
    assert (first.status, second.status) == (201, 201)
    assert first.json["id"] == second.json["id"]
    listed = await service.call("GET", "/v1/users/anna/devices")
    assert [one["id"] for one in listed.json["devices"]] == [first.json["id"]]
    shown = await service.call("GET", "/v1/users/anna")
    for answer in (first, listed, shown):
        assert b"secret-token" not in answer.body


async def test_a_web_push_subscription_is_an_object(service: Service) -> None:
    """Kept as the browser gave it."""
    subscription = {"endpoint": "https://push.example/1", "keys": {"p256dh": "x", "auth": "y"}}
    answer = await service.call("POST", "/v1/users/anna/devices", {"kind": "webpush", "value": subscription})
    assert answer.status == 201
    (device,) = await service.store.devices(ANNA)
    assert device.value == '{"endpoint":"https://push.example/1","keys":{"p256dh":"x","auth":"y"}}'


@pytest.mark.parametrize("own", [False, True])
async def test_a_device_is_removed_once(service: Service, own: bool) -> None:
    """By the service or by the person; then it is unknown."""
    await service.anna(phone=True)
    path = "/v1/devices/dev_1" if own else "/v1/users/anna/devices/dev_1"
    key = service.token() if own else None
    assert (await service.call("DELETE", path, key=key)).status == 204
    assert await service.store.devices(ANNA) == []
    (await service.call("DELETE", path, key=key)).problem(404, "not_found")


async def test_nobody_removes_another_persons_device(service: Service) -> None:
    """Another user of the same tenant: unknown to them."""
    await service.anna(phone=True)
    (await service.call("DELETE", "/v1/devices/dev_1", key=service.token("bert"))).problem(404, "not_found")
    (await service.call("DELETE", "/v1/users/bert/devices/dev_1")).problem(404, "not_found")
    assert len(await service.store.devices(ANNA)) == 1


async def test_nothing_of_this_sends_anything(service: Service) -> None:
    """Only a send does."""
    await service.call("PUT", "/v1/users/anna", {"email": "anna@acme.example"})
    await service.call("POST", "/v1/users/anna/devices", {"kind": "fcm_token", "value": "x"})
    assert service.waiting(INGEST) == []
    assert await service.store.user(Key(TENANT, "anna"))
