"""What the tests put into a store: short to write, awkward to keep."""

from __future__ import annotations

import itertools
from typing import Any

from heliograph.core.ids import new_batch_id, new_notification_id
from heliograph.core.lifecycle import Event, History
from heliograph.core.model import Batch, Key, Level, Millis, Notification, User
from heliograph.core.ports import DeadLetter, DueBatch, Idempotency, InboxQuery, Reached, Store, Submission

NOW: Millis = 1_800_000_000_000
TENANT = "shop"
_moments = itertools.count(NOW)

AWKWARD = "größer \u2028 日本語 🚀 \"quoted\" \\back\\ 'single' $where a.b %s {x} \t\n\x00 end"
DATA: dict[str, Any] = {
    "a.b": {"$where": [1, 2**53 + 1, -(2**63), 2**64 - 1, 1.5, None, True, ""]},
    "": AWKWARD,
    "_id": {"$ne": None},
    "deep": [[[{"x": [{}]}]]],
}


def key(id_: str, tenant: str = TENANT) -> Key:
    return Key(tenant, id_)


def notification(user: str = "anna", **fields: Any) -> Notification:
    """A new one; ids rise with every call."""
    moment = next(_moments)
    fields.setdefault("id", new_notification_id(moment))
    return Notification(
        **{"tenant": TENANT, "user": user, "type": "alert", "created_at": moment, "title": "T"} | fields
    )


def submission(
    made: Notification | Batch | None = None,
    *,
    idem: tuple[str, str] | None = None,
    users: tuple[User, ...] = (),
    check_at: Millis = NOW,
) -> Submission:
    found = made or notification()
    return Submission(
        tenant=found.tenant,
        notification=found if isinstance(found, Notification) else None,
        batch=found if isinstance(found, Batch) else None,
        users=users,
        idempotency=Idempotency(*idem) if idem else None,
        check_at=check_at,
    )


def batch(*users: str, **fields: Any) -> Batch:
    moment = next(_moments)
    made: dict[str, Any] = {
        "id": new_batch_id(moment), "tenant": TENANT, "type": "alert", "created_at": moment, "users": users
    } | fields  # fmt: skip
    content = Notification("", made["tenant"], "", made["type"], made["created_at"], "T", data=DATA)
    return Batch(content=content, **made)


def reached(
    of: Batch, cursor: str = "", *, at: Millis = NOW, done: bool = False, level: Level | None = None
) -> Reached:
    return Reached(of.key, of.level if level is None else level, cursor, at, done)


def due(of: Batch) -> DueBatch:
    """As it is before anything of it was expanded."""
    return DueBatch(of.key, of.level, "", of.created_at)


def event(of: Notification, kind: Any, target: str = "", **fields: Any) -> Event:
    return Event(tenant=of.tenant, notification_id=of.id, at=NOW, kind=kind, target=target, **fields)


def letter(of: Notification, cause: str = "timeout", **fields: Any) -> DeadLetter:
    made: dict[str, Any] = {
        "tenant": of.tenant, "notification_id": of.id, "target": "email", "lane": "outbox", "level": Level.P1,
        "cause": cause, "at": NOW,
    }  # fmt: skip
    return DeadLetter(**made | fields)


async def accepted(store: Store, *made: Notification | Batch, check_at: Millis = NOW) -> None:
    await store.accept([submission(one, check_at=check_at) for one in made])


async def sent(store: Store, user: str = "anna", **fields: Any) -> Notification:
    """One accepted notification."""
    made = notification(user, **fields)
    await accepted(store, made)
    return made


async def history(store: Store, of: Notification) -> History:
    (found,) = await store.histories([of.key])
    assert found is not None
    return found


async def owed(store: Store, of: Notification) -> int:
    return (await history(store, of)).open


async def inbox_ids(store: Store, user: str = "anna", **query: Any) -> list[str]:
    items = await store.inbox(InboxQuery(user=key(user), **query))
    return [item.notification.id for item in items]
