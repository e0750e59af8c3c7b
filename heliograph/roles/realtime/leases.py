"""Keeps the presence cache true to the hub: who is connected here has a lease, who is not has none.

Reads the hub, writes presence leases: taken and released in groups as clients come and go, renewed for all every third
of their time. What is written is decided at the moment of writing, so a client that left and came back keeps its lease.
A cache that lost its data gets the leases back with the next renewal; one that is away is reported once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import islice
from typing import Final

from heliograph import telemetry
from heliograph.batching import Batcher
from heliograph.core.errors import Overloaded, PresenceUnavailable
from heliograph.core.ports import Clock, PresenceCache, PresenceLease
from heliograph.roles.realtime.connection import Connection
from heliograph.roles.realtime.hub import Hub

_CHUNK: Final = 1_000

log = telemetry.logger("realtime")


class Leases:
    """
    Args:
        ttl_ms: a lease that isn't renewed ends by itself after this.
        timeout_s: a cache that takes longer counts as away.
    """

    def __init__(self, presence: PresenceCache, hub: Hub, clock: Clock, ttl_ms: int, timeout_s: float) -> None:
        self._presence = presence
        self._hub = hub
        self._clock = clock
        self._ttl_ms = ttl_ms
        self._timeout_s = timeout_s
        self._away = False
        # Writes of the refresh and of single connections must not overtake each other.
        self._writing = asyncio.Lock()
        self._touched: Batcher[PresenceLease, None] = Batcher(self._flush, limit=_CHUNK, high_water=200_000)

    async def take(self, connection: Connection) -> None:
        """The leases of a connection that the hub holds. Raises `PresenceUnavailable`."""
        try:
            await asyncio.gather(*map(self._touched.submit, self._hub.leases_of(connection)))
        except Overloaded as error:
            raise PresenceUnavailable("too many leases are waiting to be written") from error

    def release(self, connection: Connection) -> None:
        """Those of its leases for which no other connection is a reason; soon."""
        try:
            for lease in self._hub.leases_of(connection):
                self._touched.submit(lease).add_done_callback(_retrieve)
        except Overloaded:
            log.warning("presence_away", action="release", error="too many leases are waiting to be written")

    async def refresh(self) -> bool:
        """Renews every lease of the node. False = the cache is away (reported once)."""
        leases = self._hub.leases()
        try:
            while chunk := list(islice(leases, _CHUNK)):
                await self._flush(chunk)
        except PresenceUnavailable:
            return False
        return True

    async def drained(self) -> None:
        """Returns when everything so far was written, or failed."""
        await self._touched.drained()

    async def _flush(self, leases: Sequence[PresenceLease]) -> Sequence[None]:
        try:
            async with self._writing, asyncio.timeout(self._timeout_s):
                await self._write(list(dict.fromkeys(leases)))
        except (PresenceUnavailable, TimeoutError) as error:
            if not self._away:
                log.warning("presence_away", action="renew", error=repr(error))
            self._away = True
            raise PresenceUnavailable(str(error)) from error
        if self._away:
            log.info("presence_back", action="renew")
        self._away = False
        return [None] * len(leases)

    async def _write(self, leases: Sequence[PresenceLease]) -> None:
        held = [lease for lease in leases if self._hub.holds(lease)]
        dropped = [lease for lease in leases if not self._hub.holds(lease)]
        if held:
            await self._presence.renew(held, self._clock(), self._ttl_ms)
        if dropped:
            await self._presence.release(dropped)


def _retrieve(future: asyncio.Future[None]) -> None:
    if not future.cancelled():
        future.exception()
