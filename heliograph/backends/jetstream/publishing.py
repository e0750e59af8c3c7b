"""Publishing into a lane or its retry lane, acknowledged by the server, in waves that don't drown it.

Writes `lane.*` and `retry.*` messages. Never relies on the server's de-duplication: a message that wasn't acknowledged
may be published again by whoever needs it, and consumers tolerate the copy.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from heliograph.backends.jetstream import api
from heliograph.backends.jetstream.link import NatsLink, Outgoing
from heliograph.backends.jetstream.packing import crowd_subject, lane_subject, pack, retry_subject
from heliograph.core.errors import QueueUnavailable
from heliograph.core.lanes import Lane, LaneItem
from heliograph.core.model import Level, Millis

_TIMEOUT_S: Final = 2.0
_WAVE_MESSAGES: Final = 1_000
_WAVE_BYTES: Final = 8 * 1024**2
"""The server buffers 10,000 messages of a stream and refuses more (error 10167)."""


async def publish(link: NatsLink, messages: Sequence[Outgoing], heal: Callable[[], Awaitable[None]]) -> None:
    """Returns when the server has acknowledged all. Where a stream is missing: awaits `heal`, sends that part again.

    Raises:
        QueueUnavailable: some may have been taken.
    """
    for wave in _waves(messages):
        orphans = await _send(link, wave)
        if orphans:
            await heal()
            if await _send(link, orphans):
                raise QueueUnavailable("the streams come and go")


def packed(lane: Lane, items: Sequence[LaneItem]) -> list[Outgoing]:
    return [Outgoing(lane_subject(lane.name, level, count), payload) for level, count, payload in pack(lane, items)]


def packed_beside(lane: Lane, items: Sequence[LaneItem]) -> list[Outgoing]:
    """Into the lane of those who crowd."""
    return [Outgoing(crowd_subject(lane.name, level, count), payload) for level, count, payload in pack(lane, items)]


def packed_again(lane: Lane, items: Sequence[LaneItem]) -> list[Outgoing]:
    """Into the retry lane, to be pulled at once."""
    return [Outgoing(retry_subject(lane.name, level, count), payload) for level, count, payload in pack(lane, items)]


def scheduled(lane: Lane, item: LaneItem, at: Millis) -> Outgoing:
    """To be moved into the retry lane by the server at `at` (message schedules: nats-server >= 2.12, ADR-51)."""
    [(level, count, payload)] = pack(lane, [item])
    time = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    headers = {"Nats-Schedule": f"@at {time}", "Nats-Schedule-Target": retry_subject(lane.name, level, count)}
    return Outgoing(later_subject(lane.name, level), payload, headers)


def later_subject(lane: str, level: Level) -> str:
    """Unique: the server keeps one schedule per subject."""
    return f"retry.{lane}.p{level:d}.later.{secrets.token_hex(12)}"


async def _send(link: NatsLink, wave: Sequence[Outgoing]) -> list[Outgoing]:
    """Returns those that found no stream."""
    orphans = []
    for message, answer in zip(wave, await link.request_many(wave, _TIMEOUT_S), strict=True):
        error = api.refusal(answer)
        if error is None:
            continue
        if not error.absent:
            raise QueueUnavailable(f"{message.subject}: {error.description}")
        orphans.append(message)
    return orphans


def _waves(messages: Sequence[Outgoing]) -> Iterator[Sequence[Outgoing]]:
    wave: list[Outgoing] = []
    size = 0
    for message in messages:
        if wave and (len(wave) == _WAVE_MESSAGES or size + len(message.payload) > _WAVE_BYTES):
            yield wave
            wave, size = [], 0
        wave.append(message)
        size += len(message.payload)
    if wave:
        yield wave
