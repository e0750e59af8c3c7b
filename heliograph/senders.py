"""Senders of the tenants: their own From and Reply-To, out of the store's settings through a short cache.

Read by the e-mail worker, one bulk read for what isn't cached; written by the API. What is set counts everywhere
within five seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from heliograph.core.model import Millis
from heliograph.core.ports import AccessStore, Clock
from heliograph.core.senders import NOBODY, Sender

_CACHE_MS: Final = 5_000
_CACHE_SIZE: Final = 10_000


class Senders:
    def __init__(self, store: AccessStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._cache: dict[str, tuple[Millis, Sender]] = {}

    async def of(self, tenants: Iterable[str]) -> dict[str, Sender]:
        """Of each tenant; `NOBODY` for one that set nothing."""
        wanted, now = list(dict.fromkeys(tenants)), self._clock()
        known = {tenant: kept for tenant in wanted if (kept := self._cache.get(tenant)) and kept[0] > now}
        missing = [tenant for tenant in wanted if tenant not in known]
        if missing:
            texts = await self._store.settings([_name(tenant) for tenant in missing])
            found = (msgspec.json.decode(text, type=Sender) if text else NOBODY for text in texts)
            known |= {tenant: (now + _CACHE_MS, sender) for tenant, sender in zip(missing, found, strict=True)}
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()
            self._cache |= known
        return {tenant: sender for tenant, (_, sender) in known.items()}

    async def put(self, tenant: str, sender: Sender) -> None:
        """`NOBODY` takes the tenant's settings away."""
        if sender == NOBODY:
            await self._store.forget(_name(tenant))
        else:
            await self._store.replace(_name(tenant), msgspec.json.encode(sender).decode())
        self._cache.pop(tenant, None)


def _name(tenant: str) -> str:
    return f"email/{tenant}"
