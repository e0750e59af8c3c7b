"""What people do with dead letters: look at them, edit one, replay, discard. Shared by the API and the command line.

Reads and writes the store. The store is written in an order in which a death in between loses nothing: what is
recorded twice counts once, and a letter is forgotten last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from heliograph import telemetry
from heliograph.core import wire
from heliograph.core.errors import Problem
from heliograph.core.lifecycle import Event, History
from heliograph.core.mending import EDITABLE, Mend, discarded, edited, mended
from heliograph.core.model import Key, Level, Millis, User
from heliograph.core.ports import DeadGroup, DeadLetter, Store

MOST: Final = 10_000
"""Letters that one call replays or discards."""
_EXAMPLES: Final = 10
Found = list[tuple[DeadLetter, History]]

log = telemetry.logger("letters")


def shown(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "notification_id": letter.notification_id,
        "channel": letter.channel,
        "level": letter.level.name.lower(),
        "cause": letter.cause,
        "detail": letter.detail,
        "attempts": letter.attempts,
        "at": wire.rfc3339(letter.at),
    }


def group_shown(group: DeadGroup) -> dict[str, Any]:
    return {
        "cause": group.cause,
        "count": group.count,
        "oldest_at": wire.rfc3339(group.oldest_at),
        "example": shown(group.example),
    }


async def one(store: Store, tenant: str, letter_id: str) -> DeadLetter:
    """Raises `Problem("not_found")`."""
    found = [letter for letter in await store.dead_letters(tenant, ids=[letter_id]) if letter.id == letter_id]
    if not found:
        raise Problem("not_found", f"there is no dead letter {letter_id}")
    return found[0]


async def whole(store: Store, letter: DeadLetter) -> dict[str, Any]:
    """Everything about one: the item as it died, its history, and what may be edited as it stands now."""
    (history,) = await store.histories([Key(letter.tenant, letter.notification_id)])
    item = msgspec.msgpack.decode(letter.item) if letter.item else None
    editable = await _editable(store, letter, history) if history else {}
    timeline = wire.timeline(history) if history else []
    return {**shown(letter), "lane": letter.lane, "item": item, "history": timeline, "editable": editable}


async def _editable(store: Store, letter: DeadLetter, history: History) -> dict[str, Any]:
    values = {name: getattr(history.notification, name, None) for name in EDITABLE}
    if letter.channel != "email":
        del values["email"]
        return values
    user = await store.user(history.notification.user_key)
    return {**values, "email": user.email if user else None}


# --- edit -------------------------------------------------------------------------------------------------------------


async def edit(store: Store, letter: DeadLetter, mend: Mend, now: Millis, *, dry: bool = False) -> tuple[str, ...]:
    """Corrects what is wrong with it and replays it; answers the fields that were changed.

    Raises `Problem`: `invalid` with every flaw, or `not_found` when the notification was erased meanwhile.
    """
    (history,) = await store.histories([Key(letter.tenant, letter.notification_id)])
    if history is None:
        raise Problem("not_found", "its notification was erased")
    wanted = mended(history.notification, letter, mend)
    if dry:
        return mend.named
    if wanted != history.notification:
        await store.amend(wanted)
    if isinstance(mend.email, str):
        user = await store.user(wanted.user_key) or User(wanted.tenant, wanted.user)
        await store.put_user(msgspec.structs.replace(user, email=mend.email, updated_at=now))
    await store.record([edited(letter, mend, now)])
    await replay(store, [letter], None, now)
    log.warning("letter_edited", action="edit", notification=letter.notification_id, fields=mend.named)
    return mend.named


# --- replay -----------------------------------------------------------------------------------------------------------


async def replay(store: Store, letters: Sequence[DeadLetter], rate_per_s: float | None, now: Millis) -> int:
    """Reopens each letter's delivery, the most urgent first, spread over time by the rate; the reconciler publishes it
    when it is due. Answers how many that were: those of erased people can't be."""
    alive = await _alive(store, letters)
    events: list[Event] = []
    check_at: dict[Key, Millis] = {}
    for index, (letter, history) in enumerate(alive):
        due_at = now + (round(index * 1000 / rate_per_s) if rate_per_s else 0)
        key = Key(letter.tenant, letter.notification_id)
        events.append(Event(
            tenant=letter.tenant, notification_id=letter.notification_id, at=now, kind="replayed",
            target=letter.target, gen=1 + _generation(letter, history), due_at=due_at,
            detail=f"dead letter: {letter.cause}",
        ))  # fmt: skip
        check_at[key] = min(due_at, check_at.get(key, due_at))
    await store.record(events, check_at)
    await store.unbury(letters)
    return len(alive)


async def _alive(store: Store, letters: Sequence[DeadLetter]) -> Found:
    """With their histories, the most urgent first, then the oldest."""
    ordered = sorted(letters, key=lambda letter: (letter.level, letter.at, letter.id))
    histories = await store.histories([Key(letter.tenant, letter.notification_id) for letter in ordered])
    return [(letter, history) for letter, history in zip(ordered, histories, strict=True) if history]


def _generation(letter: DeadLetter, history: History) -> int:
    return Counter(event.kind for event in history.events if event.target == letter.target)["replayed"]


async def plan(store: Store, letters: Sequence[DeadLetter], rate_per_s: float | None = None) -> dict[str, Any]:
    """What a replay or a discard of these would do, changing nothing."""
    alive = [letter for letter, _ in await _alive(store, letters)]
    levels = Counter(letter.level for letter in alive)
    return {
        "count": len(alive),
        "erased": len(letters) - len(alive),
        "by_level": {level.name.lower(): levels[level] for level in Level if levels[level]},
        "by_channel": dict(sorted(Counter(letter.channel for letter in alive).items())),
        "takes_s": round(len(alive) / rate_per_s, 3) if rate_per_s else 0.0,
        "first": [letter.id for letter in alive[:_EXAMPLES]],
    }


# --- discard ----------------------------------------------------------------------------------------------------------


async def discard(store: Store, letters: Sequence[DeadLetter], reason: str, now: Millis) -> int:
    """Gives them up for good: each delivery stays failed, with the reason in its timeline. Answers how many."""
    events = [discarded(letter, reason, _generation(letter, h), now) for letter, h in await _alive(store, letters)]
    await store.record(events)
    await store.unbury(letters)
    if letters:
        causes = dict(Counter(letter.cause for letter in letters).most_common(5))
        log.warning("letters_discarded", action="discard", count=len(letters), reason=reason, causes=causes)
    return len(letters)
