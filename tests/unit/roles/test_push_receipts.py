"""The receipt poller: asks when it is time, records what comes, forgets who is gone, and loses nothing on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from heliograph.core.errors import StoreUnavailable
from heliograph.core.outcomes import (
    Delivered,
    Misconfigured,
    ProviderOutcome,
    Rejected,
    Throttled,
    Unavailable,
    Unregistered,
)
from heliograph.core.ports import Ticket
from heliograph.core.receipts import KEPT_MS
from heliograph.roles.push_receipts import BATCH, PushReceipts
from tests.support.eventually import eventually
from tests.unit.given import T0, TENANT, device, event
from tests.unit.roles.world import ANNA, World

AFTER_S = 900.0
AGAIN = T0 + 900_000


class FakeReceipts:
    """Implements `ReceiptProvider`."""

    name = "expo"

    def __init__(self) -> None:
        self.answers: dict[str, ProviderOutcome] = {}
        self.refusal: ProviderOutcome | None = None
        self.asked: list[list[str]] = []

    async def receipts(self, ids: Sequence[str]) -> Mapping[str, ProviderOutcome] | ProviderOutcome:
        self.asked.append(list(ids))
        return self.refusal or {one: self.answers[one] for one in ids if one in self.answers}


class Post(World):
    """A world where pushes to two devices were taken and promised receipts."""

    def __init__(self) -> None:
        super().__init__()
        self.provider = FakeReceipts()
        self.poller = self.another()

    def another(self) -> PushReceipts:
        return PushReceipts(self.store, [self.provider], self.clock, after_s=AFTER_S, every_s=0.01)

    async def sent(self, *device_ids: str, **fields: Any) -> list[Ticket]:
        one = await self.accept(**fields)
        plan = tuple(f"push:{each}" for each in device_ids)
        await self.store.record([event("routed", plan=plan, notification_id=one.id)])
        tickets = []
        for each in device_ids:
            await self.store.add_device(device(each))
            tickets.append(ticket(f"t-{one.id}-{each}", notification_id=one.id, device_id=each))
            taken = event("sent", f"push:{each}", attempt=1, notification_id=one.id, provider="expo")
            await self.store.record([taken])
        await self.store.add_tickets(tickets)
        return tickets

    async def waiting(self) -> list[str]:
        return [one.id for one in await self.store.tickets_due("expo", 2**60, 10_000)]

    async def idle(self) -> bool:
        return not await self.waiting()

    async def devices(self) -> list[str]:
        return [one.id for one in await self.store.devices(ANNA)]


def ticket(ticket_id: str, **fields: Any) -> Ticket:
    given: dict[str, Any] = {
        "provider": "expo", "id": ticket_id, "tenant": TENANT, "user": "anna", "notification_id": "ntf_1",
        "device_id": "dev_1", "attempt": 1, "at": T0, "due_at": T0, **fields,
    }  # fmt: skip
    return Ticket(**given)


async def test_a_good_receipt_delivers() -> None:
    """And its ticket is gone."""
    post = Post()
    (one,) = await post.sent("dev_1")
    post.provider.answers[one.id] = Delivered(final=True)
    assert await post.poller.round(post.provider) == 1
    assert (await post.delivery("push:dev_1")).status == "delivered"
    assert (await post.waiting(), await post.devices()) == ([], ["dev_1"])
    assert await post.poller.round(post.provider) == 0


async def test_a_device_that_is_gone_is_forgotten() -> None:
    """It, and not its neighbour; the delivery failed, with the cause."""
    post = Post()
    one, two = await post.sent("dev_1", "dev_2")
    post.provider.answers |= {one.id: Unregistered("expo receipt DeviceNotRegistered"), two.id: Delivered(final=True)}
    await post.poller.round(post.provider)
    assert await post.devices() == ["dev_2"]
    failed = await post.delivery("push:dev_1")
    assert (failed.status, failed.reason) == ("failed", "expo receipt DeviceNotRegistered")
    assert (await post.history()).open == 0


async def test_a_device_that_came_back_stays() -> None:
    """Registered anew after the push was sent: the receipt is about what was before."""
    post = Post()
    (one,) = await post.sent("dev_1")
    post.provider.answers[one.id] = Unregistered("gone")
    await post.store.add_device(device("dev_1", created_at=T0 + 1))
    await post.poller.round(post.provider)
    assert await post.devices() == ["dev_1"]
    assert (await post.delivery("push:dev_1")).status == "failed"


@pytest.mark.parametrize("receipt", [Rejected("big"), Misconfigured("big"), Throttled("big"), Unavailable("big")])
async def test_every_other_error_fails_the_delivery_alone(receipt: ProviderOutcome) -> None:
    """The device may be fine."""
    post = Post()
    (one,) = await post.sent("dev_1")
    post.provider.answers[one.id] = receipt
    await post.poller.round(post.provider)
    found = await post.delivery("push:dev_1")
    assert (found.status, found.reason, await post.devices()) == ("failed", "big", ["dev_1"])
    assert await post.waiting() == []


async def test_what_is_not_there_yet_is_asked_for_again() -> None:
    """After the same time; after a day nobody will ever know."""
    post = Post()
    (one,) = await post.sent("dev_1")
    await post.poller.round(post.provider)
    assert list(await post.store.tickets_due("expo", AGAIN, 9)) == [replace(one, due_at=AGAIN)]
    assert await post.poller.round(post.provider) == 0
    post.clock.forward(AFTER_S)
    assert await post.poller.round(post.provider) == 1
    post.clock.now = T0 + KEPT_MS
    assert await post.poller.round(post.provider) == 1
    assert await post.waiting() == []
    assert (await post.delivery("push:dev_1")).status == "sent"
    assert len(post.provider.asked) == 3


@pytest.mark.parametrize("refusal", [Unavailable("down"), Throttled("slow", 7), Misconfigured("token")])
async def test_a_provider_that_tells_nothing(refusal: ProviderOutcome) -> None:
    """Nothing is recorded, nothing lost; it is asked again."""
    post = Post()
    (one,) = await post.sent("dev_1")
    post.provider.refusal = refusal
    await post.poller.round(post.provider)
    assert (await post.delivery("push:dev_1")).status == "sent"
    assert await post.waiting() == [one.id]
    post.provider.refusal = None
    post.provider.answers[one.id] = Delivered(final=True)
    post.clock.forward(AFTER_S)
    await post.poller.round(post.provider)
    assert (await post.delivery("push:dev_1")).status == "delivered"


async def test_a_restart_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was recorded before the ticket could be dropped is recorded once."""
    post = Post()
    (one,) = await post.sent("dev_1")
    post.provider.answers[one.id] = Unregistered("gone")
    drop = post.store.drop_tickets

    async def dies(tickets: Sequence[Ticket]) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(post.store, "drop_tickets", dies)
    with pytest.raises(StoreUnavailable):
        await post.poller.round(post.provider)
    monkeypatch.setattr(post.store, "drop_tickets", drop)
    post.clock.forward(31)  # its lease is over
    await post.another().round(post.provider)
    assert (await post.waiting(), await post.devices()) == ([], [])
    assert (await post.kinds()).count("failed push:dev_1") == 1


async def test_one_of_several_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a time; when it is done, whoever comes next may."""
    post = Post()
    (one,) = await post.sent("dev_1")
    rival, found = post.another(), []

    async def meanwhile(ids: Sequence[str]) -> Mapping[str, ProviderOutcome]:
        found.append(await rival.round(post.provider))
        return {}

    monkeypatch.setattr(post.provider, "receipts", meanwhile)
    assert await post.poller.round(post.provider) == 1
    assert found == [0]
    monkeypatch.undo()
    post.clock.forward(AFTER_S)
    assert await rival.round(post.provider) == 1
    assert post.provider.asked == [[one.id]]


async def test_a_delivery_of_an_erased_person() -> None:
    """Nobody is left to tell."""
    post = Post()
    (one,) = await post.sent("dev_1")
    post.provider.answers[one.id] = Unregistered("gone")
    await post.store.erase_user(ANNA)
    await post.store.add_tickets([one])  # by a worker that was slower
    await post.poller.round(post.provider)
    assert await post.waiting() == []


async def test_no_more_than_a_thousand_at_a_time_and_no_pause_while_there_are_more() -> None:
    """Expo takes no more ids; the rest follows at once."""
    post = Post()
    made = [ticket(f"t{number}") for number in range(BATCH + 5)]
    await post.store.add_tickets(made)
    post.provider.answers = {one.id: Delivered(final=True) for one in made}
    poller = PushReceipts(post.store, [post.provider], post.clock, after_s=AFTER_S, every_s=3_600)
    stop = asyncio.Event()
    running = asyncio.create_task(poller.run(stop))
    await eventually(post.idle, every_s=0)
    stop.set()
    await running
    assert [len(ids) for ids in post.provider.asked] == [BATCH, 5]


async def test_it_waits_for_a_store_that_is_away() -> None:
    """And goes on when it is back."""
    post = Post()
    (one,) = await post.sent("dev_1")
    post.provider.answers[one.id] = Delivered(final=True)
    await post.store.close_store()
    stop = asyncio.Event()
    running = asyncio.create_task(post.poller.run(stop))
    await asyncio.sleep(0)
    await post.store.open()
    await eventually(post.idle, every_s=0)
    stop.set()
    await running
