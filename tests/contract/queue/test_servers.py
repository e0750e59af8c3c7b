"""The bundled servers: they serve, come back when they die, keep their port, and never stay behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from heliograph.backends.servers import NatsServer, ServerFailed, ValkeyServer, child
from tests.support.eventually import eventually

Server = NatsServer | ValkeyServer


@pytest.fixture(params=[NatsServer, ValkeyServer])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Server]:
    found: Server = request.param(tmp_path)
    yield found
    await found.stop()


def alive(pid: int) -> bool:
    """Whether the process runs; a dead one that nobody has reaped doesn't."""
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


async def test_it_comes_back_on_its_port_when_it_dies(server: Server) -> None:
    """A server that is killed is started again, where its clients look for it."""
    url = await server.start()
    first = server.pid
    assert first
    os.kill(first, signal.SIGKILL)

    async def another() -> bool:
        return server.pid not in {None, first} and await _answers(url)

    await eventually(another)


async def test_stopped_is_stopped(server: Server) -> None:
    """`stop` ends it for good, twice is once, and `start` brings it back with the same URL."""
    url = await server.start()
    pid = server.pid
    assert pid
    await server.stop()
    await server.stop()
    assert not alive(pid)
    assert await server.start() == url
    assert await _answers(url)


async def test_a_leftover_does_not_block_a_start(server: Server, tmp_path: Path) -> None:
    """A server that an earlier run left in the folder is ended before ours starts."""
    await server.start()
    left, supervising = server.pid, server._child._watch
    assert left
    assert supervising
    supervising.cancel()  # with the earlier run, who kept it running ended too
    await asyncio.wait({supervising})
    successor = type(server)(tmp_path)
    url = await successor.start()
    assert not alive(left)
    assert await _answers(url)
    await successor.stop()


async def test_children_die_with_their_parent(tmp_path: Path) -> None:
    """kill -9 of the process that started them takes both servers along."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout
    pids = [int(word) for word in (await parent.stdout.readline()).split()]
    assert len(pids) == 2
    assert all(map(alive, pids))
    parent.kill()
    await parent.wait()

    async def gone() -> bool:
        return not any(map(alive, pids))

    await eventually(gone)


async def test_ctrl_c_of_a_terminal_is_not_for_them(server: Server) -> None:
    """They are in a session of their own: the signal that starts our drain must not end what the drain needs."""
    await server.start()
    assert server.pid
    assert os.getsid(server.pid) != os.getsid(0)


async def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """The error carries the server's own last words."""
    (tmp_path / "nats").mkdir()
    (tmp_path / "nats" / "jetstream").write_text("not a folder")
    with pytest.raises(ServerFailed, match=r"nats-server did not start: .*not a directory"):
        await NatsServer(tmp_path).start()


async def test_passwords_are_for_us_alone(server: Server, tmp_path: Path) -> None:
    """The configuration, which holds the password, can't be read by others; without it nobody gets in."""
    url = await server.start()
    (config,) = tmp_path.glob("*/*.conf")
    assert config.stat().st_mode & 0o077 == 0
    assert not await _answers(_without_password(url))


async def _answers(url: str) -> bool:
    answers: dict[str, Callable[[str], object]] = {"nats": _nats, "redis": _redis}
    return bool(await answers[url.partition(":")[0]](url))  # type: ignore[misc]


async def _nats(url: str) -> bool:
    async def quiet(error: Exception) -> None:
        pass

    client = Client()
    try:
        await client.connect(url, allow_reconnect=False, max_reconnect_attempts=1, error_cb=quiet, connect_timeout=1)
    except (OSError, NatsError):
        return False
    finally:
        await client.close()
    return True


async def _redis(url: str) -> bool:
    async with Redis.from_url(url) as client:
        try:
            return bool(await client.ping())
        except RedisError:
            return False


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('@')[2]}"


_PARENT = """
import asyncio, sys
from pathlib import Path
from heliograph.backends.servers import NatsServer, ValkeyServer
async def main():
    servers = [NatsServer(Path(sys.argv[1])), ValkeyServer(Path(sys.argv[1]))]
    await asyncio.gather(*(server.start() for server in servers))
    print(*(server.pid for server in servers), flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_one_that_is_frozen_is_started_anew(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that lives and does nothing is no server: it is ended by force and comes back on its port."""
    for name, value in (("_PROBE_EVERY_S", 0.05), ("_PROBE_WITHIN_S", 0.1), ("_UNWELL_S", (0.2, 1.0))):
        monkeypatch.setattr(child, name, value)
    url = await server.start()
    first = server.pid
    assert first
    os.kill(first, signal.SIGSTOP)

    async def another() -> bool:
        return server.pid not in {None, first} and await _answers(url)

    await eventually(another)


async def test_one_that_cannot_write_is_unwell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What NATS's full health check says is what counts: it answers every client, and yet is started anew."""
    for name, value in (("_PROBE_EVERY_S", 0.05), ("_UNWELL_S", (0.2, 60.0))):
        monkeypatch.setattr(child, name, value)
    server = NatsServer(tmp_path)
    url = await server.start()
    first = server.pid
    told: list[str] = []

    async def full() -> str | None:
        """As it answers on a full disk (reliability notes, 1.2)."""
        if server.pid != first:
            return None
        told.append(url)
        return '{"status":"unavailable","error":"JetStream stream \'$G > lane_ingest\' is not current"}'

    monkeypatch.setattr(server._child, "_healthy", full)

    async def another() -> bool:
        return server.pid not in {None, first} and await _answers(url)

    await eventually(another)
    assert len(told) > 1, "not at the first sign"
    await server.stop()
