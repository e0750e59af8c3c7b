"""Calls a running system over HTTP with a server key, for commands that look at it.

Where it is and by which key: the options, else HELIOGRAPH_URL and HELIOGRAPH_KEY, else what `heliograph up` left in the
data folder. Reads; changes nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

URL: Final = "HELIOGRAPH_URL"
KEY: Final = "HELIOGRAPH_KEY"
_FILE: Final = "running.json"
_TIMEOUT_S: Final = 10.0
_LOCAL: Final = "http://127.0.0.1:8080"


class Caller:
    """One running system. Its errors say what to do."""

    def __init__(self, url: str, key: str, session: aiohttp.ClientSession) -> None:
        self.url = url.rstrip("/")
        self._session = session
        self._headers = {"Authorization": f"Bearer {key}"}

    async def get(self, path: str) -> Any:
        """The decoded answer. Raises ValueError: nobody is there, the key is refused, there is no such thing."""
        try:
            async with self._session.get(self.url + path, headers=self._headers) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise ValueError(
                f"no answer from {self.url} ({why}): is it running? Say where with --url or {URL}"
            ) from error
        if answer.status == 401:
            raise ValueError(f"{self.url} refuses the key: give a server key with --key or {KEY}")
        found = _decoded(text)
        if answer.status != 200:
            detail = found.get("detail") if isinstance(found, dict) else None
            raise ValueError(f"{self.url}{path}: {answer.status}, {detail or text[:200]}")
        return found


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


@asynccontextmanager
async def calling(url: str | None, key: str | None, data: Path) -> AsyncIterator[Caller]:
    """Raises ValueError when no key is to be found."""
    left = _left(data)
    where = url or os.environ.get(URL) or left.get("url") or _LOCAL
    with_key = key or os.environ.get(KEY) or left.get("key")
    if not with_key:
        raise ValueError(
            f"no server key: give --key or {KEY}, or --data with the folder of a running `heliograph up` "
            f"(nothing is running in {data})"
        )
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)) as session:
        yield Caller(where, with_key, session)


def leave(data: Path, url: str, key: str) -> None:
    """Tells later commands where this system is; readable by its owner only, as the store is."""
    path = data / _FILE
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps({"url": url, "key": key, "pid": os.getpid()}), "utf-8")


def clean(data: Path) -> None:
    """This system is not running any more. What another one has left meanwhile stays."""
    if _left(data).get("pid") == os.getpid():
        (data / _FILE).unlink(missing_ok=True)


def _left(data: Path) -> dict[str, Any]:
    try:
        found = json.loads((data / _FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
