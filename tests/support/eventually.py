"""Bounded polling: the one place in the tests that waits by the clock, for worlds that give no signal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")


async def eventually(look: Callable[[], Awaitable[Found]], within_s: float = 20.0, every_s: float = 0.02) -> Found:
    """The first truthy result of `look`. Raises AssertionError with the last one when time is up."""
    deadline = time.monotonic() + within_s
    while True:
        found = await look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {getattr(look, '__doc__', '') or look}; last: {found!r}")
        await asyncio.sleep(every_s)
