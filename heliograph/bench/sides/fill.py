"""Fills a store with notifications that are done, in grouped commits: the past of `growth`.

`python -m heliograph.bench.sides.fill FILE COUNT` is a process of its own. Every notification has its events and waits
in its user's inbox, exactly as the running system leaves it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import uvloop

from heliograph.backends.sqlite import SqliteStore
from heliograph.bench.body import BODY
from heliograph.bench.clock import now
from heliograph.bench.sides.drain import kept
from heliograph.core import sending
from heliograph.core.ports import Submission
from heliograph.logs import configure_logging

_GROUP: Final = 2_000
_USERS: Final = 100_000


def _group(first: int, count: int) -> Sequence[Submission]:
    return [
        sending.submission(
            sending.read(BODY.replace("$N", f"{n:09d}").replace("$U", f"{n % _USERS:09d}").encode()),
            "default",
            now(),
            "",
        )
        for n in range(first, first + count)
    ]


async def _fill(path: Path, count: int) -> None:
    store = SqliteStore(path)
    await store.open()
    for first in range(0, count, _GROUP):
        made = _group(first, min(_GROUP, count - first))
        await store.accept(made)
        await store.record([event for one in made if one.notification for event in kept(one.notification)])
    await store.close_store()


if __name__ == "__main__":
    configure_logging("warning", "text")
    uvloop.run(_fill(Path(sys.argv[1]), int(sys.argv[2])))
