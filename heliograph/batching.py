"""Natural batching: concurrent callers of a one-item verb share one bulk operation.

No timer and no minimum: an idle batcher flushes at once; what arrives while a flush is in flight forms the next one.
Low load gets the lowest latency, high load the largest groups.

    batcher = Batcher(store.accept, limit=500, high_water=5_000)
    result = await batcher.submit(submission)      # 200 concurrent callers: a handful of commits
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from heliograph.core.errors import Overloaded

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Batcher(Generic[Request, Answer]):
    """Turns `flush(list) -> list` into `submit(one) -> one`.

    Args:
        flush: takes up to `limit` requests, answers one result per request in order. If it raises, exactly the callers
            of that flush get the exception.
        high_water: requests waiting or in flight beyond which `submit` raises `Overloaded`.
        flushes: how many flushes may be in flight at once.
        patience_s: a flush that takes longer is a backend that hangs: its callers and all who wait get `TimeoutError`
            (what was in flight may still take effect), and so does who comes, until that flush has ended.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Request]], Awaitable[Sequence[Answer]]],
        *,
        limit: int = 500,
        high_water: int = 5_000,
        flushes: int = 1,
        patience_s: float | None = None,
    ) -> None:
        self._flush = flush
        self._limit = limit
        self._high_water = high_water
        self._free = flushes
        self._patience_s = patience_s
        self._hanging = 0
        self._waiting: deque[tuple[Request, asyncio.Future[Answer]]] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._in_flight = 0

    @property
    def load(self) -> int:
        """Requests waiting or in flight."""
        return len(self._waiting) + self._in_flight

    def submit(self, request: Request) -> asyncio.Future[Answer]:
        """The answer to one request. Raises `Overloaded` beyond the high-water mark, `TimeoutError` during a hang."""
        if self._hanging:
            raise TimeoutError("no answer in time")
        if self.load >= self._high_water:
            raise Overloaded
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        if self._free:
            self._free -= 1
            task = asyncio.ensure_future(self._drain())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return answer

    async def drained(self) -> None:
        """Returns when everything submitted so far was flushed."""
        while self._running:
            await asyncio.wait(set(self._running))

    async def _drain(self) -> None:
        try:
            # Everyone who is ready to run now gets on board before the first flush leaves.
            await asyncio.sleep(0)
            while self._waiting:
                await self._flush_once()
        finally:
            self._free += 1

    async def _flush_once(self) -> None:
        size = min(self._limit, len(self._waiting))
        group = [self._waiting.popleft() for _ in range(size)]
        self._in_flight += size
        hang = _Hang(self, [future for _, future in group], self._patience_s)
        try:
            answers = _one_each(await self._flush([request for request, _ in group]), size)
        except Exception as error:  # noqa: BLE001 - whatever it is, its callers must hear it
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), answer in zip(group, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
        finally:
            self._in_flight -= size
            hang.over()

    def hangs(self) -> None:
        """A flush takes too long: nobody who waits behind it hopes any more."""
        self._hanging += 1
        waiting, self._waiting = self._waiting, deque()
        _refuse([future for _, future in waiting])

    def recovers(self) -> None:
        self._hanging -= 1


class _Hang:
    """Watches one flush, if anybody's patience has an end."""

    def __init__(
        self, batcher: Batcher[Request, Answer], callers: Sequence[asyncio.Future[Answer]], patience_s: float | None
    ) -> None:
        self._batcher = batcher
        self._callers = callers
        self._noticed = False
        self._alarm = None if patience_s is None else asyncio.get_running_loop().call_later(patience_s, self._notice)

    def _notice(self) -> None:
        self._noticed = True
        _refuse(self._callers)
        self._batcher.hangs()

    def over(self) -> None:
        if self._noticed:
            self._batcher.recovers()
        elif self._alarm:
            self._alarm.cancel()


def _refuse(futures: Sequence[asyncio.Future[Answer]]) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(TimeoutError("no answer in time"))


def _one_each(answers: Sequence[Answer], requests: int) -> Sequence[Answer]:
    if len(answers) != requests:
        raise RuntimeError(f"{len(answers)} answers to {requests} requests")
    return answers
