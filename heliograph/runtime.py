"""Runs services side by side until a signal, then drains them: the only module that touches signals.

A service is anything with a `name` and `async run(stop)`. A service that fails is logged and started again; nothing it
had in hand is lost, because the queue redelivers what wasn't settled.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from heliograph import telemetry
from heliograph.loop_lag import LAG

DRAIN_S: Final = 15.0
"""What isn't done by then is cancelled; SIGTERM to exit takes 20 s at the most (CONTRACT section 0)."""
_RESTART_S: Final = 1.0

log = telemetry.logger("runtime")


class Service(Protocol):
    @property
    def name(self) -> str: ...

    async def run(self, stop: asyncio.Event) -> None: ...


async def run_services(
    services: Sequence[Service], stop: asyncio.Event, on_started: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Returns when all services have ended after `stop`, or `DRAIN_S` after it."""
    tasks = [asyncio.create_task(_keep_running(service, stop), name=service.name) for service in services]
    beside = [asyncio.create_task(LAG.watch(), name="lag")]
    if on_started:
        beside.append(asyncio.ensure_future(on_started()))
    try:
        await stop.wait()
        _, late = await asyncio.wait(tasks, timeout=DRAIN_S)
        for task in late:
            log.warning("drain_late", action="cancel", service=task.get_name())
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _keep_running(service: Service, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await service.run(stop)
            return
        except Exception:
            log.exception("service_failed", action="restart", service=service.name)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _RESTART_S)


def hangup_event() -> asyncio.Event:
    """An event that every SIGHUP sets."""
    hangup = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup.set)
    return hangup


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set; a second signal ends the process the hard way."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        log.info("signal", action="drain", signal=number.name)
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return stop
