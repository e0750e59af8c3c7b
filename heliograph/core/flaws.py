"""Names everything that is wrong with a decoded JSON value, where msgspec itself stops at the first. Pure.

Only the slow path comes here: a request that msgspec refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields

from heliograph.core.errors import Flaw

_AT: Final = re.compile(r" - at `(?:key in )?\$([^`]*)`$")
_MOST: Final = 100


def find_flaws(value: Any, shape: type[Struct], otherwise: str) -> tuple[Flaw, ...]:
    """The flaws of `value` as a `shape`, one per field at least.

    Args:
        otherwise: msgspec's own message, kept when the look field by field finds nothing.
    """
    found = tuple(_of_struct(value, shape))[:_MOST]
    return found or (flaw_of(otherwise),)


def flaw_of(message: str) -> Flaw:
    """msgspec's message as a path and a sentence."""
    where = _AT.search(message)
    path = where.group(1).removeprefix(".") if where else ""
    return Flaw(path, _AT.sub("", message))


def _of_struct(value: Any, shape: type[Struct]) -> Iterator[Flaw]:
    if not isinstance(value, dict):
        yield Flaw("", "expected an object")
        return
    known = {field.encode_name: field for field in fields(shape)}
    for name in value:
        if name not in known:
            yield Flaw(str(name), "unknown field")
    for name, field in known.items():
        if name in value:
            yield from _of_field(value[name], field)
        elif field.default is NODEFAULT and field.default_factory is NODEFAULT:
            yield Flaw(name, "is missing")


def _of_field(value: Any, field: FieldInfo) -> Iterator[Flaw]:
    try:
        msgspec.convert(value, field.type)
    except msgspec.ValidationError as error:
        flaw = flaw_of(str(error))
        dot = "" if not flaw.path or flaw.path.startswith("[") else "."
        yield Flaw(f"{field.encode_name}{dot}{flaw.path}", flaw.message)
