"""JSON that every reader understands alike. Pure.

Reads bytes from outside, answers with nothing or a `Problem`. msgspec, like most readers, silently keeps the last of
two values of one name; a proxy or a log that keeps the first would then show something else than what was sent.
"""

from __future__ import annotations

from typing import Any

import jiter
import msgspec

from heliograph.core.errors import Problem


def parse_json(body: bytes) -> Any:
    """Any JSON value. Raises `Problem("invalid_json")`."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Problem("invalid_json", "the body is not valid JSON in UTF-8") from error
    refuse_ambiguous(body)
    return value


def refuse_ambiguous(body: bytes) -> None:
    """Raises `Problem("invalid_json")` for an object with one name twice (RFC 8259 section 4: what readers make of it
    is unpredictable). For bytes that are JSON already: 4 µs for a usual send."""
    try:
        jiter.from_json(body, allow_inf_nan=False, cache_mode="keys", catch_duplicate_keys=True)
    except ValueError as error:
        raise Problem("invalid_json", f"the body is not unambiguous JSON: {error}") from error
