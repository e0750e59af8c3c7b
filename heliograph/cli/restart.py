"""`heliograph restart`: asks the supervisor of a data folder to replace all its processes, and waits until it has.

Reads `supervisor.json` there; sends a signal to nobody but the process that holds its lock.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from heliograph.cli.supervisor import STATE

_LOOK_S: Final = 0.1


class State(msgspec.Struct):
    """What a supervisor says of itself."""

    pid: int
    restarts: int
    failure: str


async def restart(folder: Path) -> str:
    """Returns when every process was replaced, or why not all were. Raises `ValueError` when there is no supervisor."""
    before = await _state(folder)
    os.kill(before.pid, signal.SIGHUP)
    while (now := await _state(folder)).restarts == before.restarts:  # noqa: ASYNC110 - another process
        await asyncio.sleep(_LOOK_S)
    return now.failure


async def _state(folder: Path) -> State:
    while True:
        with suppress(msgspec.DecodeError):  # it is just being written
            return msgspec.json.decode(_read(folder / STATE), type=State)
        await asyncio.sleep(_LOOK_S)


def _read(path: Path) -> bytes:
    with suppress(FileNotFoundError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read()
    raise ValueError(f"no `heliograph up` with --api, --realtime, --workers or --autoscale runs on {path.parent}")
