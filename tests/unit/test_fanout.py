"""Telling every node of a user that the inbox changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from heliograph.core.errors import QueueUnavailable
from heliograph.core.frames import InboxFrame, InboxFrames, unpack
from heliograph.core.model import InboxItem, InboxState, Key, Notification
from heliograph.core.ports import PresenceLease
from heliograph.fanout import InboxFanout
from heliograph.testing.realtime import MemoryBus, MemoryPresence

ANNA, BERT = Key("t", "anna"), Key("t", "bert")


def item(notification_id: str) -> InboxItem:
    return InboxItem(Notification(notification_id, "t", "anna", "alert", 0), InboxState())


class Ears:
    """Two nodes that note what they are told, and a presence cache that counts its calls."""

    def __init__(self) -> None:
        self.bus = MemoryBus()
        self.presence = MemoryPresence()
        self.heard: dict[str, list[InboxFrame]] = {"n1": [], "n2": []}
        self.messages = 0
        self.looks = 0
        look = self.presence.look

        async def counting(users: Sequence[Key], now: int) -> object:
            self.looks += 1
            return await look(users, now)

        self.presence.look = counting  # type: ignore[method-assign,assignment]

    async def listen(self) -> Ears:
        for node in self.heard:

            async def receive(payload: bytes, node: str = node) -> None:
                message = unpack(payload)
                assert isinstance(message, InboxFrames)
                self.messages += 1
                self.heard[node].extend(message.frames)

            await self.bus.subscribe(node, receive)
        leases = [PresenceLease(ANNA, "n1"), PresenceLease(ANNA, "n2", "dev_1"), PresenceLease(BERT, "n2")]
        await self.presence.renew(leases, 0, 1000)
        return self

    def users(self, node: str) -> list[str]:
        return [frame.user.id for frame in self.heard[node]]


async def test_every_node_of_the_user() -> None:
    """One frame per item on each node that holds a lease of the user."""
    ears = await Ears().listen()
    await InboxFanout(ears.presence, ears.bus, lambda: 0).changed(ANNA, [item("ntf_1"), item("ntf_2")])
    assert ears.users("n1") == ears.users("n2") == ["anna", "anna"]
    assert [b"ntf_1" in frame.text for frame in ears.heard["n1"]] == [True, False]


async def test_callers_share_looks_and_messages() -> None:
    """Fifty changes at once: a look or two, a message or two per node."""
    ears = await Ears().listen()
    fanout = InboxFanout(ears.presence, ears.bus, lambda: 0)
    users = [ANNA, BERT] * 25
    await asyncio.gather(*(fanout.changed(user, [item(f"ntf_{n}")]) for n, user in enumerate(users)))
    assert (ears.looks, ears.messages) == (1, 2)
    assert (len(ears.heard["n1"]), len(ears.heard["n2"])) == (25, 50)


async def test_ones_own_node_is_told_directly() -> None:
    """The caller's own connections don't wait for presence or bus, and aren't told twice."""
    ears = await Ears().listen()
    told: list[InboxFrame] = []
    fanout = InboxFanout(ears.presence, ears.bus, lambda: 0, node="n1", deliver=told.extend)
    await fanout.read_all(ANNA)
    assert (len(told), ears.users("n1"), ears.users("n2")) == (1, [], ["anna"])


async def test_nothing_changed_costs_nothing() -> None:
    ears = await Ears().listen()
    await InboxFanout(ears.presence, ears.bus, lambda: 0).changed(ANNA, [])
    assert ears.looks == 0


async def test_backends_that_are_away_are_survived() -> None:
    """Neither presence nor the bus can make an inbox call fail; one node's failure isn't another's."""
    ears = await Ears().listen()
    fanout = InboxFanout(ears.presence, ears.bus, lambda: 0)
    ears.presence.cache.away = True
    await fanout.read_all(ANNA)

    async def broken(payload: bytes) -> None:
        raise QueueUnavailable("away")

    for down, other in (("n1", "n2"), ("n2", "n1")):
        ears = await Ears().listen()
        ears.bus._nodes[down] = [broken]
        await InboxFanout(ears.presence, ears.bus, lambda: 0).read_all(ANNA)
        assert ears.users(other) == ["anna"]
