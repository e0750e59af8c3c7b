"""From facts to lane items: read in bulk, presence only a hint, one publish a lane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from heliograph.core.errors import StoreUnavailable
from heliograph.core.lanes import EMAIL, INAPP, PUSH, EmailItem, InAppItem, Lane, LaneItem, push_item
from heliograph.core.model import HEAVY_CONTENT, Key, Notification, Recipient
from heliograph.core.ports import PresenceLease
from heliograph.core.routing import Facts, Means, Presence, route
from heliograph.core.suppressing import Reason, Suppression
from heliograph.planning import OFFLINE, Handover, Planner
from heliograph.testing.queue import MemoryQueue
from heliograph.testing.realtime import MemoryPresence
from heliograph.testing.store import MemoryStore
from tests.unit.given import T0, TENANT, FakeClock, device, notification, recipient, user

MEANS = Means(email=True, push=frozenset({"fcm_token"}))
ANNA, BERT = Key(TENANT, "anna"), Key(TENANT, "bert")


class Counting(MemoryStore):
    """Notes how often it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []

    async def recipients(self, keys: Sequence[Key]) -> Sequence[Recipient]:
        self.reads.append(f"recipients {len(keys)}")
        return await super().recipients(keys)

    async def suppressed(self, addresses: Sequence[Key]) -> Sequence[tuple[Reason, ...]]:
        self.reads.append(f"suppressed {len(addresses)}")
        return await super().suppressed(addresses)


class Noting(MemoryQueue):
    """Notes what is published in one go."""

    def __init__(self) -> None:
        super().__init__(FakeClock())
        self.published: list[tuple[str, int]] = []

    async def publish(self, lane: Lane, items: Sequence[LaneItem]) -> None:
        await super().publish(lane, items)
        self.published.append((lane.name, len(items)))


async def world() -> tuple[Counting, MemoryPresence, Planner]:
    store, presence, clock = Counting(), MemoryPresence(), FakeClock()
    await store.put_user(user())
    await store.add_device(device())
    await store.put_user(user(id="bert", email="bert@acme.example"))
    await presence.renew([PresenceLease(ANNA, "n1", "dev_1"), PresenceLease(ANNA, "n2")], T0, 45_000)
    return store, presence, Planner(store, presence, clock, MEANS)


async def test_facts_are_read_in_bulk_and_stand_in_order() -> None:
    """A user who gets three notifications is read once; each notification has its own user's facts."""
    store, _, planner = await world()
    await store.suppress([Suppression(TENANT, "bert@acme.example", "complaint", T0)])
    wanted = [notification(user=name) for name in ("anna", "bert", "anna", "nobody", "anna")]
    facts = await planner.facts(wanted)
    assert [known.recipient.user.id if known.recipient.user else None for known in facts] == [
        "anna", "bert", "anna", None, "anna",
    ]  # fmt: skip
    assert facts[0].recipient.devices == (device(),)
    assert facts[0].presence.nodes == {"n1", "n2"}
    assert facts[0].presence.devices == {"dev_1"}
    assert [known.suppressed for known in facts] == [None, "complaint", None, None, None]
    assert {known.presence for known in facts[1:2]} == {Presence()}
    assert store.reads == ["recipients 3", "suppressed 2"]


async def test_without_presence_everyone_counts_as_offline() -> None:
    """G7: a cache that is away costs an extra e-mail, never a loss."""
    _, presence, planner = await world()
    presence.cache.away = True
    (known,) = await planner.facts([notification()])
    assert known.presence == OFFLINE
    assert route(notification(), known).email


async def test_whoever_does_not_ask_gets_offline() -> None:
    """The reconciler routes as if offline, and doesn't bother the cache."""
    _, presence, planner = await world()
    presence.cache.away = True
    (known,) = await planner.facts([notification()], look=False)
    assert not known.presence.online


async def test_a_store_that_is_away_is_an_error() -> None:
    """Facts about people can't be guessed."""
    store, _, planner = await world()
    await store.close_store()
    with pytest.raises(StoreUnavailable):
        await planner.facts([notification()])


def items_of(one: Notification, known: Facts) -> list[LaneItem]:
    handover = Handover()
    handover.add_route(one, known, route(one, known))
    return [item for _, items in handover._items.values() for item in items]


def facts(presence: Presence, *devices: Any, **fields: Any) -> Facts:
    return Facts(recipient(*devices, **fields), presence, MEANS)


HERE = Presence(frozenset({"n1"}), known=True)
LATELY = Presence(known=True)


def test_each_target_gets_its_item() -> None:
    """Online: a frame that is counted on, and pushes; offline: pushes and the mail, with address and name."""
    one, phone = notification(), device()
    assert items_of(one, facts(HERE, phone)) == [InAppItem(one), push_item(one, phone)]
    mail = EmailItem(one, address="anna@acme.example", name="Anna")
    assert items_of(one, facts(Presence(), phone)) == [push_item(one, phone), mail]


def test_who_was_here_lately_gets_the_frame_into_their_stream_all_the_same() -> None:
    """Else a client that resumes would miss it: the stream has no holes (G4). Nobody counts on that item."""
    one = notification()
    mail = EmailItem(one, address="anna@acme.example", name="Anna")
    assert items_of(one, facts(LATELY)) == [InAppItem(one, planned=False), mail]
    assert items_of(one, facts(LATELY, email=None)) == [InAppItem(one, planned=False)]
    assert items_of(one, facts(Presence(), email=None)) == []


def test_what_is_not_for_the_inbox_is_not_for_the_stream() -> None:
    """A sender who left `in_app` out gets none of it."""
    one = notification(channels=("email",))
    assert items_of(one, facts(LATELY)) == [EmailItem(one, address="anna@acme.example", name="Anna")]
    assert all(isinstance(item, EmailItem) for item in items_of(one, facts(HERE)))


def test_heavy_bodies_stay_in_the_store() -> None:
    """Every item travels light."""
    one = notification(body="x" * (HEAVY_CONTENT + 1))
    items = items_of(one, facts(HERE, device()))
    assert [item.notification.body for item in items if not isinstance(item, EmailItem)] == [None, None]  # type: ignore[union-attr]


async def test_one_publish_a_lane_and_none_for_nothing() -> None:
    """However many notifications were routed."""
    handover, queue = Handover(), Noting()
    for n in range(5):
        one = notification(id=f"ntf_{n}")
        known = facts(HERE if n < 3 else Presence(), device())
        handover.add_route(one, known, route(one, known))
    await handover.publish(queue)
    assert sorted(queue.published) == [(EMAIL.name, 2), (INAPP.name, 3), (PUSH.name, 5)]
    empty = Noting()
    await Handover().publish(empty)
    assert empty.published == []


async def test_a_queue_that_is_away_is_the_reconcilers_affair() -> None:
    """Everything is in the store already: a failed publish is no failure of whoever routed (G1)."""
    handover, queue = Handover(), Noting()
    handover.add(EMAIL, EmailItem(notification(), address="a@b.example"))
    queue.broker.away = True
    await handover.publish(queue)
    assert queue.published == []
