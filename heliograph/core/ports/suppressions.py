"""Store: addresses that must not be written to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from heliograph.core.model import Key
from heliograph.core.suppressing import Reason, Suppression, SuppressionQuery


class SuppressionStore(Protocol):
    async def suppressed(self, addresses: Sequence[Key]) -> Sequence[tuple[Reason, ...]]:
        """Per (tenant, address), whatever the case: the reasons against it, strongest first; empty = none."""

    async def suppress(self, suppressions: Sequence[Suppression]) -> None:
        """Adds reasons, each once: the first time of a reason stands."""

    async def unsuppress(self, address: Key, reason: Reason | None = None) -> bool:
        """Takes one reason away, or all of them. False = there was none."""

    async def suppressions(self, query: SuppressionQuery) -> Sequence[Suppression]: ...

    async def tenants_of(self, addresses: Sequence[str]) -> Sequence[tuple[str, ...]]:
        """Per address, whatever the case: the tenants that have a user with it, sorted."""
