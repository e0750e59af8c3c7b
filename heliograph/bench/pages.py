"""Open pages of the scenario `sockets`: held by several processes (`sides/sockets.py`), spoken to over their pipes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from heliograph.bench.sides.sockets import Crowd, Seen, Wait

_A_PROCESS: Final = 5_000
"""Pages that one client process holds at most."""
_WITHIN_S: Final = 60.0


class Clients:
    """The processes that hold the pages."""

    def __init__(self, processes: Sequence[asyncio.subprocess.Process], counts: Sequence[int]) -> None:
        self._processes = processes
        self._counts = counts

    async def begin(self, each: int, acks: bool) -> None:
        """From now on every page waits for so many notifications."""
        for process, count in zip(self._processes, self._counts, strict=True):
            wait = Wait(arrivals=each * count, within_s=_WITHIN_S, acks=acks)
            _writer(process).write(msgspec.json.encode(wait) + b"\n")
        await self._seen()

    async def over(self, deliveries: int) -> float:
        """When all have them, seconds since 1970. Raises RuntimeError when some never came."""
        seen = await self._seen()
        arrived = sum(one.arrived for one in seen)
        if arrived < deliveries:
            raise RuntimeError(f"{arrived:,} of {deliveries:,} notifications came within {_WITHIN_S:g} s")
        return max(one.at for one in seen)

    async def _seen(self) -> list[Seen]:
        return await asyncio.gather(*(seen(process) for process in self._processes))


@asynccontextmanager
async def open_pages(port: int, secret: str, first: int, pages: int) -> AsyncIterator[tuple[Clients, float]]:
    """Pages of the users from `first` on, with the seconds it took to open all."""
    processes: list[asyncio.subprocess.Process] = []
    counts = shares(pages, _A_PROCESS)
    try:
        for number, count in enumerate(counts):
            processes.append(await _client())
            crowd = Crowd(port, secret, first + sum(counts[:number]), count, f"127.0.0.{number + 2}")
            _writer(processes[-1]).write(msgspec.json.encode(crowd) + b"\n")
        opened = await asyncio.gather(*(seen(process) for process in processes))
        yield Clients(processes, counts), max(one.at for one in opened) - min(one.since for one in opened)
    finally:
        for process in processes:
            _writer(process).close()
        for process in processes:
            await process.wait()


async def _client() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "heliograph.bench.sides.sockets", stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip


def shares(pages: int, most: int) -> list[int]:
    """Pages by process: as few processes as hold them with at most so many each, as evenly as can be."""
    processes = -(-pages // most)
    return [pages // processes + (number < pages % processes) for number in range(processes)]


async def seen(process: asyncio.subprocess.Process) -> Seen:
    """What it says next. Raises RuntimeError when it has ended."""
    line = await process.stdout.readline() if process.stdout else b""
    if not line:
        raise RuntimeError("a process with open pages failed")
    return msgspec.json.decode(line, type=Seen)


def _writer(process: asyncio.subprocess.Process) -> asyncio.StreamWriter:
    assert process.stdin
    return process.stdin
