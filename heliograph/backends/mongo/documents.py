"""MongoDB store: how the nouns of `core` lie in documents, and back.

What never changes is one JSON text, so that names with dots or dollar signs in somebody's data are harmless; what is
searched or changed stands beside it as fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from heliograph.backends.mongo.connection import Document
from heliograph.core.erasing import sends_without, without
from heliograph.core.lifecycle import Event, History
from heliograph.core.model import (
    Batch,
    InboxItem,
    InboxState,
    Key,
    Level,
    Millis,
    Notification,
    Preferences,
    Send,
    User,
)
from heliograph.core.ports import DueBatch, Submission
from heliograph.core.suppressing import folded

NEVER: Final = 2**62
"""The time of a mark that isn't set: with it `$min` keeps a mark's first time, and an index can tell marks apart."""
LEVELS: Final = [0, 1, 2]
MARKS: Final = ("seen_at", "read_at", "archived_at")
USER_FIELDS: Final = ("email", "name", "locale", "timezone", "data")
ADDRESS: Final = "address"
"""Beside them the folded e-mail address, if there is one: what `tenants_of` looks for."""

_notification: Final = msgspec.json.Decoder(Notification)
_batch: Final = msgspec.json.Decoder(Batch)
_sends: Final = msgspec.json.Decoder(list[Send])
_event: Final = msgspec.json.Decoder(Event)
_preferences: Final = msgspec.json.Decoder(Preferences)


def text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def id_of(key: Key) -> str:
    """Tenants have no slash in them, so this is unique."""
    return f"{key.tenant}/{key.id}"


def ids_of(keys: Iterable[Key]) -> dict[str, list[str]]:
    """A condition on `_id`."""
    return {"$in": [id_of(key) for key in keys]}


def batch_id_of(key: Key) -> str:
    """Batches lie beside the notifications: what is done to a notification must never meet a batch."""
    return f"{key.tenant}/batch/{key.id}"


def notification_document(notification: Notification, check_at: Millis) -> Document:
    document: Document = {
        "_id": id_of(notification.key),
        "tenant": notification.tenant,
        "id": notification.id,
        "user": notification.user,
        "level": notification.level.value,
        "category": notification.category,
        "check_at": check_at,
        "in_inbox": notification.in_inbox,
        "open": 1,
        "cancelled": False,
        "left": False,
        **dict.fromkeys(MARKS, NEVER),
        "settled": [],
        "events": [],
        "content": text(notification),
    }
    if notification.batch_id is not None:
        document["batch"] = notification.batch_id
    return document


def submission_document(submission: Submission) -> Document:
    if submission.notification:
        document = notification_document(submission.notification, submission.check_at)
    else:
        assert submission.batch
        document = _batch_document(submission.batch, submission.check_at)
    if submission.idempotency:
        document |= {"key": submission.idempotency.key, "fingerprint": submission.idempotency.fingerprint}
    return document


def _batch_document(batch: Batch, check_at: Millis) -> Document:
    return {
        "_id": batch_id_of(Key(batch.tenant, batch.id)),
        "tenant": batch.tenant,
        "id": batch.id,
        "level": batch.level.value,
        "created_at": batch.created_at,
        "moved_at": batch.created_at,
        "check_at": check_at,
        "cursor": "",
        "expanded": False,
        "content": text(batch.divided()[0] if batch.sends else batch),
        "parts": [text(sends) for sends in batch.divided()[1]],
    }


def event_document(event: Event) -> Document:
    return {"i": event.id, "token": event.token, "content": text(event)}


def without_user(document: Document, user: str) -> Document:
    """What must be set in a batch's document so that it says nothing of a user; empty = it doesn't."""
    parts = enumerate(map(_sends.decode, document.get("parts", ())))
    left = {f"parts.{part}": sends_without(sends, user) for part, sends in parts}
    found = {name: text(sends) for name, sends in left.items() if sends is not None}
    whole = without(_batch.decode(document["content"]), user)
    return found if whole is None else {**found, "content": text(whole)}


def batch_of(document: Document, part: int) -> Batch:
    """With the parts of its sends that were read, of which the first is number `part`."""
    return _batch.decode(document["content"]).joined(part, map(_sends.decode, document.get("parts", ())))


def due_batch_of(document: Document) -> DueBatch:
    key = Key(document["tenant"], document["id"])
    return DueBatch(key, Level(document["level"]), document["cursor"], int(document["moved_at"]))


def item_of(document: Document) -> InboxItem:
    return InboxItem(_notification.decode(document["content"]), _state_of(document))


def history_of(document: Document) -> History:
    return History(
        _notification.decode(document["content"]),
        tuple(_event.decode(event["content"]) for event in document["events"]),
        _state_of(document),
        int(document["open"]),
        document["cancelled"],
    )


def _state_of(document: Document) -> InboxState:
    return InboxState(*(None if document[mark] == NEVER else int(document[mark]) for mark in MARKS))


def user_fields(user: User) -> Document:
    """All that was given; what is absent is left out."""
    given = {name: getattr(user, name) for name in USER_FIELDS if getattr(user, name) is not None}
    if "data" in given:
        given["data"] = text(given["data"])
    if user.email is not None:
        given[ADDRESS] = folded(user.email)
    return {"tenant": user.tenant, "id": user.id, **given}


def user_of(document: Document) -> User:
    given = {name: document.get(name) for name in USER_FIELDS}
    if given["data"] is not None:
        given["data"] = msgspec.json.decode(given["data"])
    return User(document["tenant"], document["id"], updated_at=int(document["updated_at"]), **given)


def preferences_of(document: Document) -> Preferences:
    """Of a user's document; empty ones if there are none."""
    return _preferences.decode(document.get("preferences", "{}"))
