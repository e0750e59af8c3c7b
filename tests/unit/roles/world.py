"""Everything a role stands on, in memory and with a clock that stands still; what it left behind, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from heliograph.core.frames import NotificationFrame, NotificationFrames, unpack
from heliograph.core.lanes import Lane, LaneItem
from heliograph.core.lifecycle import Delivery, History, fold
from heliograph.core.model import Channel, Key, Level, Notification, Preferences, User
from heliograph.core.outcomes import DONE, Outcome
from heliograph.core.ports import PresenceLease, Pulled, Submission
from heliograph.core.reconciling import GRACE_MS
from heliograph.core.routing import Means
from heliograph.planning import Planner
from heliograph.testing.queue import MemoryQueue
from heliograph.testing.realtime import MemoryBus, MemoryCache, MemoryPresence, MemoryStreams
from heliograph.testing.store import MemoryStore
from tests.unit.given import TENANT, FakeClock, device, notification, user

UNSEEN_S = 30.0
EVERYTHING = Means(email=True, push=frozenset({"fcm_token"}))
ANNA = Key(TENANT, "anna")


class World:
    """Anna has a mailbox and, if wanted, a phone and open pages."""

    def __init__(self, means: Means = EVERYTHING) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore()
        self.queue = MemoryQueue(self.clock)
        self.cache = MemoryCache()
        self.presence = MemoryPresence(self.cache)
        self.streams = MemoryStreams(self.cache)
        self.bus = MemoryBus()
        self.planner = Planner(self.store, self.presence, self.clock, means)
        self.heard: list[tuple[str, NotificationFrame]] = []

    # --- who is there -------------------------------------------------------------------------------------------------

    async def anna(self, *, phone: bool = False, **fields: Any) -> User:
        if phone:
            await self.store.add_device(device())
        return await self.store.put_user(user(**fields))

    async def mute(self, *channels: Channel, category: str | None = None) -> None:
        """Anna wants nothing on these channels: of the category if one is named, else in general."""
        choices = dict.fromkeys(channels, False)
        wanted = Preferences(categories={category: choices}) if category else Preferences(choices)
        await self.store.put_preferences(ANNA, wanted, self.clock())

    async def online(self, *nodes: str, connected_device: str = "") -> None:
        """Anna has a page open on each of these nodes, and what the nodes are told is noted in `heard`."""
        await self.streams.open_stream(ANNA)
        for node in nodes:
            await self.presence.renew([PresenceLease(ANNA, node, connected_device)], self.clock(), 10**9)
            await self.bus.subscribe(node, _Ear(self, node))

    # --- what is on its way -------------------------------------------------------------------------------------------

    async def accept(self, **fields: Any) -> Notification:
        """A notification as the API leaves it: in the store, not yet in any lane."""
        found = notification(created_at=self.clock(), **fields)
        check_at = self.clock() + GRACE_MS
        await self.store.accept([Submission(tenant=found.tenant, notification=found, check_at=check_at)])
        return found

    async def pulled(self, lane: Lane, *items: LaneItem) -> Sequence[Pulled]:
        """These items in a worker's hands."""
        await self.queue.publish(lane, items)
        return await self.queue.pull(lane, len(items))

    def waiting(self, lane: Lane) -> list[LaneItem]:
        """What nobody has in hand, most urgent first."""
        return [
            message.read() for level in Level for message in self.queue.broker.of(lane, level) if message.holder is None
        ]

    # --- what became of it --------------------------------------------------------------------------------------------

    async def history(self, notification_id: str = "ntf_1") -> History:
        (found,) = await self.store.histories([Key(TENANT, notification_id)])
        assert found
        return found

    async def delivery(self, target: str, notification_id: str = "ntf_1") -> Delivery:
        return fold((await self.history(notification_id)).events)[target]

    async def kinds(self, notification_id: str = "ntf_1") -> list[str]:
        """`kind target` of every event, in the order of recording."""
        return [f"{one.kind} {one.target}".strip() for one in (await self.history(notification_id)).events]


class _Ear:
    def __init__(self, world: World, node: str) -> None:
        self._world = world
        self._node = node

    async def __call__(self, payload: bytes) -> None:
        message = unpack(payload)
        assert isinstance(message, NotificationFrames)
        self._world.heard += [(self._node, frame) for frame in message.frames]


def all_done(outcomes: Sequence[Outcome]) -> bool:
    return bool(outcomes) and all(outcome == DONE for outcome in outcomes)
