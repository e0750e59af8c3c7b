"""Gives connections that are behind what they lack, in order, from the user's stream; one fetch per user at a time.

A bus message may be lost, doubled or late; the stream has them all. What it can't give back makes the client reload.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from heliograph import telemetry
from heliograph.core.errors import PresenceUnavailable
from heliograph.core.ports import Position, StreamEntry, UserStreams
from heliograph.roles.realtime.connection import Connection
from heliograph.roles.realtime.hub import LocalUser

_TRIES: Final = 4
_FIRST_WAIT_S: Final = 0.2

log = telemetry.logger("realtime")


class Holes:
    """
    Args:
        timeout_s: a fetch that takes longer counts as failed.
    """

    def __init__(self, streams: UserStreams, timeout_s: float) -> None:
        self._streams = streams
        self._timeout_s = timeout_s
        self._tasks: set[asyncio.Task[None]] = set()

    def fill(self, user: LocalUser) -> None:
        """Starts filling the holes of the user's connections, unless that is under way."""
        if not user.filling:
            user.filling = True
            task = asyncio.ensure_future(self._fill(user))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Returns when no fetch is under way."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _fill(self, user: LocalUser) -> None:
        try:
            while behind := [connection for connection in user.connections if connection.behind]:
                epoch = behind[0].epoch
                await self._fill_from(user, [connection for connection in behind if connection.epoch == epoch])
        except Exception:  # a bug here must not leave clients waiting in silence
            log.exception("bug", action="fill", tenant=user.key.tenant, user=user.key.id)
            for connection in user.connections:
                connection.stale()
        finally:
            user.filling = False

    async def _fill_from(self, user: LocalUser, behind: Sequence[Connection]) -> None:
        """One round for connections of one epoch: each gets further or is told to come back."""
        before = [connection.offset for connection in behind]
        position = Position(behind[0].epoch, min(before))
        for entry in await self._fetch(user, position) or ():
            for connection in behind:
                connection.offer(position.epoch, entry)
        for connection, offset in zip(behind, before, strict=True):
            if connection.behind and connection.offset == offset:
                connection.stale()

    async def _fetch(self, user: LocalUser, position: Position) -> Sequence[StreamEntry] | None:
        for failures in range(_TRIES):
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._streams.since(user.key, position)
            except (PresenceUnavailable, TimeoutError) as error:
                log.warning("presence_away", action="fill", tenant=user.key.tenant, error=repr(error))
                await asyncio.sleep(_FIRST_WAIT_S * 2**failures)
        return None
