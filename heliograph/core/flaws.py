"""Names everything that is wrong with a decoded JSON value, where msgspec itself stops at the first. Pure.

Only the slow path comes here, a request that msgspec refused; but for `data_flaw`, which looks at every `data`.
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
_FIELD: Final = re.compile(r"Object (contains unknown|missing required) field `([^`]*)`")
_MOST: Final = 100
MAX_DEPTH: Final = 32
_INT64: Final = 2**63


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
    path = where.group(1) if where else ""
    sentence = _AT.sub("", message)
    if named := _FIELD.fullmatch(sentence):
        path, sentence = f"{path}.{named[2]}", "unknown field" if named[1] == "contains unknown" else "is missing"
    return Flaw(path.removeprefix("."), sentence)


def data_flaw(data: dict[str, object]) -> str | None:
    """Why a caller's free-form JSON can't be kept and handed on by every box; None = it can.

    msgpack and BSON carry integers of 64 bits, and every decoder on the way has its own limit of nesting: what would
    fail there would fail again and again, after it was accepted.
    """
    level: list[dict[str, object] | list[object]] = [data]
    for _ in range(MAX_DEPTH):
        inner = [value for one in level for value in (one.values() if isinstance(one, dict) else one)]
        if any(isinstance(value, int) and not -_INT64 <= value < _INT64 for value in inner):
            return "has an integer of more than 64 bits"
        level = [value for value in inner if isinstance(value, dict | list)]
        if not level:
            return None
    return f"is nested more than {MAX_DEPTH} levels deep"


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
