"""The delivery router: decisions on record, items in the lanes of their type, nothing left in between."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from heliograph.core import wire
from heliograph.core.errors import QueueUnavailable, StoreUnavailable
from heliograph.core.lanes import (
    EMAIL,
    INAPP,
    INGEST,
    PUSH,
    BatchItem,
    EmailItem,
    InAppItem,
    IngestItem,
    LaneItem,
    push_item,
)
from heliograph.core.lifecycle import fold, status_of
from heliograph.core.model import HEAVY_CONTENT, Batch, Key, Level, Notification, Send, Type, User
from heliograph.core.outcomes import DONE, Dead, Outcome
from heliograph.core.ports import InboxQuery, Submission
from heliograph.core.reconciling import GRACE_MS, RECHECK_MS
from heliograph.core.routing import Facts, Means, Route
from heliograph.core.routing import route as decide
from heliograph.core.suppressing import Suppression
from heliograph.roles.router import CHUNK, Router
from tests.unit.given import T0, TENANT, device, event
from tests.unit.roles.world import ANNA, UNSEEN_S, World, all_done


def router(world: World) -> Router:
    return Router(world.store, world.queue, world.planner, world.clock, round(UNSEEN_S * 1000))


async def route(world: World, *notifications: Notification, gen: int = 0) -> Sequence[Outcome]:
    items = [IngestItem(one.lighten(), gen=gen) for one in notifications]
    return await router(world).handle(await world.pulled(INGEST, *items))


async def test_online_goes_to_the_page_and_the_phone() -> None:
    """In-app, no e-mail; a push to the phone that has no connection of its own."""
    world = World()
    await world.anna(phone=True)
    await world.online("n1", "n2")
    one = await world.accept()
    assert all_done(await route(world, one))
    assert world.waiting(INAPP) == [InAppItem(one)]
    assert world.waiting(PUSH) == [push_item(one, device())]
    assert world.waiting(EMAIL) == []
    routed, leaves = (await world.history()).events
    assert (leaves.kind, leaves.target, leaves.attempt) == ("sending", "in_app", 1)
    assert (routed.kind, routed.plan, routed.detail) == ("routed", ("in_app", "push:dev_1"), "the user is online")
    assert set(routed.why) == {"in_app", "push", "email"}
    assert (await world.history()).open == 2


async def test_offline_gets_the_mail_and_the_push() -> None:
    """And nothing for a page that isn't open."""
    world = World()
    await world.anna(phone=True)
    one = await world.accept()
    assert all_done(await route(world, one))
    assert world.waiting(EMAIL) == [EmailItem(one, address="anna@acme.example", name="Anna")]
    assert world.waiting(PUSH) == [push_item(one, device())]
    assert world.waiting(INAPP) == []


@pytest.mark.parametrize(("kind", "level"), [("transactional", Level.P0), ("alert", Level.P1), ("marketing", Level.P2)])
async def test_priority_is_kept_in_every_lane(kind: Type, level: Level) -> None:
    """G6: the level of the type goes all the way."""
    world = World()
    await world.anna(phone=True)
    await route(world, await world.accept(type=kind))
    for lane in (EMAIL, PUSH):
        assert len(world.queue.broker.of(lane, level)) == len(world.waiting(lane)) == 1


@pytest.mark.parametrize(("unseen_ms", "after_ms"), [(5_000, 5_000), (60_000, GRACE_MS)])
async def test_the_reconciler_is_told_when_to_look(unseen_ms: int, after_ms: int) -> None:
    """When an unseen frame's patience or the grace of a lost item ends, whichever comes first; not before."""
    world = World()
    await world.anna()
    await world.online("n1")
    items = await world.pulled(INGEST, IngestItem(await world.accept()))
    world.clock.forward(3)
    await Router(world.store, world.queue, world.planner, world.clock, unseen_ms).handle(items)
    assert await world.store.due(Level.P0, T0 + 3_000 + after_ms - 1, 10) == []
    assert len(await world.store.due(Level.P0, T0 + 3_000 + after_ms, 10)) == 1


async def test_a_redelivered_batch_writes_the_same_rows() -> None:
    """A crash between store and queue, or before the ack: the decision stands once, and is counted once."""
    world = World()
    await world.anna(phone=True)
    one = await world.accept()
    for _ in range(3):
        await route(world, one)
    assert await world.kinds() == ["routed"]
    assert (await world.history()).open == 2


async def test_what_was_cancelled_before_its_frame_left_never_leaves() -> None:
    """The router's commit decides: cancelled before it, and no box gets the item; after it, cancelling is too late."""
    world = World()
    await world.anna(phone=True)
    await world.online("n1")
    one, other = await world.accept(), await world.accept(id="ntf_2")
    assert await world.store.cancel(one.key, T0) == "cancelled"
    assert all_done(await route(world, one, other))
    assert world.waiting(INAPP) == [InAppItem(other)]
    assert [item.key.id for item in world.waiting(PUSH)] == ["ntf_2"]
    assert await world.store.cancel(other.key, T0) == "already_left"


async def test_a_redelivered_item_goes_to_the_page_again() -> None:
    """The router died between its commit and the hand-over: begun already, it may go all the same."""
    world = World()
    await world.anna()
    await world.online("n1")
    one = await world.accept()
    for _ in range(2):
        assert all_done(await route(world, one))
    assert world.waiting(INAPP) == [InAppItem(one), InAppItem(one)]
    assert (await world.kinds()).count("sending in_app") == 1


async def test_a_redelivered_item_may_be_decided_otherwise() -> None:
    """The world changed between a crash and the second try: both decisions are on record, and all they plan is owed."""
    world = World()
    await world.anna()
    one = await world.accept()
    await route(world, one)
    await world.online("n1")
    await route(world, one)
    assert [e.plan for e in (await world.history()).events if e.kind == "routed"] == [("email",), ("in_app",)]
    assert (await world.history()).open == 2
    await world.store.record([event("sent", attempt=1), event("delivered", "in_app", attempt=1)])
    assert (await world.history()).open == 0


async def test_a_dead_end_that_expires_before_it_is_buried_ends_as_expired() -> None:
    """The router died between "no way" and the dead letter; when the item came back, its time was over."""
    world = World()
    await world.anna(email=None)
    one = await world.accept(channels=("email",), expires_at=T0 + 1_000)
    await route(world, one)
    world.clock.forward(1)
    assert all_done(await route(world, one))
    history = await world.history()
    assert (status_of(history), history.open) == ("expired", 0)


async def test_a_failure_of_routing_after_it_succeeded_leaves_its_deliveries_owed() -> None:
    """An item that keeps killing routers becomes a dead letter; what was planned before is still delivered."""
    world = World()
    await world.anna(phone=True)
    await route(world, await world.accept())
    await world.store.record([event("failed", "routing", detail="poison")])
    assert (await world.history()).open == 2


async def test_what_expired_before_it_was_routed_ends_there() -> None:
    """On record as expired, with nothing in any lane and nothing owed."""
    world = World()
    await world.anna()
    one = await world.accept(expires_at=T0 + 1_000, channels=("email",))
    world.clock.forward(1)
    assert all_done(await route(world, one))
    assert (await world.delivery("email")).status == "expired"
    assert (await world.history()).open == 0
    assert world.waiting(EMAIL) == world.waiting(INAPP) == []


async def test_nobody_to_reach_waits_in_the_inbox_and_that_is_its_end() -> None:
    """A user of whom nothing is known but the id: delivered where they will look, nothing owed."""
    world = World()
    assert all_done(await route(world, await world.accept()))
    delivery = await world.delivery("in_app")
    assert (delivery.status, delivery.provider, delivery.settled) == ("sent", "inbox", True)
    assert (await world.history()).open == 0
    assert world.waiting(INAPP) == []


async def test_no_way_at_all_is_a_dead_letter_with_every_reason() -> None:
    """G2: it fails, with its cause; it is owed until that failure is on record."""
    world = World(Means(email=True, push=frozenset()))
    await world.anna(phone=True, email=None)
    (outcome,) = await route(world, await world.accept(channels=("email", "push")))
    assert isinstance(outcome, Dead)
    assert outcome.cause == "no_route"
    assert "no e-mail address" in outcome.detail
    assert "no push provider" in outcome.detail
    assert (await world.history()).open == 1
    await world.store.record([event("failed", "routing")])
    assert (await world.history()).open == 0


async def test_a_replayed_dead_end_is_routed_anew() -> None:
    """The address was added meanwhile: the new generation's decision is its own event, and its delivery is owed."""
    world = World()
    await world.anna(email=None)
    one = await world.accept(channels=("email",))
    await route(world, one)
    await world.store.record([event("failed", "routing"), event("replayed", "routing", gen=1)])
    await world.anna()
    assert all_done(await route(world, one, gen=1))
    assert (await world.history()).open == 1
    assert (await world.delivery("email")).status == "queued"
    assert len(world.waiting(EMAIL)) == 1


async def test_a_suppressed_address_that_was_the_only_way_is_an_end_of_its_own() -> None:
    """`suppressed`, not `failed`: there is nothing to replay."""
    world = World()
    await world.anna()
    await world.store.suppress([Suppression(TENANT, "anna@acme.example", "complaint", T0)])
    assert all_done(await route(world, await world.accept(channels=("email",))))
    delivery = await world.delivery("email")
    assert (delivery.status, delivery.reason) == ("suppressed", "complaint")
    summary = wire.explain(await world.history())["summary"]
    assert summary == "Routed to no channel because the address is suppressed (complaint)."
    assert (await world.history()).open == 0


async def test_what_is_muted_everywhere_ends_with_the_reason() -> None:
    """Suppressed on every channel that was wanted, nothing handed over, nothing in the inbox, no dead letter."""
    world = World()
    await world.anna(phone=True)
    await world.online("n1")
    await world.mute("in_app", "push", "email")
    assert all_done(await route(world, await world.accept(type="marketing")))
    found = fold((await world.history()).events)
    assert {name: (d.status, d.reason) for name, d in found.items()} == dict.fromkeys(
        ("in_app", "push", "email"), ("suppressed", "preference")
    )
    assert (await world.history()).open == 0
    assert status_of(await world.history()) == "suppressed"
    explained = wire.explain(await world.history())
    assert explained["decisions"][0]["chosen"] == []
    assert explained["summary"] == (
        "Routed to no channel because the user muted in-app, the user muted push, the user muted e-mail."
    )
    assert [world.waiting(lane) for lane in (INAPP, PUSH, EMAIL)] == [[], [], []]
    assert await world.store.unread([ANNA]) == [0]


async def test_what_was_withheld_ends_for_its_own_reason() -> None:
    """One channel muted, the other's address suppressed."""
    world = World()
    await world.anna(phone=True)
    await world.mute("push")
    await world.store.suppress([Suppression(TENANT, "anna@acme.example", "complaint", T0)])
    assert all_done(await route(world, await world.accept(type="alert", channels=("push", "email"))))
    assert [(await world.delivery(name)).reason for name in ("push", "email")] == ["preference", "complaint"]
    assert (await world.history()).open == 0


async def test_what_is_muted_in_app_goes_its_other_ways_unseen() -> None:
    """Neither shown live nor kept by the inbox or the stream, though the page is open; the mail goes out."""
    world = World()
    await world.anna()
    await world.online("n1")
    await world.mute("in_app")
    assert all_done(await route(world, await world.accept(type="alert")))
    assert (len(world.waiting(EMAIL)), world.waiting(INAPP)) == (1, [])
    assert await world.store.inbox(InboxQuery(user=ANNA)) == []
    assert (await world.history()).open == 1


async def test_what_is_muted_in_app_is_hidden_also_when_it_comes_too_late() -> None:
    """Expired before it could be routed: the inbox keeps what is late, but not what nobody wanted there."""
    world = World()
    await world.mute("in_app")
    one = await world.accept(type="alert", expires_at=T0)
    assert all_done(await route(world, one))
    assert await world.store.inbox(InboxQuery(user=ANNA)) == []
    assert (await world.delivery("in_app")).status == "expired"


async def test_transactional_is_never_muted() -> None:
    """A code or a receipt goes wherever it can."""
    world = World()
    await world.anna(phone=True)
    await world.mute("in_app", "push", "email")
    assert all_done(await route(world, await world.accept(type="transactional")))
    assert (len(world.waiting(EMAIL)), len(world.waiting(PUSH))) == (1, 1)
    assert await world.store.unread([ANNA]) == [1]


async def test_a_queue_that_is_away_is_no_failure() -> None:
    """The decision is on record and looked at again: the reconciler hands it over (G1)."""
    world = World()
    await world.anna()
    one = await world.accept()
    batch = await world.pulled(INGEST, IngestItem(one))
    world.queue.broker.away = True
    assert all_done(await router(world).handle(batch))
    world.queue.broker.away = False
    assert world.waiting(EMAIL) == []
    assert (await world.history()).open == 1
    assert len(await world.store.due(Level.P0, T0 + RECHECK_MS, 10)) == 1


async def test_a_store_that_is_away_is_an_error() -> None:
    """Nothing may be handed over that isn't on record."""
    world = World()
    batch = await world.pulled(INGEST, IngestItem(await world.accept()))
    await world.store.close_store()
    with pytest.raises(StoreUnavailable):
        await router(world).handle(batch)
    assert world.waiting(EMAIL) == world.waiting(INAPP) == []


async def accept_batch(world: World, users: int, **fields: object) -> Batch:
    one = Notification(id="bat_" + "0" * 26, tenant=TENANT, user="", type="marketing", created_at=T0, **fields)  # type: ignore[arg-type]
    batch = Batch(one.id, TENANT, "marketing", T0, one, tuple(f"user-{n}" for n in range(users)))
    await world.store.accept([Submission(tenant=TENANT, batch=batch, check_at=T0 + GRACE_MS)])
    return batch


async def test_a_batch_becomes_its_members() -> None:
    """Each with its row and on its way at once, in the level of the batch; heavy bodies stay behind."""
    world = World()
    await world.store.put_user(User(TENANT, "user-1", email="user-1@example.com"))
    batch = await accept_batch(world, 3, title="News", body="x" * (HEAVY_CONTENT + 1))
    items = await world.pulled(INGEST, BatchItem(TENANT, batch.id, int(batch.level)))
    assert all_done(await router(world).handle(items))
    members = [batch.member(n) for n in range(3)]
    assert world.waiting(EMAIL) == [EmailItem(notification=members[1].lighten(), address="user-1@example.com")]
    assert world.queue.broker.of(EMAIL, Level.P2)
    found = [await world.history(member.id) for member in members]
    assert [history.notification for history in found] == members
    assert [(history.routed, history.open) for history in found] == [(True, 0), (True, 1), (True, 0)]
    assert await world.store.batches_due(T0 + 10 * GRACE_MS, 10) == []


async def test_a_member_without_a_way_comes_by_alone() -> None:
    """So that it, and no other, ends as a dead letter."""
    world = World()
    await world.store.put_user(User(TENANT, "user-1", email="user-1@example.com"))
    batch = await accept_batch(world, 3, title="News", channels=("email",))
    items = await world.pulled(INGEST, BatchItem(TENANT, batch.id, int(batch.level)))
    assert all_done(await router(world).handle(items))
    alone = world.waiting(INGEST)
    assert alone == [IngestItem(batch.member(n)) for n in (0, 2)]
    assert [type(one) for one in await router(world).handle(await world.pulled(INGEST, *alone))] == [Dead, Dead]


async def test_a_poisonous_member_spoils_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be decided together comes by as items of the lane, which the consumer takes one by one."""
    world = World()
    batch = await accept_batch(world, 3, title="News")
    items = await world.pulled(INGEST, BatchItem(TENANT, batch.id, int(batch.level)))

    def poisonous(notification: Notification, facts: Facts) -> Route:
        if notification.user == "user-1":
            raise TypeError("as the test wants it")
        return decide(notification, facts)

    monkeypatch.setattr("heliograph.roles.router.route", poisonous)
    assert all_done(await router(world).handle(items))
    assert world.waiting(INGEST) == [IngestItem(batch.member(n)) for n in range(3)]


async def test_expanding_twice_writes_the_same_rows() -> None:
    """A second copy of the batch item, or a crash half way: no member twice."""
    world = World()
    batch = await accept_batch(world, 2, title="News")
    for _ in range(2):
        items = await world.pulled(INGEST, BatchItem(TENANT, batch.id, int(batch.level)))
        await router(world).handle(items[-1:])
    assert len(await world.store.batch_histories(batch.key, "", 10)) == 2


async def test_a_batch_is_done_only_when_the_rest_of_it_is_in_the_lane() -> None:
    """With the queue away its members are to be looked at, and the same item is handled again."""
    world = World()
    batch = await accept_batch(world, CHUNK + 1, title="News")
    items = await world.pulled(INGEST, BatchItem(TENANT, batch.id, int(batch.level)))
    world.queue.broker.away = True
    with pytest.raises(QueueUnavailable):
        await router(world).handle(items)
    assert len(await world.store.batch_histories(batch.key, "", 2 * CHUNK)) == CHUNK
    world.queue.broker.away = False
    assert all_done(await router(world).handle(items))
    assert world.waiting(INGEST) == [BatchItem(TENANT, batch.id, 2, str(CHUNK))]


async def expand(world: World, batch: Batch) -> list[tuple[list[LaneItem], list[Notification]]]:
    """Everything of a batch, chunk by chunk: what each one hands over to the lane, and the members it made."""
    chunks: list[tuple[list[LaneItem], list[Notification]]] = []
    item: LaneItem | None = BatchItem(TENANT, batch.id, int(batch.level))
    known: list[Notification] = []
    while item:
        pulled = await world.pulled(INGEST, item)
        assert all_done(await router(world).handle(pulled))
        await world.queue.settle(pulled)
        made = [h.notification for h in await world.store.batch_histories(batch.key, "", 10 * CHUNK) if h.routed]
        chunks.append((world.waiting(INGEST), [one for one in made if one not in known]))
        known = made
        item = next((one for one in chunks[-1][0] if isinstance(one, BatchItem)), None)
        world.queue.broker.wipe()
    return chunks


async def test_a_long_list_goes_chunk_by_chunk() -> None:
    """The rest goes to the end of the lane as an item of its own, so that nobody waits behind the whole list."""
    world = World()
    batch = await accept_batch(world, CHUNK + 2, title="News")
    first, second = await expand(world, batch)
    assert first[0] == [BatchItem(TENANT, batch.id, 2, str(CHUNK))]
    assert second[0] == []
    assert [len(made) for _, made in (first, second)] == [CHUNK, 2]
    assert await world.store.batches_due(T0 + 10 * GRACE_MS, 10) == []


async def test_a_bulk_goes_level_by_level() -> None:
    """Each send in the lane of its own type; the urgent ones are expanded before the others are looked at (G6)."""
    world = World()
    kinds: list[Type] = ["transactional", "transactional", "alert", "marketing"]
    sends = tuple(
        Send(place, Notification("", TENANT, f"user-{place}", kind, T0, title="Hi"))
        for place, kind in zip((3, 1, 0, 2), kinds, strict=True)
    )
    batch = Batch("bat_" + "0" * 26, TENANT, "transactional", T0, sends=sends)
    await world.store.accept([Submission(tenant=TENANT, batch=batch, check_at=T0 + GRACE_MS)])
    chunks = await expand(world, batch)
    assert [[item.level for item in items] for items, _ in chunks] == [[Level.P1], [Level.P2], []]
    assert [[one.id[-5:] for one in made] for _, made in chunks] == [["00001", "00003"], ["00000"], ["00002"]]


async def test_a_topic_reaches_everybody_who_is_subscribed() -> None:
    """In pages, each subscriber once, whoever comes or goes meanwhile; a second copy writes the same rows."""
    world = World()
    users = [f"user-{n:04d}" for n in range(CHUNK + 1)]
    await world.store.subscribe(Key(TENANT, "news"), users)
    content = Notification("", TENANT, "", "marketing", T0, title="News")
    batch = Batch("bat_" + "0" * 26, TENANT, "marketing", T0, content, topic="news")
    await world.store.accept([Submission(tenant=TENANT, batch=batch, check_at=T0 + GRACE_MS)])
    for copy in range(2):
        chunks = await expand(world, batch)
        assert [len(made) for _, made in chunks] == ([CHUNK, 1] if copy == 0 else [CHUNK + 1, 0])
    found = await world.store.batch_histories(batch.key, "", 2 * CHUNK)
    assert sorted(h.notification.user for h in found) == users
    assert await world.store.batches_due(T0 + 10 * GRACE_MS, 10) == []


async def test_notifications_and_batches_share_a_lane() -> None:
    """Every item has the outcome of its own place; a batch that nobody knows any more is done."""
    world = World()
    await world.anna(email=None)
    dead, fine = await world.accept(channels=("email",)), await world.accept(id="ntf_2")
    batch = [
        *await world.pulled(INGEST, BatchItem(TENANT, "bat_unknown", 0)),
        *await world.pulled(INGEST, IngestItem(dead)),
        *await world.pulled(INGEST, BatchItem(TENANT, "bat_unknown", 0)),
        *await world.pulled(INGEST, IngestItem(fine)),
    ]
    outcomes = await router(world).handle(batch)
    assert [type(one) for one in outcomes] == [type(DONE), Dead, type(DONE), type(DONE)]


async def test_no_one_is_told_of_another_tenants_user() -> None:
    """The same user id in two tenants is two people."""
    world = World()
    await world.anna()
    await world.online("n1")
    stranger = await world.accept(id="ntf_2", tenant="other")
    await route(world, stranger)
    assert world.waiting(INAPP) == world.waiting(EMAIL) == []
    assert stranger.user_key != ANNA
