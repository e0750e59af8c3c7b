"""The checker itself: each invariant finds its violation, and the proxy does to a connection what it says."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from heliograph.core.lifecycle import Event, History
from heliograph.core.model import Key, Notification
from tests.chaos import invariants
from tests.chaos.invariants import Call
from tests.chaos.ledger import Sent
from tests.chaos.proxy import Proxy, Toxics

KEY = Key("t", "ntf_1")


def event(kind: str, target: str = "email", at: int = 1_000, **fields: object) -> Event:
    return Event(tenant="t", notification_id="ntf_1", at=at, kind=kind, target=target, **fields)  # type: ignore[arg-type]


def histories(*events: Event, owed: int = 0, key: Key = KEY) -> dict[Key, History]:
    found = Notification(id=key.id, tenant=key.tenant, user="u", type="alert", created_at=0)
    return {key: History(found, events, open=owed)}


ROUTED = event("routed", "", plan=("email",))
FINE = histories(ROUTED, event("sending"), event("sent"))


def call(number: str = "n1", name: str = "ntf_1") -> Call:
    return Call(name, "email", number, 1.0, "u@t.example")


def test_lost() -> None:
    """Accepted and nowhere."""
    assert invariants.lost([KEY], FINE) == []
    assert len(invariants.lost([KEY], {})) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        histories(ROUTED, event("sending"), owed=1),
        histories(ROUTED, event("sent"), owed=1),
        histories(ROUTED, event("failed"), event("suppressed")),
        histories(),
    ],
)
def test_unfinished(wrong: dict[Key, History]) -> None:
    """No end, still owed, two ends, never routed."""
    assert invariants.unfinished(FINE) == []
    assert invariants.unfinished(wrong)


def test_doubled() -> None:
    """A second call needs an attempt that is marked unknown."""
    assert invariants.doubled(FINE, [call()]) == []
    assert invariants.doubled(FINE, [call(), call()])
    marked = histories(
        ROUTED, event("sending"), event("unknown"), event("sending", attempt=2), event("sent", attempt=2)
    )
    assert invariants.doubled(marked, [call(), call()]) == []
    assert invariants.doubled(marked, [call(), call(), call()])


def test_sent_without_a_call_and_dead_by_a_bug() -> None:
    """`sent` means that somebody took it; a bug is no end."""
    assert invariants.unsent(FINE, [call()]) == []
    assert invariants.unsent(FINE, [])
    assert invariants.bugs(histories(ROUTED, event("failed", detail="bug:RuntimeError")))
    assert invariants.bugs(histories(ROUTED, event("failed", detail="550 unknown user"))) == []


def test_several_ids() -> None:
    """In the answers, or between an answer and what left."""
    assert invariants.several_ids({"n1": {"ntf_1"}}, [call()]) == []
    assert invariants.several_ids({"n1": {"ntf_1", "ntf_2"}}, [])
    assert invariants.several_ids({"n1": {"ntf_2"}}, [call()])


def test_overtaken() -> None:
    """Only what was urgent, and only by what began while it waited."""
    urgent, other = Key("t", "ntf_1"), Key("t", "ntf_2")
    sent = {
        urgent: Sent(urgent, "u", "transactional", "n1", 10.0),
        other: Sent(other, "u", "marketing", "n2", 9.0),
    }

    def begun(first_ms: int, second_ms: int) -> dict[Key, History]:
        return histories(event("sending", at=first_ms)) | histories(event("sending", at=second_ms), key=other)

    assert invariants.overtaken(sent, begun(10_500, 10_400), slack_s=1) == []
    assert invariants.overtaken(sent, begun(13_000, 12_000), slack_s=1)
    assert invariants.overtaken(sent, begun(12_000, 13_000), slack_s=1) == []


def test_inbox_and_offsets() -> None:
    """Missing, twice, another tenant's; a hole, a repeat."""
    assert invariants.inbox_differs("t", "u", {"a"}, ["a"], {"b"}) == []
    for listed in ([], ["a", "a"], ["a", "b"]):
        assert invariants.inbox_differs("t", "u", {"a"}, listed, {"b"})
    assert invariants.offsets_broken([("e", 5, "a"), ("e", 6, "b")], ("e", 4)) == []
    assert invariants.offsets_broken([("e", 5, "a"), ("e", 7, "b")], ("e", 4))
    assert invariants.offsets_broken([("e", 5, "a"), ("e", 6, "a")], ("e", 4))


@pytest_asyncio.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """Before a server that says everything back."""

    ended: list[asyncio.Event] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(asyncio.Event())
        mine = ended[-1]
        with contextlib.suppress(ConnectionResetError):
            while data := await reader.read(1024):
                writer.write(data)
        writer.transport.abort()
        asyncio.get_running_loop().call_soon(mine.set)

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    found = await Proxy(server.sockets[0].getsockname()[1], random.Random(1)).start()
    yield found
    await found.down()
    await asyncio.gather(*(one.wait() for one in ended))
    await asyncio.sleep(0)
    server.close()


async def test_a_healthy_link_and_its_ends(proxy: Proxy) -> None:
    """Passes bytes on; a reset and a closed port reach the client as such."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"one")
    assert await reader.readexactly(3) == b"one"
    proxy.reset_peers()
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    writer.close()
    await proxy.down()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", proxy.port)


async def test_a_half_open_link_says_nothing_and_a_new_one_works(proxy: Proxy) -> None:
    """The old connection stays open for ever; so it is with a peer whose cable was cut."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"one")
    await reader.readexactly(3)
    proxy.lose()
    writer.write(b"two")
    again, other = await asyncio.open_connection("127.0.0.1", proxy.port)
    other.write(b"three")
    assert await again.readexactly(5) == b"three"
    assert not reader._buffer  # type: ignore[attr-defined]
    assert not reader.at_eof()
    for one in (writer, other):
        one.close()


async def test_a_link_that_times_out_is_closed(proxy: Proxy) -> None:
    """Nothing comes through, and then it ends."""
    proxy.toxics = Toxics(timeout_s=0.01)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"one")
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await reader.readexactly(1)
    writer.close()
