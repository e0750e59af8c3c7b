"""What a side answers that works off so many items as fast as it can: how long it took, and what it cost."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

T = TypeVar("T")


class Ran(msgspec.Struct):
    """
    sent, failed: items that were done, and that weren't. seconds, cpu_s: for all of them; `cpu_s` is the side's own.
    """

    sent: int
    failed: int
    seconds: float
    cpu_s: float

    @property
    def rate(self) -> float:
        return self.sent / self.seconds

    @property
    def cpu_us(self) -> float:
        """Processor microseconds an item."""
        return 1e6 * self.cpu_s / self.sent


async def timed(work: Callable[[], Awaitable[int]], count: int) -> Ran:
    """`work` answers how many failed."""
    cpu, started = time.process_time(), time.perf_counter()
    failed = await work()
    return Ran(count - failed, failed, time.perf_counter() - started, time.process_time() - cpu)


def groups(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Slices of `size`, in order; the last one may be smaller."""
    return (items[start : start + size] for start in range(0, len(items), size))
