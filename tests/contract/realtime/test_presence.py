"""Who is connected where: leases of several nodes, tabs and devices, that end by themselves."""

from __future__ import annotations

from heliograph.core.model import Key
from heliograph.core.ports import PresenceLease
from heliograph.core.routing import Presence
from tests.contract.realtime.worlds import World, someone

NOW = 1_700_000_000_000
TTL = 45_000


async def test_nobody_is_known_to_begin_with(world: World) -> None:
    """An unknown user is offline and has no stream to resume from."""
    assert await world.presence.look([someone(), someone()], NOW) == [Presence(), Presence()]


async def test_a_batch_is_answered_in_order(world: World) -> None:
    """One look tells of many users, each in their place, twice if asked twice."""
    here, gone = someone(), someone()
    await world.presence.renew([PresenceLease(here, "n1")], NOW, TTL)
    found = await world.presence.look([gone, here, gone, here], NOW)
    assert [each.online for each in found] == [False, True, False, True]
    assert await world.presence.look([], NOW) == []


async def test_a_lease_ends_by_itself(world: World) -> None:
    """A node that dies without a word takes its users offline after the lease, not before."""
    user = someone()
    await world.presence.renew([PresenceLease(user, "n1")], NOW, TTL)
    (last_moment, after) = [(await world.presence.look([user], NOW + later))[0].online for later in (TTL - 1, TTL)]
    assert (last_moment, after) == (True, False)


async def test_renewing_prolongs(world: World) -> None:
    """A lease that is renewed counts from then."""
    user = someone()
    await world.presence.renew([PresenceLease(user, "n1")], NOW, TTL)
    await world.presence.renew([PresenceLease(user, "n1")], NOW + 40_000, TTL)
    assert (await world.presence.look([user], NOW + 80_000))[0].nodes == {"n1"}


async def test_several_nodes_and_devices(world: World) -> None:
    """A user may be on two nodes, with a browser and phones; closing one connection leaves the others."""
    user = someone()
    browser, phone = PresenceLease(user, "n1"), PresenceLease(user, "n2", "dev_a|b")
    await world.presence.renew([browser, phone, PresenceLease(user, "n2", "dev_c")], NOW, TTL)
    (found,) = await world.presence.look([user], NOW)
    assert (found.nodes, found.devices) == ({"n1", "n2"}, {"dev_a|b", "dev_c"})
    await world.presence.release([phone])
    (found,) = await world.presence.look([user], NOW)
    assert (found.nodes, found.devices) == ({"n1", "n2"}, {"dev_c"})
    await world.presence.release([PresenceLease(user, "n2", "dev_c"), phone])
    (found,) = await world.presence.look([user], NOW)
    assert (found.nodes, found.devices) == ({"n1"}, frozenset())


async def test_one_nodes_lease_ends_and_the_others_stay(world: World) -> None:
    """Leases are counted each by its own time."""
    user = someone()
    await world.presence.renew([PresenceLease(user, "short")], NOW, 1_000)
    await world.presence.renew([PresenceLease(user, "long")], NOW, TTL)
    assert (await world.presence.look([user], NOW + 1_000))[0].nodes == {"long"}
    await world.presence.renew([PresenceLease(user, "very short")], NOW, 1)

    async def ended() -> bool:  # long enough for a lease of 1 ms to end by the server's own clock too
        return (await world.presence.look([user], NOW + 1))[0].nodes == {"short", "long"}

    for _ in range(20):
        assert await ended()


async def test_many_at_once(world: World) -> None:
    """A node renews thousands of connections in one call."""
    users = [someone() for _ in range(1_700)]
    await world.presence.renew([PresenceLease(user, "n1") for user in users], NOW, TTL)
    assert all(found.nodes == {"n1"} for found in await world.presence.look(users, NOW))
    await world.presence.renew([], NOW, TTL)
    await world.presence.release([])


async def test_tenants_are_apart(world: World) -> None:
    """The same user id in another tenant is another user, and a colon in a name opens no door."""
    await world.presence.renew([PresenceLease(Key("a", "b:c"), "n1")], NOW, TTL)
    await world.streams.open_stream(Key("a", "b:c"))
    others = [Key("a:b", "c"), Key("b", "b:c"), Key("a%3Ab", "c"), Key("", "a:b:c")]
    assert await world.presence.look(others, NOW) == [Presence()] * 4


async def test_known_means_that_there_is_a_stream(world: World) -> None:
    """A client that was connected lately may resume, so what it missed must be kept for it."""
    user = someone()
    await world.streams.open_stream(user)
    assert (await world.presence.look([user], NOW)) == [Presence(known=True)]


async def test_forgetting_erases_leases_and_stream(world: World) -> None:
    """Erasure of a user leaves nothing here."""
    user, other = someone(), someone()
    for each in (user, other):
        await world.presence.renew([PresenceLease(each, "n1")], NOW, TTL)
        await world.streams.append([(each, "n", True, b"{}")], NOW)
    await world.presence.forget(user)
    assert await world.presence.look([user], NOW) == [Presence()]
    assert (await world.presence.look([other], NOW))[0].online


async def test_all_is_lost_and_comes_back_with_the_next_renewal(world: World) -> None:
    """The cache may be emptied at any moment; nodes renew what they hold."""
    user = someone()
    await world.presence.renew([PresenceLease(user, "n1")], NOW, TTL)
    await world.flush()
    assert await world.presence.look([user], NOW) == [Presence()]
    await world.presence.renew([PresenceLease(user, "n1")], NOW, TTL)
    assert (await world.presence.look([user], NOW))[0].nodes == {"n1"}
