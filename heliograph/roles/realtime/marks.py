"""What people mark in their open pages: seen, read, archived. Writes the store, then tells every tab and device.

Marks of one user are applied in the order they came in, by one short-lived task per user; a store that is away is tried
again for a while, then the mark is dropped and logged. A mark on an item the user doesn't have changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from heliograph import telemetry
from heliograph.core.errors import Overloaded, StoreUnavailable
from heliograph.core.model import Engagement, InboxItem, Key
from heliograph.core.ports import Clock, Store
from heliograph.fanout import InboxFanout

_TRIES: Final = 5
_FIRST_WAIT_S: Final = 0.2
_WAITING: Final = 1_000

log = telemetry.logger("realtime")


class Marks:
    def __init__(self, store: Store, fanout: InboxFanout, clock: Clock) -> None:
        self._store = store
        self._fanout = fanout
        self._clock = clock
        self._waiting: dict[Key, deque[tuple[Engagement, str]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, user: Key, mark: Engagement, notification_id: str) -> bool:
        """False = as many marks of this user as are allowed wait already."""
        waiting = self._waiting.get(user)
        if waiting is None:
            waiting = self._waiting[user] = deque()
            task = asyncio.ensure_future(self._work(user, waiting))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if len(waiting) >= _WAITING:
            return False
        waiting.append((mark, notification_id))
        return True

    async def drained(self) -> None:
        """Returns when everything so far was applied or given up."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _work(self, user: Key, waiting: deque[tuple[Engagement, str]]) -> None:
        try:
            while waiting:
                changed: dict[str, InboxItem] = {}
                for mark, notification_id in [waiting.popleft() for _ in range(len(waiting))]:
                    item = await self._apply(user, mark, notification_id)
                    if item is not None:
                        changed[notification_id] = item
                await self._fanout.changed(user, list(changed.values()))
        finally:
            del self._waiting[user]

    async def _apply(self, user: Key, mark: Engagement, notification_id: str) -> InboxItem | None:
        error: Exception | None = None
        for failures in range(_TRIES):
            try:
                return await self._store.engage(user, notification_id, mark, self._clock())
            except (StoreUnavailable, Overloaded) as away:
                error = away
                await asyncio.sleep(_FIRST_WAIT_S * 2**failures)
            except Exception as bug:  # noqa: BLE001 - it is logged below
                error = bug
                break
        log.error("mark_lost", action=mark, notification=notification_id, tenant=user.tenant, error=repr(error))
        return None
