"""The lanes' table, and what travels in it."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from heliograph.core.lanes import (
    EMAIL,
    INAPP,
    INGEST,
    LANE_OF_NAME,
    LANES,
    OUTBOX,
    PUSH,
    PUSH_LANES,
    BatchItem,
    EmailItem,
    InAppItem,
    IngestItem,
    Lane,
    LaneItem,
    OutboxItem,
    push_item,
)
from heliograph.core.model import HEAVY_CONTENT, LEVEL_OF_TYPE, DeviceKind, Key, Level, Mail, Type
from tests.unit.given import TENANT, device, notification

NOTIFICATION = notification(type="marketing", data={"a": [1, None, "é"]}, expires_at=5)
MAIL = Mail(to="a@b.example", subject="s", text="t", html="h", args={"hg_id": "ntf_1"})
ITEMS: list[tuple[Lane, LaneItem, str]] = [
    (INGEST, IngestItem(NOTIFICATION, gen=2), ""),
    (INGEST, BatchItem(TENANT, "ntf_1", 2), ""),
    (INAPP, InAppItem(NOTIFICATION, planned=False), "in_app"),
    (PUSH, push_item(NOTIFICATION, device("dev_9")), "push:dev_9"),
    (EMAIL, EmailItem(NOTIFICATION, address="a@b.example", name="A", attempt=3, gen=1, base=2), "email"),
    (OUTBOX, OutboxItem(tenant=TENANT, id="ntf_1", at_level=2, mail=MAIL, attempt=2), "email"),
]


@pytest.mark.parametrize(("lane", "item", "target"), ITEMS)
def test_an_item_survives_its_lane(lane: Lane, item: LaneItem, target: str) -> None:
    """Packed and unpacked by its lane's type it is the same, and names its object, level and target."""
    packed = msgspec.msgpack.encode(item)
    assert msgspec.msgpack.Decoder(lane.item).decode(packed) == item
    assert (item.key, item.level, item.target) == (Key(TENANT, "ntf_1"), Level.P2, target)


def test_lane_names_are_unique_and_speak_of_one_role_each() -> None:
    """One row each: a name is a subject's word, a role its durable consumer."""
    assert len({lane.name for lane in LANES}) == len(LANES)
    assert {lane.name for lane in LANES if lane.role == "push-worker"} == {lane.name for lane in PUSH_LANES.values()}
    assert len({lane.role for lane in LANES}) == len(LANES) - len(set(PUSH_LANES.values())) + 1
    assert set(PUSH_LANES) == set(get_args(DeviceKind))
    assert all(LANE_OF_NAME[lane.name] is lane for lane in LANES)
    assert all(lane.name.replace("-", "").isalpha() and lane.name.islower() for lane in LANES)
    assert all(0 < lane.pack <= 500 for lane in LANES)


@pytest.mark.parametrize(("kind", "level"), [("transactional", Level.P0), ("alert", Level.P1), ("marketing", Level.P2)])
def test_a_type_has_its_level(kind: Type, level: Level) -> None:
    """The contract's three types are the three levels; the smaller is served first."""
    assert notification(type=kind).level == LEVEL_OF_TYPE[kind] == level
    assert Level.P0 < Level.P1 < Level.P2


def test_a_heavy_body_travels_by_id() -> None:
    """Items stay small: over 16 KiB of body only the id goes along, everything else stays."""
    light = notification(body="x" * HEAVY_CONTENT)
    assert light.lighten() is light
    heavy = notification(body="x" * (HEAVY_CONTENT + 1), data={"a": 1})
    assert heavy.lighten() == msgspec.structs.replace(heavy, body=None)
    assert heavy.lighten().lighten().body is None
    assert push_item(heavy, device()).notification.body is None


def test_a_push_item_is_its_devices() -> None:
    """One target per device, with the token it had when it was planned."""
    item = push_item(notification(), device("dev_1", value="tok", kind="apns"))
    assert (item.target, item.token, item.kind, item.attempt) == ("push:dev_1", "tok", "apns", 1)
