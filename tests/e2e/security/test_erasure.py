"""An erased person leaves no byte behind: the whole data folder is searched, with everything still running."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from websockets.exceptions import ConnectionClosed

from tests.support.eventually import eventually
from tests.support.system import KEY, Heliograph

MARK = "zqxmarkqz"
"""Stands in everything that is known of the person and in nothing else."""


def files_with(folder: Path, mark: str) -> list[str]:
    """Every file that holds the mark, in UTF-8 or as JSON escapes it."""
    found = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError, IsADirectoryError):  # the queue drops files as its lanes run empty
            if mark.encode() in path.read_bytes():
                found.append(str(path.relative_to(folder)))
    return found


async def test_no_byte_is_left(install: Callable[..., Heliograph]) -> None:
    """Store with its log, queue files, the servers' own files, our output: within a minute nothing has the mark, while
    others go on being served. The open page is closed at once."""
    system = await install(log_level="debug", log_format="json").start()
    user = f"u-{MARK}"
    person = {"id": user, "email": f"{MARK}@example.com", "name": MARK, "data": {MARK: MARK}}
    await system.call("PUT", f"/v1/users/{user}", {k: v for k, v in person.items() if k != "id"})
    await system.call("POST", f"/v1/users/{user}/devices", {"kind": "fcm_token", "value": f"token-{MARK}"})
    async with system.socket(user) as tab:
        one = await system.send(person, title=MARK, body=MARK, data={"x": MARK}, idempotency_key=MARK)
        await system.send([user, "other"], title="to both")
        status, _ = await system.call("POST", "/v1/send/bulk", [
            {"to": user, "title": MARK}, {"to": "other", "title": "theirs"}])  # fmt: skip
        assert status == 202
        for _ in range(4):
            await tab.frame()
            if tab.offset >= 3:
                break
        assert files_with(system.folder, MARK), "the search finds what is there"
        begun = time.monotonic()
        status, _ = await system.call("DELETE", f"/v1/users/{user}")
        assert status == 204
        with suppress(ConnectionClosed):
            while True:
                await tab.frame()
        assert tab.connection.close_code == 4403
    await asyncio.gather(*(system.send(f"other{n}") for n in range(50)))

    async def gone() -> bool:
        """no file has the mark"""
        left = files_with(system.folder, MARK)
        return not left

    await eventually(gone, 60, every_s=0.5)
    assert time.monotonic() - begun < 60
    assert not any(MARK in line for line in system.output)
    status, _ = await system.call("GET", f"/v1/notifications/{one['id']}")
    assert status == 404
    assert not any(KEY in line for line in system.output if line.startswith("{"))
