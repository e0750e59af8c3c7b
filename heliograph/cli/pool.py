"""Pools: some processes of the same roles, kept at a number, replaced one after another without a gap.

Starts again what dies, with backoff. A process that serves HTTP has a door: a port of this machine that it keeps over
all its lives. Its successor gets the same open door, so that no connection knocks in vain; when it dies by itself the
door is shut until the next one is there, so that the load balancer goes elsewhere at once.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from heliograph import telemetry
from heliograph.cli.process import Process

DRAIN_S: Final = 20.0
_BACKOFF_S: Final = (0.1, 5.0)
_STEADY_AFTER_S: Final = 10.0

log = telemetry.logger("supervisor")


class ReplacementFailed(RuntimeError):  # noqa: N818 - a state of the world, like those of core/errors.py
    """The new process did not become ready; the old one goes on."""


class Door:
    """A port of 127.0.0.1, bound but not open: whoever gets the socket opens it by listening."""

    def __init__(self) -> None:
        self.socket = _bound(0)
        self.port = int(self.socket.getsockname()[1])

    def shut(self) -> None:
        """Who knocks is refused, until the next process opens it."""
        self.socket.close()
        self.socket = _bound(self.port)


def _bound(port: int) -> socket.socket:
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(("127.0.0.1", port))
    found.setblocking(False)
    return found


Make = Callable[[socket.socket | None], Process]


class Member:
    """One place in a pool, and whoever fills it."""

    def __init__(self, pool: str, make: Make, door: Door | None) -> None:
        self.door = door
        self._pool = pool
        self._make = make
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._filled = asyncio.Event()
        self._keeping = asyncio.create_task(self._keep())

    async def ready(self) -> None:
        """Returns when the place is filled with a process that has said so."""
        while True:
            await self._filled.wait()
            assert self._process
            if await self._process.is_ready():
                return
            await asyncio.sleep(_BACKOFF_S[0])

    async def replace(self) -> None:
        """Puts a new process in the old one's place: first the new one is ready, then the old one drains. Raises
        `ReplacementFailed`."""
        async with self._turn:
            successor = self._make(self.door.socket if self.door else None)
            await successor.start()
            try:
                ready = await successor.is_ready()
            except asyncio.CancelledError:
                await successor.stop(0.0)
                raise
            if not ready:
                await successor.stop(0.0)
                raise ReplacementFailed(f"{self._pool}: a new process ended with {successor.code} before it was ready")
            before, self._process = self._process, successor
            if before:
                await before.stop(DRAIN_S)

    async def retire(self, within_s: float) -> None:
        """Ends the place: its process drains and is not replaced."""
        self._keeping.cancel()
        await asyncio.wait({self._keeping})
        if self._process:
            await self._process.stop(within_s)
        if self.door:
            self.door.socket.close()

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        backoff = _BACKOFF_S[0]
        while True:
            async with self._turn:
                if self._process is None or self._process.ended.is_set():
                    await self._fill()
            began, process = loop.time(), self._process
            if process and process.code is None:
                await process.ended.wait()
            if process is not self._process:
                continue  # a successor has taken over
            backoff = _BACKOFF_S[0] if loop.time() - began > _STEADY_AFTER_S else backoff
            code = process.code if process else None
            log.warning("child_died", action="restart", pool=self._pool, code=code, after_s=backoff)
            if self.door:
                self.door.shut()
            await asyncio.sleep(backoff)
            backoff = min(_BACKOFF_S[1], backoff * 2)

    async def _fill(self) -> None:
        process = self._make(self.door.socket if self.door else None)
        try:
            await process.start()
        except OSError as error:
            log.warning("child_not_started", action="restart", pool=self._pool, error=str(error))
            return
        self._process = process
        self._filled.set()


class Pool:
    """Args:
    make: makes a process that is not started yet, for the open door that it gets, if any.
    """

    def __init__(self, name: str, make: Make, *, doors: bool) -> None:
        self.name = name
        self._make = make
        self._doors = doors
        self._members: list[Member] = []
        self._leaving: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    @property
    def ports(self) -> list[int]:
        return [member.door.port for member in self._members if member.door]

    def resize(self, count: int) -> None:
        """Starts what is missing, lets go of what is too much; waits for neither."""
        if count != len(self._members):
            log.info("pool_resized", action="resize", pool=self.name, was=len(self._members), now=count)
        while len(self._members) < count:
            self._members.append(Member(self.name, self._make, Door() if self._doors else None))
        while len(self._members) > count:
            leaving = asyncio.create_task(self._members.pop().retire(DRAIN_S))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def ready(self) -> None:
        await asyncio.gather(*(member.ready() for member in self._members))

    async def roll(self) -> None:
        """Replaces one process after another. Raises `ReplacementFailed`: the rest stays as it is."""
        for member in list(self._members):
            if member in self._members:
                await member.replace()

    async def stop(self, within_s: float) -> None:
        members, self._members = self._members, []
        await asyncio.gather(*(member.retire(within_s) for member in members))
        if self._leaving:
            await asyncio.wait(self._leaving)
