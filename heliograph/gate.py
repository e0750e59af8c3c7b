"""Who may pull how much: what a consumer asks before it chooses its batch, and what it is given.

The gate is asked first and the items are chosen after, so that the most urgent item at that moment gets the admission.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from heliograph.core.model import Level
from heliograph.core.outcomes import ProviderOutcome
from heliograph.core.ports import Pulled
from heliograph.guard import Guard


class Admission(msgspec.Struct, frozen=True, eq=False):
    """`count` items may be pulled, for calls that `guard` admitted (None: nobody had to be asked). `probe` = one call
    through an open breaker. `level` = that of the items it was given for; a more urgent one may use it too."""

    count: int
    guard: Guard | None = None
    probe: bool = False
    level: Level = Level.P0

    async def call(self, send: Callable[[], Awaitable[ProviderOutcome]]) -> ProviderOutcome:
        """Makes one of the calls, unless its guard has changed its mind."""
        return await self.guard.call(send, probe=self.probe) if self.guard else await send()


FREE: Final = Admission(0)


class Gate:
    """Decides how many items may be pulled now; the plain one lets everything through."""

    async def admit(self, wanted: int, level: Level) -> Admission:  # noqa: ARG002 - for those that care
        """For up to `wanted` items, the most urgent of which is of `level` just now. May wait a moment; a count of 0 =
        none yet, ask again."""
        return Admission(wanted)

    def unused(self, admission: Admission, count: int) -> None:
        """`count` of the admitted were not needed after all."""

    def ended(self, admission: Admission, count: int) -> None:
        """`count` of the admitted are not in hand any more."""


def admission_of(batch: Sequence[Pulled]) -> Admission:
    """By which a batch was pulled."""
    found = batch[0].admission if batch else None
    return found if isinstance(found, Admission) else FREE
