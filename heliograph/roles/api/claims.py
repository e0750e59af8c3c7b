"""Idempotency keys that are on their way to the store: a repeat that overtakes its first request waits for it here.

The store alone decides whose key it is (it is written in the same commit as what it stands for); this only spares it
rivals, and tells who would wait too long that the first one is under way (409: IETF draft "The Idempotency-Key HTTP
Header Field", section 2.6). Reads and writes nothing outside this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from heliograph.core.errors import Problem
from heliograph.core.model import Key
from heliograph.core.ports import Accepted, Submission

PATIENCE_S: Final = 1.0
RETRY_AFTER_S: Final = 1


class Claims:
    """Args:
    patience_s: how long a repeat waits for the first before it is told to come back.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._under_way: dict[Key, asyncio.Future[None]] = {}

    async def in_turn(self, submission: Submission, store: Callable[[Submission], Awaitable[Accepted]]) -> Accepted:
        """What `store` answers, once no other request with the same key is under way.

        Raises:
            Problem: `in_progress`, or what `store` raises.
        """
        if submission.idempotency is None:
            return await store(submission)
        claim = Key(submission.tenant, submission.idempotency.key)
        first = self._under_way.get(claim)
        if first is not None:
            await self._wait(first)
            return await store(submission)
        mine = self._under_way[claim] = asyncio.get_running_loop().create_future()
        try:
            return await store(submission)
        finally:
            del self._under_way[claim]
            mine.set_result(None)

    async def _wait(self, first: asyncio.Future[None]) -> None:
        done, _ = await asyncio.wait({first}, timeout=self._patience_s)
        if not done:
            raise Problem("in_progress", retry_after_s=RETRY_AFTER_S)
