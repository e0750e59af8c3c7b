"""From POST /v1/send to an iPhone, on the running system, with the lab's APNs at the other end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.eventually import eventually
from tests.support.system import Heliograph


async def phone(system: Heliograph, user: str, token: str) -> str:
    """Registers one; answers the device's id."""
    status, device = await system.call("POST", f"/v1/users/{user}/devices", {"kind": "apns", "value": token})
    assert status == 201
    return str(device["id"])


async def devices(system: Heliograph, user: str) -> list[str]:
    return [device["id"] for device in (await system.get(f"/v1/users/{user}/devices"))["devices"]]


async def test_an_iphone_gets_the_push(system: Heliograph) -> None:
    """Title, body, badge, data, link and collapse key; the push's id is the delivery's provider id."""
    device_id = await phone(system, "ann", "iphone-ann")
    answer = await system.send(
        "ann", type="transactional", body="It left.", data={"order": 7}, badge=2, collapse_key="order-7",
        action_url="https://shop.example/orders/7", image_url="https://shop.example/7.png", ttl_s=600,
    )  # fmt: skip
    delivery = await system.reaches(answer["id"], "push", "sent")
    [push] = await system.received(provider="apns")
    assert (push["to"], push["title"], push["body"]) == ("iphone-ann", "Hello", "It left.")
    assert push["data"] == {
        "order": "7", "notification_id": answer["id"], "action_url": "https://shop.example/orders/7",
        "image_url": "https://shop.example/7.png",
    }  # fmt: skip
    aps = push["payload"]["aps"]
    assert (aps["badge"], aps["mutable-content"], aps["sound"]) == (2, 1, "default")
    headers = push["headers"]
    assert (headers["apns-priority"], headers["apns-collapse-id"]) == ("10", "order-7")
    assert (delivery["provider"], delivery["provider_id"], delivery["device_id"]) == (
        "apns", push["provider_id"], device_id,
    )  # fmt: skip


async def test_an_iphone_that_is_gone_is_forgotten(system: Heliograph) -> None:
    """410 with a time after the registration; the neighbour stays and gets its push."""
    await phone(system, "bob", "iphone-dead")
    good = await phone(system, "bob", "iphone-good")
    await system.fault("apns", tokens={"iphone-dead": "unregistered"})
    answer = await system.send("bob")
    found = await system.settled(answer["id"])
    statuses = {d["device_id"]: d["status"] for d in found["deliveries"] if d["channel"] == "push"}
    assert statuses[good] == "sent"
    assert sorted(statuses.values()) == ["failed", "sent"]

    async def forgotten() -> bool:
        return await devices(system, "bob") == [good]

    await eventually(forgotten)


async def test_an_iphone_that_came_back_is_not(system: Heliograph) -> None:
    """410 with a time before the registration is old news."""
    await phone(system, "cy", "iphone-back")
    await system.fault("apns", tokens={"iphone-back": "unregistered"})
    again = await phone(system, "cy", "iphone-back")
    for _ in range(2):  # the second finds it only because the first has left it
        answer = await system.send("cy")
        await system.reaches(answer["id"], "push", "failed")
    assert await devices(system, "cy") == [again]


async def test_a_wave_of_bad_tokens_leaves_the_fleet_alone(
    install: Callable[..., Heliograph], store_settings: dict[str, str]
) -> None:
    """The wrong environment: all but a handful of forty phones are kept, the breaker says why, nothing is dead; and
    when the environment is the right one, they get their pushes."""
    system = await install(breaker_probe_s=1, retry_max_attempts=2, **store_settings).start()
    users = [f"fleet-{number}" for number in range(40)]
    for user in users:
        await phone(system, user, f"iphone-{user}")
    await system.fault("apns", tokens={f"iphone-{user}": "bad_device_token" for user in users})
    await system.send(users)

    async def why() -> str:
        told = str((await system.get("/readyz", key=None))["providers"]["apns"])
        return told if told.startswith("open") else ""

    assert "BadDeviceToken from too many devices" in await eventually(why)

    async def kept() -> list[str]:
        left = [user for user in users if await devices(system, user)]
        return left if len(left) == 35 else []

    left = await eventually(kept)
    await system.fault("apns", mode="ok")

    async def all_arrived() -> bool:
        return {push["to"] for push in await system.received(provider="apns")} == {f"iphone-{user}" for user in left}

    await eventually(all_arrived)
    groups: list[dict[str, Any]] = (await system.get("/v1/dlq?channel=push"))["groups"]
    assert groups == []
