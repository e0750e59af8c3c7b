"""Lab: the live fault of one provider, shared by its connections and the control API.

Reads the clock and a random source, hands every call its verdict, and wakes what hangs when the fault changes.
It never answers a call itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random

from heliograph.lab.faults import Dialect, Fault, FaultState, Verdict, complete, latency_ms


class Gate:
    """Asked once per call. Changing the fault releases every call that hangs on the old one."""

    def __init__(self, name: str, dialect: Dialect, random: Random) -> None:
        self.name = name
        self.dialect = dialect
        self._random = random
        self._closing = asyncio.Event()
        self._replaced = asyncio.Event()
        self._state = self._fresh(Fault())
        self.on_change: list[Callable[[Fault], None]] = []

    @property
    def fault(self) -> Fault:
        return self._state.fault

    def put(self, fault: Fault) -> Fault:
        """Put a fault in force and return it completed. Raises InvalidFaultError and changes nothing if it is wrong."""
        self._state = self._fresh(complete(fault, self.dialect))
        self._release()
        for listener in self.on_change:
            listener(self.fault)
        return self.fault

    def close(self) -> None:
        """End every wait; the lab is stopping."""
        self._closing.set()
        self._release()

    def judge(self) -> Verdict:
        return self._state.judge(time.monotonic())

    def behaviour(self, token: str) -> str | None:
        return self._state.behaviour(token)

    async def replaced(self) -> None:
        """Wait until the fault in force now is replaced (or the lab stops)."""
        if not self._closing.is_set():
            await self._replaced.wait()

    async def linger(self) -> None:
        """Wait the fault's latency; ends early only when the lab stops."""
        if self.fault.latency_ms and not self._closing.is_set():
            wait_ms = latency_ms(self.fault, self._random.gauss())
            try:
                await asyncio.wait_for(self._closing.wait(), wait_ms / 1000)
            except TimeoutError:
                return

    def _fresh(self, fault: Fault) -> FaultState:
        return FaultState(fault, self.dialect, time.monotonic(), self._random.random)

    def _release(self) -> None:
        self._replaced.set()
        self._replaced = asyncio.Event()
