"""What is left of a batch when one of its members is erased. Pure.

A batch's document names its members and, in a bulk, holds their content, so an erased person must go from there too.
Places stay, because members' ids derive from them: an erased one is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from heliograph.core.model import Batch, Notification, Send

NOBODY: Final = ""
"""The user of an erased member: it is expanded into nothing."""


def without(batch: Batch, user: str) -> Batch | None:
    """The batch with every trace of `user` taken out; None = there is none in it."""
    if user in batch.users:
        users = tuple(NOBODY if one == user else one for one in batch.users)
        last = batch.content is not None and not any(users)  # what was said to nobody else was theirs alone
        return replace(batch, users=users, content=_blank(batch.content) if last and batch.content else batch.content)
    sends = sends_without(batch.sends, user)
    return None if sends is None else replace(batch, sends=sends)


def sends_without(sends: Sequence[Send], user: str) -> tuple[Send, ...] | None:
    """The same of the sends of a bulk, or of a part of them."""
    if not any(send.notification.user == user for send in sends):
        return None
    return tuple(
        replace(send, notification=_blank(send.notification)) if send.notification.user == user else send
        for send in sends
    )


def _blank(one: Notification) -> Notification:
    """Only what says in which level its place lies."""
    return Notification(id="", tenant=one.tenant, user=NOBODY, type=one.type, created_at=one.created_at, title="")
