"""What is left of a batch when one of its members is erased. Pure.

A batch's document names its members and, in a bulk, holds their content, so an erased person must go from there too.
Places stay, because members' ids derive from them: an erased one is empty.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from heliograph.core.model import Batch, Notification

NOBODY: Final = ""
"""The user of an erased member: it is expanded into nothing."""


def without(batch: Batch, user: str) -> Batch | None:
    """The batch with every trace of `user` taken out; None = there is none."""
    if user in batch.users:
        users = tuple(NOBODY if one == user else one for one in batch.users)
        last = batch.content is not None and not any(users)  # what was said to nobody else was theirs alone
        return replace(batch, users=users, content=_blank(batch.content) if last and batch.content else batch.content)
    if any(send.notification.user == user for send in batch.sends):
        return replace(batch, sends=tuple(
            replace(send, notification=_blank(send.notification)) if send.notification.user == user else send
            for send in batch.sends))  # fmt: skip
    return None


def _blank(one: Notification) -> Notification:
    """Only what says in which level its place lies."""
    return Notification(id="", tenant=one.tenant, user=NOBODY, type=one.type, created_at=one.created_at, title="")
