"""The nouns: notification, user, device, batch, mail. Immutable values, shared by every box.

Times are integers, milliseconds since 1970-01-01 UTC (`Millis`); RFC 3339 exists only at the HTTP edge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import accumulate, chain
from typing import Any, Final, Literal

import msgspec

from heliograph.core.ids import batch_member_id, batch_subscriber_id

Millis = int
Type = Literal["transactional", "alert", "marketing"]
Channel = Literal["in_app", "push", "email"]
DeviceKind = Literal["fcm_token", "fcm_fid", "apns", "webpush", "expo"]
Engagement = Literal["seen", "read", "unread", "archive", "unarchive"]

CHANNELS: Final[tuple[Channel, ...]] = ("in_app", "push", "email")
HEAVY_CONTENT: Final = 16 * 1024
"""Characters of body from which an item carries only the notification's id (DESIGN section 4: items stay small)."""


PART: Final = 500
"""Members of a batch that are expanded at once, and sends of a bulk that a store keeps in one piece."""


class Level(IntEnum):
    """Queue level; the smaller is always served first."""

    P0 = 0
    P1 = 1
    P2 = 2


LEVEL_OF_TYPE: Final[dict[Type, Level]] = {
    "transactional": Level.P0,
    "alert": Level.P1,
    "marketing": Level.P2,
}


class Key(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Names one object of one tenant: the tenant is part of every look-up."""

    tenant: str
    id: str


class Notification(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a client service asked to tell one user. Never changes after it was accepted."""

    id: str
    tenant: str
    user: str
    type: Type
    created_at: Millis
    title: str = ""
    body: str | None = ""
    """None in a queue item = heavy: load it by id (see `lighten`)."""
    category: str | None = None
    data: dict[str, Any] | None = None
    action_url: str | None = None
    image_url: str | None = None
    badge: int | None = None
    """The number a push puts on the app's icon; None leaves it as it is."""
    channels: tuple[Channel, ...] | None = None
    """The channels the caller limits the choice to; None = the router decides."""
    collapse_key: str | None = None
    expires_at: Millis | None = None
    batch_id: str | None = None

    @property
    def level(self) -> Level:
        return LEVEL_OF_TYPE[self.type]

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.id)

    @property
    def user_key(self) -> Key:
        return Key(self.tenant, self.user)

    @property
    def in_inbox(self) -> bool:
        """Whether the inbox keeps it: always, unless the caller named channels and left `in_app` out."""
        return self.channels is None or "in_app" in self.channels

    def expired(self, now: Millis) -> bool:
        return self.expires_at is not None and now >= self.expires_at

    def lighten(self) -> Notification:
        """The same notification as it travels in a queue: a heavy body stays in the store."""
        if self.body is None or len(self.body) <= HEAVY_CONTENT:
            return self
        return msgspec.structs.replace(self, body=None)


class User(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person of a tenant, as far as deliveries need to know them."""

    tenant: str
    id: str
    email: str | None = None
    name: str | None = None
    locale: str | None = None
    timezone: str | None = None
    data: dict[str, Any] | None = None
    updated_at: Millis = 0

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.id)


class Device(msgspec.Struct, frozen=True):
    """Something that can show a push. `value` is the token, or the JSON text of a Web Push subscription."""

    id: str
    tenant: str
    user: str
    kind: DeviceKind
    value: str
    created_at: Millis


class Preferences(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a user wants to hear where: channel to yes or no, in general and by category. What isn't said is yes."""

    channels: dict[Channel, bool] = {}
    categories: dict[str, dict[Channel, bool]] = {}


class Recipient(msgspec.Struct, frozen=True):
    """A user with what can be reached of them; `user` is None when nobody ever told us more than the id."""

    user: User | None
    devices: tuple[Device, ...] = ()
    preferences: Preferences = Preferences()


class Send(msgspec.Struct, frozen=True, array_like=True):
    """One send of a bulk request: its place in the request, and the notification but for its id."""

    place: int
    notification: Notification


class Batch(msgspec.Struct, frozen=True, omit_defaults=True):
    """A list, topic or bulk send: stored as one document, expanded into notifications by the router chunk by chunk.

    A list has `content` and `users`; a topic has `content` and `topic`; a bulk has `sends`, each with content of its
    own, the most urgent first: so each is expanded in the level of its type.
    """

    id: str
    tenant: str
    type: Type
    """Of a bulk: the most urgent in it."""
    created_at: Millis
    content: Notification | None = None
    """What all members have in common; its `id` and `user` stand for nothing."""
    users: tuple[str, ...] = ()
    topic: str | None = None
    sends: tuple[Send, ...] = ()
    first: int = 0
    """Of a bulk that was read in part: which of its sends is the first of `sends`."""
    levels: tuple[int, ...] = ()
    """Of a bulk that was read in part: how many sends of each level it has; empty = all of them are here."""

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.id)

    @property
    def level(self) -> Level:
        return LEVEL_OF_TYPE[self.type]

    @property
    def size(self) -> int:
        """Members known from the start: all but those of a topic."""
        return len(self.users) + (sum(self.levels) or len(self.sends))

    def level_at(self, index: int) -> Level:
        """In which level the expansion goes on from member `index`."""
        here = index - self.first
        if here < len(self.sends):
            return self.sends[here].notification.level
        ends = zip(Level, accumulate(self.levels), strict=False)
        return next((level for level, end in ends if index < end), self.level)

    def member(self, index: int) -> Notification:
        """The `index`-th notification it stands for; the same on every expansion."""
        if self.sends:
            send = self.sends[index - self.first]
            place, notification = send.place, send.notification
        else:
            place, notification = index, self._to(self.users[index])
        return msgspec.structs.replace(notification, id=batch_member_id(self.id, place), batch_id=self.id)

    def members(self, start: int, limit: int) -> list[Notification]:
        """The next chunk of a list or a bulk, all of one level."""
        level, end = self.level_at(start), min(start + limit, self.size)
        return [self.member(index) for index in range(start, end) if self.level_at(index) is level]

    def subscriber(self, user: str) -> Notification:
        """The notification of one subscriber of the topic; the same on every expansion."""
        return msgspec.structs.replace(self._to(user), id=batch_subscriber_id(self.id, user), batch_id=self.id)

    def at_place(self, place: int) -> Notification | None:
        """The member that stood at `place` of the request; None also when it was erased (`core.erasing`)."""
        if self.sends:
            index = next((index for index, send in enumerate(self.sends, self.first) if send.place == place), None)
        else:
            index = place if place < len(self.users) else None
        found = None if index is None else self.member(index)
        return found if found is not None and found.user else None

    def divided(self) -> tuple[Batch, list[tuple[Send, ...]]]:
        """As stores keep a bulk: what there is to say of all of it, and its sends in parts of `PART`."""
        parts = [self.sends[start : start + PART] for start in range(0, len(self.sends), PART)]
        counts = Counter(send.notification.level for send in self.sends)
        return msgspec.structs.replace(self, sends=(), levels=tuple(counts[level] for level in Level)), parts

    def joined(self, part: int, parts: Iterable[Sequence[Send]]) -> Batch:
        """A `divided` bulk with these parts of it, of which the first is number `part`."""
        sends = tuple(chain.from_iterable(parts))
        if not sends:
            return self
        levels = () if len(sends) == self.size else self.levels
        return msgspec.structs.replace(self, sends=sends, first=part * PART, levels=levels)

    def _to(self, user: str) -> Notification:
        assert self.content is not None
        return msgspec.structs.replace(self.content, user=user)


class InboxState(msgspec.Struct, frozen=True):
    """A person's marks on one inbox item."""

    seen_at: Millis | None = None
    read_at: Millis | None = None
    archived_at: Millis | None = None


class InboxItem(msgspec.Struct, frozen=True):
    notification: Notification
    state: InboxState


class Mail(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rendered e-mail, ready for any provider. `args` come back in the provider's webhooks.

    `sender` (`Name <addr>` or `addr`) is the tenant's own; None = the installation's.
    """

    to: str
    subject: str
    text: str
    html: str
    to_name: str | None = None
    args: dict[str, str] = {}
    headers: dict[str, str] = {}
    sender: str | None = None
    reply_to: str | None = None


class PushMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One push to one device, before a provider puts it into its own words."""

    kind: DeviceKind
    token: str
    title: str
    body: str
    data: dict[str, str] = {}
    collapse_key: str | None = None
    ttl_s: int | None = None
    urgent: bool = False
    level: Level = Level.P1
    action_url: str | None = None
    image_url: str | None = None
    badge: int | None = None
    id: str = ""
    """The notification's."""
    type: Type | None = None
    registered_at: Millis = 0
    """When the device gave us its token: what a provider says of an older time doesn't concern it."""
