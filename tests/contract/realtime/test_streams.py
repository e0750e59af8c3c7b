"""Short histories to resume from: numbered without holes, each notification once, never a silent gap."""

from __future__ import annotations

import asyncio

from heliograph.core.model import Key
from heliograph.core.ports import Position, PresenceLease, StreamEntry
from tests.contract.realtime.worlds import KEPT, World, someone

NOW = 1_700_000_000_000
TTL = 45_000


def entries(user: Key, *ids: str) -> list[tuple[Key, str, bool, bytes]]:
    return [(user, each, True, f'{{"id":"{each}"}}'.encode()) for each in ids]


async def test_nobody_who_was_not_here_gets_a_stream(world: World) -> None:
    """Most recipients never connect: for them nothing is kept."""
    user = someone()
    assert await world.streams.append(entries(user, "a"), NOW) == [None]
    assert not (await world.presence.look([user], NOW))[0].known


async def test_offsets_are_consecutive_per_user(world: World) -> None:
    """1, 2, 3 … for each user, within a batch and over batches."""
    first, second = someone(), someone()
    start = [await world.streams.open_stream(user) for user in (first, second)]
    assert [position.offset for position in start] == [0, 0]
    mixed = [*entries(first, "a"), *entries(second, "a"), *entries(first, "b", "c")]
    done = [*await world.streams.append(mixed, NOW), *await world.streams.append(entries(second, "b"), NOW)]
    assert [each.position.offset for each in done if each] == [1, 1, 2, 3, 2]
    assert [each.position.epoch for each in done if each] == [start[place].epoch for place in (0, 1, 0, 0, 1)]
    assert await world.streams.open_stream(first) == Position(start[0].epoch, 3)


async def test_the_same_notification_keeps_its_first_offset(world: World) -> None:
    """A redelivered batch adds nothing: neither an entry nor a number."""
    user = someone()
    start = await world.streams.open_stream(user)
    await world.streams.append(entries(user, "a", "b"), NOW)
    again = await world.streams.append([(user, "a", False, b"other"), *entries(user, "c", "c")], NOW)
    assert [each.position.offset for each in again if each] == [1, 3, 3]
    found = await world.streams.since(user, start)
    assert found
    assert [(each.offset, each.notification_id) for each in found] == [(1, "a"), (2, "b"), (3, "c")]
    assert found[0].payload == b'{"id":"a"}'


async def test_a_client_resumes_where_it_was(world: World) -> None:
    """Everything after its position, oldest first, as it was written."""
    user = someone()
    await world.streams.open_stream(user)
    payload = "naïve 🎉 \x00\n".encode()
    await world.streams.append([*entries(user, "a"), (user, "b", False, payload), *entries(user, "c")], NOW)
    newest = await world.streams.open_stream(user)
    assert await world.streams.since(user, Position(newest.epoch, 1)) == [
        StreamEntry(2, "b", False, payload),
        StreamEntry(3, "c", True, b'{"id":"c"}'),
    ]
    assert await world.streams.since(user, newest) == []


async def test_what_is_too_old_is_refused_not_cut(world: World) -> None:
    """A client that missed more than is kept is told so; it never gets the rest as if it were all."""
    user = someone()
    start = await world.streams.open_stream(user)
    await world.streams.append(entries(user, *(f"n{number}" for number in range(400))), NOW)
    assert await world.streams.since(user, start) is None
    kept = await world.streams.since(user, Position(start.epoch, 400 - KEPT))
    assert kept
    assert [each.offset for each in kept] == [*range(400 - KEPT + 1, 401)]


async def test_places_that_never_were_are_refused(world: World) -> None:
    """Another epoch, an offset from the future, a user without a stream."""
    user = someone()
    start = await world.streams.open_stream(user)
    await world.streams.append(entries(user, "a"), NOW)
    assert await world.streams.since(user, Position("another", 0)) is None
    assert await world.streams.since(user, Position(start.epoch, 2)) is None
    assert await world.streams.since(someone(), Position(start.epoch, 0)) is None


async def test_lost_data_is_a_new_epoch(world: World) -> None:
    """After the cache lost everything, no old position can be mistaken for a new one."""
    user = someone()
    old = await world.streams.open_stream(user)
    await world.streams.append(entries(user, "a", "b"), NOW)
    await world.flush()
    new = await world.streams.open_stream(user)
    assert new.offset == 0
    assert new.epoch != old.epoch
    await world.streams.append(entries(user, "c", "d"), NOW)
    assert await world.streams.since(user, Position(old.epoch, 1)) is None
    assert await world.streams.since(user, Position(old.epoch, 0)) is None


async def test_a_live_connection_is_never_without_a_stream(world: World) -> None:
    """The cache lost everything and the nodes renewed their leases: connected users hear of what comes."""
    user = someone()
    await world.streams.open_stream(user)
    await world.flush()
    await world.presence.renew([PresenceLease(user, "n1")], NOW, TTL)
    (appended,) = await world.streams.append(entries(user, "a"), NOW)
    assert appended
    assert (appended.position.offset, appended.nodes) == (1, ("n1",))
    assert await world.streams.open_stream(user) == appended.position


async def test_appending_tells_the_nodes_of_that_moment(world: World) -> None:
    """Each node once, however many connections it holds; none whose lease has ended."""
    user = someone()
    await world.streams.open_stream(user)
    leases = [PresenceLease(user, "n1"), PresenceLease(user, "n1", "dev_a"), PresenceLease(user, "n2")]
    await world.presence.renew(leases, NOW, TTL)
    await world.presence.renew([PresenceLease(user, "ended")], NOW, 1)
    first, second = await world.streams.append(entries(user, "a", "b"), NOW + 1)
    assert first
    assert second
    assert sorted(first.nodes) == sorted(second.nodes) == ["n1", "n2"]
    (again,) = await world.streams.append(entries(user, "a"), NOW + 1)
    assert again
    assert sorted(again.nodes) == ["n1", "n2"], "a redelivered entry is told again: the first telling may be lost"


async def test_who_connects_meanwhile_finds_the_entry_or_is_found(world: World) -> None:
    """Lease first, stream after: in every interleaving the entry is in the snapshot or the node is told."""

    async def connect(user: Key) -> Position:
        await world.presence.renew([PresenceLease(user, "n1")], NOW, TTL)
        return await world.streams.open_stream(user)

    for _ in range(150):
        user = someone()
        seen, (appended,) = await asyncio.gather(connect(user), world.streams.append(entries(user, "a"), NOW))
        if appended is None:
            assert seen.offset == 0
            continue
        assert seen.offset >= appended.position.offset or "n1" in appended.nodes


async def test_a_big_batch_in_one_go(world: World) -> None:
    """A router's whole batch."""
    users = [someone() for _ in range(700)]
    for user in users[:350]:
        await world.streams.open_stream(user)
    done = await world.streams.append([entry for user in users for entry in entries(user, "a")], NOW)
    assert [each is not None for each in done] == [True] * 350 + [False] * 350
    assert await world.streams.append([], NOW) == []
