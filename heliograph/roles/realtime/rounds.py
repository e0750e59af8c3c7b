"""Looks after the streams of everybody who is connected here, a share of them with every presence refresh.

Opening a user's stream again puts it back after the cache lost its data, and tells whether a connection is behind
although no later bus message showed it. So whatever the bus or the cache forget heals within one round.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from heliograph.core.errors import PresenceUnavailable
from heliograph.core.ports import UserStreams
from heliograph.roles.realtime.holes import Holes
from heliograph.roles.realtime.hub import Hub, LocalUser

_AT_ONCE: Final = 8


class Rounds:
    """
    Args:
        shares: visits until everybody has had a turn.
        timeout_s: a cache that takes longer counts as away.
    """

    def __init__(self, streams: UserStreams, hub: Hub, holes: Holes, shares: int, timeout_s: float) -> None:
        self._streams = streams
        self._hub = hub
        self._holes = holes
        self._shares = shares
        self._timeout_s = timeout_s
        self._turns: deque[LocalUser] = deque()

    async def visit(self) -> None:
        """Looks after the next share. Raises `PresenceUnavailable`."""
        if not self._turns:
            self._turns.extend(self._hub.users())
            self._share = -(-len(self._turns) // self._shares)
        group: list[LocalUser] = []
        for _ in range(min(self._share, len(self._turns))):
            group.append(self._turns.popleft())
            if len(group) == _AT_ONCE:
                await self._visit(group)
                group = []
        await self._visit(group)

    async def _visit(self, users: list[LocalUser]) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.gather(*(self._look(user) for user in users if user.connections))
        except TimeoutError as error:
            raise PresenceUnavailable("no answer in time") from error

    async def _look(self, user: LocalUser) -> None:
        position = await self._streams.open_stream(user.key)
        for connection in user.connections:
            connection.stands_at(position)
        if any(connection.behind for connection in user.connections):
            self._holes.fill(user)
