"""Identifiers: ordered by time, and derived where a repeat must hit the same row."""

from __future__ import annotations

import re
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core.ids import (
    accepted_at,
    batch_member_id,
    batch_of_member,
    new_batch_id,
    new_device_id,
    new_notification_id,
    new_ulid,
)
from tests.unit.given import T0

SETTINGS = settings(max_examples=100, deadline=None, database=None)


@SETTINGS
@given(st.integers(0, 2**48 - 2), st.integers(1, 2**40))
def test_ids_are_ordered_by_time(now: int, later: int) -> None:
    """A later millisecond sorts behind, so an index on the id is one on age, and a cursor is an id."""
    assert new_ulid(now) < new_ulid(min(now + later, 2**48 - 1))


def test_ids_name_their_kind_and_are_unique() -> None:
    """26 characters of lower-case Crockford base 32 after the prefix; 80 random bits tell apart one millisecond's."""
    for make, prefix in ((new_notification_id, "ntf_"), (new_batch_id, "bat_"), (new_device_id, "dev_")):
        ids = {make(T0) for _ in range(1_000)}
        assert len(ids) == 1_000
        assert all(re.fullmatch(prefix + "[0-9a-hjkmnp-tv-z]{26}", one) for one in ids)


@SETTINGS
@given(st.integers(0, 2**48 - 1), st.integers(0, 999_999))
def test_a_members_id_leads_back_to_its_batch(now: int, index: int) -> None:
    """Derived and inverted without a table; the same on every expansion."""
    batch_id = new_batch_id(now)
    assert batch_of_member(batch_member_id(batch_id, index)) == (batch_id, index)
    assert batch_member_id(batch_id, index) == batch_member_id(batch_id, index)


@SETTINGS
@given(st.integers(0, 9_998))
def test_members_are_in_the_order_of_to(index: int) -> None:
    """Their ids sort as they were given, so an inbox shows them in order."""
    assert batch_member_id("bat_x", index) < batch_member_id("bat_x", index + 1)


ULID = new_ulid(T0)


@pytest.mark.parametrize(
    "text",
    [
        "", "ntf_", f"ntf_{ULID}", f"ntf_{ULID}-", f"ntf_{ULID}-1", f"ntf_{ULID}-000001",
        f"{ULID}-00001", f"bat_{ULID}-00001",
        f"ntf_{ULID}-0000a", f"ntf_{ULID}-+0001", f"ntf_{ULID}-00001-1", f"ntf_{ULID[1:]}-00001",
        f"ntf_{ULID}-" + "9" * 5_000,
        f"ntf_{ULID}-٠٠٠٠١", f"ntf_ntf_{ULID}-00001",
    ],
    ids=count(),
)  # fmt: skip
def test_only_the_canonical_id_is_one(text: str) -> None:
    """An object has one id: no other spelling finds it, and none is a bug."""
    assert batch_of_member(text) is None


@SETTINGS
@given(st.integers(0, 2**48 - 1), st.integers(0, 99_999))
def test_an_id_tells_when_it_was_made(now: int, index: int) -> None:
    """Of a notification, a batch and a batch's member alike."""
    batch_id = new_batch_id(now)
    for one in (new_notification_id(now), batch_id, batch_member_id(batch_id, index)):
        assert accepted_at(one) == now


@pytest.mark.parametrize("text", ["", "ntf_", "ntf_short", "ntf_!!!!!!!!!!", "ntf_UUUUUUUUUU"])
def test_other_texts_tell_nothing(text: str) -> None:
    """Nought, not a bug: the metric leaves them out."""
    assert accepted_at(text) == 0
