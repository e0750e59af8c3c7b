"""Which streams and consumers the lanes need, and making sure that they exist, as often as necessary.

Writes stream and consumer definitions; never deletes one. The server may come back empty at any moment: whoever meets
a missing stream calls `ensure`, which all callers share. A stream with message schedules can't refuse new messages when
full (server error 10052) and a schedule's target must lie in its own stream (10190): hence one more stream for retries.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator
from typing import Any, Final

import structlog

from heliograph.backends.jetstream import api
from heliograph.backends.jetstream.link import NatsLink, Outgoing
from heliograph.core.errors import QueueUnavailable
from heliograph.core.lanes import LANES, Lane
from heliograph.core.model import Level

API_TIMEOUT_S: Final = 2.0
_TRIES: Final = 3
KINDS: Final = ("lane", "retry", "crowd")
"""Of streams: fresh items, those that are tried again, and the bursts of single tenants (`core/crowding.py`)."""

log = structlog.get_logger(component="queue")


def stream_of(kind: str, lane: str) -> str:
    return f"{kind}_{lane}"


def consumer_of(lane: Lane, level: Level) -> str:
    """Durable consumers are called like the role that pulls them."""
    return f"{lane.role}-p{level:d}"


def subjects_of(kind: str, lane: str, level: Level | None = None) -> str:
    """The messages that can be pulled: `lane.<lane>.<level>.<items inside>`, so not the `later` ones."""
    return f"{kind}.{lane}.{'*' if level is None else f'p{level:d}'}.*"


class Topology:
    """Args:
    ack_wait_s: seconds after which a message of a silent worker is delivered again.
    replicas: copies of each stream in a NATS cluster.
    """

    def __init__(self, link: NatsLink, ack_wait_s: float, replicas: int) -> None:
        self._link = link
        self._ack_wait_s = ack_wait_s
        self._replicas = replicas
        self._running: asyncio.Task[None] | None = None
        self._created: dict[str, str] = {}

    async def ensure(self) -> None:
        """Creates what is missing; concurrent callers share one run. Raises `QueueUnavailable`."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._ensure())
            self._running.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._running)

    async def incarnation(self) -> str:
        """A digest of when the streams were created; another one means that what they held is lost."""
        streams = [config["name"] for config in self._streams()]
        for _ in range(_TRIES):
            answers = await self._ask([api.stream_info(stream) for stream in streams])
            infos = [api.read(answer, api.StreamInfo) for answer in answers]
            if not any(info.error for info in infos):
                created = "|".join(info.created for info in infos)
                return hashlib.sha256(created.encode()).hexdigest()[:16]
            await self.ensure()
        raise QueueUnavailable("the streams come and go")

    async def _ensure(self) -> None:
        for _ in range(_TRIES):
            await self._ensure_streams()
            answers = await self._ask([*self._consumers()])
            refusals = [error for answer in answers if (error := api.refusal(answer))]
            if not refusals:
                return
            if not all(error.absent for error in refusals):
                raise QueueUnavailable(f"consumer refused: {refusals[0].description}")
        raise QueueUnavailable("the streams come and go")

    async def _ensure_streams(self) -> None:
        wanted = [*self._streams()]
        answers = await self._ask([api.stream_info(config["name"]) for config in wanted])
        changes: list[Outgoing] = []
        for config, answer in zip(wanted, answers, strict=True):
            info = api.read(answer, api.StreamInfo)
            if info.error is not None:
                changes.append(api.stream_create({**config, "first_seq": _first_sequence()}))
            elif any(info.config.get(name) != value for name, value in config.items()):
                changes.append(api.stream_update({**info.config, **config}))
        for change, answer in zip(changes, await self._ask(changes), strict=True):
            error = api.refusal(answer)
            if error is not None and error.err_code != api.STREAM_EXISTS:  # a rival was faster
                raise QueueUnavailable(f"stream refused: {change.subject}: {error.description}")
        if changes:
            log.info("queue_prepared", action="ensure", streams=len(changes))

    async def _ask(self, requests: list[Outgoing]) -> list[bytes]:
        return await self._link.request_many(requests, API_TIMEOUT_S)

    def _streams(self) -> Iterator[dict[str, Any]]:
        for lane in LANES:
            for kind in ("lane", "crowd"):
                yield {
                    "name": stream_of(kind, lane.name),
                    "subjects": [f"{kind}.{lane.name}.*.*"],
                    "retention": "workqueue",
                    "storage": "file",
                    "discard": "new",
                    "max_bytes": lane.max_bytes,
                    "num_replicas": self._replicas,
                }
            yield {
                "name": stream_of("retry", lane.name),
                "subjects": [f"retry.{lane.name}.>"],
                "retention": "workqueue",
                "storage": "file",
                "discard": "old",
                "max_bytes": lane.max_bytes,
                "num_replicas": self._replicas,
                "allow_msg_schedules": True,
            }

    def _consumers(self) -> Iterator[Outgoing]:
        for kind in KINDS:
            for lane in LANES:
                for level in Level:
                    yield api.consumer_create(
                        stream_of(kind, lane.name),
                        {
                            "durable_name": consumer_of(lane, level),
                            "filter_subject": subjects_of(kind, lane.name, level),
                            "ack_policy": "explicit",
                            "ack_wait": int(self._ack_wait_s * 1e9),
                            "deliver_policy": "all",
                            "max_deliver": -1,
                            "max_ack_pending": 50_000,
                            "max_waiting": 2_048,
                        },
                    )


def _first_sequence() -> int:
    """Sequences of a stream born anew begin above all earlier ones, so that an acknowledgement that was still on its
    way when the data was lost can't settle a new message of the same number."""
    return time.time_ns() // 1000
