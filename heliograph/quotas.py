"""Quotas: how much each server key may send, and how much each recipient may get of what can't be muted.

Counted in cells of the cache, so that all processes count together; while the cache is away each process counts alone,
and no send fails because of it. The rules are pure: core/quota.py.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from heliograph.core.errors import Flaw, PresenceUnavailable, Problem
from heliograph.core.keys import ApiKey
from heliograph.core.model import Millis
from heliograph.core.ports import Cells, Clock
from heliograph.core.quota import Exceeded, Quota, Usage, spend
from heliograph.core.sending import RecipientInput

_KEPT_MS: Final = 2 * 86_400_000
_REMEMBERED: Final = 10_000
"""Usages that a process knows by itself."""
_usage: Final = msgspec.msgpack.Decoder(Usage)


class Quotas:
    """Args:
    rate, daily: of keys that have none of their own (0 = no limit).
    per_recipient: P0 notifications a minute that one address or user may be sent (0 = no limit).
    """

    def __init__(self, cells: Cells, clock: Clock, rate: float = 0.0, daily: int = 0, per_recipient: int = 0) -> None:
        self._cells = cells
        self._clock = clock
        self._of_keys = Quota(rate, daily=daily)
        self._of_recipients = Quota(per_recipient / 60, window_s=60)
        self._seen: dict[str, Usage] = {}

    async def spend(self, key: ApiKey, count: int) -> None:
        """For `count` notifications. Raises `Problem("quota_exceeded")`."""
        quota = Quota(
            self._of_keys.rate if key.rate is None else key.rate,
            daily=self._of_keys.daily if key.daily is None else key.daily,
        )
        exceeded = await self._spend(f"quota:{key.digest[:32]}", quota, count)
        if exceeded:
            limit = f"{quota.rate:g} a second" if exceeded.limit == "rate" else f"{quota.daily} a day"
            raise Problem("quota_exceeded", f"this server key may send {limit}", retry_after_s=exceeded.retry_after_s)

    async def spare(self, tenant: str, recipients: Sequence[str | RecipientInput]) -> None:
        """One P0 notification to each. Raises `Problem("recipient_limited")` that names those who got too many."""
        if not self._of_recipients.limits:
            return
        names = [_cell_of(tenant, recipient) for recipient in recipients]
        found = await asyncio.gather(*(self._spend(name, self._of_recipients, 1) for name in names))
        waits = [exceeded.retry_after_s for exceeded in found if exceeded]
        if waits:
            places = [place for place, exceeded in enumerate(found) if exceeded]
            flaws = tuple(Flaw(f"to[{place}]" if len(found) > 1 else "to", "got too many") for place in places)
            raise Problem("recipient_limited", flaws=flaws, retry_after_s=max(waits))

    async def _spend(self, name: str, quota: Quota, count: int) -> Exceeded | None:
        if not quota.limits:
            return None
        now, exceeded = self._clock(), None

        def step(was: bytes) -> bytes:
            nonlocal exceeded
            usage, exceeded = spend(_usage.decode(was) if was else Usage(), quota, count, now)
            return was if exceeded else msgspec.msgpack.encode(usage)

        try:
            found = await self._cells.change(name, step, _KEPT_MS)
        except PresenceUnavailable:
            return self._spend_alone(name, quota, count, now)
        if found:
            self._remember(name, _usage.decode(found))
        return exceeded

    def _spend_alone(self, name: str, quota: Quota, count: int, now: Millis) -> Exceeded | None:
        usage, exceeded = spend(self._seen.get(name, Usage()), quota, count, now)
        self._remember(name, usage)
        return exceeded

    def _remember(self, name: str, usage: Usage) -> None:
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen[name] = usage


def _cell_of(tenant: str, recipient: str | RecipientInput) -> str:
    """By address where one is given: many user ids with one address are one victim. A digest: the cache keeps no
    addresses."""
    if isinstance(recipient, str):
        who = f"user:{recipient}"
    else:
        who = f"email:{recipient.email.lower()}" if recipient.email else f"user:{recipient.id}"
    return "recipient:" + hashlib.blake2b(f"{tenant}/{who}".encode(), digest_size=16).hexdigest()
