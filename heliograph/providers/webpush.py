"""Provider: Web Push (RFC 8030): one push, one request to the endpoint that the browser's push service gave it.

Reads a `PushMessage` whose token is the subscription, writes `POST {endpoint}`. What the message looks like stands in
webpush_message.py, its encryption in webpush_sealing.py, our identity in vapid.py, what answers mean in
webpush_codes.py. Endpoints come from anybody: it never speaks to an address that isn't public, nor follows a redirect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Set as AbstractSet
from typing import Final

from heliograph.core.model import PushMessage
from heliograph.core.outcomes import ProviderOutcome, Rejected, Unavailable, Unregistered
from heliograph.core.ports import Clock
from heliograph.core.subscriptions import NOT_PUBLIC, Subscription, endpoint_flaw, origin_of, read_subscription
from heliograph.providers.http import FORBIDDEN, Answer, Failed, Http, PublicAddresses
from heliograph.providers.vapid import Vapid
from heliograph.providers.waiting import wall_clock
from heliograph.providers.webpush_codes import outcome_of
from heliograph.providers.webpush_message import LEAST_PLAINTEXT, MAX_PLAINTEXT, headers_of, payload_of
from heliograph.providers.webpush_sealing import Sealing

KINDS: Final = frozenset({"webpush"})


class WebPush:
    """One application server.

    Args:
        http: resolves names to public addresses only (`guarded_http`).
        allowed_hosts: `host:port` of endpoints that may be private: a provider lab.
    """

    name = "webpush"
    kinds: frozenset[str] = KINDS

    def __init__(
        self, vapid: Vapid, http: Http, clock: Clock = wall_clock, allowed_hosts: AbstractSet[str] = frozenset()
    ) -> None:
        self._vapid = vapid
        self._http = http
        self._clock = clock
        self._allowed = allowed_hosts
        self._sealing = Sealing()

    async def send(self, message: PushMessage) -> ProviderOutcome:
        """Takes as long as one post of `http` may take, also when a smaller message has to be sent after all."""
        deadline = asyncio.get_running_loop().time() + self._http.timeout_s
        subscription = read_subscription(message.token)
        flaw = "not a subscription" if subscription is None else endpoint_flaw(subscription.endpoint, self._allowed)
        if subscription is None or flaw:
            return Rejected(f"webpush: {FORBIDDEN.cause if flaw == NOT_PUBLIC else flaw}")
        answer = await self._push(message, subscription, MAX_PLAINTEXT, deadline)
        if isinstance(answer, Answer) and answer.status == 413:
            answer = await self._push(message, subscription, LEAST_PLAINTEXT, deadline)
        if answer is None:
            return Unregistered("webpush: the subscription's keys can't be used")
        if answer is FORBIDDEN:
            return Rejected(f"webpush: {FORBIDDEN.cause}")
        if isinstance(answer, Failed):
            return Unavailable(f"webpush: {answer.cause}", unknown=answer.unknown, alone=True)
        return outcome_of(answer, self._clock())

    async def close(self) -> None:
        self._sealing.close()
        await self._http.close()

    async def _push(
        self, message: PushMessage, to: Subscription, limit: int, deadline: float
    ) -> Answer | Failed | None:
        """None = nothing can be encrypted for this subscription."""
        body = await self._sealing.seal(payload_of(message, limit), to.keys)
        if body is None:
            return None
        headers = headers_of(message) | {
            "Authorization": self._vapid.authorization(origin_of(to.endpoint), self._clock()),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
        }
        return await self._http.post(to.endpoint, headers, body, deadline)


def guarded_http(timeout_s: float, allowed_hosts: AbstractSet[str] = frozenset()) -> Http:
    """A pool that reaches public addresses only, and `host:port` of `allowed_hosts`."""
    return Http(timeout_s=timeout_s, resolver=PublicAddresses(allowed_hosts))
