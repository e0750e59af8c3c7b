"""The push worker: one push to one device; a dead token is forgotten, everything else is on record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from heliograph.attempts import Attempts
from heliograph.core.lanes import PUSH, PushItem, push_item
from heliograph.core.model import HEAVY_CONTENT, Device, Key, PushMessage, Type
from heliograph.core.outcomes import DONE, Dead, Outcome, Rejected, RetryAt, Unavailable, Unregistered
from heliograph.core.retry import RetryPolicy
from heliograph.roles.push_worker import PushWorker, push_message
from tests.unit.given import T0, TENANT, device, event, notification
from tests.unit.roles.providers import FakePush
from tests.unit.roles.world import ANNA, World, all_done


class Phone(World):
    """A world with a push worker and a provider."""

    def __init__(self) -> None:
        super().__init__()
        self.provider = FakePush()
        attempts = Attempts(self.store, self.clock, RetryPolicy(max_attempts=3), 15)
        self.worker = PushWorker(self.store, attempts, {"fcm_token": self.provider}, self.clock)

    async def routed(self, *devices: Device, **fields: Any) -> list[PushItem]:
        one = await self.accept(**fields)
        plan = tuple(f"push:{each.id}" for each in devices)
        await self.store.record([event("routed", plan=plan, notification_id=one.id)])
        return [push_item(one, each) for each in devices]

    async def send(self, *items: PushItem) -> Sequence[Outcome]:
        return await self.worker.handle(await self.pulled(PUSH, *items))


async def test_a_push_goes_to_its_device() -> None:
    """On record before and after, under the device's own target."""
    phone = Phone()
    assert all_done(await phone.send(*await phone.routed(device())))
    (message,) = phone.provider.sent
    assert (message.token, message.title, message.body) == ("token-dev_1", "Hello", "World")
    delivery = await phone.delivery("push:dev_1")
    assert (delivery.status, delivery.provider, delivery.provider_id) == ("sent", "fcm", "projects/p/messages/1")
    assert (await phone.history()).open == 0


async def test_a_dead_token_is_forgotten_and_its_neighbour_is_not() -> None:
    """The delivery failed for good, without a dead letter: nobody can replay a phone that is gone."""
    phone = Phone()
    for each in (device("dev_1"), device("dev_2")):
        await phone.store.add_device(each)
    phone.provider.answers["token-dev_1"] = Unregistered("UNREGISTERED")
    outcomes = await phone.send(*await phone.routed(device("dev_1"), device("dev_2")))
    assert outcomes == [DONE, DONE]
    assert [each.id for each in await phone.store.devices(ANNA)] == ["dev_2"]
    assert (await phone.delivery("push:dev_1")).status == "failed"
    assert (await phone.delivery("push:dev_2")).status == "sent"
    assert (await phone.history()).open == 0


async def test_every_device_has_its_own_outcome() -> None:
    """Each in its place, whatever the others met."""
    phone = Phone()
    devices = [device(f"dev_{n}") for n in range(3)]
    phone.provider.answers |= {"token-dev_0": Unavailable("503"), "token-dev_1": Rejected("INVALID_ARGUMENT")}
    outcomes = await phone.send(*await phone.routed(*devices))
    assert [type(one) for one in outcomes] == [RetryAt, Dead, type(DONE)]
    assert outcomes[1] == Dead("INVALID_ARGUMENT", attempt=1, provider="fcm")


async def test_expired_and_erased_ones_are_not_sent() -> None:
    """The first is recorded as expired; of the second nothing is known any more."""
    phone = Phone()
    late = await phone.routed(device(), expires_at=T0 + 1_000)
    fine = await phone.routed(device(), id="ntf_2")
    erased = push_item(notification(id="ntf_gone", body=None), device())
    phone.clock.forward(1)
    assert await phone.send(*late, erased, *fine) == [DONE, DONE, DONE]
    assert len(phone.provider.sent) == 1
    assert (await phone.delivery("push:dev_1")).status == "expired"
    assert (await phone.delivery("push:dev_1", "ntf_2")).status == "sent"
    assert (await phone.history()).open == 0


async def test_what_its_user_muted_meanwhile_is_not_sent() -> None:
    """Changed since it was routed: on record with the reason; its neighbours go, and what is transactional."""
    phone = Phone()
    news = await phone.routed(device("dev_1"), device("dev_2"), type="alert", category="news")
    code = await phone.routed(device("dev_1"), id="ntf_2", type="transactional", category="news")
    other = await phone.routed(device("dev_1"), id="ntf_3", type="alert", category="bill")
    await phone.mute("push", category="news")
    assert all_done(await phone.send(*news, *other))
    assert all_done(await phone.send(*code))
    assert sorted(message.data["notification_id"] for message in phone.provider.sent) == ["ntf_2", "ntf_3"]
    for name in ("push:dev_1", "push:dev_2"):
        assert ((await phone.delivery(name)).status, (await phone.delivery(name)).reason) == (
            "suppressed", "preference",
        )  # fmt: skip
    assert [(await phone.history(one)).open for one in ("ntf_1", "ntf_2", "ntf_3")] == [0, 0, 0]


async def test_what_was_cancelled_is_not_sent() -> None:
    """Cancelled while it waited in the lane."""
    phone = Phone()
    items = await phone.routed(device())
    assert await phone.store.cancel(Key(TENANT, "ntf_1"), T0) == "cancelled"
    assert all_done(await phone.send(*items))
    assert phone.provider.sent == []


async def test_a_kind_nobody_serves_is_refused_with_its_name() -> None:
    """The configuration changed after it was routed."""
    phone = Phone()
    outcomes = await phone.send(*await phone.routed(device(kind="apns")))
    assert outcomes == [Dead("no provider is configured for apns", attempt=1)]


async def test_a_second_copy_is_not_sent_again() -> None:
    """The attempt is begun once (G3)."""
    phone = Phone()
    items = await phone.routed(device())
    await phone.send(*items)
    assert all_done(await phone.send(*items))
    assert len(phone.provider.sent) == 1


async def test_an_orphan_is_taken_over_in_its_own_place() -> None:
    """`orphaned` belongs to its item, also when another was left out before it."""
    phone = Phone()
    late = await phone.routed(device(), expires_at=T0)
    lost = await phone.routed(device(), id="ntf_2")
    fresh = await phone.routed(device(), id="ntf_3")
    for one in ("ntf_2", "ntf_3"):
        begun = event("sending", "push:dev_1", notification_id=one, attempt=1, token="dead")
        await phone.store.begin([begun])
    batch = [*await phone.pulled(PUSH, *late, *lost, *fresh)]
    batch[1].orphaned = True
    outcomes = await phone.worker.handle(batch)
    assert [type(one) for one in outcomes] == [type(DONE), type(DONE), RetryAt]
    assert [message.data["notification_id"] for message in phone.provider.sent] == ["ntf_2"]


async def test_a_heavy_body_is_fetched() -> None:
    """It travelled by id."""
    phone = Phone()
    body = "x" * (HEAVY_CONTENT + 1)
    await phone.send(*await phone.routed(device(), body=body))
    assert phone.provider.sent[0].body == body


def pushed(**fields: Any) -> PushMessage:
    one = notification(**fields)
    return push_message(push_item(one, device()), one, T0)


def test_all_data_is_text() -> None:
    """FCM takes nothing else: what isn't text is JSON; our own names win over the caller's."""
    data = {"n": 1, "list": [1, None], "text": "é", "yes": True, "notification_id": "forged"}
    assert pushed(data=data, action_url="https://x").data == {
        "n": "1", "list": "[1,null]", "text": "é", "yes": "true", "notification_id": "ntf_1", "action_url": "https://x",
    }  # fmt: skip
    assert pushed().data == {"notification_id": "ntf_1"}


@pytest.mark.parametrize(("expires_at", "ttl_s"), [(None, None), (T0 + 90_500, 90), (T0 + 1, 0), (T0 - 5_000, 0)])
def test_the_time_to_live_is_what_is_left_of_it(expires_at: int | None, ttl_s: int | None) -> None:
    """A phone that is off must not show it too late."""
    assert pushed(expires_at=expires_at).ttl_s == ttl_s


@pytest.mark.parametrize(("kind", "urgent"), [("transactional", True), ("alert", True), ("marketing", False)])
def test_marketing_wakes_nobody(kind: Type, urgent: bool) -> None:
    """High priority is for what cannot wait."""
    assert pushed(type=kind, collapse_key="k").urgent is urgent
    assert pushed(collapse_key="k").collapse_key == "k"
