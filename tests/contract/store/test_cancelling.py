"""Contract of the store: what hasn't left can be cancelled, and then nothing leaves any more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from heliograph.core.lifecycle import INBOX, Event
from heliograph.core.model import Key, Level
from heliograph.core.ports import Store
from tests.contract.store.examples import NOW, event, history, inbox_ids, key, owed, sent


async def test_cancelling(store: Store, rival: Store) -> None:
    """It owes nothing, isn't due, is out of the inbox, says so for ever; the timeline has it."""
    made = await sent(store)
    assert await store.cancel(made.key, NOW + 7) == "cancelled"
    found = await history(rival, made)
    assert (found.cancelled, found.open) == (True, 0)
    assert found.events == (Event(tenant=made.tenant, notification_id=made.id, at=NOW + 7, kind="cancelled"),)
    assert await store.due(Level.P1, NOW, 9) == []
    assert await inbox_ids(store) == []
    assert await store.unread([key("anna")]) == [0]


async def test_cancelling_again(store: Store) -> None:
    """The same answer, and nothing more in the timeline."""
    made = await sent(store)
    await store.cancel(made.key, NOW)
    assert await store.cancel(made.key, NOW + 1) == "cancelled"
    assert [e.at for e in (await history(store, made)).events] == [NOW]


async def test_only_what_is_there_can_be_cancelled(store: Store) -> None:
    """An unknown id, and another tenant's, are the same."""
    made = await sent(store)
    assert await store.cancel(key("ntf_none"), NOW) == "not_found"
    assert await store.cancel(Key("zoo", made.id), NOW) == "not_found"
    assert not (await history(store, made)).cancelled


async def test_routed_ones_can_be_cancelled(store: Store) -> None:
    """A plan isn't a departure: the items in the lanes are refused when they are begun."""
    made = await sent(store)
    await store.record([event(made, "routed", plan=("in_app", "push:a", "email")), event(made, "expired", "push:a")])
    assert await store.cancel(made.key, NOW) == "cancelled"
    assert await owed(store, made) == 0


DEPARTURES: list[tuple[str, str, dict[str, Any]]] = [
    ("sent", "email", {"attempt": 1}),
    ("delivered", "email", {"attempt": 1}),
    ("sent", "in_app", {}),
    ("sent", "in_app", {"provider": INBOX}),
    ("delivered", "in_app", {}),
]


@pytest.mark.parametrize(("kind", "target", "fields"), DEPARTURES)
async def test_what_has_left_has_left(store: Store, kind: str, target: str, fields: dict[str, Any]) -> None:
    """A recorded departure can't be taken back, and stays in the inbox."""
    made = await sent(store)
    await store.record([event(made, "routed", plan=("in_app", "email")), event(made, kind, target, **fields)])
    assert await store.cancel(made.key, NOW) == "already_left"
    assert await inbox_ids(store) == [made.id]


async def test_a_begun_attempt_is_a_departure(store: Store) -> None:
    """Even if it failed afterwards: the provider may have it."""
    made = await sent(store)
    await store.record([event(made, "routed", plan=("email",))])
    await store.begin([event(made, "sending", "email", attempt=1, token="t")])
    await store.record([event(made, "unknown", "email", attempt=1)])
    assert await store.cancel(made.key, NOW) == "already_left"
    assert not (await history(store, made)).cancelled


async def test_what_has_ended_has_ended(store: Store) -> None:
    """One terminal state (DESIGN G2): what was suppressed or expired isn't cancelled afterwards."""
    made = await sent(store)
    await store.record([event(made, "routed", plan=("email",)), event(made, "suppressed", "email")])
    assert await store.cancel(made.key, NOW) == "already_left"


async def test_nothing_reopens_a_cancelled_one(store: Store) -> None:
    """Late events stand in the timeline and change nothing."""
    made = await sent(store)
    await store.cancel(made.key, NOW)
    late = [event(made, "routed", plan=("email", "push:a")), event(made, "replayed", "email", gen=1),
            event(made, "opened"), event(made, "suppressed", "email")]  # fmt: skip
    await store.record(late)
    await store.record(late)
    assert await owed(store, made) == 0
    assert list((await history(store, made)).events[1:]) == late
    assert await store.cancel(made.key, NOW) == "cancelled"


async def test_cancel_and_begin_race(store: Store, rival: Store) -> None:
    """Whoever comes first wins, and the other one knows."""
    for i in range(25):
        made = await sent(store)
        attempt = event(made, "sending", "email", attempt=1, token="t")
        calls: tuple[Any, Any] = (store.cancel(made.key, NOW), rival.begin([attempt]))
        first, second = await asyncio.gather(*(calls if i % 2 else reversed(calls)))
        cancelled, (begun,) = (first, second) if i % 2 else (second, first)
        assert (cancelled, begun.begun) in {("cancelled", False), ("already_left", True)}
        assert (await history(store, made)).cancelled != begun.begun
