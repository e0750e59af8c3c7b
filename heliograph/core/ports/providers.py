"""Providers of e-mail and push, and the clock."""

from __future__ import annotations

from typing import Protocol

from heliograph.core.model import Mail, Millis, PushMessage
from heliograph.core.outcomes import ProviderOutcome


class MailProvider(Protocol):
    name: str

    async def send(self, mail: Mail) -> ProviderOutcome: ...

    async def close(self) -> None: ...


class PushProvider(Protocol):
    name: str
    kinds: frozenset[str]

    async def send(self, message: PushMessage) -> ProviderOutcome: ...

    async def close(self) -> None: ...


class Clock(Protocol):
    def __call__(self) -> Millis:
        """Milliseconds since the epoch, UTC."""
