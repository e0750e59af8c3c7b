"""Items into messages and back: nothing changes, and no message is larger than it may be."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.backends.jetstream.packing import crowd_subject, lane_subject, pack, packed_in, retry_subject, unpack
from heliograph.core.lanes import INGEST, MAX_PACK_BYTES, OUTBOX
from heliograph.core.model import Level
from tests.contract.queue.items import ingest, many, one_of_each


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([*Level]), st.integers(0, 90_000)), max_size=40),
    st.integers(1, 20),
)
def test_packs_hold_all_items_in_order_within_their_bounds(kinds: list[tuple[Level, int]], most: int) -> None:
    """Per level the same items in the same order; at most `pack` items and MAX_PACK_BYTES, unless it is one item."""
    lane = msgspec.structs.replace(INGEST, pack=most)
    items = [ingest(f"n{place}", level, "x" * size) for place, (level, size) in enumerate(kinds)]
    messages = pack(lane, items)
    assert [level for level, _, _ in messages] == sorted(level for level, _, _ in messages)
    for level in Level:
        of_level = [item for at, _, payload in messages if at is level for item in unpack(lane, payload)]
        assert of_level == [item for item in items if item.level is level]
    for _, count, payload in messages:
        assert len(unpack(lane, payload)) == count <= most
        assert count == 1 or len(payload) <= MAX_PACK_BYTES + 5


@pytest.mark.parametrize("count", [1, 15, 16, 500, 65_535, 65_536])
def test_every_size_of_list_has_its_header(count: int) -> None:
    """msgpack writes the length of a list in three ways."""
    lane = msgspec.structs.replace(INGEST, pack=count)
    item = ingest("n", body="")
    messages = [*pack(msgspec.structs.replace(lane, pack=10**6), [item] * count)]
    assert sum(len(unpack(lane, payload)) for _, _, payload in messages) == count


def test_no_items_are_no_messages() -> None:
    """An empty publish sends nothing."""
    assert pack(INGEST, []) == []


def test_each_lane_reads_its_own_items_only() -> None:
    """An item in a lane that isn't its own is refused, not guessed at."""
    for lane, item in one_of_each():
        [(_, _, payload)] = pack(lane, [item])
        assert unpack(lane, payload) == [item]
        if lane is not OUTBOX:
            with pytest.raises(msgspec.DecodeError):
                unpack(OUTBOX, payload)


def test_the_subject_tells_how_many() -> None:
    """The server's count of messages per subject is the lane's depth in notifications."""
    assert lane_subject("ingest", Level.P1, 30) == "lane.ingest.p1.30"
    assert retry_subject("push", Level.P0, 1) == "retry.push.p0.1"
    assert crowd_subject("email", Level.P2, 500) == "crowd.email.p2.500"
    assert [packed_in(subject) for subject in ("lane.ingest.p1.30", "lane.ingest.p1.x", "")] == [30, 1, 1]
    assert [count for _, count, _ in pack(OUTBOX, many("n", 60))] == [25, 25, 10]
