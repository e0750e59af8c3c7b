"""The accounts of the bundled servers: what each group of roles may do on NATS and Valkey, and what it may not."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from nats.aio.client import Client
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError

from heliograph.backends import redis as redis_backend
from heliograph.backends.jetstream import JetStreamQueue
from heliograph.backends.jetstream.topology import KINDS
from heliograph.backends.redis import RedisCells, RedisPresence, RedisStreams
from heliograph.backends.servers import NatsServer, ValkeyServer
from heliograph.backends.servers.accounts import ACCOUNTS, OPERATOR
from heliograph.cli.backends import now
from heliograph.core.model import Key
from heliograph.core.ports import PresenceLease
from tests.support.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
ANNA = Key("acme", "anna")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nats(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """With all its streams."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    queue = JetStreamQueue(await server.start(), now)
    await queue.connect()
    yield server
    await queue.close()
    await server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def valkey(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ValkeyServer]:
    server = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    await server.start()
    yield server
    await server.stop()


@asynccontextmanager
async def client_of(nats: NatsServer, account: str) -> AsyncIterator[tuple[Client, list[str]]]:
    """A plain client, and the violations that the server told it of."""
    violations: list[str] = []

    async def note(error: Exception) -> None:
        violations.append(str(error).lower())

    client = Client()
    await client.connect(nats.url_of(account), error_cb=note, inbox_prefix=f"_INBOX.{account}", allow_reconnect=False)
    yield client, violations
    await client.close()


async def refused_or_not(client: Client, violations: list[str], allowed: bool) -> None:
    """The server tells of a violation before it answers the next ping; the client hands it on a moment later."""
    await client.flush()

    async def told() -> bool:
        """the violation"""
        return any("permissions violation" in one for one in violations)

    if not allowed:
        await eventually(told)
    await client.flush()
    assert await told() is not allowed


async def test_workers_reach_every_kind_of_lane_and_every_command_of_our_scripts() -> None:
    """A new kind of subject, or a new command in a script, needs its right: without it a lane stands still."""
    for account in (ACCOUNTS["worker"], ACCOUNTS["supervisor"]):
        assert {f"{kind}.>" for kind in KINDS} <= set(account.publish)
        texts = [path.read_text("utf-8") for path in Path(redis_backend.__file__).parent.glob("*.py")]
        used = {found.lower() for text in texts for found in re.findall(r"redis\.call\('([A-Z]+)'", text)}
        assert len(used) > 10
        assert used <= set(account.commands)
    assert {"lane.ingest.>", "crowd.ingest.>"} <= set(ACCOUNTS["api"].publish)


PUBLISHES = [
    ("api", "lane.ingest.p0.1", True), ("api", "rt.n1", True), ("api", "lane.outbox.p0.1", False),
    ("api", "retry.email.p1.1", False), ("api", "$JS.ACK.lane_ingest.router-p0.1.1.1.1.1", False),
    ("api", "$JS.API.CONSUMER.MSG.NEXT.lane_outbox.email-sender-p0", False),
    ("worker", "lane.outbox.p0.1", True), ("worker", "$JS.ACK.lane_ingest.router-p0.1.1.1.1.1", True),
    ("realtime", "rt.n2", True), ("realtime", "lane.ingest.p0.1", False),
    ("realtime", "$JS.API.STREAM.MSG.GET.lane_outbox", False),
    *((account, subject, False) for account in ACCOUNTS for subject in (
        "$JS.API.STREAM.DELETE.lane_ingest", "$JS.API.STREAM.PURGE.lane_ingest", "$SYS.REQ.SERVER.PING", "anything")),
]  # fmt: skip


@pytest.mark.parametrize(("account", "subject", "allowed"), PUBLISHES)
async def test_what_an_account_may_say(nats: NatsServer, account: str, subject: str, allowed: bool) -> None:
    """The API hands in and measures, workers take and give, nobody empties a lane."""
    async with client_of(nats, account) as (client, violations):
        await client.publish(subject, b"")
        await refused_or_not(client, violations, allowed)


@pytest.mark.parametrize(
    ("account", "subject", "allowed"),
    [
        ("realtime", "rt.n1", True), ("supervisor", "rt.n1", True), ("api", "rt.n1", False), ("worker", "rt.*", False),
        *((account, f"_INBOX.{account}.x", True) for account in ACCOUNTS),
        *((account, subject, False) for account in ACCOUNTS for subject in (">", "_INBOX.>", "lane.>", "$JS.>")),
        ("api", "_INBOX.worker.*", False),
    ],
)  # fmt: skip
async def test_what_an_account_may_hear(nats: NatsServer, account: str, subject: str, allowed: bool) -> None:
    """Answers to itself; bus messages only where the sockets are."""
    async with client_of(nats, account) as (client, violations):
        await client.subscribe(subject)
        await refused_or_not(client, violations, allowed)


@pytest.mark.parametrize("account", ["api", "worker", "supervisor"])
async def test_the_queue_works_under_its_accounts(nats: NatsServer, account: str) -> None:
    """Whoever comes first makes the streams; everybody may measure them."""
    queue = JetStreamQueue(nats.url_of(account), now)
    await queue.connect()
    assert await queue.incarnation()
    assert await queue.lanes()
    await queue.close()


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize(
    "command",
    [
        "FLUSHALL", "FLUSHDB", "KEYS *", "CONFIG GET *", "ACL LIST", "SHUTDOWN", "MONITOR", "SCAN 0",
        "CLIENT LIST", "SCRIPT FLUSH", "REPLICAOF NO ONE", "SUBSCRIBE x", "GET other", "INFO", "FUNCTION LIST",
    ],
)  # fmt: skip
async def test_no_account_may_do_dangerous_things(valkey: ValkeyServer, account: str, command: str) -> None:
    """Nothing of @dangerous or @admin, no key but ours."""
    async with Redis.from_url(valkey.url_of(account)) as client:
        with pytest.raises(NoPermissionError):
            await client.execute_command(*command.split())  # type: ignore[no-untyped-call]


async def test_nobody_gets_in_without_an_account(valkey: ValkeyServer) -> None:
    """Valkey's own default user, which may do everything, is off."""
    address = valkey.url_of(OPERATOR).rpartition("@")[2]
    for url in (f"redis://{address}", f"redis://:x@{address}", f"redis://api:x@{address}"):
        async with Redis.from_url(url) as client:
            with pytest.raises(AuthenticationError):
                await client.ping()


@pytest.mark.parametrize("account", ["worker", "realtime", "supervisor"])
async def test_the_cache_works_under_its_accounts(valkey: ValkeyServer, account: str) -> None:
    """Every script of ours, with the rights of who runs it."""
    url = valkey.url_of(account)
    presence, streams = RedisPresence(url), RedisStreams(url)
    lease = PresenceLease(ANNA, "n1", "")
    await presence.renew([lease], now(), 10_000)
    assert (await presence.look([ANNA], now()))[0].nodes == {"n1"}
    assert (await streams.append([(ANNA, "ntf_1", True, b"{}")], now()))[0]
    position = await streams.open_stream(ANNA)
    assert await streams.since(ANNA, position) == []
    await presence.release([lease])
    for part in (presence, streams):
        await part.close()


@pytest.mark.parametrize("account", ["api", "worker", "supervisor"])
async def test_what_the_api_does_with_the_cache(valkey: ValkeyServer, account: str) -> None:
    """It looks who is there, forgets a person and reads how the providers are."""
    url = valkey.url_of(account)
    presence, cells = RedisPresence(url), RedisCells(url)
    await presence.look([ANNA], now())
    await presence.forget(ANNA)
    change: Any = lambda was: was + b"x"  # noqa: E731
    assert (await cells.change(f"c-{account}", change, 10_000)) == b"x"
    for part in (presence, cells):
        await part.close()


async def test_passwords_differ_and_stand_in_private_files(nats: NatsServer, valkey: ValkeyServer) -> None:
    """One for each account, in configurations that only we may read."""
    urls = {server.url_of(account) for server in (nats, valkey) for account in (OPERATOR, *ACCOUNTS)}
    assert len({url.partition("@")[0].rpartition(":")[2] for url in urls}) == 2 * (1 + len(ACCOUNTS))
    for server in (nats, valkey):
        folder: Path = server._folder
        (config,) = folder.glob("*.conf")
        assert config.stat().st_mode & 0o077 == 0
