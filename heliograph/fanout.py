"""Tells every node on which a user is connected that the user's inbox changed. Used by the HTTP API and real time.

Reads the presence cache (which nodes), writes bus messages (`core.frames.InboxFrames`). Never touches the store: the
receiving node reads the unread count. Tabs that can't be told, because presence or bus are down, see it on reconnect.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from heliograph import telemetry
from heliograph.batching import Batcher
from heliograph.core.errors import Overloaded, PresenceUnavailable, QueueUnavailable
from heliograph.core.frames import InboxFrame, inbox_text, pack_erased, pack_inbox, read_all_text
from heliograph.core.model import InboxItem, Key
from heliograph.core.ports import Bus, Clock, PresenceCache

log = telemetry.logger("fanout")


class InboxFanout:
    """Fan-out of inbox changes; concurrent calls share one look at presence and one message per node.

    Args:
        node: the caller's own node id, if it is one; its frames go to `deliver` at once, past bus and presence.
        deliver: takes the frames for the caller's own connections.
    """

    def __init__(
        self,
        presence: PresenceCache,
        bus: Bus,
        clock: Clock,
        *,
        node: str = "",
        deliver: Callable[[Sequence[InboxFrame]], None] | None = None,
    ) -> None:
        self._presence = presence
        self._bus = bus
        self._clock = clock
        self._node = node
        self._deliver = deliver
        self._batcher: Batcher[InboxFrame, None] = Batcher(self._flush)

    async def changed(self, user: Key, items: Sequence[InboxItem]) -> None:
        """These items of the user carry new marks, already in the store. Never raises."""
        await self._tell([InboxFrame(user, inbox_text(item)) for item in items])

    async def read_all(self, user: Key) -> None:
        """Everything in the user's inbox was marked read, already in the store. Never raises."""
        await self._tell([InboxFrame(user, read_all_text(self._clock()))])

    async def _tell(self, frames: Sequence[InboxFrame]) -> None:
        if self._deliver is not None:
            self._deliver(frames)
        try:
            await asyncio.gather(*(self._batcher.submit(frame) for frame in frames))
        except Overloaded:
            log.warning("inbox_not_told", action="wait", frames=len(frames), error="too many changes are waiting")

    async def _flush(self, frames: Sequence[InboxFrame]) -> Sequence[None]:
        try:
            for node, wanted in (await self._by_node(frames)).items():
                await self._send(node, wanted)
        except PresenceUnavailable as error:
            log.warning("inbox_not_told", action="look", frames=len(frames), error=repr(error))
        except Exception:  # the change is stored and its caller must not fail: only the hint is lost
            log.exception("bug", action="tell", frames=len(frames))
        return [None] * len(frames)

    async def _send(self, node: str, frames: Sequence[InboxFrame]) -> None:
        try:
            for payload in pack_inbox(frames):
                await self._bus.send(node, payload)
        except QueueUnavailable as error:
            log.warning("inbox_not_told", action="send", node=node, frames=len(frames), error=repr(error))

    async def _by_node(self, frames: Sequence[InboxFrame]) -> dict[str, list[InboxFrame]]:
        users = list(dict.fromkeys(frame.user for frame in frames))
        presences = dict(zip(users, await self._presence.look(users, self._clock()), strict=True))
        by_node: dict[str, list[InboxFrame]] = defaultdict(list)
        for frame in frames:
            for node in presences[frame.user].nodes - {self._node}:
                by_node[node].append(frame)
        return by_node


async def tell_erased(bus: Bus, user: Key, nodes: Iterable[str]) -> None:
    """The user is erased: the nodes that hold their connections end them. Never raises: a connection that isn't told
    gets nothing more anyway, and ends with its token."""
    for node in nodes:
        try:
            await bus.send(node, pack_erased(user))
        except QueueUnavailable as error:
            log.warning("erasure_not_told", action="send", node=node, error=repr(error))
