"""A TCP proxy that makes a connection bad: Toxiproxy's toxics, for tests, in one event loop.

Stands between a role and a server. Toxics change while connections are open. Source of the words:
Toxiproxy's README (latency, bandwidth, slow_close, timeout, reset_peer, down); `lose` is a peer whose cable was cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from dataclasses import dataclass, field

_CHUNK = 64 * 1024
_IN_FLIGHT = 64
"""Chunks a slow link holds before the sender feels it."""


@dataclass(frozen=True)
class Toxics:
    """What is wrong with the link, both ways.

    latency_s, jitter_s     each chunk comes so much later, give or take the jitter
    bandwidth               bytes a second; 0 = no limit
    slow_close_s            the end of a connection is passed on so much later
    timeout_s               nothing gets through, and the connection is closed after so long; None = off
    """

    latency_s: float = 0.0
    jitter_s: float = 0.0
    bandwidth: int = 0
    slow_close_s: float = 0.0
    timeout_s: float | None = None


HEALTHY = Toxics()


@dataclass(eq=False)
class _Link:
    """One connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    lost: bool = False
    pumps: list[asyncio.Task[None]] = field(default_factory=list)


class Proxy:
    """Listens on a free port of 127.0.0.1 and passes everything on to `port`.

    Args:
        dice: draws the jitter.
    """

    def __init__(self, port: int, dice: random.Random) -> None:
        self._target = port
        self._dice = dice
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self.port = 0
        self.toxics = HEALTHY

    async def start(self) -> Proxy:
        """On the port it had before, else on a free one."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def down(self) -> None:
        """Refuses connections and closes those there are. `start` brings it up again."""
        if self._server:
            self._server.close()
            self._server = None
        await self._end(self._links)

    def reset_peers(self) -> None:
        """Ends every connection with a TCP reset."""
        for link in list(self._links):
            for writer in (link.client, link.server):
                sock: socket.socket = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()

    def lose(self) -> None:
        """Half-open: the connections of now stay open on both sides and never carry a byte again."""
        for link in self._links:
            link.lost = True

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            to_server, server = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            client.transport.abort()
            return
        link = _Link(client, server)
        self._links.add(link)
        link.pumps = [
            asyncio.create_task(self._pump(link, reader, server)),
            asyncio.create_task(self._pump(link, to_server, client)),
        ]
        await asyncio.wait(link.pumps)
        await self._end([link])

    async def _pump(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction: reads as fast as it comes, passes on when it is due, like a long cable."""
        cable: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_IN_FLIGHT)
        passing = asyncio.create_task(self._pass_on(link, cable, writer))
        loop = asyncio.get_running_loop()
        try:
            while data := await reader.read(_CHUNK):
                late = self.toxics.latency_s + self.toxics.jitter_s * self._dice.uniform(-1, 1)
                await cable.put((loop.time() + max(0.0, late), data))
            await cable.put((loop.time(), b""))
            await passing
        except (OSError, asyncio.CancelledError):
            passing.cancel()
            await asyncio.wait({passing})

    async def _pass_on(
        self, link: _Link, cable: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await cable.get()
            if self.toxics.timeout_s is not None:
                await asyncio.sleep(self.toxics.timeout_s)
                link.client.transport.abort()
                link.server.transport.abort()
                return
            if link.lost:
                continue
            await asyncio.sleep(due - loop.time())
            if not data:
                await asyncio.sleep(self.toxics.slow_close_s)
                with contextlib.suppress(OSError, RuntimeError):
                    writer.write_eof()
                return
            with contextlib.suppress(OSError):
                writer.write(data)
                await writer.drain()
            if self.toxics.bandwidth:
                await asyncio.sleep(len(data) / self.toxics.bandwidth)

    async def _end(self, links: set[_Link] | list[_Link]) -> None:
        for link in list(links):
            self._links.discard(link)
            for pump in link.pumps:
                pump.cancel()
            for writer in (link.client, link.server):
                writer.transport.abort()
        await asyncio.sleep(0)
