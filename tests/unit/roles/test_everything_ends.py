"""All roles together, and everything that can go wrong in between: whatever was accepted comes to an end (G1, G2)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.attempts import Attempts
from heliograph.consumer import Consumer, Handle
from heliograph.core.errors import QueueUnavailable
from heliograph.core.lanes import EMAIL, INAPP, INGEST, OUTBOX, PUSH, BatchItem, IngestItem, Lane, LaneItem
from heliograph.core.lifecycle import IN_APP, History, fold, status_of
from heliograph.core.model import CHANNELS, Batch, Key, Mail, PushMessage
from heliograph.core.outcomes import Delivered, ProviderOutcome, Rejected, Unavailable, Unregistered
from heliograph.core.ports import InboxQuery, Pulled, Submission
from heliograph.core.reconciling import GRACE_MS
from heliograph.core.retry import RetryPolicy
from heliograph.roles.email_sender import EmailSender
from heliograph.roles.email_worker import EmailWorker
from heliograph.roles.inapp_worker import InAppWorker
from heliograph.roles.push_worker import PushWorker
from heliograph.roles.reconciler import Reconciler
from heliograph.roles.router import Router
from tests.unit.given import TENANT, event, notification
from tests.unit.roles.world import ANNA, UNSEEN_S, World

ENDS: Final = {"sent", "delivered", "failed", "suppressed", "expired"}
Step = tuple[str, Any]


class Fickle:
    """Both kinds of provider: says what comes next, and counts what it took."""

    name = "fickle"
    kinds = frozenset({"fcm_token"})

    def __init__(self) -> None:
        self.mood = "yes"
        self.taken: Counter[str] = Counter()

    async def send(self, message: Mail | PushMessage) -> ProviderOutcome:
        if isinstance(message, Mail):
            name = f"{message.args['hg_id']} email"
        else:
            name = f"{message.data['notification_id']} push:dev_1"
        if self.mood in ("yes", "lost answer"):
            self.taken[name] += 1
        answers: dict[str, ProviderOutcome] = {
            "yes": Delivered("p"),
            "busy": Unavailable("503"),
            "slow": Unavailable("503", after_s=90),
            "lost answer": Unavailable("no answer", unknown=True),
            "never": Unregistered("gone") if isinstance(message, PushMessage) else Rejected("550"),
        }
        return answers[self.mood]

    async def close(self) -> None:
        """Nothing to do."""


class System(World):
    """Every role over one world; each step of theirs is one step of the story."""

    def __init__(self) -> None:
        super().__init__()
        self.provider = Fickle()
        self.names: list[str] = []
        self.stop = asyncio.Event()
        attempts = Attempts(self.store, self.clock, RetryPolicy(base_s=2, max_attempts=3), 15)
        router = Router(self.store, self.queue, self.planner, self.clock, round(UNSEEN_S * 1000))
        handles: dict[Lane, Handle] = {
            INGEST: router.handle,
            INAPP: InAppWorker(self.store, self.streams, self.bus, self.clock).handle,
            PUSH: PushWorker(self.store, attempts, {"fcm_token": self.provider}, self.clock).handle,
            EMAIL: EmailWorker(self.store, self.queue, self.clock).handle,
            OUTBOX: EmailSender(self.store, attempts, [self.provider], self.clock).handle,
        }
        self.consumers = {
            lane.name: (lane, handle, Consumer(lane, handle, self.queue, self.store, self.clock))
            for lane, handle in handles.items()
        }
        self.reconciler = self.new_reconciler()

    def new_reconciler(self) -> Reconciler:
        return Reconciler(
            self.store, self.queue, self.planner, self.clock, unseen_after_s=UNSEEN_S, every_s=1, batch=100
        )

    async def can_pull(self, lane: Lane) -> bool:
        if self.queue.broker.away:
            return False
        pulling = asyncio.ensure_future(self.queue.ready(lane))
        await asyncio.sleep(0)
        ready = pulling.done()
        pulling.cancel()
        return ready

    async def work(self, name: str) -> bool:
        """One batch through one role, up to the ack."""
        lane, _, consumer = self.consumers[name]
        if not await self.can_pull(lane):
            return False
        await consumer._work(await self.queue.pull(lane, 3), self.stop)
        return True

    async def work_all(self) -> bool:
        """One batch through every role, in the order in which things move."""
        return any([await self.work(name) for name in self.consumers])

    async def die_at_work(self, name: str) -> None:
        """The same, but the process is gone before the ack, and with it what it had in hand."""
        lane, handle, _ = self.consumers[name]
        if await self.can_pull(lane):
            batch: list[Pulled] = [*await self.queue.pull(lane, 3)]
            await handle(batch)
            await self.queue.crash()

    async def route_into_nothing(self) -> None:
        """The queue goes away just when the router has decided: what it hands over is lost, its batch is settled."""
        lane, handle, _consumer = self.consumers["ingest"]
        if await self.can_pull(lane):
            batch = await self.queue.pull(lane, 3)
            self.queue.broker.away = True
            try:
                await handle(batch)
                await self.queue.settle(batch)
            except QueueUnavailable:
                await self.queue.crash()
            self.queue.broker.away = False

    async def look(self) -> None:
        if not self.queue.broker.away:
            await self.reconciler.round()

    async def acknowledge(self) -> None:
        await self.store.record([
            event("delivered", IN_APP, notification_id=frame.entry.notification_id, attempt=1, at=self.clock())
            for _, frame in self.heard
            if frame.entry.planned
        ])  # fmt: skip
        self.heard.clear()

    async def send(self, kind: str) -> None:
        now, number = self.clock(), len(self.names)
        channels = (None, ("email",), ("push",), ("in_app",), CHANNELS)[number % 5]
        one = notification(
            id=f"ntf_{number}", type=("transactional", "alert", "marketing")[number % 3], created_at=now,
            channels=channels, expires_at=now + 60_000 if kind == "short-lived" else None,
        )  # fmt: skip
        if kind == "batch":
            batch = Batch("bat_" + f"{number:026d}", TENANT, one.type, now, one, ("anna", "bert"))
            await self.store.accept([Submission(tenant=TENANT, batch=batch, check_at=now + GRACE_MS)])
            self.names += [batch.member(n).id for n in range(2)]
            item: LaneItem = BatchItem(TENANT, batch.id, int(batch.level))
        else:
            await self.store.accept([Submission(tenant=TENANT, notification=one, check_at=now + GRACE_MS)])
            self.names.append(one.id)
            item = IngestItem(one)
        if kind != "unpublished" and not self.queue.broker.away:
            await self.queue.publish(INGEST, [item])

    async def step(self, what: str, how: Any) -> None:
        actions: dict[str, Callable[[], Awaitable[object]]] = {
            "send": lambda: self.send(how),
            "work": lambda: self.work(how),
            "work all": self.work_all,
            "die": lambda: self.die_at_work(how),
            "cut": self.route_into_nothing,
            "look": self.look,
            "ack": self.acknowledge,
        }
        if what in actions:
            await actions[what]()
        elif what == "wait":
            self.clock.forward(how)
        elif what == "mute":
            await self.mute(*how)
        elif what == "mood":
            self.provider.mood = how
        elif what == "wipe":
            self.queue.broker.wipe()
        elif what == "queue":
            self.queue.broker.away = how == "away"
        elif what == "cache":
            self.cache.flush()
            if how == "online":
                await self.online("n1")
        elif what == "restart":
            self.clock.forward(11)
            self.reconciler = self.new_reconciler()

    async def calm_down(self) -> None:
        """Nothing goes wrong any more: how long does it take?"""
        self.queue.broker.away = False
        self.provider.mood = "yes"
        for _ in range(60):
            await self.look()
            while await self.work_all():
                pass
            histories = await self.store.histories([Key(TENANT, name) for name in self.names])
            if all(history and history.open == 0 for history in histories):
                return
            self.clock.forward(5)


STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("send"), st.sampled_from(["plain", "plain", "unpublished", "short-lived", "batch"])),
    st.tuples(st.just("work"), st.sampled_from(["ingest", "ingest", "inapp", "push", "email", "outbox", "outbox"])),
    st.tuples(st.just("die"), st.sampled_from(["ingest", "inapp", "push", "email", "outbox"])),
    st.tuples(st.just("wait"), st.sampled_from([0.1, 2, 15, 31, 100])),
    st.tuples(st.just("mood"), st.sampled_from(["yes", "busy", "slow", "lost answer", "never"])),
    st.tuples(st.sampled_from(["look", "look", "ack", "wipe", "restart", "cut", "work all", "work all"]), st.none()),
    st.tuples(st.just("mute"), st.sets(st.sampled_from(CHANNELS)).map(sorted)),
    st.tuples(st.just("queue"), st.sampled_from(["away", "back", "back"])),
    st.tuples(st.just("cache"), st.sampled_from(["flush", "online", "online"])),
)


@settings(max_examples=60, deadline=None, database=None)
@given(st.booleans(), st.booleans(), st.lists(STEPS, min_size=10, max_size=60))
def test_whatever_was_accepted_comes_to_an_end(mailbox: bool, phone: bool, story: list[Step]) -> None:
    """Wipes, crashes before the ack, outages and moody providers: every delivery ends, once in the inbox, and what a
    provider took twice is marked in the timeline."""

    async def play() -> None:
        system = System()
        await system.anna(phone=phone, email="anna@acme.example" if mailbox else None)
        await system.online("n1")
        await system.step("send", "plain")
        for what, how in story:
            await system.step(what, how)
        await system.calm_down()
        await check(system)

    asyncio.run(play())


async def check(system: System) -> None:
    histories = [await system.history(name) for name in system.names]
    letters = {letter.notification_id for letter in await system.store.dead_letters(TENANT)}
    for history in histories:
        deliveries = fold(history.events)
        assert history.open == 0, history
        assert deliveries, history
        assert all(one.settled and one.status in ENDS for one in deliveries.values()), (deliveries, history.events)
        assert status_of(history) in ENDS
        if "no_route" in [one.reason for one in deliveries.values()]:
            assert history.notification.id in letters
        if history.notification.type == "transactional":
            assert "preference" not in [one.reason for one in deliveries.values()]
        for target in deliveries:
            taken = system.provider.taken[f"{history.notification.id} {target}"]
            marks = [e for e in history.events if e.target == target and e.kind == "unknown"]
            assert taken <= 1 + len(marks), (target, history.events)
    await check_inbox(system, histories)


async def check_inbox(system: System, histories: list[History]) -> None:
    kept = [one.notification for one in histories if not any(event.hides for event in one.events)]
    for person in (ANNA, Key(TENANT, "bert")):
        shown = [item.notification.id for item in await system.store.inbox(InboxQuery(user=person, limit=1_000))]
        expected = [one.id for one in kept if one.user_key == person and one.in_inbox]
        assert sorted(shown) == sorted(expected)
