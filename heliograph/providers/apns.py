"""Provider: Apple Push Notification service: one push, one HTTP/2 request.

Reads a `PushMessage`, writes `POST {base}/3/device/{token}`. What the request looks like stands in apns_message.py,
what answers mean in apns_codes.py, the token in apns_token.py, the connections in apns_pool.py. It asks again only
where APNs has certainly not taken the push: once, with a fresh provider token or on a fresh connection.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import quote

from hpack import NeverIndexedHeaderTuple

from heliograph.core.model import PushMessage
from heliograph.core.outcomes import ProviderOutcome, Unavailable
from heliograph.core.ports import Clock
from heliograph.core.pruning import TokenDoubts
from heliograph.providers.apns_codes import Reply, action_of, outcome_of
from heliograph.providers.apns_message import headers_of, payload_of
from heliograph.providers.apns_pool import ApnsPool
from heliograph.providers.apns_push import Headers, Lost
from heliograph.providers.apns_token import ProviderToken
from heliograph.providers.waiting import wall_clock

KINDS: Final = frozenset({"apns"})


class Apns:
    """One team's key and one app.

    Args:
        key: the .p8 file's content.
        topic: the app's bundle id.

    Raises:
        ValueError: the key can't be used.
    """

    name = "apns"
    kinds: frozenset[str] = KINDS

    def __init__(
        self, pool: ApnsPool, key: bytes, key_id: str, team_id: str, topic: str,
        *, timeout_s: float = 10.0, clock: Clock = wall_clock,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._token = ProviderToken(key, key_id, team_id, clock)
        self._topic = topic
        self._timeout_s = timeout_s
        self._clock = clock
        self._doubts = TokenDoubts()

    async def send(self, message: PushMessage) -> ProviderOutcome:
        """Takes `timeout_s` at most, whatever has to be asked twice."""
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        body = payload_of(message)
        token = self._token.current()
        reply = await self._post(message, body, token, deadline)
        action = action_of(reply) if isinstance(reply, Reply) else None
        again = self._token.renewed(token) if action == "renew" else token if action == "reconnect" else None
        if again:
            reply = await self._post(message, body, again, deadline)
        if isinstance(reply, Lost):
            return Unavailable(f"apns: {reply.cause}", unknown=reply.unknown)
        return self._doubts.judge(outcome_of(reply))

    async def close(self) -> None:
        await self._pool.close()

    async def _post(self, message: PushMessage, body: bytes, token: str, deadline: float) -> Reply | Lost:
        # Paths stay out of the header compression's table (Apple), where none would ever be seen again.
        path = NeverIndexedHeaderTuple(":path", f"{self._pool.path}/3/device/{quote(message.token, safe='')}")
        headers: Headers = [("authorization", f"bearer {token}"), *headers_of(message, self._topic, self._clock())]
        return await self._pool.post(path, headers, body, message.level, deadline)
