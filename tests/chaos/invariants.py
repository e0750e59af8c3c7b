"""What must hold whatever happened: pure functions of the ledger, the store's histories and the providers' journal.

Each answers with what is wrong, in words that name the notification; nothing wrong = an empty list. They read raw
events, not the statuses that the product derives from them, so that a bug in the one doesn't hide in the other.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from heliograph.core.lifecycle import Event, History
from heliograph.core.model import Key
from tests.chaos.ledger import Sent

ENDS = frozenset({"sent", "delivered", "failed", "suppressed", "expired", "cancelled"})
URGENT = "transactional"
_GOOD = frozenset({"sent", "delivered"})
RANK = {
    "accepted": 0, "scheduled": 0, "queued": 1, "sending": 2, "retrying": 2, "sent": 4, "cancelled": 5, "expired": 5,
    "suppressed": 5, "failed": 6, "delivered": 7,
}  # fmt: skip
"""Of the statuses, by docs/lifecycle.md: `sending` and `retrying` may take turns, nothing else goes back."""


@dataclass(frozen=True)
class Call:
    """One message that a provider took. `at`: seconds since 1970."""

    notification: str
    channel: str
    number: str
    at: float
    to: str


def lost(accepted: Iterable[Key], histories: Mapping[Key, History]) -> list[str]:
    """Every 202 is in the store."""
    return [f"{key.id}: accepted, but not in the store" for key in accepted if key not in histories]


def unfinished(histories: Mapping[Key, History]) -> list[str]:
    """Everything owed was settled, and each delivery has one end: several ends only where one corrects the other."""
    found: list[str] = []
    for key, history in histories.items():
        planned = {target for event in history.events for target in event.plan}
        ends = _ends(history.events)
        found += [
            f"{key.id}: {target} has no end" for target in planned if not ends.get(target) and not history.cancelled
        ]
        found += [f"{key.id}: {target} ended as {kinds}" for target, kinds in ends.items() if not _one_end(kinds)]
        if history.open:
            found.append(f"{key.id}: {history.open} deliveries are still owed")
        if not planned and not history.cancelled and not ends:
            found.append(f"{key.id}: never routed")
    return found


def _ends(events: Sequence[Event]) -> dict[str, set[str]]:
    ends: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if event.kind in ENDS and event.target:
            ends[event.target].add(event.kind)
    return ends


def _one_end(kinds: set[str]) -> bool:
    """`sent` may be followed by word of the other side, and an unseen frame may be acknowledged late."""
    return len(kinds - _GOOD) <= 1


def bugs(histories: Mapping[Key, History]) -> list[str]:
    """A dead letter is an end, but a fault must not make one out of a bug or out of poison."""
    return [
        f"{key.id}: {event.target} failed: {event.detail}"
        for key, history in histories.items()
        for event in history.events
        if event.kind == "failed" and (event.detail or "").startswith(("bug", "poison"))
    ]


def doubled(histories: Mapping[Key, History], calls: Iterable[Call]) -> list[str]:
    """A provider got a delivery more than once only if so many attempts are marked unknown."""
    unknown: Counter[tuple[str, str]] = Counter()
    for key, history in histories.items():
        for event in history.events:
            if event.kind == "unknown":
                unknown[key.id, event.target.partition(":")[0]] += 1
    taken = Counter((call.notification, call.channel) for call in calls)
    return [
        f"{name}: {count} calls by {channel}, {unknown[name, channel]} attempts unknown"
        for (name, channel), count in taken.items()
        if count - 1 > unknown[name, channel]
    ]


def repeats(calls: Iterable[Call]) -> int:
    """How many calls were more than the first of their delivery."""
    return sum(count - 1 for count in Counter((call.notification, call.channel) for call in calls).values())


def unsent(histories: Mapping[Key, History], calls: Iterable[Call]) -> list[str]:
    """What the store calls sent, a provider did take."""
    taken = {(call.notification, call.channel) for call in calls}
    return [
        f"{key.id}: {channel} is {kinds}, but no provider has it"
        for key, history in histories.items()
        for target, kinds in _ends(history.events).items()
        if kinds & _GOOD
        and (channel := target.partition(":")[0]) in ("email", "push")
        and (key.id, channel) not in taken
    ]


def several_ids(ids: Mapping[str, set[str]], calls: Iterable[Call]) -> list[str]:
    """One idempotency key, one id: in every answer, and in what left."""
    seen: dict[str, set[str]] = {number: set(found) for number, found in ids.items()}
    for call in calls:
        seen.setdefault(call.number, set()).add(call.notification)
    return [f"{number}: {sorted(found)}" for number, found in seen.items() if len(found) > 1]


def overtaken(sent: Mapping[Key, Sent], histories: Mapping[Key, History], slack_s: float) -> list[str]:
    """No P0 waits for its first attempt at the mailbox while less urgent mails begin theirs.

    Args:
        slack_s: after its acceptance; until then it may be on its way, or in a dead worker's hands.
    """
    first: dict[Key, float] = {}
    for key in sent.keys() & histories.keys():
        begun = [event.at for event in histories[key].events if event.kind == "sending" and event.target == "email"]
        if begun:
            first[key] = min(begun) / 1000
    urgent = {key: at for key, at in first.items() if sent[key].type == URGENT}
    others = sorted(at for key, at in first.items() if key not in urgent)
    found: list[str] = []
    for key, at in urgent.items():
        passed = bisect_left(others, at) - bisect_right(others, sent[key].at + slack_s)
        if passed > 0:
            found.append(f"{key.id}: P0 waited {at - sent[key].at:.2f} s, {passed} less urgent ones began meanwhile")
    return found


def inbox_differs(tenant: str, user: str, expected: set[str], listed: Sequence[str], foreign: set[str]) -> list[str]:
    """An inbox has each accepted notification once, and nothing of another tenant's."""
    who = f"{tenant}/{user}"
    found = [f"{who}: {one} is missing in the inbox" for one in expected - set(listed)]
    found += [f"{who}: {one} is in the inbox {count} times" for one, count in Counter(listed).items() if count > 1]
    return found + [f"{who}: sees {one} of another tenant" for one in set(listed) & foreign]


def offsets_broken(frames: Sequence[tuple[str, int, str]], start: tuple[str, int]) -> list[str]:
    """Frames (epoch, offset, notification) of one page since `start`: consecutive while the epoch lasts, none twice."""
    found: list[str] = []
    epoch, offset = start
    for now, place, name in frames:
        if now == epoch and place != offset + 1:
            found.append(f"{name}: offset {place} after {offset}")
        epoch, offset = now, place
    twice = [name for name, count in Counter(name for _, _, name in frames).items() if count > 1]
    return found + [f"{name}: shown twice" for name in twice]
