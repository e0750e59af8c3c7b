"""The reconciler: what was lost goes on, what is due happens, what is in its lane is left alone."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from heliograph.core.lanes import EMAIL, INGEST, PUSH, BatchItem, EmailItem, IngestItem, push_item
from heliograph.core.lifecycle import IN_APP, History
from heliograph.core.model import HEAVY_CONTENT, Batch, Level, Notification
from heliograph.core.pausing import Pause
from heliograph.core.ports import DeadLetter, Reached, Submission
from heliograph.core.reconciling import GRACE_MS, RECHECK_MS, Verdict, examine
from heliograph.letters import replay
from heliograph.pausing import Pauses
from heliograph.roles.reconciler import Reconciler
from tests.support.eventually import eventually
from tests.unit.given import T0, TENANT, device, event
from tests.unit.roles.world import UNSEEN_S, World

GRACE_S = GRACE_MS / 1000


def reconciler(world: World, batch: int = 100) -> Reconciler:
    return Reconciler(
        world.store, world.queue, world.planner, world.clock, unseen_after_s=UNSEEN_S, every_s=0.001, batch=batch
    )


async def routed(world: World, *plan: str, **fields: Any) -> Notification:
    one = await world.accept(**fields)
    await world.store.record(
        [event("routed", plan=plan, notification_id=one.id, at=world.clock())], {one.key: world.clock() + GRACE_MS}
    )
    return one


# --- lost and found ---------------------------------------------------------------------------------------------------


async def test_an_accepted_one_that_never_reached_the_queue_is_routed() -> None:
    """202 and then a crash: on disk it is, and so it goes on, once (G1)."""
    world = World()
    await world.anna()
    one = await world.accept(body="x" * (HEAVY_CONTENT + 1))
    role = reconciler(world)
    world.clock.forward(GRACE_S - 0.001)
    await role.round()
    assert world.waiting(INGEST) == []
    world.clock.forward(0.001)
    for _ in range(3):
        await role.round()
    assert world.waiting(INGEST) == [IngestItem(one.lighten())]
    assert await world.kinds() == ["requeued routing"]


async def test_a_lost_mail_is_rendered_again() -> None:
    """From what is known of the user now, at its level, as its next attempt."""
    world = World()
    await world.anna(email="new@acme.example")
    one = await routed(world, "email", type="marketing")
    world.clock.forward(GRACE_S)
    await reconciler(world).round()
    assert world.waiting(EMAIL) == [EmailItem(one, address="new@acme.example", name="Anna")]
    assert len(world.queue.broker.of(EMAIL, Level.P2)) == 1
    assert await world.kinds() == ["routed", "requeued email"]
    assert (await world.history()).open == 1


async def test_an_attempt_that_was_lost_in_a_workers_hands_is_marked_unknown() -> None:
    """The provider may have taken it: the second try is visible as such (G3)."""
    world = World()
    await world.anna(phone=True)
    one = await routed(world, "push:dev_1")
    await world.store.begin([event("sending", "push:dev_1", attempt=1, token="dead")])
    world.clock.forward(GRACE_S)
    await reconciler(world).round()
    (again,) = world.waiting(PUSH)
    assert again == msgspec.structs.replace(push_item(one, device()), attempt=2)
    assert set(await world.kinds()) == {
        "routed", "sending push:dev_1", "unknown push:dev_1", "requeued push:dev_1",
    }  # fmt: skip


async def test_what_waits_in_its_lane_is_left_there() -> None:
    """However long: an older message before it means that its turn hasn't come."""
    world = World()
    await world.anna()
    one = await routed(world, "email")
    await world.queue.publish(EMAIL, [EmailItem(one, address="anna@acme.example")])
    role = reconciler(world)
    for _ in range(10):
        world.clock.forward(60)
        await role.round()
    assert len(world.waiting(EMAIL)) == 1
    assert await world.kinds() == ["routed"]


@pytest.mark.parametrize("target", ["push:dev_1", "email"])
async def test_a_way_that_is_gone_is_a_failure(target: str) -> None:
    """The device was removed, the address deleted: it ends, with its reason."""
    world = World()
    await world.anna(email=None)
    await routed(world, target)
    world.clock.forward(GRACE_S)
    await reconciler(world).round()
    delivery = await world.delivery(target)
    assert (delivery.status, delivery.reason) == ("failed", "the address or device is gone")
    assert (await world.history()).open == 0
    assert world.waiting(PUSH) == world.waiting(EMAIL) == []


async def test_what_is_over_is_closed() -> None:
    """A count that says open where nothing is owed: looked at once and never again."""
    world = World()
    await routed(world, "email")
    await world.store.record([event("escalated", plan=("email",), at=T0 + 1), event("sent", attempt=1)])
    assert (await world.history()).open == 1
    world.clock.forward(GRACE_S)
    await reconciler(world).round()
    assert (await world.history()).open == 0


# --- what is due ------------------------------------------------------------------------------------------------------


async def test_a_long_retry_is_published_at_its_time() -> None:
    """Delays over a minute wait in the store: not before, and not much after."""
    world = World()
    await world.anna()
    await routed(world, "email")
    due = T0 + 600_000
    await world.store.record([event("sending", attempt=1), event("retrying", attempt=1, due_at=due)])
    role = reconciler(world)
    while world.clock.now < due:
        await role.round()
        assert world.waiting(EMAIL) == []
        world.clock.now = min(due, world.clock.now + RECHECK_MS)
    await role.round()
    assert [item.attempt for item in world.waiting(EMAIL) if isinstance(item, EmailItem)] == [2]
    await role.round()
    assert len(world.waiting(EMAIL)) == 1


async def test_replayed_dead_letters_come_back_at_their_rate() -> None:
    """Two a second, the most urgent first; each with a new generation and a fresh count of attempts."""
    world = World()
    await world.anna()
    for n in range(4):
        await routed(world, "email", id=f"ntf_{n}")
        await world.store.record([event("failed", notification_id=f"ntf_{n}", attempt=3)])
    letters = [letter(f"ntf_{n}") for n in range(4)]
    await world.store.bury(letters)
    assert await replay(world.store, letters, 2.0, world.clock()) == 4
    role = reconciler(world)
    arrived = []
    for _ in range(5):
        await role.round()
        arrived.append(len(world.waiting(EMAIL)))
        world.clock.forward(0.5)
    assert arrived == [1, 2, 3, 4, 4]
    items = [item for item in world.waiting(EMAIL) if isinstance(item, EmailItem)]
    assert {(item.attempt, item.gen, item.base) for item in items} == {(4, 1, 3)}
    assert await world.store.dead_letters(TENANT) == []


def letter(name: str) -> DeadLetter:
    return DeadLetter(
        tenant=TENANT, notification_id=name, target="email", lane="outbox", level=Level.P0, cause="503", at=T0
    )


async def test_an_unseen_frame_becomes_a_mail() -> None:
    """G7: presence was a hint; who doesn't acknowledge in time is treated as offline, once."""
    world = World()
    await world.anna(phone=True)
    await world.online("n1")
    one = await routed(world, IN_APP)
    await world.store.record([event("sending", IN_APP, attempt=1), event("sent", IN_APP, attempt=1)])
    role = reconciler(world)
    world.clock.forward(UNSEEN_S - 0.001)
    await role.round()
    assert world.waiting(EMAIL) == []
    world.clock.forward(0.001)
    await role.round()
    assert world.waiting(EMAIL) == [EmailItem(one, address="anna@acme.example", name="Anna")]
    assert world.waiting(PUSH) == [push_item(one, device())]
    assert await world.kinds() == ["routed", "sending in_app", "sent in_app", "escalated", "expired in_app"]
    assert (await world.history()).open == 2
    world.clock.forward(1)
    await role.round()
    assert len(world.waiting(EMAIL)) == 1


async def test_an_unseen_frame_becomes_no_mail_that_its_user_muted() -> None:
    """Escalation asks again what the user wants; with the mail muted it waits in the inbox, unless a push is left."""
    world = World()
    await world.anna()
    await routed(world, IN_APP, type="alert")
    await world.mute("email")
    world.clock.forward(UNSEEN_S)
    await reconciler(world).round()
    assert world.waiting(EMAIL) == []
    assert (await world.delivery(IN_APP)).provider == "inbox"
    assert (await world.history()).open == 0


async def test_an_acknowledged_frame_becomes_nothing() -> None:
    """The client has it."""
    world = World()
    await world.anna()
    await routed(world, IN_APP)
    await world.store.record([event("sent", IN_APP, attempt=1), event("delivered", IN_APP, attempt=1)])
    world.clock.forward(UNSEEN_S * 2)
    await reconciler(world).round()
    assert world.waiting(EMAIL) == []


@pytest.mark.parametrize("gen", [0, 1])
async def test_an_unseen_frame_without_another_way_waits_in_the_inbox(gen: int) -> None:
    """That is where it ends, also after a replay: sent, settled, and looked at no more."""
    world = World()
    await world.anna(email=None)
    await routed(world, IN_APP)
    if gen:
        await world.store.record([event("failed", IN_APP), event("replayed", IN_APP, gen=1)])
    world.clock.forward(UNSEEN_S)
    role = reconciler(world)
    await role.round()
    delivery = await world.delivery(IN_APP)
    assert (delivery.status, delivery.settled, delivery.gen) == ("sent", True, gen)
    assert (await world.history()).open == 0


# --- batches ----------------------------------------------------------------------------------------------------------


async def accept_batch(world: World) -> Batch:
    one = Notification(id="bat_1", tenant=TENANT, user="", type="marketing", created_at=T0, title="News")
    batch = Batch("bat_1", TENANT, "marketing", T0, one, ("a", "b"))
    await world.store.accept([Submission(tenant=TENANT, batch=batch, check_at=T0 + GRACE_MS)])
    return batch


async def test_a_lost_batch_is_handed_over_again_and_then_waits_its_turn() -> None:
    """Once: each further copy would be expanded again."""
    world = World()
    await accept_batch(world)
    role = reconciler(world)
    for _ in range(10):
        world.clock.forward(GRACE_S)
        await role.round()
    assert world.waiting(INGEST) == [BatchItem(TENANT, "bat_1", 2)]
    world.queue.broker.wipe()
    world.clock.forward(GRACE_S)
    await role.round()
    assert len(world.waiting(INGEST)) == 1


async def test_a_batch_that_was_lost_half_way_goes_on_from_there() -> None:
    """In the level it had reached, and not while its last chunk may still be in somebody's hands."""
    world = World()
    batch = await accept_batch(world)
    world.clock.forward(1)
    await world.store.expand([], world.clock() + GRACE_MS, Reached(batch.key, Level.P2, "1", world.clock()))
    role = reconciler(world)
    world.clock.forward(GRACE_S - 1)
    await role.round()
    assert world.waiting(INGEST) == []
    world.clock.forward(1)
    await role.round()
    assert world.waiting(INGEST) == [BatchItem(TENANT, "bat_1", 2, "1")]


async def test_a_batch_in_its_lane_and_an_expanded_one_are_left_alone() -> None:
    """It waits for the router, or there is nothing more to do."""
    world = World()
    batch = await accept_batch(world)
    await world.queue.publish(INGEST, [BatchItem(TENANT, batch.id, 2)])
    role = reconciler(world)
    world.clock.forward(GRACE_S)
    await role.round()
    assert len(world.waiting(INGEST)) == 1
    await world.store.expand([], T0, Reached(batch.key, batch.level, "2", T0, done=True))
    world.queue.broker.wipe()
    world.clock.forward(GRACE_S)
    await role.round()
    assert world.waiting(INGEST) == []


# --- the queue's data are gone ----------------------------------------------------------------------------------------


async def test_a_wiped_queue_is_noticed_and_everything_looked_at_at_once() -> None:
    """Within a grace of it, not when their next look would have come; also if it happened while nobody ran."""
    world = World()
    await world.anna()
    one = await routed(world, "email")
    await world.queue.publish(EMAIL, [EmailItem(one, address="anna@acme.example")])
    role = reconciler(world)
    world.clock.forward(GRACE_S)
    await role.round()
    world.clock.forward(1)
    world.queue.broker.wipe()
    for another in (role, reconciler(world)):
        world.clock.forward(11)  # the lease of the one before is over
        await another.round()
        assert len(world.waiting(EMAIL)) == 1
    assert (await world.kinds()).count("requeued email") == 1


async def test_a_first_start_is_no_wipe() -> None:
    """What a queue calls itself is kept; only another name means that data are gone."""
    world = World()
    await routed(world, "email")
    rechecks: list[int] = []
    recheck_all = world.store.recheck_all

    async def counting(now: int) -> int:
        rechecks.append(now)
        return await recheck_all(now)

    world.store.recheck_all = counting  # type: ignore[method-assign]
    for _ in range(2):
        await reconciler(world).round()
        world.clock.forward(11)
    assert rechecks == []
    world.queue.broker.wipe()
    for _ in range(2):
        await reconciler(world).round()
        world.clock.forward(11)
    assert len(rechecks) == 1


# --- the loop ---------------------------------------------------------------------------------------------------------


async def test_of_several_one_works() -> None:
    """The others take over when its lease has ended."""
    world = World()
    await world.anna()
    await world.accept()
    first, second = reconciler(world), reconciler(world)
    world.clock.forward(GRACE_S - 1)
    assert await first.round() == 0
    world.clock.forward(9.999)
    assert await second.round() == 0
    world.clock.forward(0.001)
    assert await second.round() == 1
    await world.accept(id="ntf_2")
    world.clock.forward(9)
    assert await first.round() == 0
    assert [item.key.id for item in world.waiting(INGEST)] == ["ntf_1"]


async def test_one_that_cannot_be_helped_does_not_hold_the_others() -> None:
    """An item that no queue can carry, stored somehow: the rest goes on, and it is looked at again later (G1)."""
    world = World()
    await world.accept(id="ntf_1", data={"n": 2**70})
    await world.accept(id="ntf_2")
    world.clock.forward(GRACE_S)
    role = reconciler(world)
    await role.round()
    assert [item.key.id for item in world.waiting(INGEST)] == ["ntf_2"]
    assert await world.store.due(Level.P0, world.clock(), 9) == []
    later = await world.store.due(Level.P0, world.clock() + RECHECK_MS, 9)
    assert sorted(one.notification.id for one in later) == ["ntf_1", "ntf_2"]


async def test_a_history_that_cannot_be_judged_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in the rule itself: that one is looked at again in a minute, and not in every round."""

    def clumsy(history: History, *given: Any, **named: Any) -> Verdict:
        if history.notification.id == "ntf_1":
            raise KeyError("a bug")
        return examine(history, *given, **named)

    monkeypatch.setattr("heliograph.roles.reconciler.examine", clumsy)
    world = World()
    for n in (1, 2):
        await world.accept(id=f"ntf_{n}")
    world.clock.forward(GRACE_S)
    await reconciler(world).round()
    assert [item.key.id for item in world.waiting(INGEST)] == ["ntf_2"]
    later = await world.store.due(Level.P0, world.clock() + RECHECK_MS, 9)
    assert [one.notification.id for one in later] == ["ntf_2", "ntf_1"]


async def test_a_backend_that_is_away_ends_no_reconciler() -> None:
    """It waits, and does its work when the store is back; a stop ends it at once."""
    world = World()
    await world.accept()
    world.clock.forward(GRACE_S)
    await world.store.close_store()
    stop = asyncio.Event()
    running = asyncio.create_task(reconciler(world).run(stop))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not running.done()
    await world.store.open()

    async def handed_over() -> bool:
        return bool(world.waiting(INGEST))

    await eventually(handed_over)
    stop.set()
    await running


async def test_a_full_round_is_followed_by_another_at_once() -> None:
    """More than one round's worth of work doesn't wait for the pause."""
    world = World()
    for n in range(5):
        await world.accept(id=f"ntf_{n}")
    world.clock.forward(GRACE_S)
    role = Reconciler(
        world.store, world.queue, world.planner, world.clock, unseen_after_s=UNSEEN_S, every_s=3_600, batch=2
    )
    stop = asyncio.Event()
    running = asyncio.create_task(role.run(stop))

    async def all_of_them() -> bool:
        return len(world.waiting(INGEST)) == 5

    await eventually(all_of_them)
    stop.set()
    await running


# --- replays and pauses -----------------------------------------------------------------------------------------------


async def buried(world: World, name: str, kind: str) -> DeadLetter:
    """A mail of this type that died."""
    one = await routed(world, "email", id=name, type=kind)
    await world.store.record([event("failed", notification_id=name)])
    letter = DeadLetter(
        tenant=TENANT, notification_id=name, target="email", lane="outbox", level=one.level, cause="503",
        at=world.clock(),
    )  # fmt: skip
    await world.store.bury([letter])
    return letter


KINDS = ("marketing", "alert", "transactional")


@pytest.mark.parametrize("batch", [4, 100])
async def test_a_replay_is_strict_too(batch: int) -> None:
    """However they died and in whatever order they are named: no P1 gets into its lane while a P0 is still to be handed
    over, no P2 while a P1 is."""
    world = World()
    await world.anna()
    letters = [await buried(world, f"ntf_{n:02d}{kind}", kind) for n in range(10) for kind in KINDS]
    assert await replay(world.store, letters, None, world.clock()) == 30
    role, arrived = reconciler(world, batch), [0, 0, 0]
    while sum(arrived) < 30:
        await role.round()
        arrived = [len(world.queue.broker.of(EMAIL, level)) for level in Level]
        assert arrived[1] == 0 or arrived[0] == 10
        assert arrived[2] == 0 or arrived[1] == 10
    assert [item.level for item in world.waiting(EMAIL)] == [level for level in Level for _ in range(10)]


async def test_a_replay_at_a_rate_begins_with_p0() -> None:
    """Two a second: whatever time it is, what has been handed over is the most urgent of all."""
    world = World()
    await world.anna()
    letters = [await buried(world, f"ntf_{n}{kind}", kind) for n in range(3) for kind in KINDS]
    await replay(world.store, letters, 2.0, world.clock())
    role, seen = reconciler(world), []
    for _ in range(9):
        await role.round()
        fresh = [item.level for item in world.waiting(EMAIL)][len(seen) :]
        seen += fresh
        assert len(fresh) == 1
        world.clock.forward(0.5)
    assert seen == sorted(seen)


async def test_nobody_is_escalated_out_of_a_paused_lane() -> None:
    """Nobody can have seen what waits in it; when it goes on, the time to look begins."""
    world = World()
    await world.anna()
    await routed(world, IN_APP)
    pauses = Pauses()
    role = Reconciler(
        world.store, world.queue, world.planner, world.clock, unseen_after_s=UNSEEN_S, every_s=0.001, batch=100,
        pauses=pauses,
    )  # fmt: skip
    pauses.take({"inapp": Pause("inapp", T0)})
    for _ in range(5):
        world.clock.forward(UNSEEN_S)
        await role.round()
    assert await world.kinds() == ["routed"]
    assert role.reconciled_at == world.clock()
    pauses.take({})
    world.clock.forward(RECHECK_MS / 1000)
    await role.round()
    assert "escalated" in await world.kinds()
