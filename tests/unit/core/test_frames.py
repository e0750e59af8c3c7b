"""The bus's payloads and the frames made of ready JSON."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.frames import (
    MAX_MESSAGE_BYTES,
    InboxFrame,
    InboxFrames,
    NotificationFrame,
    NotificationFrames,
    inbox_text,
    notification_frame,
    pack_inbox,
    pack_notifications,
    read_all_text,
    unpack,
    with_unread,
)
from heliograph.core.model import InboxItem, InboxState, Key, Notification
from heliograph.core.ports import StreamEntry
from heliograph.core.wire import fresh_inbox_item

names = st.text(min_size=1, max_size=128)
entries = st.builds(StreamEntry, st.integers(1, 2**53), names, st.booleans(), st.binary(max_size=300))
notifications = st.lists(st.builds(NotificationFrame, st.builds(Key, names, names), names, entries), max_size=20)


@given(notifications)
def test_notifications_come_back(frames: list[NotificationFrame]) -> None:
    """Packed and unpacked: the same, in order."""
    messages = [unpack(payload) for payload in pack_notifications(frames)]
    assert all(isinstance(message, NotificationFrames) for message in messages)
    assert [frame for message in messages for frame in message.frames] == frames


@given(st.lists(st.integers(0, 400_000), max_size=30))
def test_messages_stay_below_the_bus_limit(sizes: list[int]) -> None:
    """A batch of large notifications is split; only one that is larger by itself goes over the mark."""
    frames = [NotificationFrame(Key("t", "u"), "e", StreamEntry(1, "n", True, b"x" * size)) for size in sizes]
    payloads = pack_notifications(frames)
    assert all(len(payload) <= MAX_MESSAGE_BYTES for payload in payloads)
    assert sum(len(unpack(payload).frames) for payload in payloads) == len(frames)


def test_inbox_frames_come_back() -> None:
    frames = [InboxFrame(Key("t", "u"), read_all_text(number)) for number in range(3)]
    (payload,) = pack_inbox(frames)
    assert unpack(payload) == InboxFrames(tuple(frames))


@pytest.mark.parametrize("payload", [b"", b"\xc1", b"\x92\xa1x\x90", b"\x92\xa1n\x91\x90", b"{}"])
def test_what_nobody_packed_is_refused(payload: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        unpack(payload)


@given(st.text(max_size=50), st.text(max_size=50), st.integers(1, 2**53))
def test_a_notification_frame_is_json(title: str, body: str, offset: int) -> None:
    """Splicing gives what encoding would: CONTRACT section 5."""
    notification = Notification("ntf_1", "t", "u", "alert", 0, title, body)
    payload = fresh_inbox_item(notification)
    frame = json.loads(notification_frame(offset, payload))
    assert frame == {"t": "notification", "offset": offset, "notification": json.loads(payload)}
    assert (frame["notification"]["title"], frame["notification"]["body"]) == (title, body)


def test_inbox_frames_are_json() -> None:
    """CONTRACT section 5: id, the three times, unread; null = the count is not known."""
    item = InboxItem(Notification("ntf_1", "t", "u", "alert", 0), InboxState(1000, None, None))
    assert json.loads(with_unread(inbox_text(item), 2)) == {
        "t": "inbox", "id": "ntf_1", "seen_at": "1970-01-01T00:00:01.000Z", "read_at": None, "archived_at": None,
        "unread": 2,
    }  # fmt: skip
    assert json.loads(with_unread(read_all_text(1000), None)) == {
        "t": "inbox", "id": "*", "read_at": "1970-01-01T00:00:01.000Z", "unread": None,
    }  # fmt: skip
