"""The limit of `accept`, `bulk` and `growth`: the store's grouped commits alone, of submissions that are ready.

`python -m heliograph.bench.sides.commits KIND SECONDS [FILE]` is a process of its own, and FILE a database that is
there already, else it has one of its own. KIND `single`: 64 notifications a commit, `bulk`: one bulk of 1,000. Writes
notifications a second as JSON to its standard output.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from heliograph.backends.sqlite import SqliteStore
from heliograph.bench.body import BODY, send
from heliograph.bench.clock import now
from heliograph.core import bulk, sending
from heliograph.core.ports import Submission
from heliograph.logs import configure_logging

GROUP: Final = 64
BULK: Final = 1_000


def _singles(first: int) -> Sequence[Submission]:
    texts = (
        BODY.replace("$N", f"{number:09d}").replace("$U", f"{number:09d}") for number in range(first, first + GROUP)
    )
    return [sending.submission(sending.read(text.encode()), "default", now(), "") for text in texts]


def _bulk(first: int) -> Sequence[Submission]:
    texts = [msgspec.json.encode(send(f"user-{n:09d}", f"{n:09d}")) for n in range(first, first + BULK)]
    return [bulk.submissions(bulk.checked(enumerate(texts)), len(texts), "default", now(), None).batch]


KINDS: Final[dict[str, tuple[Callable[[int], Sequence[Submission]], int]]] = {
    "single": (_singles, GROUP),
    "bulk": (_bulk, BULK),
}


async def _rate(kind: str, seconds: float, file: str = "") -> float:
    """Only the commits count, not what makes the submissions."""
    make, size = KINDS[kind]
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(file or Path(folder) / "heliograph.db")
        await store.open()
        done, busy = 0, 0.0
        while busy < seconds:
            group = make(done)
            started = time.perf_counter()
            await store.accept(group)
            busy += time.perf_counter() - started
            done += size
        await store.close_store()
    return done / busy


if __name__ == "__main__":
    configure_logging("warning", "text")
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(_rate(sys.argv[1], float(sys.argv[2]), *sys.argv[3:]))))
