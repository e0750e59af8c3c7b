"""Fetches the public keys of whoever issues user tokens: a JWKS (RFC 7517) from the one configured URL, or a file.

Follows no redirect, asks no proxy, reads no more than a key set can be: the answer decides who may read an inbox.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp

TIMEOUT_S: Final = 5.0
MAX_BYTES: Final = 256 * 1024
_HERE: Final = ("127.0.0.1", "::1", "localhost")


class JwksUnavailable(Exception):  # noqa: N818 - a state of the world, not a mistake
    """No key set can be had now."""


def is_url(source: str) -> bool:
    """Raises `ValueError` for a URL that anybody on the way could answer."""
    url = urlsplit(source)
    if url.scheme not in ("http", "https"):
        return False
    if url.scheme == "http" and url.hostname not in _HERE:
        raise ValueError("HELIOGRAPH_USER_TOKEN_JWKS must be an https URL or a file")
    return True


async def fetch(source: str) -> bytes:
    """What stands there. Raises `JwksUnavailable`."""
    try:
        if not is_url(source):
            return await asyncio.to_thread(Path(source).read_bytes)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        # A session for each fetch: there is one every five minutes.
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(source, allow_redirects=False, headers={"Accept": "application/json"}) as response,
        ):
            if response.status != 200:
                raise JwksUnavailable(f"answered {response.status}")
            return await _whole(response.content)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise JwksUnavailable(str(error) or repr(error)) from error


async def _whole(stream: aiohttp.StreamReader) -> bytes:
    try:
        await stream.readexactly(MAX_BYTES)
    except asyncio.IncompleteReadError as error:
        return error.partial
    raise JwksUnavailable(f"has {MAX_BYTES} bytes or more")
