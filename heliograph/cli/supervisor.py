"""The supervisor: the process of `heliograph up` that keeps the pools and the load balancer of this machine.

SIGHUP, which `heliograph restart` sends, replaces every process of every pool, one after another. With an autoscaler it
gives each pool the number that this wants. Writes `supervisor.json` into the data folder: who it is, and how often it
has replaced them. Does none of the roles' work itself.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, Self

from heliograph import telemetry
from heliograph.autoscaling import Size
from heliograph.cli.front import Front
from heliograph.cli.pool import Door, Pool, ReplacementFailed
from heliograph.core.errors import PresenceUnavailable, QueueUnavailable

_STOP_S: Final = 14.0
_LOOK_S: Final = 1.0
STATE: Final = "supervisor.json"

log = telemetry.logger("supervisor")
Sizes = Callable[[], Awaitable[Mapping[str, Size]]]


class Supervisor:
    """Args:
    pools: by name, with the number each begins with, in the order in which they are replaced.
    front: stands before the pools `api` and `realtime`, and before our own `inner` door for what isn't in them.
    sizes: what the pools that are called like a role should have; None = nobody scales.
    hangup: set by SIGHUP.
    """

    name = "supervisor"

    def __init__(
        self, folder: Path, pools: Mapping[str, tuple[Pool, int]], front: Front | None, sizes: Sizes | None,
        hangup: asyncio.Event,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._pools = pools
        self._front = front
        self.inner = Door() if front and not {"api", "realtime"} <= pools.keys() else None
        self._sizes = sizes
        self._hangup = hangup
        self.listening = asyncio.Event()

    @property
    def balances(self) -> bool:
        """The public port is the load balancer's."""
        return self._front is not None

    async def run(self, stop: asyncio.Event) -> None:
        with _State(self._folder) as state:
            work = [asyncio.create_task(self._start()), asyncio.create_task(self._roll_when_asked(state))]
            if self._sizes:
                work.append(asyncio.create_task(self._scale(self._sizes)))
            await stop.wait()
            for task in work:
                task.cancel()
            await asyncio.wait(work)
            await self._stop()

    async def _start(self) -> None:
        for pool, count in self._pools.values():
            pool.resize(count)
        await asyncio.gather(*(pool.ready() for pool, _ in self._pools.values()))
        if self._front:
            await self._front.start(self._behind("api"), self._behind("realtime"))
        self.listening.set()

    def _behind(self, name: str) -> list[int]:
        pool, _ = self._pools.get(name, (None, 0))
        if pool:
            return pool.ports
        assert self.inner
        return [self.inner.port]

    async def _stop(self) -> None:
        if self._front:
            self._front.leave()
        await asyncio.gather(*(pool.stop(_STOP_S) for pool, _ in self._pools.values()))
        if self._front:
            await self._front.stop()

    # --- rolling restart ----------------------------------------------------------------------------------------------

    async def _roll_when_asked(self, state: _State) -> None:
        await self.listening.wait()
        while True:
            await self._hangup.wait()
            self._hangup.clear()
            state.rolled(await self._roll())

    async def _roll(self) -> str:
        """Why it ended early; empty = everything was replaced."""
        log.info("rolling_restart", action="begin")
        try:
            for pool, _ in self._pools.values():
                await pool.roll()
        except (ReplacementFailed, OSError) as error:
            log.exception("rolling_restart", action="give up", error=str(error))
            return str(error)
        log.info("rolling_restart", action="end")
        return ""

    # --- autoscaling --------------------------------------------------------------------------------------------------

    async def _scale(self, sizes: Sizes) -> None:
        await self.listening.wait()
        while True:
            try:
                wanted = await sizes()
            except (QueueUnavailable, PresenceUnavailable) as error:
                log.warning("backend_away", action="keep sizes", error=repr(error))
            else:
                for role, (pool, _) in self._pools.items():
                    if role in wanted:
                        pool.resize(wanted[role].desired)
            await asyncio.sleep(_LOOK_S)


class _State:
    """The file by which `heliograph restart` finds us: locked for as long as we live."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / STATE).open("a+", encoding="utf-8")
        self._rolled = 0

    def __enter__(self) -> Self:
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises OSError when the folder has a supervisor
        self._write("")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def rolled(self, failure: str) -> None:
        self._rolled += 1
        self._write(failure)

    def _write(self, failure: str) -> None:
        self._file.truncate(0)
        self._file.write(json.dumps({"pid": os.getpid(), "restarts": self._rolled, "failure": failure}))
        self._file.flush()
