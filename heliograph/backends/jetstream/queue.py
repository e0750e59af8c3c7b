"""The message queue on NATS JetStream: the port `Queue`, put together from the modules beside it.

Reads and writes the lanes of `core/lanes.py`. Two background jobs: one keeps alive what is in hand, one asks again
where the server fell silent. Never the only copy of anything: the store is; the queue may lose its data at any moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Final

import structlog

from heliograph.backends.jetstream import publishing
from heliograph.backends.jetstream.envelope import ACK, IN_PROGRESS, NAK, Book, Envelope, receipt
from heliograph.backends.jetstream.lane_puller import LanePuller
from heliograph.backends.jetstream.lane_states import StreamMissing, read_states
from heliograph.backends.jetstream.link import NatsLink
from heliograph.backends.jetstream.topology import Topology
from heliograph.core.crowding import FairTurns
from heliograph.core.errors import QueueUnavailable
from heliograph.core.lanes import Lane, LaneItem
from heliograph.core.model import Level, Millis
from heliograph.core.ports import Clock, LaneState, Pulled

_CHECK_S: Final = 0.25
_HEAL_AFTER_S: Final = 0.15
"""A server that shuts down loses its streams, as seen from here, a moment before the connection. Creating them anew
just then would spoil what it has on disk."""
_WORN: Final = 3
"""A message delivered this often is given back as a new one: consumers take many deliveries for a sign of poison."""

log = structlog.get_logger(component="queue")


class JetStreamQueue:
    """Args:
    url: `nats://user:password@host:port`, several with commas.
    clock: the one that times of `publish_later` belong to.
    ack_wait_s: seconds after which the messages of a dead process are delivered again.
    replicas: copies of each stream in a NATS cluster.
    tls: see `NatsLink`.
    """

    def __init__(
        self, url: str, clock: Clock, *, ack_wait_s: float = 10.0, replicas: int = 1, tls: ssl.SSLContext | None = None
    ) -> None:  # fmt: skip
        self.link = NatsLink(url, tls=tls)
        self._clock = clock
        self._ack_wait_s = ack_wait_s
        self._topology = Topology(self.link, ack_wait_s, replicas)
        self._book = Book()
        self._turns = FairTurns()
        self._pullers: dict[str, LanePuller] = {}
        self._jobs: set[asyncio.Task[None]] = set()
        self._healing: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Comes back without a connection if there is none to be had quickly; it is then made in the background."""
        self.link.on_up.append(self._on_up)
        self.link.on_down.append(self._on_down)
        await self.link.open()
        with contextlib.suppress(QueueUnavailable):  # then it is made later, when the server is there
            await self._topology.ensure()
        self._spawn(self._keep_asking())
        self._spawn(self._keep_alive())

    async def close(self) -> None:
        """Gives back what nobody settled, then leaves."""
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        await asyncio.gather(*(puller.leave() for puller in self._pullers.values()))
        try:
            for envelope in self._book:
                await self._return(envelope)
        except QueueUnavailable as error:
            log.warning("not_given_back", action="close", error=str(error))
        await self.link.close()

    async def publish(self, lane: Lane, items: Sequence[LaneItem]) -> None:
        quiet, crowd = self._turns.apart(lane, items, self._clock())
        messages = [*publishing.packed(lane, quiet), *publishing.packed_beside(lane, crowd)]
        await publishing.publish(self.link, messages, self._heal)

    async def publish_later(self, lane: Lane, items: Sequence[tuple[LaneItem, Millis]]) -> None:
        now = self._clock()
        offset = round(time.time() * 1000) - now  # the server fires by wall time, whatever clock we were given
        due = publishing.packed_again(lane, [item for item, at in items if at <= now])
        later = [publishing.scheduled(lane, item, at + offset) for item, at in items if at > now]
        await publishing.publish(self.link, [*due, *later], self._heal)

    async def ready(self, lane: Lane) -> Level:
        return await (await self._puller(lane)).ready()

    async def pull(self, lane: Lane, limit: int) -> Sequence[Pulled]:
        return await (await self._puller(lane)).pull(limit)

    async def settle(self, pulled: Sequence[Pulled]) -> None:
        for envelope in self._book.settle(pulled):
            await self.link.send(envelope.reply, ACK)

    async def give_back(self, pulled: Sequence[Pulled]) -> None:
        """A message that comes back whole is delivered again as it is; of any other, the items are published anew."""
        of_message: dict[Envelope, list[Pulled]] = {}
        for each in pulled:
            of_message.setdefault(receipt(each)[0], []).append(each)
        for envelope, items in of_message.items():
            if self._book.holds(envelope) and envelope.untouched and len(items) == envelope.count:
                await self._return(envelope)
            else:
                await self.publish(envelope.lane, [each.item for each in items])
                await self.settle(items)

    async def lanes(self) -> Mapping[tuple[str, Level], LaneState]:
        """`depth` counts all that isn't settled; `in_flight` (what workers fetched of it) is an estimate."""
        try:
            return await read_states(self.link)
        except StreamMissing:
            await self._heal()
            return await read_states(self.link)

    async def incarnation(self) -> str:
        return await self._topology.incarnation()

    async def _puller(self, lane: Lane) -> LanePuller:
        puller = self._pullers.get(lane.name)
        if puller is None:
            puller = self._pullers[lane.name] = LanePuller(self.link, self._book, lane, self._on_missing)
            await puller.start()
        return puller

    async def _return(self, envelope: Envelope) -> None:
        """Back to the lane with what nobody settled of it."""
        self._book.strike(envelope)
        self._pullers[envelope.lane.name].drop(envelope)
        if envelope.untouched and envelope.deliveries < _WORN:
            await self.link.send(envelope.reply, NAK)
            return
        envelope.unpack()
        await self.publish(envelope.lane, envelope.unsettled())
        await self.link.send(envelope.reply, ACK)

    async def _on_up(self) -> None:
        """In its own task: nats-py awaits us before it reads on."""
        self._spawn(self._resume(self._topology.ensure))

    def _on_down(self) -> None:
        for puller in self._pullers.values():
            puller.forget()

    def _on_missing(self) -> None:
        if self._healing is None or self._healing.done():
            self._healing = self._spawn(self._resume(self._heal))

    async def _heal(self) -> None:
        """Streams or consumers are missing. Raises `QueueUnavailable`."""
        await asyncio.sleep(_HEAL_AFTER_S)
        if not self.link.is_up:
            raise QueueUnavailable("the connection was lost")
        await self._topology.ensure()

    async def _resume(self, prepare: Callable[[], Awaitable[None]]) -> None:
        try:
            await prepare()
        except QueueUnavailable as error:
            log.warning("not_prepared", action="ensure", error=str(error))
            return
        await self._tell_alive()
        for puller in self._pullers.values():
            await puller.tend()

    async def _keep_asking(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_S)
            for puller in self._pullers.values():
                await puller.check(asyncio.get_running_loop().time())

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self._ack_wait_s / 3)
            await self._tell_alive()

    async def _tell_alive(self) -> None:
        if not self.link.is_up:
            return
        try:
            for envelope in self._book:
                await self.link.send(envelope.reply, IN_PROGRESS)
        except QueueUnavailable as error:
            log.warning("not_kept_alive", action="keep alive", error=str(error))

    def _spawn(self, job: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._jobs.discard(task)
        if not task.cancelled() and task.exception():
            log.error("bug", action="queue job", exc_info=task.exception())
