"""Providers of e-mail and push, and the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


class ReceiptProvider(Protocol):
    """A push provider that tells only later what became of a push (`Delivered.receipt`)."""

    name: str

    async def receipts(self, ids: Sequence[str]) -> Mapping[str, ProviderOutcome] | ProviderOutcome:
        """What became of each push that the provider can tell of by now; or why it tells of none."""


class Clock(Protocol):
    def __call__(self) -> Millis:
        """Milliseconds since the epoch, UTC."""
