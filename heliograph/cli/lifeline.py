"""The line between the supervisor and its processes: a pipe over which a process says that it is ready, and lives.

The process writes, the supervisor reads. Both ends notice when the other is gone.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import Final

READY: Final = b"r"
ALIVE: Final = b"."
EVERY_S: Final = 1.0


class Lifeline:
    """The process's end: a service that says every second that the event loop turns, and stops the process when
    nobody listens any more."""

    name = "lifeline"

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def ready(self) -> None:
        self._say(READY)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if not self._say(ALIVE):
                stop.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), EVERY_S)

    def _say(self, word: bytes) -> bool:
        try:
            os.write(self._fd, word)
        except BrokenPipeError:
            return False
        except BlockingIOError:  # a supervisor that doesn't read is not one that is gone
            return True
        return True
