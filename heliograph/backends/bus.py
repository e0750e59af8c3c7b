"""The way to the real-time nodes: core NATS, one subject per node (`rt.<node>`), at most once.

Reads and writes `rt.*` over a connection that it shares with the message queue. Keeps nothing: what a node misses, its
clients fetch from their streams.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from nats.aio.msg import Msg

from heliograph.core.ports import Receive

log = structlog.get_logger(component="bus")


class Link(Protocol):
    """A connection to NATS that comes back by itself (`backends/jetstream/link.py`)."""

    async def send(self, subject: str, payload: bytes, reply: str = "") -> None: ...

    async def subscribe(self, subject: str, receive: Callable[[Msg], Awaitable[None]]) -> None: ...


class NatsBus:
    """Implements `Bus`. `send` raises `QueueUnavailable` when the connection's buffer is full."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def send(self, node: str, payload: bytes) -> None:
        await self._link.send(_subject(node), payload)

    async def subscribe(self, node: str, receive: Receive) -> None:
        async def on_message(message: Msg) -> None:
            try:
                await receive(message.data)
            except Exception:
                log.exception("bug", action="receive", node=node)

        await self._link.subscribe(_subject(node), on_message)


def _subject(node: str) -> str:
    """Raises ValueError where a node's name would change the subject's meaning."""
    if not node or any(sign in node for sign in " .*>\r\n\t"):
        raise ValueError(f"not a node's name: {node!r}")
    return f"rt.{node}"
