"""Contract of the store: it says when it can't work, and opens as often as one likes."""

from __future__ import annotations

import asyncio

import pytest

from heliograph.core.errors import StoreUnavailable
from heliograph.core.model import Level
from heliograph.core.ports import InboxQuery, Store
from tests.contract.store.examples import NOW, history, key, notification, sent, submission
from tests.contract.store.worlds import World


async def test_it_answers(store: Store) -> None:
    """As often as a load balancer asks, and leaves nothing that anybody sees."""
    await store.ping()
    await store.ping()
    assert await store.dead_count() == 0


async def test_a_closed_store_is_unavailable(world: World) -> None:
    """Everything raises `StoreUnavailable`: nothing hangs, nothing is promised."""
    store = world.store
    await store.close_store()
    calls = [
        store.ping(), store.accept([submission()]), store.histories([key("a")]), store.unread([key("a")]),
        store.inbox(InboxQuery(user=key("a"))), store.due(Level.P0, NOW, 1), store.dead_count(), store.user(key("a")),
        store.api_key("a"),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(StoreUnavailable):
            await call
    await store.close_store()


async def test_opening_again(world: World) -> None:
    """The same handle can be opened after it was closed, with everything there."""
    made = await sent(world.store)
    await world.store.close_store()
    await world.store.open()
    assert (await history(world.store, made)).notification == made


async def test_what_was_begun_is_finished(world: World) -> None:
    """Closing waits for the calls that are under way: each is stored, or says that it isn't."""
    made = [notification() for _ in range(50)]
    calls = [asyncio.ensure_future(world.store.accept([submission(one)])) for one in made]
    await asyncio.sleep(0)
    await world.store.close_store()
    results = await asyncio.gather(*calls, return_exceptions=True)
    again = world.another()
    await again.open()
    found = await again.histories([one.key for one in made])
    await again.close_store()
    for result, one in zip(results, found, strict=True):
        assert isinstance(result, StoreUnavailable) or one is not None
        assert not isinstance(result, BaseException) or isinstance(result, StoreUnavailable)
