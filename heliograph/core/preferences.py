"""What a user wants to hear where: the rule, pure.

Reads a user's preferences and what a notification is about; answers why they don't get it on a channel, or that they
do. The router follows it, and every worker asks once more right before sending (CONTRACT section 3).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from heliograph.core.model import Channel, Level, Preferences

PREFERENCE: Final = "preference"
"""The reason of a delivery that ended because its user had muted it."""
_WORDS: Final[dict[Channel, str]] = {"in_app": "in-app", "push": "push", "email": "e-mail"}


def muted_by(preferences: Preferences, level: Level, category: str | None, channel: Channel) -> str | None:
    """Why the user doesn't get such a notification on this channel, as a clause; None = they do.

    Transactional (P0) is never muted. The most specific rule that speaks of the channel decides: that of the category,
    then that of what it is a part of (`marketing` covers `marketing.news`), then the channel's own switch.
    """
    if level is Level.P0:
        return None
    for name in _from_specific_to_general(category):
        wanted = preferences.categories.get(name, {}).get(channel)
        if wanted is not None:
            return None if wanted else f"the user muted {_WORDS[channel]} for {name}"
    return None if preferences.channels.get(channel, True) else f"the user muted {_WORDS[channel]}"


def _from_specific_to_general(category: str | None) -> Iterator[str]:
    """`a.b.c`, `a.b`, `a`."""
    while category:
        yield category
        category = category.rpartition(".")[0]
