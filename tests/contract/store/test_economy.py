"""A call costs the backend the same few commands, however much it carries (`core.ports`)."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient, monitoring

from heliograph.backends.mongo import MongoStore, connection
from heliograph.backends.sqlite import SqliteStore
from heliograph.core.model import Device, Level, Notification, User
from heliograph.core.ports import Reached, Store
from tests.contract.store.examples import NOW, TENANT, batch, event, key, letter, notification, submission

Call = Callable[[Store, list[Notification]], Awaitable[object]]

CALLS: dict[str, tuple[Call, int]] = {
    "accept": (lambda s, _: s.accept([submission() for _ in _]), 1),
    "accept with keys": (lambda s, ns: s.accept([submission(idem=(f"k{len(ns)}.{n.id}", "f")) for n in ns]), 1),
    "accept again": (lambda s, ns: s.accept([submission(idem=(n.id, "f")) for n in ns]), 2),
    "accept with users": (lambda s, ns: s.accept([submission(users=(User(TENANT, n.id),)) for n in ns]), 2),
    "accept with everything": (
        lambda s, ns: s.accept([submission(idem=(n.id, "f"), users=(User(TENANT, "new"),)) for n in ns]), 1,
    ),
    "expand": (lambda s, ns: s.expand([notification() for _ in ns], NOW, Reached(key("b"), Level.P1, "1", NOW)), 2),
    "subscribe": (lambda s, ns: s.subscribe(key("news"), [n.id for n in ns]), 1),
    "unsubscribe": (lambda s, ns: s.unsubscribe(key("news"), [n.id for n in ns]), 1),
    "subscribers": (lambda s, ns: s.subscribers(key("news"), "", len(ns)), 1),
    "batch_histories": (lambda s, ns: s.batch_histories(key("b"), "", len(ns)), 1),
    "histories": (lambda s, ns: s.histories([n.key for n in ns]), 1),
    "record": (lambda s, ns: s.record([event(n, "opened") for n in ns], {n.key: NOW for n in ns}), 1),
    "record much": (
        lambda s, ns: s.record([event(n, k, "email") for n in ns for k in ("routed", "sent", "failed", "clicked")]), 1,
    ),
    "record and hide": (lambda s, ns: s.record([event(n, "routed", plan=("email",), hides=True) for n in ns]), 1),
    "begin": (lambda s, ns: s.begin([event(n, "sending", "email", attempt=1, token="t") for n in ns]), 1),
    "begin again": (lambda s, ns: s.begin([event(n, "sending", "email", attempt=2, token=n.user) for n in ns]), 2),
    "due": (lambda s, ns: s.due(ns[0].level, NOW, len(ns)), 1),
    "postpone": (lambda s, ns: s.postpone({n.key: NOW for n in ns}), 1),
    "close": (lambda s, ns: s.close([n.key for n in ns]), 1),
    "batches_due": (lambda s, ns: s.batches_due(NOW, len(ns)), 1),
    "batch_postpone": (lambda s, ns: s.batch_postpone([n.key for n in ns], NOW), 1),
    "unread": (lambda s, ns: s.unread([key(n.user) for n in ns]), 1),
    "recipients": (lambda s, ns: s.recipients([key(n.user) for n in ns]), 2),
    "preferences": (lambda s, ns: s.preferences([key(n.user) for n in ns]), 1),
    "suppressed": (lambda s, ns: s.suppressed([key(n.user) for n in ns]), 1),
    "remove_devices": (lambda s, ns: s.remove_devices([(key(n.user), n.id) for n in ns]), 2),
    "bury": (lambda s, ns: s.bury([letter(n) for n in ns]), 1),
    "unbury": (lambda s, ns: s.unbury([letter(n) for n in ns]), 1),
}  # fmt: skip
"""Each with the commands it may cost in MongoDB."""
MANY = 60


@pytest.fixture
def spent() -> list[object]:
    """Grows by one for every command."""
    return []


@pytest.fixture
async def sqlite(tmp_path: Path, spent: list[object]) -> AsyncIterator[Store]:
    store = SqliteStore(tmp_path / "heliograph.db")
    await store.open()
    for connect in (store._file.read, store._file.write):
        await connect(lambda c: c.set_exec_trace(lambda _cursor, sql, _bindings: not spent.append(sql)))
    yield store
    await store.close_store()


class Watch(monitoring.CommandListener):
    def __init__(self, spent: list[object]) -> None:
        self.started = spent.append

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


@pytest.fixture
async def mongo(mongo_database_url: str, monkeypatch: pytest.MonkeyPatch, spent: list[object]) -> AsyncIterator[Store]:
    client = functools.partial(AsyncMongoClient, event_listeners=[Watch(spent)])
    monkeypatch.setattr(connection, "AsyncMongoClient", client)
    store = MongoStore(mongo_database_url)
    await store.open()
    yield store
    await store.close_store()


async def price(store: Store, spent: list[object], call: Call, size: int) -> int:
    """What a call of this size costs, in a store where everything it may look for is there."""
    made = [notification(f"user-{size}-{i}") for i in range(size)]
    await store.accept([submission(one, idem=(one.id, "f")) for one in made])
    await store.accept([submission(batch(one.user)) for one in made])
    for one in made:
        await store.add_device(Device(one.id, TENANT, one.user, "apns", one.id, NOW))
    spent.clear()
    await call(store, made)
    return len(spent)


@pytest.mark.parametrize("name", CALLS)
async def test_mongo_commands(mongo: Store, spent: list[object], name: str) -> None:
    """In MongoDB: exactly as many for sixty as for two, and no more than said."""
    call, most = CALLS[name]
    few = await price(mongo, spent, call, 2)
    assert await price(mongo, spent, call, MANY) == few <= most


async def test_sqlite_statements(sqlite: Store, spent: list[object]) -> None:
    """In SQLite: at most a handful more for sixty than for two, as rows go in by powers of two; commit included."""
    prices: dict[str, Any] = {}
    for name, (call, _) in CALLS.items():
        if name != "remove_devices":  # one statement each: only dead tokens and log-outs come there
            prices[name] = [await price(sqlite, spent, call, size) for size in (2, MANY)]
    assert all(few <= 6 and many <= few + 9 for few, many in prices.values()), prices
