"""Asks the preferences of a batch's users once more, right before sending: they may have changed since the decision.

Reads the store with one call, and with none when everything is transactional. Decides by `core.preferences`; writes
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from heliograph.core.model import Channel, Key, Level, Preferences
from heliograph.core.ports import UserStore
from heliograph.core.preferences import muted_by

_NONE = Preferences()


class About(Protocol):
    """What a delivery is about, and whose it is."""

    @property
    def user_key(self) -> Key: ...
    @property
    def level(self) -> Level: ...
    @property
    def category(self) -> str | None: ...


async def muted(store: UserStore, batch: Sequence[About], channel: Channel) -> Sequence[bool]:
    """For each: whether its user has muted it on this channel by now."""
    users = list(dict.fromkeys(one.user_key for one in batch if one.level is not Level.P0))
    found = dict(zip(users, await store.preferences(users), strict=True)) if users else {}
    return [muted_by(found.get(one.user_key, _NONE), one.level, one.category, channel) is not None for one in batch]
