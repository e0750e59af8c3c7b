"""A full disk under the store refuses and never lies; under the queue it costs time and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.conftest import MakeFleet
from tests.chaos.fleet import ALONE
from tests.chaos.ledger import Ledger
from tests.chaos.outside import Outside
from tests.chaos.profile import scaled
from tests.chaos.sender import Sender, Tenant
from tests.chaos.verdict import judge
from tests.support.eventually import eventually
from tests.support.system import KEY

SIZE_MIB = 48


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own (tmpfs; needs root, as CI has it)."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "chaos", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """Not a byte is free inside."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
    try:
        yield
    finally:
        filler.unlink()


async def statuses(ledger: Ledger, since: int, *wanted: int) -> list[int]:
    """Of the answers since a place in the ledger, once there are some of those wanted."""

    async def look() -> list[int]:
        """such answers came"""
        found = [status for _, status, _ in ledger.answers[since:]]
        return found if sum(status in wanted for status in found) >= 20 else []

    return await eventually(look)


async def test_the_stores_disk_is_full(
    fleet_of: MakeFleet, small_disk: Path, outside: Outside, ledger: Ledger, dice: random.Random,
    remember: Callable[[dict[str, Any]], None],
) -> None:  # fmt: skip
    """503 and no 202 while not a byte can be written; once there is room again, all goes on by itself."""
    fleet = await fleet_of("sqlite", members=ALONE, store_url=f"sqlite:///{small_disk / 'heliograph.db'}")
    tenant = Tenant("default", KEY, [f"u{n}" for n in range(50)])
    async with Sender(lambda: fleet.urls_of("api"), [tenant], ledger, dice) as sender:
        sending = asyncio.create_task(sender.run(10**9, 40))
        await statuses(ledger, 0, 202)
        with full(small_disk):
            since = len(ledger.answers)
            await statuses(ledger, since, 503)
            turned = next(place for place in range(since, len(ledger.answers)) if ledger.answers[place][1] == 503)
            await asyncio.sleep(scaled(1, 30))
            during = [status for _, status, _ in ledger.answers[turned:]]
        sender.enough = True
        await sending
    found = await judge(fleet.apis[0], fleet.store_url, ledger, outside, [tenant])
    remember({**found.numbers, "answers_while_full": {str(status): during.count(status) for status in set(during)}})
    assert found.wrong == []
    assert set(during) == {503}, "what can't be written is not taken"


async def test_the_queues_disk_is_full(
    fleet_of: MakeFleet, tmp_path: Path, small_disk: Path, outside: Outside, ledger: Ledger, dice: random.Random,
    remember: Callable[[dict[str, Any]], None],
) -> None:  # fmt: skip
    """202 goes on, since the store has it; once there is room and the queue was started again, all is delivered."""
    (tmp_path / "fleet0").mkdir()
    (tmp_path / "fleet0" / "nats").symlink_to(small_disk)
    fleet = await fleet_of("sqlite", members=ALONE)
    tenant = Tenant("default", KEY, [f"u{n}" for n in range(50)])
    async with Sender(lambda: fleet.urls_of("api"), [tenant], ledger, dice) as sender:
        sending = asyncio.create_task(sender.run(10**9, 40))
        await statuses(ledger, 0, 202)
        with full(small_disk):
            since = len(ledger.answers)
            await asyncio.sleep(scaled(3, 30))
            during = [status for _, status, _ in ledger.answers[since:]]
        sender.enough = True
        await sending
    fleet.kill_server(fleet.nats)  # JetStream that met a full disk stays off until it is started again
    found = await judge(fleet.apis[0], fleet.store_url, ledger, outside, [tenant])
    remember({**found.numbers, "answers_while_full": {str(status): during.count(status) for status in set(during)}})
    assert found.wrong == []
    assert set(during) == {202}
