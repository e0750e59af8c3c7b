"""Contract of the store: topics and their subscribers."""

from __future__ import annotations

from heliograph.core.model import Key
from heliograph.core.ports import Store
from tests.contract.store.examples import key

NEWS = key("news")


async def test_subscribing_twice_counts_once(store: Store, rival: Store) -> None:
    """Also within one call; every store sees it."""
    assert await store.subscribe(NEWS, ["ben", "anna", "ben"]) == 2
    assert await rival.subscribe(NEWS, ["anna", "zoe"]) == 1
    assert await store.subscribers(NEWS, "", 10) == ["anna", "ben", "zoe"]
    assert await store.subscriber_count(NEWS) == 3


async def test_unsubscribing(store: Store) -> None:
    """Who isn't subscribed doesn't count, and a topic without subscribers is none."""
    await store.subscribe(NEWS, ["anna", "ben"])
    assert await store.unsubscribe(NEWS, ["anna", "zoe", "anna"]) == 1
    assert await store.unsubscribe(NEWS, ["anna"]) == 0
    assert await store.subscribers(NEWS, "", 10) == ["ben"]
    assert await store.subscribers(key("other"), "", 10) == []


async def test_pages_in_the_order_of_code_points(store: Store) -> None:
    """No one twice and no one left out, whatever the ids look like."""
    users = sorted(["Z", "a", "é", "user-10", "user-2", "日本", "\U0001f680", "_", "z%", "z*"])
    await store.subscribe(NEWS, users[::-1])
    pages, after = [], ""
    while page := await store.subscribers(NEWS, after, 3):
        pages += page
        after = page[-1]
    assert pages == users


async def test_many_subscribers(store: Store) -> None:
    """More than one statement holds."""
    users = [f"user-{number:05d}" for number in range(1_345)]
    assert await store.subscribe(NEWS, users) == 1_345
    assert await store.subscribers(NEWS, "user-01000", 400) == users[1_001:1_345]
    assert await store.unsubscribe(NEWS, users[1:]) == 1_344


async def test_tenants_have_topics_of_their_own(store: Store) -> None:
    """The same topic and user in two tenants are two of each."""
    await store.subscribe(NEWS, ["anna"])
    await store.subscribe(Key("zoo", "news"), ["anna", "ben"])
    assert await store.subscriber_count(NEWS) == 1
    assert await store.topics_of(Key("zoo", "ben")) == ["news"]
    assert await store.topics_of(key("ben")) == []


async def test_an_erased_user_is_subscribed_to_nothing(store: Store) -> None:
    """In no topic; the others stay."""
    await store.subscribe(NEWS, ["anna", "ben"])
    await store.subscribe(key("deals"), ["anna"])
    assert await store.topics_of(key("anna")) == ["deals", "news"]
    await store.erase_user(key("anna"))
    assert await store.topics_of(key("anna")) == []
    assert await store.subscribers(NEWS, "", 10) == ["ben"]
