"""The client `aioapns`, as it is, against the lab's APNs; what it can't do, by plain HTTP/2 (h2)."""

from __future__ import annotations

import asyncio
import ssl
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import h2.connection
import h2.events
import httpx
import jwt
import pytest
from aioapns import APNs, NotificationRequest, PushType
from aioapns.connection import APNsProductionClientProtocol

from heliograph.lab.apns_identity import TOPIC
from heliograph.lab.faults import Fault
from heliograph.lab.server import Lab

IDS = {"key_id": "ANYKEY7890", "team_id": "ANYTEAM890"}


@pytest.fixture
async def client(lab: Lab, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[APNs]:
    """With the key and the authority that the control API serves; without ALPN, as it comes."""
    monkeypatch.setattr(APNsProductionClientProtocol, "APNS_SERVER", "127.0.0.1")
    monkeypatch.setattr(APNsProductionClientProtocol, "APNS_PORT", lab.apns_port)
    made = APNs(
        key=(await api.get("/lab/apns.p8")).text, topic=TOPIC, max_connections=2, **IDS,
        ssl_context=ssl.create_default_context(cadata=(await api.get("/lab/ca.pem")).text),
    )  # fmt: skip
    yield made
    made.pool.close()


def push(token: str = "device-1", **fields: Any) -> NotificationRequest:
    message = {"aps": {"alert": {"title": "Ünïcode ✓", "body": "Hi 🎉"}}, "orderId": "7"}
    return NotificationRequest(**{"device_token": token, "message": message, **fields})


async def messages(api: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    return list((await api.get("/lab/messages", params={"provider": "apns", **query})).json()["messages"])


async def test_aioapns_sends(client: APNs, api: httpx.AsyncClient) -> None:
    """Taken, with the id that the client chose; the journal shows what the phone would, and no authorization."""
    request = push(collapse_key="order-7", time_to_live=60, priority=10, push_type=PushType.ALERT)
    result = await client.send_notification(request)
    assert (result.is_successful, result.notification_id) == (True, request.notification_id)
    (record,) = await messages(api)
    assert (record["to"], record["title"], record["body"]) == ("device-1", "Ünïcode ✓", "Hi 🎉")
    assert (record["data"], record["provider_id"]) == ({"orderId": "7"}, request.notification_id)
    assert record["headers"]["apns-collapse-id"] == "order-7"
    assert int(record["headers"]["apns-expiration"]) > time.time()
    assert "authorization" not in record["headers"]
    assert record["payload"] == request.message


async def test_a_hundred_at_once(client: APNs, api: httpx.AsyncClient) -> None:
    """The client starts with the one stream it is given and is allowed more after its first success."""
    results = await asyncio.gather(*(client.send_notification(push(f"device-{n}")) for n in range(100)))
    assert all(result.is_successful for result in results)
    assert {record["to"] for record in await messages(api)} == {f"device-{n}" for n in range(100)}


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("unregistered", "410", "Unregistered"),
        ("expired_token", "410", "ExpiredToken"),
        ("bad_device_token", "400", "BadDeviceToken"),
        ("device_token_not_for_topic", "400", "DeviceTokenNotForTopic"),
        ("too_many_requests", "429", "TooManyRequests"),
        ("internal_server_error", "500", "InternalServerError"),
        ("service_unavailable", "503", "ServiceUnavailable"),
    ],
)
async def test_tokens_with_a_behaviour(
    client: APNs, api: httpx.AsyncClient, word: str, status: str, reason: str
) -> None:
    """The client understands status, reason and, of a device that is gone, since when."""
    before = int(time.time() * 1000) - 1
    await api.put("/lab/faults/apns", json={"tokens": {"bad": word}})
    result = await client.send_notification(push("bad"))
    assert (result.status, result.description) == (status, reason)
    assert (await client.send_notification(push("good"))).is_successful
    assert [record["to"] for record in await messages(api)] == ["good"]
    if status == "410":
        assert before <= int(result.timestamp) <= time.time() * 1000


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"apns_topic": "not a topic"}, "BadTopic"),
        ({"collapse_key": "x" * 65}, "BadCollapseId"),
        ({"priority": 7}, "BadPriority"),
        ({"notification_id": "7"}, "BadMessageId"),
        ({"message": {"aps": {}, "large": "x" * 4096}}, "PayloadTooLarge"),
        ({"message": {}}, "PayloadEmpty"),
    ],
)
async def test_bad_requests(client: APNs, api: httpx.AsyncClient, fields: dict[str, Any], reason: str) -> None:
    """Refused with Apple's reason, and on record as refused."""
    result = await client.send_notification(push(**fields))
    assert result.description == reason
    (record,) = await messages(api, all="true")
    assert (record["accepted"], record["status"]) == (False, 413 if reason == "PayloadTooLarge" else 400)


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        ({"mode": "error"}, "500", "InternalServerError"),
        ({"mode": "error", "status": 503}, "503", "ServiceUnavailable"),
        ({"mode": "error", "status": 403}, "403", "InvalidProviderToken"),
        ({"mode": "flaky", "fraction": 1, "status": 503}, "503", "ServiceUnavailable"),
        ({"mode": "throttle", "rate_per_s": 0.001}, "429", "TooManyRequests"),
    ],
)
async def test_faults_of_the_whole_provider(
    client: APNs, api: httpx.AsyncClient, fault: dict[str, Any], status: str, reason: str
) -> None:
    """In Apple's words; `throttle` lets its first second's worth pass."""
    await api.put("/lab/faults/apns", json=fault)
    if fault["mode"] == "throttle":
        assert (await client.send_notification(push())).is_successful
    result = await client.send_notification(push())
    assert (result.status, result.description) == (status, reason)


async def test_a_device_that_was_away(client: APNs, api: httpx.AsyncClient) -> None:
    """It gets the last push when it is back; the fault says who is away."""
    await api.put("/lab/faults/apns", json={"tokens": {"d": "offline"}})
    for name in ("first", "second"):
        await client.send_notification(push("d", message={"aps": {"alert": {"title": name}}}, time_to_live=60))
    screen = (await api.get("/lab/apns/devices/d")).json()
    assert (screen["online"], screen["shown"], screen["stored"][TOPIC]["title"]) == (False, [], "second")
    await api.put("/lab/faults/apns", json={})
    assert [one["title"] for one in (await api.get("/lab/apns/devices/d")).json()["shown"]] == ["second"]


async def test_the_state_of_the_lab(client: APNs, api: httpx.AsyncClient) -> None:
    """Ids that will do, and how many connections and tokens were seen."""
    await client.send_notification(push())
    state = (await api.get("/lab/apns")).json()
    assert (state["topic"], len(state["key_id"]), len(state["team_id"])) == (TOPIC, 10, 10)
    assert (state["connections"], state["connections_made"], state["provider_tokens"]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/lab/apns/goaway", {"drop": -1}),
        ("POST", "/lab/apns/goaway", {"why": "x"}),
        ("PUT", "/lab/apns/streams", {}),
        ("PUT", "/lab/apns/streams", {"max": "many"}),
        ("PUT", "/lab/faults/apns", {"tokens": {"t": "gone"}}),
    ],
)
async def test_bad_orders(api: httpx.AsyncClient, method: str, path: str, body: dict[str, Any]) -> None:
    """A typing error must not look like an order that was carried out."""
    assert (await api.request(method, path, json=body)).status_code == 422


class Raw:
    """A client that does as it likes, frame by frame."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.h2 = h2.connection.H2Connection()
        self.events: list[h2.events.Event] = []

    async def connect(self) -> Raw:
        context = ssl.create_default_context(cadata=self.lab.apns.service.identity.ca_pem.decode())
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.lab.apns_port, ssl=context)
        self.h2.initiate_connection()
        await self.flush()
        return self

    async def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())
        await self.writer.drain()

    def start(self, *, body: bytes = b'{"aps":{}}', **headers: str) -> int:
        stream = self.h2.get_next_available_stream_id()
        identity = self.lab.apns.service.identity
        token = jwt.encode({"iss": "ANYTEAM890", "iat": int(time.time())}, identity.key, "ES256", {"kid": "ANYKEY7890"})
        usual = {
            ":method": "POST", ":scheme": "https", ":authority": "apns", ":path": "/3/device/d",
            "authorization": f"bearer {token}", "apns-topic": TOPIC,
        } | {name.replace("_", "-"): value for name, value in headers.items()}  # fmt: skip
        self.h2.send_headers(stream, list(usual.items()))
        self.h2.send_data(stream, body, end_stream=True)
        return stream

    async def until(self, kind: type[Any]) -> Any:
        """The next event of a kind."""
        while True:
            for event in self.events:
                if isinstance(event, kind):
                    self.events.remove(event)
                    return event
            data = await asyncio.wait_for(self.reader.read(65536), 10)
            assert data, "the connection ended"
            self.events += self.h2.receive_data(data)
            await self.flush()

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


@pytest.fixture
async def raw(lab: Lab) -> AsyncIterator[Raw]:
    made = await Raw(lab).connect()
    yield made
    await made.close()


def limit_of(settings: h2.events.RemoteSettingsChanged) -> int:
    return int(settings.changed_settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS].new_value)


async def test_one_stream_and_then_many(raw: Raw) -> None:
    """APNs' settings: a single stream until a push with a good token was taken."""
    assert limit_of(await raw.until(h2.events.RemoteSettingsChanged)) == 1
    raw.start()
    await raw.flush()
    answer = await raw.until(h2.events.ResponseReceived)
    told = dict(answer.headers)
    assert told[b":status"] == b"200"
    assert uuid.UUID(told[b"apns-id"].decode())
    assert uuid.UUID(told[b"apns-unique-id"].decode())
    assert limit_of(await raw.until(h2.events.RemoteSettingsChanged)) == 1000


async def test_a_stream_too_many_is_refused(lab: Lab, raw: Raw) -> None:
    """Once the client has acknowledged the limit; the others go on."""
    lab.set_fault("apns", Fault(latency_ms=50))
    await raw.until(h2.events.RemoteSettingsChanged)
    raw.h2.remote_settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] = 10
    raw.h2.remote_settings.acknowledge()
    first, second = raw.start(), raw.start()
    await raw.flush()
    reset = await raw.until(h2.events.StreamReset)
    assert (reset.stream_id, reset.error_code) == (second, h2.errors.ErrorCodes.REFUSED_STREAM)
    assert (await raw.until(h2.events.StreamEnded)).stream_id == first
    assert len(lab.inbox.select()) == 1


async def test_an_error_is_headers_and_one_frame_of_data(lab: Lab, raw: Raw) -> None:
    """No empty DATA frame behind it, which some clients take for an answer."""
    raw.start(apns_topic="")
    await raw.flush()
    assert dict((await raw.until(h2.events.ResponseReceived)).headers)[b":status"] == b"400"
    data = await raw.until(h2.events.DataReceived)
    assert (data.data, data.stream_ended is not None) == (b'{"reason":"MissingTopic"}', True)


async def test_goaway_tells_why(lab: Lab, api: httpx.AsyncClient, raw: Raw) -> None:
    """Reason as JSON, and the last push that is looked at; the connection lives on until that one has ended."""
    await raw.until(h2.events.RemoteSettingsChanged)
    raw.start()
    await raw.flush()
    assert limit_of(await raw.until(h2.events.RemoteSettingsChanged)) == 1000
    await api.put("/lab/faults/apns", json={"mode": "hang"})
    first, _ = raw.start(), raw.start()
    raw.h2.ping(b"received")
    await raw.flush()
    await raw.until(h2.events.PingAckReceived)
    assert (await api.post("/lab/apns/goaway", json={"reason": "Shutdown", "drop": 1})).status_code == 204
    farewell = await raw.until(h2.events.ConnectionTerminated)
    assert (farewell.last_stream_id, farewell.additional_data) == (first, b'{"reason":"Shutdown"}')
    await api.put("/lab/faults/apns", json={})
    while await raw.reader.read(65536):
        pass


async def test_a_header_that_is_no_text_ends_that_connection_only(lab: Lab, client: APNs, raw: Raw) -> None:
    """Bytes that are no UTF-8."""
    raw.h2.config.validate_outbound_headers = False
    raw.h2.send_headers(1, [(b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/3/device/\xff")])
    await raw.flush()
    while await raw.reader.read(65536):
        pass
    assert (await client.send_notification(push())).is_successful


async def test_what_is_no_http2_ends_that_connection_only(lab: Lab, client: APNs) -> None:
    """Bytes of a stranger."""
    context = ssl.create_default_context(cadata=lab.apns.service.identity.ca_pem.decode())
    reader, writer = await asyncio.open_connection("127.0.0.1", lab.apns_port, ssl=context)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    while await reader.read(65536):
        pass
    writer.close()
    assert (await client.send_notification(push())).is_successful
