"""Natural batching: who shares a flush, who hears of a failure, and when it is too much."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.batching import Batcher
from heliograph.core.errors import Overloaded


class Flushes:
    """A flush that waits until it is let go; answers each request with its own tenfold."""

    def __init__(self, *, free: bool = False) -> None:
        self.groups: list[list[int]] = []
        self.running = 0
        self.most = 0
        self._started = asyncio.Semaphore(0)
        self._go = asyncio.Semaphore(1_000_000 if free else 0)

    async def __call__(self, requests: Sequence[int]) -> Sequence[int]:
        self.groups.append(list(requests))
        self.running += 1
        self.most = max(self.most, self.running)
        self._started.release()
        try:
            await self._go.acquire()
        finally:
            self.running -= 1
        if 13 in requests:
            raise ValueError("thirteen")
        return [10 * request for request in requests]

    async def started(self) -> None:
        await self._started.acquire()

    def go(self) -> None:
        self._go.release()


async def test_an_idle_batcher_flushes_at_once_and_collects_meanwhile() -> None:
    """No timer: the first goes alone, what comes while it is in flight goes together."""
    flushes = Flushes()
    batcher: Batcher[int, int] = Batcher(flushes)
    first = batcher.submit(1)
    await flushes.started()
    others = [batcher.submit(n) for n in (2, 3, 4)]
    assert flushes.groups == [[1]]
    flushes.go()
    await flushes.started()
    assert flushes.groups == [[1], [2, 3, 4]]
    flushes.go()
    assert await asyncio.gather(first, *others) == [10, 20, 30, 40]


async def test_everyone_who_is_ready_gets_on_board() -> None:
    """Callers of the same turn of the loop share the first flush."""
    flushes = Flushes(free=True)
    batcher: Batcher[int, int] = Batcher(flushes)
    assert await asyncio.gather(*(batcher.submit(n) for n in range(12))) == [10 * n for n in range(12)]
    assert flushes.groups == [list(range(12))]


async def test_a_failure_reaches_exactly_its_callers() -> None:
    """Those before and after it get their answers."""
    flushes = Flushes(free=True)
    batcher: Batcher[int, int] = Batcher(flushes, limit=2)
    found = await asyncio.gather(*(batcher.submit(n) for n in (1, 2, 13, 3, 4)), return_exceptions=True)
    assert [type(one) for one in found] == [int, int, ValueError, ValueError, int]
    assert await batcher.submit(5) == 50


async def test_a_flush_that_answers_too_little_is_a_failure_for_its_callers() -> None:
    """One result each: nobody waits for ever because of somebody's bug."""

    async def flush(requests: Sequence[int]) -> Sequence[int]:
        return list(requests)[:1]

    batcher: Batcher[int, int] = Batcher(flush)
    found = await asyncio.gather(batcher.submit(1), batcher.submit(2), return_exceptions=True)
    assert [type(one) for one in found] == [RuntimeError, RuntimeError]
    assert await batcher.submit(3) == 3
    assert batcher.load == 0


async def test_the_high_water_mark_counts_what_is_in_flight() -> None:
    """Waiting and in flight together; below it again, it takes again."""
    flushes = Flushes()
    batcher: Batcher[int, int] = Batcher(flushes, limit=2, high_water=3)
    answers = [batcher.submit(1)]
    await flushes.started()
    answers += [batcher.submit(2), batcher.submit(3)]
    assert batcher.load == 3
    with pytest.raises(Overloaded):
        batcher.submit(4)
    flushes.go()
    await flushes.started()
    answers.append(batcher.submit(5))
    flushes.go()
    flushes.go()
    assert await asyncio.gather(*answers) == [10, 20, 30, 50]
    assert batcher.load == 0


async def test_a_caller_who_left_is_not_missed() -> None:
    """A request that was given up is still made; the others get their own answers."""
    flushes = Flushes()
    batcher: Batcher[int, int] = Batcher(flushes)
    left, stayed = batcher.submit(1), batcher.submit(2)
    await flushes.started()
    left.cancel()
    flushes.go()
    assert await stayed == 20
    assert left.cancelled()


async def test_drained_waits_for_everything() -> None:
    """A process that stops asks this before it closes the store."""
    flushes = Flushes()
    batcher: Batcher[int, int] = Batcher(flushes)
    answers = [batcher.submit(1)]
    await flushes.started()
    answers.append(batcher.submit(2))
    drained = asyncio.ensure_future(batcher.drained())
    flushes.go()
    await flushes.started()
    assert not drained.done()
    flushes.go()
    await drained
    assert all(answer.done() for answer in answers)
    await batcher.drained()


async def test_several_flushes_at_once_if_allowed() -> None:
    """As many as `flushes` says, no more."""
    flushes = Flushes()
    batcher: Batcher[int, int] = Batcher(flushes, limit=1, flushes=2)
    answers = [batcher.submit(n) for n in range(3)]
    await flushes.started()
    await flushes.started()
    assert flushes.running == 2
    for _ in range(3):
        flushes.go()
    assert await asyncio.gather(*answers) == [0, 10, 20]
    assert flushes.most == 2


@settings(max_examples=60, deadline=None, database=None)
@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 3))), st.integers(1, 4), st.integers(1, 3))
def test_every_request_gets_its_own_answer(story: list[tuple[int, int]], limit: int, flushes: int) -> None:
    """Whatever comes when: one answer each, in order of arrival, in groups no larger than the limit."""

    async def play() -> None:
        flush = Flushes(free=True)
        batcher: Batcher[int, int] = Batcher(flush, limit=limit, flushes=flushes)
        answers = []
        for request, turns in story:
            answers.append((request, batcher.submit(request)))
            for _ in range(turns):
                await asyncio.sleep(0)
        found = await asyncio.gather(*(answer for _, answer in answers), return_exceptions=True)
        for (request, _), answer in zip(answers, found, strict=True):
            assert answer == 10 * request or isinstance(answer, ValueError)
        assert [request for group in flush.groups for request in group] == [request for request, _ in story]
        assert all(1 <= len(group) <= limit for group in flush.groups)
        spoiled = sum(len(group) for group in flush.groups if 13 in group)
        assert sum(isinstance(answer, ValueError) for answer in found) == spoiled
        assert batcher.load == 0

    asyncio.run(play())


async def test_a_flush_that_hangs_is_not_waited_for() -> None:
    """Its callers, those behind it and those who come are refused; once it has ended, all is as before."""
    flushes = Flushes()
    batcher: Batcher[int, int] = Batcher(flushes, patience_s=0.01)
    first = batcher.submit(1)
    await flushes.started()
    second = batcher.submit(2)
    for waiting in (first, second):
        with pytest.raises(TimeoutError):
            await waiting
    with pytest.raises(TimeoutError):
        batcher.submit(3)
    flushes.go()
    await batcher.drained()
    again = batcher.submit(4)
    flushes.go()
    assert await again == 40
    assert flushes.groups == [[1], [4]], "who was refused while waiting is never flushed"
