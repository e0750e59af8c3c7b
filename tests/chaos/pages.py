"""Open pages of some users: each holds a WebSocket, acknowledges what it shows and comes back where it left off.

Records every frame, so that the checker can tell a hole from a gap that was filled.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

Frame = tuple[str, int, str]
_SILENCE_S = 60.0


@dataclass
class Page:
    """Args:
    urls: of the real-time processes; the next one is tried when a connection fails.
    token: the user's.
    """

    tenant: str
    user: str
    token: str
    urls: Callable[[], Sequence[str]]
    chains: list[tuple[tuple[str, int], list[Frame]]] = field(default_factory=list)
    """For each time the server told the page to load its inbox: the position it gave, and the frames since."""
    connects: int = 0
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    shown_at: dict[str, float] = field(default_factory=dict)
    """When each notification first came, seconds since 1970."""
    _position: tuple[str, int] = ("", 0)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            urls = self.urls()
            url = urls[self.connects % len(urls)].replace("http", "ws", 1)
            try:
                async with connect(
                    f"{url}/v1/realtime", open_timeout=10, ping_interval=None, close_timeout=1
                ) as socket:
                    await self._converse(socket)
            except (OSError, WebSocketException, TimeoutError):
                self.connects += 1
                await asyncio.sleep(0.2)
            finally:
                self.connected.clear()

    async def _converse(self, socket: ClientConnection) -> None:
        epoch, offset = self._position
        since = {"since": {"epoch": epoch, "offset": offset}} if epoch else {}
        await socket.send(json.dumps({"t": "connect", "token": self.token, **since}))
        gap: list[dict[str, Any]] = []
        while True:
            frame = json.loads(await asyncio.wait_for(socket.recv(), _SILENCE_S))
            if frame["t"] == "ping":
                await socket.send('{"t": "pong"}')
            elif frame["t"] == "connected":
                self._begin(frame, gap)
                self.connected.set()
                await socket.send(json.dumps({"t": "ack", "offset": self._position[1]}))
            elif frame["t"] == "notification" and not self.connected.is_set():
                gap.append(frame)
            elif frame["t"] == "notification":
                self._show(frame)
                await socket.send(json.dumps({"t": "ack", "offset": frame["offset"]}))

    def _begin(self, frame: dict[str, Any], gap: Sequence[dict[str, Any]]) -> None:
        """The gap continues what there was; a page that isn't `recovered` loads its inbox and begins anew."""
        if not (frame["recovered"] and self.chains):
            self._position = (frame["epoch"], frame["offset"] if not gap else gap[0]["offset"] - 1)
            self.chains.append((self._position, []))
        for one in gap:
            self._show(one)
        self._position = (frame["epoch"], max(self._position[1], frame["offset"]))

    def _show(self, frame: dict[str, Any]) -> None:
        epoch = self._position[0]
        self.shown_at.setdefault(frame["notification"]["id"], time.time())
        self.chains[-1][1].append((epoch, frame["offset"], frame["notification"]["id"]))
        self._position = (epoch, frame["offset"])
