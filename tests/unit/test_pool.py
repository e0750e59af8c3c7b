"""Pools of real processes, tiny ones: kept at a number, replaced without a gap, killed when they hang."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from heliograph.cli import process as processes
from heliograph.cli.layout import Group, groups_of, left_here
from heliograph.cli.lifeline import ALIVE, READY, Lifeline
from heliograph.cli.options import Options
from heliograph.cli.pool import Door, Pool, ReplacementFailed
from heliograph.cli.process import Process
from heliograph.cli.roles import ROLES, WORKERS
from heliograph.settings import load
from tests.support.eventually import eventually

CHILD = """
import os, signal, socket, sys, time
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
tell = int(words["--tell-fd"])
if mode == "broken": sys.exit(3)
if "--listen-fd" in words:
    listener = socket.socket(fileno=int(words["--listen-fd"]))
    listener.listen()
open(folder + f"/{os.getpid()}", "w").close()
os.write(tell, b"r")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True:
    if mode != "silent": os.write(tell, b".")
    time.sleep(0.05)
"""


class Nursery:
    """Makes pools whose processes note their ids in a folder; `mode` = how the next ones behave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mode = "good"
        self.pools: list[Pool] = []

    def pool(self, *, doors: bool = False) -> Pool:
        self.pools.append(Pool("test", self._make, doors=doors))
        return self.pools[-1]

    def _make(self, listener: socket.socket | None) -> Process:
        script = f"mode, folder = {self.mode!r}, {str(self.folder)!r}\n{CHILD}"
        return Process([sys.executable, "-S", "-c", script], dict(os.environ), listener)

    def living(self) -> set[int]:
        return {int(entry.name) for entry in self.folder.iterdir() if Path(f"/proc/{entry.name}").exists()}

    async def living_are(self, count: int) -> set[int]:
        async def look() -> set[int] | None:
            found = self.living()
            return found if len(found) == count else None

        return await eventually(look) or set()


@pytest_asyncio.fixture
async def nursery(tmp_path: Path) -> AsyncIterator[Nursery]:
    made = Nursery(tmp_path)
    yield made
    await asyncio.gather(*(pool.stop(5.0) for pool in made.pools))
    assert made.living() == set()


async def knock(port: int) -> bool:
    """Whether the door is open."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


async def test_who_dies_is_started_again(nursery: Nursery) -> None:
    """On the same port; while nobody is there, it refuses instead of letting callers wait."""
    pool = nursery.pool(doors=True)
    pool.resize(1)
    await pool.ready()
    (port,) = pool.ports
    assert await knock(port)
    (before,) = nursery.living()
    nursery.mode = "broken"
    os.kill(before, signal.SIGKILL)

    async def refused() -> bool:
        return not await knock(port)

    await eventually(refused)
    nursery.mode = "good"
    await eventually(lambda: knock(port))
    assert await nursery.living_are(1) != {before}
    assert pool.ports == [port]


async def test_a_successor_takes_over_the_open_door(nursery: Nursery) -> None:
    """One after another; at no moment does anyone knock in vain."""
    pool = nursery.pool(doors=True)
    pool.resize(2)
    await pool.ready()
    before, ports = nursery.living(), pool.ports
    rolling = asyncio.create_task(pool.roll())
    while not rolling.done():
        assert all([await knock(port) for port in ports])
        await asyncio.sleep(0.001)
    await rolling
    assert pool.ports == ports
    assert len(nursery.living()) == 2
    assert not nursery.living() & before


async def test_a_bad_successor_replaces_nobody(nursery: Nursery) -> None:
    """It ended before it was ready: the restart ends there, what runs goes on."""
    pool = nursery.pool(doors=True)
    pool.resize(2)
    await pool.ready()
    before = nursery.living()
    nursery.mode = "broken"
    with pytest.raises(ReplacementFailed, match="test: a new process ended with 3"):
        await pool.roll()
    assert nursery.living() == before
    assert all([await knock(port) for port in pool.ports])


async def test_a_pool_grows_and_shrinks(nursery: Nursery) -> None:
    """What is too much drains; the rest is left alone."""
    pool = nursery.pool()
    pool.resize(1)
    await pool.ready()
    (first,) = nursery.living()
    pool.resize(3)
    assert first in await nursery.living_are(3)
    pool.resize(1)
    assert await nursery.living_are(1) == {first}


async def test_who_hangs_is_killed(nursery: Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process lives, but its event loop doesn't turn: it is killed and another one started."""
    monkeypatch.setattr(processes, "SILENT_S", 0.2)
    monkeypatch.setattr(processes, "_LOOK_S", 0.05)
    nursery.mode = "silent"
    pool = nursery.pool()
    pool.resize(1)
    await pool.ready()
    (hanging,) = nursery.living()
    nursery.mode = "good"

    async def another() -> bool:
        return len(nursery.living()) == 1 and hanging not in nursery.living()

    await eventually(another)


async def test_the_lifeline_says_ready_and_alive() -> None:
    """And when nobody listens any more the process stops, also where the kernel doesn't end it with its parent."""
    hear, tell = os.pipe()
    line, stop = Lifeline(tell), asyncio.Event()
    line.ready()
    assert os.read(hear, 10) == READY
    running = asyncio.create_task(line.run(stop))
    assert await asyncio.to_thread(os.read, hear, 10) == ALIVE
    os.close(hear)
    await asyncio.wait_for(stop.wait(), 10)
    await running
    os.close(tell)


def test_a_shut_door_keeps_its_port() -> None:
    """Nobody else gets it between two lives."""
    door = Door()
    port = door.port
    door.shut()
    assert door.socket.getsockname()[1] == port
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    door.socket.close()


@pytest.mark.parametrize(
    ("chosen", "groups", "here"),
    [
        ({}, [], ROLES),
        ({"api": 3}, [Group("api", ("api", "webhooks"), 3, True)], (*WORKERS, "realtime")),
        ({"realtime": 2}, [Group("realtime", ("realtime",), 2, True)], ("api", *WORKERS, "webhooks")),
        ({"workers": 2}, [Group("workers", WORKERS, 2)], ("api", "realtime", "webhooks")),
        (
            {"autoscale": True},
            [
                Group("router", ("router", "reconciler"), 1), Group("inapp-worker", ("inapp-worker",), 1),
                Group("push-worker", ("push-worker",), 1), Group("email-worker", ("email-worker",), 1),
                Group("email-sender", ("email-sender",), 2),
            ],
            ("api", "realtime", "webhooks"),
        ),
    ],
    ids=["one process", "--api", "--realtime", "--workers", "--autoscale"],
)  # fmt: skip
def test_which_roles_run_where(
    chosen: dict[str, int], groups: list[Group], here: tuple[str, ...], make_options: Callable[..., Options]
) -> None:
    """Each role once: in a pool, or in the first process."""
    options = make_options(**chosen)
    settings = load(autoscale_processes="1-4,email-sender=2-3")
    assert groups_of(options, settings) == groups
    assert set(left_here(options, groups)) == set(here)


@pytest.fixture
def make_options(tmp_path: Path) -> Callable[..., Options]:
    def make(**chosen: int) -> Options:
        return Options(ROLES, tmp_path, 8080, **chosen)  # type: ignore[arg-type]

    return make
