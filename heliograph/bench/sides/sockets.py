"""The people of `sockets`: a process that holds many open pages and counts what arrives at them.

`python -m heliograph.bench.sides.sockets` reads a `Crowd`, then one `Wait` a line, from its standard input. It answers
with a `Seen` when all pages are open, and with two for every `Wait`: when it has begun, and when it is over. It ends
with its input. Opens pages only; sends nothing but what pages send.
"""

from __future__ import annotations

import asyncio
import sys
import time
from functools import partial
from typing import Final

import msgspec
import uvloop

from heliograph.access import UserTokens
from heliograph.bench.clock import now
from heliograph.bench.socket_client import Page
from heliograph.core.model import Key

TENANT: Final = "default"
_AT_ONCE: Final = 64
"""Pages that are being opened."""
_TTL_S: Final = 3600


class Crowd(msgspec.Struct):
    """
    port: of 127.0.0.1. secret: of user tokens. first, count: numbers of the users, one page each.
    address: that the connections come from: every one of 127.0.0.0/8 has its own ports.
    """

    port: int
    secret: str
    first: int
    count: int
    address: str


class Wait(msgspec.Struct):
    """
    arrivals: how many notifications are waited for from now on. within_s: how long.
    acks: whether the pages acknowledge from now on.
    """

    arrivals: int
    within_s: float
    acks: bool


class Seen(msgspec.Struct):
    """
    arrived: notifications since the `Wait` began. since, at: when this began, and now, seconds since 1970.
    """

    arrived: int
    since: float
    at: float


def user(number: int) -> str:
    return f"page-{number}"


class Pages:
    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._tokens = UserTokens(crowd.secret, now)
        self._pages: list[Page] = []
        self._arrived = 0
        self._since = time.time()

    async def open(self) -> Seen:
        free = asyncio.Semaphore(_AT_ONCE)
        self._since = time.time()
        numbers = range(self._crowd.first, self._crowd.first + self._crowd.count)
        async with asyncio.TaskGroup() as group:
            for number in numbers:
                group.create_task(self._open(number, free))
        return self._seen()

    async def _open(self, number: int, free: asyncio.Semaphore) -> None:
        async with free:
            token, _ = self._tokens.mint(Key(TENANT, user(number)), _TTL_S)
            made = partial(Page, token, self._note)
            _, page = await asyncio.get_running_loop().create_connection(
                made, "127.0.0.1", self._crowd.port, local_addr=(self._crowd.address, 0)
            )
            await page.connected
            self._pages.append(page)

    def _note(self, text: bytes, at: int) -> None:  # noqa: ARG002 - that it came is enough
        self._arrived += 1

    def begin(self, wait: Wait) -> Seen:
        self._arrived, self._since = 0, time.time()
        for page in self._pages:
            page.acks = wait.acks
        return self._seen()

    async def over(self, wait: Wait) -> Seen:
        ends = time.monotonic() + wait.within_s
        while self._arrived < wait.arrivals and time.monotonic() < ends:  # noqa: ASYNC110 - cheaper than an event for each
            await asyncio.sleep(0.002)
        return self._seen()

    def _seen(self) -> Seen:
        return Seen(self._arrived, self._since, time.time())


async def _run() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    pages = Pages(msgspec.json.decode(await reader.readline(), type=Crowd))
    _say(await pages.open())
    while line := await reader.readline():
        wait = msgspec.json.decode(line, type=Wait)
        _say(pages.begin(wait))
        _say(await pages.over(wait))


def _say(seen: Seen) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(seen) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(_run())
