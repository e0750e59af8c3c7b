"""Every flaw of a JSON value, where msgspec names only the first; and what free-form data may hold."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from heliograph.core.errors import Flaw
from heliograph.core.flaws import MAX_DEPTH, data_flaw, find_flaws, flaw_of


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    size: int = 1


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(max_length=3)]
    inner: Inner
    many: list[Inner] = []
    renamed: int = msgspec.field(default=0, name="otherName")


def found(value: Any) -> dict[str, str]:
    try:
        msgspec.convert(value, Outer)
    except msgspec.ValidationError as error:
        flaws = find_flaws(value, Outer, str(error))
        assert len({flaw.path for flaw in flaws}) == len(flaws)
        return {flaw.path: flaw.message for flaw in flaws}
    return {}


GOOD = {"name": "abc", "inner": {"id": "x"}}


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        (GOOD, []),
        ({}, ["name", "inner"]),
        ({"name": 5, "inner": 5}, ["name", "inner"]),
        ({**GOOD, "a": 1, "b": 2}, ["a", "b"]),
        ({"name": "abcd", "inner": {}, "c": 1}, ["c", "name", "inner.id"]),
        ({**GOOD, "inner": {"id": "x", "size": "1"}}, ["inner.size"]),
        ({**GOOD, "inner": {"id": "x", "more": "1"}}, ["inner.more"]),
        ({**GOOD, "many": [{"id": "a"}, {"id": 2}]}, ["many[1].id"]),
        ({**GOOD, "many": [{"id": "a"}, 2]}, ["many[1]"]),
        ({**GOOD, "otherName": "x"}, ["otherName"]),
        ({**GOOD, "renamed": 1}, ["renamed"]),
        ([], [""]),
        (None, [""]),
    ],
)
def test_each_field_is_looked_at(value: Any, paths: list[str]) -> None:
    """Unknown, missing and ill-typed fields, all at once, each with its dotted path."""
    assert list(found(value)) == paths


def test_a_flood_of_unknown_fields_is_cut() -> None:
    """An answer stays small whatever was sent."""
    assert len(found({**GOOD, **{f"x{n}": n for n in range(5_000)}})) == 100


def test_msgspecs_own_message_is_the_last_resort() -> None:
    """What looks right field by field and was refused all the same keeps msgspec's sentence."""
    assert find_flaws(GOOD, Outer, "Something - at `$.inner`") == (Flaw("inner", "Something"),)
    assert flaw_of("Expected `int`") == Flaw("", "Expected `int`")
    assert flaw_of("Expected `str` - at `key in $.data`").message


def deep(levels: int, wrap: bool) -> dict[str, Any]:
    value: Any = {}
    for _ in range(levels - 1):
        value = [value] if wrap else {"a": value}
    return {"a": value} if wrap else value


@settings(max_examples=60, deadline=None, database=None)
@given(st.integers(-(2**70), 2**70), st.lists(st.booleans(), max_size=MAX_DEPTH - 1))
def test_an_integer_has_64_bits(number: int, wraps: list[bool]) -> None:
    """However deep it stands: msgpack and BSON carry no more, JSON would."""
    value: Any = number
    for in_list in wraps:
        value = [value] if in_list else {"a": value}
    assert (data_flaw({"n": value}) is None) == (-(2**63) <= number < 2**63)


@pytest.mark.parametrize("wrap", [False, True])
def test_data_is_at_most_so_deep(wrap: bool) -> None:
    """Objects and lists alike; the deepest allowed passes, one more does not, and endless nesting costs no stack."""
    assert data_flaw(deep(MAX_DEPTH - wrap, wrap)) is None
    assert data_flaw(deep(MAX_DEPTH - wrap + 1, wrap))
    assert data_flaw(deep(50_000, wrap))


def test_other_values_are_the_callers_business() -> None:
    """Texts, fractions, truth and nothing pass at any length."""
    assert data_flaw({}) is None
    assert data_flaw({"a": [1.5e300, True, None, "x" * 10_000, {}, []]}) is None
