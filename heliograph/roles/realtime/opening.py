"""What happens between a client's connect frame and its `connected`, so that nothing falls in between.

The hub holds the connection already and keeps what arrives; then, in this order: the presence lease is taken (from now
on the in-app worker's messages come here), the stream's position is read (whatever was appended before is behind it),
the gap is read, the unread count is read. Reads the cache and the store, writes the lease; either may be away.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from heliograph import telemetry
from heliograph.core.errors import PresenceUnavailable
from heliograph.core.frames import BUG
from heliograph.core.model import Key
from heliograph.core.ports import Position, StreamEntry, UserStreams
from heliograph.roles.realtime.connection import Connection
from heliograph.roles.realtime.incoming import Since
from heliograph.roles.realtime.leases import Leases

NOWHERE: Final = Position("", 0)
"""Where a client stands while the cache is away; the first notification afterwards makes it come back."""

_AT_ONCE: Final = 8
_AWAY_S: Final = 1.0
"""After a failure nobody waits for the cache for so long."""

log = telemetry.logger("realtime")


class Opening:
    """
    Args:
        unread: the user's unread count, None if the store is away.
        monotonic: seconds.
        timeout_s: a cache that takes longer counts as away.
    """

    def __init__(
        self, streams: UserStreams, leases: Leases, unread: Callable[[Key], Awaitable[int | None]],
        monotonic: Callable[[], float], timeout_s: float,
    ) -> None:  # fmt: skip
        self._streams = streams
        self._leases = leases
        self._unread = unread
        self._monotonic = monotonic
        self._timeout_s = timeout_s
        # A storm waits here, not for the cache's connections, where waiting ends in an error.
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._away_until = -math.inf

    async def open(self, connection: Connection, since: Since | None) -> None:
        """Ends with `connection.opened`, or with the connection closed."""
        try:
            position, gap = await self._place(connection, since)
            unread = await self._unread(connection.user)
            connection.opened(position, gap, unread)
        except Exception:  # a bug must reach one client only
            log.exception("bug", action="open", tenant=connection.user.tenant, user=connection.user.id)
            connection.close(BUG, "internal error")

    async def _place(self, connection: Connection, since: Since | None) -> tuple[Position, list[StreamEntry] | None]:
        try:
            self._skip_while_away()
            async with asyncio.timeout(self._timeout_s):
                await self._leases.take(connection)
            async with self._slots:
                self._skip_while_away()
                async with asyncio.timeout(self._timeout_s):
                    position = await self._streams.open_stream(connection.user)
                    entries = await self._gap(connection.user, since, position)
        except (PresenceUnavailable, TimeoutError) as error:
            self._note_away(error)
            return NOWHERE, None
        return position, entries

    def _skip_while_away(self) -> None:
        if self._monotonic() < self._away_until:
            raise PresenceUnavailable("it was away a moment ago")

    def _note_away(self, error: Exception) -> None:
        now = self._monotonic()
        if now >= self._away_until:
            log.warning("presence_away", action="open", error=repr(error))
            self._away_until = now + _AWAY_S

    async def _gap(self, user: Key, since: Since | None, position: Position) -> list[StreamEntry] | None:
        if since is None or since.epoch != position.epoch:
            return None
        if since.offset == position.offset:
            return []
        return whole(await self._streams.since(user, since.position), since.offset, position.offset)


def whole(entries: Sequence[StreamEntry] | None, after: int, until: int) -> list[StreamEntry] | None:
    """The entries if they are everything after `after`, up to at least `until`; None if something is missing."""
    if entries is None:
        return None
    offsets = [entry.offset for entry in entries]
    consecutive = offsets == list(range(after + 1, after + 1 + len(offsets)))
    return list(entries) if consecutive and after <= until <= after + len(offsets) else None
