"""Contract of the store: `open` counts the deliveries that are owed, whatever is repeated, shuffled or raced."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from heliograph.core.lifecycle import INBOX, Event
from heliograph.core.model import Notification
from heliograph.core.ports import Store
from heliograph.testing.store import MemoryStore
from tests.contract.store.examples import accepted, event, history, notification, owed, sent

Step = tuple[Any, ...]
TO_MAIL: Step = ("routed", "", {"plan": ("email",)})
TO_BOTH: Step = ("routed", "", {"plan": ("email", "push:a")})
TO_PAGE: Step = ("routed", "", {"plan": ("in_app",)})
SENT: Step = ("sent", "email", {"attempt": 1})
DELIVERED: Step = ("delivered", "email", {})
FAILED: Step = ("failed", "email", {})
PUSH_FAILED: Step = ("failed", "push:a", {})
PUSH_AGAIN: Step = ("replayed", "push:a", {"gen": 1})

CASES: list[tuple[str, list[Step], int]] = [
    ("routing replaces what was owed", [TO_BOTH], 2),
    ("routing to one", [TO_MAIL], 1),
    ("routing that found no way is owed still", [("routed", "", {})], 1),
    ("until its failure is known", [("routed", "", {}), ("failed", "routing", {})], 0),
    ("routing counts once", [TO_BOTH, TO_BOTH], 2),
    ("a routing decided anew adds its plan", [TO_MAIL, ("routed", "", {"attempt": 1, "plan": ("push:a",)})], 2),
    ("also after routing had failed", [("failed", "routing", {}), TO_BOTH], 2),
    ("a delivery is settled", [TO_BOTH, SENT], 1),
    ("a repeat settles nothing more", [TO_BOTH, SENT, SENT], 1),
    ("another word on the same delivery neither", [TO_BOTH, SENT, DELIVERED, FAILED], 1),
    ("both are settled", [TO_BOTH, SENT, PUSH_FAILED], 0),
    ("steps on the way", [TO_BOTH, ("sending", "email", {}), ("retrying", "email", {}), ("opened", "", {})], 2),
    ("never below 0", [TO_MAIL, SENT, ("failed", "push:b", {})], 0),
    ("below 0 isn't remembered", [TO_MAIL, SENT, PUSH_FAILED, ("replayed", "email", {"gen": 1})], 1),
    ("settled before it was routed", [DELIVERED, TO_MAIL], 0),
    ("a frame awaits its acknowledgement", [TO_PAGE, ("sent", "in_app", {})], 1),
    ("which settles it", [TO_PAGE, ("sent", "in_app", {}), ("delivered", "in_app", {})], 0),
    ("an item that waits in the inbox", [TO_PAGE, ("sent", "in_app", {"provider": INBOX})], 0),
    ("an escalation adds its plan", [TO_PAGE, ("escalated", "", {"plan": ("email", "push:a")})], 3),
    ("and ends the frame", [TO_PAGE, ("escalated", "", {"plan": ("email",)}), ("expired", "in_app", {})], 1),
    ("a replay owes its delivery again", [TO_BOTH, SENT, PUSH_FAILED, PUSH_AGAIN], 1),
    ("an old word doesn't settle it", [TO_BOTH, SENT, PUSH_FAILED, PUSH_AGAIN, ("sent", "push:a", {})], 1),
    ("its own does", [TO_BOTH, SENT, PUSH_FAILED, PUSH_AGAIN, ("sent", "push:a", {"gen": 1})], 0),
    (
        "routing itself is replayed",
        [("routed", "", {}), ("failed", "routing", {}), ("replayed", "routing", {"gen": 1}),
         ("routed", "", {"gen": 1, "plan": ("email",)})],
        1,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
async def test_counting(store: Store, steps: list[Step], expected: int) -> None:
    """The same count in one call, in one call each, and after everything came once more."""
    at_once, one_by_one = await sent(store), await sent(store)
    await store.record([event(at_once, kind, target, **fields) for kind, target, fields in steps])
    for kind, target, fields in steps:
        await store.record([event(one_by_one, kind, target, **fields)])
    assert (await owed(store, at_once), await owed(store, one_by_one)) == (expected, expected)
    await store.record([event(at_once, kind, target, **fields) for kind, target, fields in steps])
    assert await owed(store, at_once) == expected


async def test_a_call_that_was_half_recorded_is_completed(store: Store) -> None:
    """Some of the events are there already: the others count, they don't."""
    made = await sent(store)
    events = [event(made, *TO_BOTH[:2], **TO_BOTH[2]), event(made, "sent", "email"), event(made, "failed", "push:a")]
    await store.record([events[1]])
    await store.record([events[0]])
    assert await owed(store, made) == 1
    await store.record(events)
    assert await owed(store, made) == 0
    assert len((await history(store, made)).events) == 3


async def test_closed_ones_stay_closed_until_something_is_owed(store: Store) -> None:
    """`close` sets the count to 0; a late word doesn't make it negative, a replay opens it."""
    made, other = await sent(store), await sent(store)
    await store.record([event(made, "routed", plan=("email", "push:a"))])
    await store.close([made.key])
    assert (await owed(store, made), await owed(store, other)) == (0, 1)
    await store.record([event(made, "sent", "email")])
    assert await owed(store, made) == 0
    await store.record([event(made, "replayed", "email", gen=1)])
    assert await owed(store, made) == 1


async def test_racing_writers_count_exactly(store: Store, rival: Store) -> None:
    """Two processes record the same settlements at once: each delivery is taken off once."""
    made = await sent(store)
    targets = [f"push:{i}" for i in range(12)]
    await store.record([event(made, "routed", plan=tuple(targets))])
    words = [event(made, kind, target) for kind in ("sent", "delivered") for target in targets[:9]]
    await asyncio.gather(*((store, rival)[i % 2].record([word]) for i, word in enumerate(words * 2)))
    assert await owed(store, made) == 3


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_comes(store: Store, seed: int) -> None:
    """A random life of three notifications, in random portions with repeats, counts like the twin in memory."""
    chance, twin = random.Random(seed), MemoryStore()
    made = [notification() for _ in range(3)]
    await accepted(store, *made)
    await accepted(twin, *made)
    for _ in range(25):
        step = chance.randrange(12)
        subject = chance.choice(made)
        for one in (store, twin):
            if step == 0:
                await one.cancel(subject.key, 1)
            elif step == 1:
                await one.close([subject.key])
        events = [random_event(chance, chance.choice(made)) for _ in range(chance.randrange(6))]
        assert [b.begun for b in await store.begin([e for e in events if e.kind == "sending"])] == [
            b.begun for b in await twin.begin([e for e in events if e.kind == "sending"])
        ]
        await store.record(events)
        await twin.record(events)
    keys = [one.key for one in made]
    assert await store.histories(keys) == await twin.histories(keys)


def random_event(chance: random.Random, of: Notification) -> Event:
    kind = chance.choice(
        ["routed", "escalated", "replayed", "sending", "retrying", "sent", "delivered", "failed", "opened"]
    )
    targets = ("in_app", "email", "push:a")
    plan = tuple(chance.sample(targets, chance.randrange(3))) if kind in ("routed", "escalated") else ()
    target = "" if plan or kind == "routed" else chance.choice(targets)
    return event(
        of, kind, target, plan=plan, gen=chance.randrange(2), attempt=chance.randrange(2), token=str(chance.random())
    )
