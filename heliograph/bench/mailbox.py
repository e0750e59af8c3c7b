"""What the lab's SendGrid received: by the number in its subject, and when. Reads the lab's journal page by page."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from heliograph.bench.histogram import Histogram
from heliograph.bench.servers import Server

_PAGE: Final = 500
_NUMBER: Final = re.compile(r"#(\d+)")


class Mailbox:
    """Reads on from where it stopped."""

    def __init__(self, lab: Server) -> None:
        self._lab = lab
        self._after = "lab_0"
        self.arrived_at: dict[int, float] = {}
        """By the number in the subject: seconds since 1970, of the first copy."""
        self.copies = 0

    async def read(self) -> None:
        while True:
            messages = (await self._page(_PAGE))["messages"]
            for message in messages:
                self._after = message["id"]
                self._note(message)
            if len(messages) < _PAGE:
                return

    async def count(self) -> int:
        """Of all that came since `read`, without reading it."""
        return int((await self._page(1))["total"])

    async def wait_for(self, count: int, within_s: float) -> float:
        """Seconds until so many have come since `read`. Raises TimeoutError."""
        started = time.perf_counter()
        while await self.count() < count:
            if time.perf_counter() - started > within_s:
                raise TimeoutError(f"{await self.count():,} of {count:,} mails came within {within_s:g} s")
            await asyncio.sleep(0.02)
        return time.perf_counter() - started

    async def _page(self, limit: int) -> Any:
        return await self._lab.call("GET", f"/lab/messages?provider=sendgrid&after={self._after}&limit={limit}")

    def _note(self, message: Any) -> None:
        self.copies += 1
        found = _NUMBER.search(message["title"])
        if found:
            at = datetime.fromisoformat(message["at"]).timestamp()
            self.arrived_at.setdefault(int(found[1]), at)


def latencies(meant_at: Mapping[int, float], arrived_at: Mapping[int, float]) -> tuple[Histogram, int]:
    """From meant to arrived, and how many never came."""

    def took() -> Iterator[int]:
        for number, at in meant_at.items():
            if number in arrived_at:
                yield int(1e9 * (arrived_at[number] - at))

    histogram = Histogram.of_ns(took())
    return histogram, len(meant_at) - histogram.total
