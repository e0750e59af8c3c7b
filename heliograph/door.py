"""The door of an HTTP process: counts what is inside and lets nobody in who would fill the memory.

Reads the load of this process (requests, bytes of their bodies, lag of the event loop); writes nothing. A request that
is refused here was not read. The rule is pure: core/admission.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from heliograph.core.admission import Load, Marks, admits
from heliograph.core.errors import Overloaded
from heliograph.core.model import Level

_ALWAYS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Who asks how the process is must hear it above all when it is full."""
_UNKNOWN_SIZE: Final = 256 * 1024
"""Bytes that a body without Content-Length is taken for: what it may have at the most."""


def retry_after_s() -> int:
    """Seconds: whole ones, as the header wants them, and not the same for everybody, or all come back at once."""
    return random.randint(1, 3)  # noqa: S311 - jitter, not a secret


class Door:
    """Args:
    lag_s: by how much the event loop lags.
    """

    def __init__(self, marks: Marks, lag_s: Callable[[], float] = lambda: 0.0) -> None:
        self._marks = marks
        self._lag_s = lag_s
        self._requests = 0
        self._bytes = 0

    @property
    def load(self) -> Load:
        return Load(self._requests, self._bytes, self._lag_s())

    def check(self, level: Level | None = None) -> None:
        """Whether a request that is inside, and turns out to be of this level, may go on. Raises `Overloaded`."""
        load = self.load
        others = Load(max(0, load.requests - 1), load.bytes, load.lag_s)
        if not admits(others, self._marks, level):
            raise Overloaded

    def before(self, inside: ASGIApp, refused: Callable[[], ASGIApp]) -> ASGIApp:
        """`inside`, behind this door; who isn't let in gets `refused()`."""

        async def enter(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP or scope["path"] in _ALWAYS:
                await inside(scope, receive, send)
            elif not admits(self.load, self._marks):
                await refused()(scope, receive, send)
            else:
                await self._inside(inside, scope, receive, send)

        return enter

    async def _inside(self, inside: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        size = _size(scope["headers"])
        self._requests += 1
        self._bytes += size
        try:
            await inside(scope, receive, send)
        finally:
            self._requests -= 1
            self._bytes -= size


def entrance(with_cors: ASGIApp, door: Door | None, refused: Callable[[], ASGIApp]) -> ASGIApp:
    """Lets requests that no web page makes (they have no Origin) past the CORS layer, which reads all headers. The door
    is behind that layer: a page must be able to read that it was refused."""
    without: ASGIApp = cast("Any", with_cors).app
    if door:
        without = cast("Any", with_cors).app = door.before(without, refused)

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        from_page = any(name == b"origin" for name, _ in scope["headers"])
        await (with_cors if from_page else without)(scope, receive, send)

    return handle


def _size(headers: Iterable[tuple[bytes, bytes]]) -> int:
    for name, value in headers:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
        if name == b"transfer-encoding":
            return _UNKNOWN_SIZE
    return 0
