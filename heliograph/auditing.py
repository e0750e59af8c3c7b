"""The HTTP edge's audit line: who asked in vain for what is not theirs.

Reads a refused request, writes one line of the log, never more of a credential than tells it from others. Answers about
another tenant's objects look like those about unknown ones, so this is the one trace of somebody who tries ids.
"""

from __future__ import annotations

from typing import Any, Final

from litestar import Request

from heliograph import telemetry
from heliograph.access import KEY_PREFIX

_AUDITED: Final = {"forbidden", "not_found"}
_LONGEST_PATH: Final = 200
_KEY_SHOWN: Final = len(KEY_PREFIX) + 4
"""Of a server key: what the store keeps beside its digest, to tell keys apart."""

log = telemetry.logger("audit")


def audit(request: Request[Any, Any, Any], code: str) -> None:
    """Notes a request that was refused with one of `_AUDITED`. 401s are counted only: anybody can make any number."""
    if code not in _AUDITED:
        return
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    log.info(
        "refused", action="audit", code=code, method=request.method, path=request.url.path[:_LONGEST_PATH],
        key=credential[:_KEY_SHOWN] if credential.startswith(KEY_PREFIX) else scheme and "user token",
        client=request.client.host if request.client else None,
    )  # fmt: skip
