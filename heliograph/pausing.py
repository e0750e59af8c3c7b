"""Pauses by hand: what an operator has stopped, known to every process within seconds and kept over restarts.

Reads and writes the installation's settings in the store. Consumers ask before they pull, guards before a call;
`/readyz`, `/v1/lanes` and `heliograph status` show it. Nothing is ever taken out of a lane by a pause.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from heliograph import telemetry
from heliograph.core.errors import StoreUnavailable
from heliograph.core.model import Millis
from heliograph.core.pausing import PAUSABLE, Pause, kept, pauses_of, setting_of
from heliograph.core.ports import AccessStore

LOOKS_EVERY_S: Final = 2.0
"""A pause holds everywhere within 5 s: this, and what was in hand."""

log = telemetry.logger("pausing")


class Pauses:
    """What this process knows to be paused. One that nobody refreshes pauses nothing."""

    def __init__(self) -> None:
        self._known: Mapping[str, Pause] = {}
        self._changed = asyncio.Event()

    @property
    def known(self) -> Mapping[str, Pause]:
        return self._known

    def of(self, name: str) -> Pause | None:
        """The pause of a lane or provider, if there is one."""
        return self._known.get(name)

    def take(self, found: Mapping[str, Pause]) -> None:
        """This is how it is now."""
        for name in {*found, *self._known}:
            if (name in found) != (name in self._known):
                action = "pause" if name in found else "resume"
                log.warning("paused_by_hand" if name in found else "resumed", action=action, name=name)
        self._known = found
        self._changed.set()
        self._changed = asyncio.Event()

    async def over(self, name: str) -> None:
        """Returns when it is not paused."""
        while name in self._known:
            await self._changed.wait()


class PauseWatch:
    """The service that keeps a process's `Pauses` as the store has them. While the store is away they stay as known."""

    name = "pauses"

    def __init__(self, store: AccessStore, pauses: Pauses, every_s: float = LOOKS_EVERY_S) -> None:
        self._store = store
        self._pauses = pauses
        self._every_s = every_s

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                self._pauses.take(await paused(self._store))
            except StoreUnavailable as error:
                log.warning("backend_away", action="wait", error=repr(error))
            try:
                await asyncio.wait_for(stop.wait(), self._every_s)
            except TimeoutError:
                continue


async def paused(store: AccessStore) -> Mapping[str, Pause]:
    """By name: everything that is paused. Raises `StoreUnavailable`."""
    return pauses_of(await store.settings([setting_of(name) for name in PAUSABLE]))


async def pause(store: AccessStore, name: str, reason: str, now: Millis) -> Pause:
    """Pauses a lane or provider. One that is paused already stays so since then, for the new reason.

    Raises:
        KeyError: there is no such lane or provider.
    """
    if name not in PAUSABLE:
        raise KeyError(name)
    before = (await paused(store)).get(name)
    made = Pause(name, before.at if before else now, reason)
    await store.replace(setting_of(name), kept(made))
    return made


async def resume(store: AccessStore, name: str) -> bool:
    """Ends a pause; False = there was none. Raises `KeyError` as `pause` does."""
    if name not in PAUSABLE:
        raise KeyError(name)
    return await store.forget(setting_of(name))
