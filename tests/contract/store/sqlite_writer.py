"""A program for tests: accepts notifications into a SQLite file, several at a time, and prints each id afterwards.

`python -m tests.contract.store.sqlite_writer FILE [COUNT]`; without a count it goes on until it is killed.
"""

from __future__ import annotations

import asyncio
import itertools
import sys

from heliograph.backends.sqlite import SqliteStore
from tests.contract.store.examples import notification, submission


async def write(store: SqliteStore, numbers: itertools.count[int], count: int | None) -> None:
    while count is None or next(numbers) < count:
        made = notification(body="x" * 500)
        await store.accept([submission(made)])
        print(made.id, flush=True)  # noqa: T201 - what the test reads


async def main(path: str, count: int | None) -> None:
    store = SqliteStore(path)
    await store.open()
    numbers = itertools.count()
    await asyncio.gather(*(write(store, numbers, count) for _ in range(8)))
    await store.close_store()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None))
