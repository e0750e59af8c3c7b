"""Every lane of the message queue, one row each, and what travels in it.

A lane has three levels that are pulled strictly: p1 only when p0 is empty, p2 only when both are. Each level has its
own retry lane, so that a retry storm of one never blocks another. Subjects: `lane.<lane>.p0`, `retry.<lane>.p0`, and
`retry.<lane>.p0.later.<unique>` for a message that the server holds until its time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, Protocol

import msgspec

from heliograph.core.model import PART, Device, DeviceKind, Key, Level, Mail, Millis, Notification

MAX_PACK_BYTES: Final = 256 * 1024


class Item(Protocol):
    """What every lane's item can say of itself. `weight`: how many notifications' work it is."""

    weight: ClassVar[int]

    @property
    def key(self) -> Key: ...
    @property
    def level(self) -> Level: ...
    @property
    def target(self) -> str: ...


class IngestItem(msgspec.Struct, frozen=True, omit_defaults=True, tag="n"):
    """An accepted notification, on its way to the delivery router."""

    weight: ClassVar[int] = 1

    notification: Notification
    gen: int = 0
    target: str = ""

    @property
    def key(self) -> Key:
        return self.notification.key

    @property
    def level(self) -> Level:
        return self.notification.level


class BatchItem(msgspec.Struct, frozen=True, tag="b"):
    """An accepted batch (by id; the store has it), to be expanded from where `reached` says on.

    `reached`: how many members of a list or bulk are done, or the last subscriber of a topic who is; empty = none.
    """

    weight: ClassVar[int] = PART

    tenant: str
    batch_id: str
    at_level: int
    reached: str = ""
    target: str = ""

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.batch_id)

    @property
    def level(self) -> Level:
        return Level(self.at_level)


class _Addressed(msgspec.Struct, frozen=True, omit_defaults=True):
    weight: ClassVar[int] = 1

    notification: Notification

    @property
    def key(self) -> Key:
        return self.notification.key

    @property
    def level(self) -> Level:
        return self.notification.level


class InAppItem(_Addressed, frozen=True, omit_defaults=True):
    """For the in-app worker. `planned` = a delivery the router counts on; else it only keeps the stream gap-free."""

    planned: bool = True
    target: str = "in_app"


class PushItem(_Addressed, frozen=True, omit_defaults=True, kw_only=True):
    """For the push worker: one device. `gen` counts replays, `attempt` tries (from 1), `base` tries before replay."""

    device_id: str
    kind: DeviceKind
    token: str
    registered_at: Millis = 0
    attempt: int = 1
    gen: int = 0
    base: int = 0

    @property
    def target(self) -> str:
        return push_target(self.device_id)


class EmailItem(_Addressed, frozen=True, omit_defaults=True, kw_only=True):
    """For the e-mail worker: to be rendered and put into the outbox."""

    address: str
    name: str | None = None
    attempt: int = 1
    gen: int = 0
    base: int = 0
    target: str = "email"


class OutboxItem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """For the e-mail sender: a rendered mail, waiting for a token of the rate limit."""

    weight: ClassVar[int] = 1

    tenant: str
    id: str
    at_level: int
    mail: Mail
    user: str = ""
    category: str | None = None
    expires_at: Millis | None = None
    attempt: int = 1
    gen: int = 0
    base: int = 0
    target: str = "email"

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.id)

    @property
    def user_key(self) -> Key:
        return Key(self.tenant, self.user)

    @property
    def level(self) -> Level:
        return Level(self.at_level)


LaneItem = IngestItem | BatchItem | InAppItem | PushItem | EmailItem | OutboxItem


class Lane(msgspec.Struct, frozen=True):
    """One row: who pulls it (`role`), what it holds (`item`, as a msgspec type), how many items a message may pack.

    `channel`: what its work is for, as metrics say it; `routing` = not decided yet.
    """

    name: str
    role: str
    item: object
    channel: str
    pack: int = 500
    max_bytes: int = 2 * 1024**3


INGEST: Final = Lane("ingest", "router", IngestItem | BatchItem, "routing")
INAPP: Final = Lane("inapp", "inapp-worker", InAppItem, "in_app")
PUSH: Final = Lane("push", "push-worker", PushItem, "push", pack=100)
"""For FCM. Each push provider has a lane of its own: one that is slow, paused or down must not hold another's pushes,
and within each the order stays strict."""
PUSH_APNS: Final = Lane("push-apns", "push-worker", PushItem, "push", pack=100)
PUSH_WEB: Final = Lane("push-web", "push-worker", PushItem, "push", pack=100)
PUSH_EXPO: Final = Lane("push-expo", "push-worker", PushItem, "push", pack=100)
EMAIL: Final = Lane("email", "email-worker", EmailItem, "email")
OUTBOX: Final = Lane("outbox", "email-sender", OutboxItem, "email", pack=25)
"""The rate-limit queue. Small packs: an envelope belongs to one sender until all of its mails are settled."""

PUSH_LANES: Final[Mapping[DeviceKind, Lane]] = {
    "fcm_token": PUSH, "fcm_fid": PUSH, "apns": PUSH_APNS, "webpush": PUSH_WEB, "expo": PUSH_EXPO,
}  # fmt: skip
"""By the kind of the device."""

LANES: Final = (INGEST, INAPP, PUSH, PUSH_APNS, PUSH_WEB, PUSH_EXPO, EMAIL, OUTBOX)
LANE_OF_NAME: Final = {lane.name: lane for lane in LANES}


def push_target(device_id: str) -> str:
    return f"push:{device_id}"


def push_item(notification: Notification, device: Device) -> PushItem:
    return PushItem(
        notification=notification.lighten(),
        device_id=device.id,
        kind=device.kind,
        token=device.value,
        registered_at=device.created_at,
    )
