"""Browsers and Expo apps as a product has them: registered through the API, pushed to, forgotten when they are gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.eventually import eventually
from tests.support.system import Heliograph

EXPO = "ExponentPushToken[abc]"


async def lab(system: Heliograph, method: str, path: str, body: Any = None) -> Any:
    async with system.session.request(method, system.lab_url + path, json=body) as response:
        assert response.status < 300, await response.text()
        return await response.json() if response.status != 204 else None


async def subscribe(system: Heliograph) -> dict[str, Any]:
    """A browser subscribes with the key that the page got from the API."""
    found = await system.get("/v1/webpush/key", key=await system.token("zoe"))
    return dict(
        await lab(system, "POST", "/lab/webpush/subscriptions", {"application_server_key": found["public_key"]})
    )


async def register(system: Heliograph, user: str, kind: str, value: Any) -> str:
    status, answer = await system.call("POST", f"/v1/users/{user}/devices", {"kind": kind, "value": value})
    assert status == 201, answer
    return str(answer["id"])


async def devices(system: Heliograph, user: str) -> list[str]:
    return [one["id"] for one in (await system.get(f"/v1/users/{user}/devices"))["devices"]]


async def forgets_devices_of(system: Heliograph, user: str) -> None:
    """In a moment: the delivery's end is recorded first."""

    async def none() -> bool:
        return await devices(system, user) == []

    await eventually(none)


async def push(system: Heliograph, user: str, **fields: Any) -> list[dict[str, Any]]:
    """The push deliveries of a new notification, once nobody owes them another step."""
    answer = await system.send(user, channels=["push"], **fields)
    found = await system.settled(answer["id"])
    return [delivery for delivery in found["deliveries"] if delivery["channel"] == "push"]


async def test_a_browser_gets_its_push(system: Heliograph) -> None:
    """Encrypted for it, signed for its push service, with all that the service worker shows."""
    subscription = await subscribe(system)
    device = await register(system, "zoe", "webpush", subscription)
    (delivery,) = await push(
        system, "zoe", body="Größer 🚀", data={"n": 1}, action_url="https://x.io/a", image_url="https://x.io/i", badge=2
    )
    assert (delivery["status"], delivery["provider"], delivery["device_id"]) == ("sent", "webpush", device)
    (received,) = await system.received(provider="webpush", to=subscription["endpoint"])
    shown = received["payload"]
    assert (shown["title"], shown["body"], shown["data"]) == ("Hello", "Größer 🚀", {"n": "1"})
    assert (shown["action_url"], shown["image_url"], shown["badge"]) == ("https://x.io/a", "https://x.io/i", 2)
    assert received["headers"]["urgency"] == "high"


async def test_a_subscription_that_was_taken_back_is_forgotten(system: Heliograph) -> None:
    """410: the device goes, the delivery failed, and nothing is left to replay."""
    subscription = await subscribe(system)
    await register(system, "yan", "webpush", subscription)
    await lab(system, "DELETE", f"/lab/webpush/subscriptions/{subscription['endpoint'].rpartition('/')[2]}")
    (delivery,) = await push(system, "yan")
    assert (delivery["status"], delivery["reason"]) == ("failed", "webpush 410 errno 106")
    await forgets_devices_of(system, "yan")
    assert (await system.get("/v1/dlq"))["groups"] == []


async def test_nobody_makes_us_push_into_our_own_network(system: Heliograph) -> None:
    """Not even to another port of the lab's host."""
    subscription = await subscribe(system)
    for endpoint in (f"{system.url}/v1/lanes", "https://10.0.0.1/x", "https://169.254.169.254/latest"):
        value = {**subscription, "endpoint": endpoint}
        status, problem = await system.call("POST", "/v1/users/eve/devices", {"kind": "webpush", "value": value})
        assert (status, problem["errors"][0]["path"]) == (422, "value.endpoint")
    assert await devices(system, "eve") == []


@pytest.fixture
async def quick(install: Callable[..., Heliograph], store_settings: dict[str, str]) -> Heliograph:
    """An installation that asks for receipts soon."""
    return await install(expo_receipt_after_s=0.2, **store_settings).start()


async def test_an_expo_app_gets_its_push_and_we_hear_of_it(quick: Heliograph) -> None:
    """The ticket says sent, the receipt delivered."""
    await register(quick, "xia", "expo", EXPO)
    answer = await quick.send("xia", channels=["push"], body="It works")
    found = await quick.reaches(answer["id"], "push", "delivered")
    assert found
    (received,) = await quick.received(provider="expo", to=EXPO)
    assert (received["title"], received["body"]) == ("Hello", "It works")


async def test_an_app_that_is_gone_only_in_the_receipt(quick: Heliograph) -> None:
    """The device is forgotten after the poll, though the ticket was fine."""
    await register(quick, "wim", "expo", EXPO)
    await lab(quick, "PUT", "/lab/faults/expo", {"tokens": {EXPO: "receipt_unregistered"}})
    answer = await quick.send("wim", channels=["push"])
    await forgets_devices_of(quick, "wim")
    await quick.reaches(answer["id"], "push", "failed")
    (delivery,) = (await quick.get(f"/v1/notifications/{answer['id']}"))["deliveries"]
    assert delivery["reason"] == "expo receipt DeviceNotRegistered"


async def test_tickets_outlive_a_crash(install: Callable[..., Heliograph], store_settings: dict[str, str]) -> None:
    """Killed after the push, before the receipt was due: the next start asks for it."""
    outside = await install("outside").start()
    system = install(lab=False, expo_url=f"{outside.lab_url}/expo", expo_receipt_after_s=1.5, **store_settings)
    await system.start()
    await register(system, "vic", "expo", EXPO)
    await lab(outside, "PUT", "/lab/faults/expo", {"tokens": {EXPO: "receipt_unregistered"}})
    answer = await system.send("vic", channels=["push"])
    await system.reaches(answer["id"], "push", "sent")
    await system.kill()
    await system.start()
    await system.reaches(answer["id"], "push", "failed")
    await forgets_devices_of(system, "vic")


async def test_an_app_that_is_gone_in_the_ticket(system: Heliograph) -> None:
    """At once."""
    await register(system, "uli", "expo", EXPO)
    await lab(system, "PUT", "/lab/faults/expo", {"tokens": {EXPO: "unregistered"}})
    (delivery,) = await push(system, "uli")
    assert (delivery["status"], delivery["reason"]) == ("failed", "expo ticket DeviceNotRegistered")
    await forgets_devices_of(system, "uli")


async def test_several_api_processes_know_the_key(install: Callable[..., Heliograph]) -> None:
    """Behind the load balancer: the same key and the same lab as the process that sends."""
    system = await install(arguments=["--api", "2"]).start()
    subscription = await subscribe(system)
    await register(system, "zoe", "webpush", subscription)
    (delivery,) = await push(system, "zoe")
    assert delivery["status"] == "sent"
