"""Retention at work: portion by portion, what is owed stays, and what goes is told."""

from __future__ import annotations

from typing import Any

from prometheus_client import REGISTRY

from heliograph.core.ids import new_notification_id
from heliograph.core.lifecycle import fold
from heliograph.core.model import Key
from heliograph.core.ports import DeadLetter, Idempotency, Submission
from heliograph.core.retention import Bounds, Keep, bounds, fate
from heliograph.sweeping import PORTIONS, Sweeper
from heliograph.testing.store import MemoryStore
from tests.unit.given import T0, TENANT, event, notification

DAY = 86_400_000
KEEP = Keep(
    notifications_s=90 * 86_400, inbox_s=90 * 86_400, batches_s=90 * 86_400, dead_letters_s=30 * 86_400,
    idempotency_s=7 * 86_400,
)  # fmt: skip


def swept(kind: str) -> float:
    return REGISTRY.get_sample_value("heliograph_swept_total", {"kind": kind}) or 0.0


class World:
    def __init__(self) -> None:
        self.store = MemoryStore()

    async def old(self, days: float, *, ended: bool = True, key: str = "", **fields: Any) -> str:
        made = notification(id=new_notification_id(T0 - round(days * DAY)), **fields)
        idempotency = Idempotency(key, "f") if key else None
        await self.store.accept([Submission(tenant=TENANT, notification=made, idempotency=idempotency)])
        events = [event("routed", plan=("email",), notification_id=made.id)]
        await self.store.record([*events, *([event("sent", notification_id=made.id)] if ended else [])])
        return made.id

    async def there(self, name: str) -> bool:
        return (await self.store.histories([Key(TENANT, name)]))[0] is not None


async def test_a_round_takes_a_few_portions_and_a_pass_rests() -> None:
    """So that nobody waits for it; the next round goes on; when all is done it rests for a minute."""
    world = World()
    for _ in range(2 * PORTIONS + 3):
        await world.old(91)
    waiting, young = await world.old(400, ended=False), await world.old(1)
    sweeper, before = Sweeper(world.store, KEEP, portion=2), swept("notifications")
    await sweeper.sweep(T0)
    assert swept("notifications") - before == 2 * PORTIONS
    await sweeper.sweep(T0)
    assert swept("notifications") - before == 2 * PORTIONS + 3
    assert await world.there(waiting)
    assert await world.there(young)
    late = await world.old(92)
    await sweeper.sweep(T0 + 59_000)
    assert await world.there(late)
    await sweeper.sweep(T0 + 60_000)
    assert not await world.there(late)


async def test_a_dead_letter_is_discarded_not_dropped() -> None:
    """Its delivery has ended, and its timeline says so."""
    world = World()
    name = await world.old(31, ended=False)
    await world.store.record([event("failed", notification_id=name, detail="503")])
    letter = DeadLetter(
        tenant=TENANT, notification_id=name, target="email", lane="outbox", level=notification().level, cause="503",
        at=T0 - 31 * DAY,
    )  # fmt: skip
    await world.store.bury([letter])
    await Sweeper(world.store, KEEP).sweep(T0)
    assert await world.store.dead_count() == 0
    (history,) = await world.store.histories([Key(TENANT, name)])
    assert history
    assert history.events[-1].kind == "discarded"
    assert (history.events[-1].at, fold(history.events)["email"].status) == (T0, "failed")


async def test_idempotency_keys_end_before_their_notifications() -> None:
    """Each kind has its own time."""
    world = World()
    name = await world.old(8, key="order-1")
    await Sweeper(world.store, KEEP).sweep(T0)
    assert await world.there(name)
    assert world.store._kept.claims == {}


async def test_for_ever() -> None:
    """0 removes nothing, however old."""
    world = World()
    name = await world.old(4_000, key="k")
    before = swept("notifications")
    await Sweeper(world.store, Keep()).sweep(T0)
    assert await world.there(name)
    assert swept("notifications") == before
    assert list(world.store._kept.claims) == [Key(TENANT, "k")]


def test_fates() -> None:
    """The rule, by age and by whether the inbox shows it."""
    both = bounds(Keep(notifications_s=90 * 86_400, inbox_s=30 * 86_400), T0)
    old, middle, young = (new_notification_id(T0 - days * DAY) for days in (91, 31, 29))
    assert [fate(one, True, both) for one in (old, middle, young)] == ["remove", "hide", "keep"]
    assert [fate(one, False, both) for one in (old, middle, young)] == ["remove", "keep", "keep"]
    assert both.walk == both.hide
    assert fate(old, True, Bounds("ntf_0", both.remove)) == "keep"
