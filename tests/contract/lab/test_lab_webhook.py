"""SendGrid event webhooks as the lab sends them, checked with the official verifier."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sendgrid.helpers.eventwebhook import EventWebhook as Oracle

from heliograph.lab.server import Lab


class Receiver:
    """A webhook endpoint: keeps the requests it gets, answers the statuses it is given, then 200."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()
        self.statuses: list[int] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        body = await reader.readexactly(int(headers["content-length"]))
        status = self.statuses.pop(0) if self.statuses else 200
        writer.write(f"HTTP/1.1 {status} X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()
        self.requests.put_nowait((headers, body))

    async def events(self, count: int) -> list[dict[str, Any]]:
        """The next `count` events, from as many requests as it takes."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            found += json.loads((await self.requests.get())[1])
        return found


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?a=b"
    yield made
    server.close()


async def send(api: httpx.AsyncClient, to: str = "bob@example.com", **changes: Any) -> str:
    mail = {
        "personalizations": [{"to": [{"email": to}], "custom_args": {"hg_msg": f"ntf_{to}"}}],
        "from": {"email": "shop@example.com"},
        "subject": "Hello",
        "content": [{"type": "text/plain", "value": "Hi"}],
        "categories": ["orders"],
    }
    answer = await api.post("/sendgrid/v3/mail/send", json=mail | changes, headers={"Authorization": "Bearer SG.x"})
    assert answer.status_code == 202
    return answer.headers["x-message-id"]


async def order(api: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await api.post("/lab/events/sendgrid", json=fields)
    assert answer.status_code == 200
    return dict(answer.json())


async def test_ordered_events_are_signed_and_about_the_mail(
    lab: Lab, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    """The official verifier takes the raw body; custom args are at the top level, sg_message_id begins as it should."""
    message_id = await send(api)
    told = await order(api, url=receiver.url, to="bob@example.com", sequence=["processed", "delivered", "open"])
    headers, body = await receiver.requests.get()
    key = (await api.get("/lab/sendgrid-webhook-key")).text
    assert key == lab.webhook_public_key
    signature = headers["x-twilio-email-event-webhook-signature"]
    timestamp = headers["x-twilio-email-event-webhook-timestamp"]
    assert Oracle(key).verify_signature(body.decode(), signature, timestamp)
    assert not Oracle(key).verify_signature(body.decode() + " ", signature, timestamp)
    events = json.loads(body)
    assert (told["status"], told["error"], told["events"]) == (200, None, events)
    assert [event["event"] for event in events] == ["processed", "delivered", "open"]
    assert {event["hg_msg"] for event in events} == {"ntf_bob@example.com"}
    assert {event["sg_message_id"].partition(".recvd-")[0] for event in events} == {message_id}
    assert events[0]["category"] == ["orders"]


async def test_a_message_id_stands_for_all_its_recipients(lab: Lab, api: httpx.AsyncClient, receiver: Receiver) -> None:
    """X-Message-Id is per request; a journal id is one recipient."""
    both = [{"to": [{"email": "a@example.com"}]}, {"to": [{"email": "b@example.com"}]}]
    message_id = await send(api, personalizations=both)
    told = await order(api, url=receiver.url, message_id=message_id, sequence=["bounce"])
    assert [event["email"] for event in told["events"]] == ["a@example.com", "b@example.com"]
    told = await order(api, url=receiver.url, message_id="lab_2")
    assert [(event["email"], event["event"]) for event in told["events"]] == [
        ("b@example.com", "processed"),
        ("b@example.com", "delivered"),
    ]


async def test_events_can_be_duplicated_and_shuffled(lab: Lab, api: httpx.AsyncClient, receiver: Receiver) -> None:
    """Duplicates share their sg_event_id; shuffling loses nothing."""
    await send(api)
    sequence = ["processed", "deferred", "delivered", "open", "click"]
    told = await order(api, url=receiver.url, to="bob@example.com", sequence=sequence, duplicate=True, shuffle=True)
    kinds = [event["event"] for event in told["events"]]
    assert sorted(kinds) == sorted(sequence * 2)
    assert kinds != [kind for kind in sequence for _ in range(2)]
    assert len({event["sg_event_id"] for event in told["events"]}) == 5


async def test_events_may_come_in_several_posts(lab: Lab, api: httpx.AsyncClient, receiver: Receiver) -> None:
    """One after the other, each signed, none empty; together everything that was ordered."""
    await send(api)
    sequence = ["processed", "deferred", "delivered", "open", "click"]
    told = await order(api, url=receiver.url, to="bob@example.com", sequence=sequence, duplicate=True, posts=4)
    posted = [json.loads(body) for _, body in [await receiver.requests.get() for _ in range(4)]]
    assert [len(events) for events in posted] == [3, 3, 3, 1]
    assert [event for events in posted for event in events] == told["events"]
    assert receiver.requests.empty()
    told = await order(api, url=receiver.url, to="bob@example.com", sequence=["open"], posts=9)
    assert await receiver.events(1) == told["events"]


async def test_an_asynchronous_bounce_carries_the_mails_message_id(
    lab: Lab, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    """And nothing else of the sender's: no custom args, no sg_message_id."""
    await send(api, headers={"Message-ID": "<mine@shop.example>"})
    (late,) = (await order(api, url=receiver.url, to="bob@example.com", sequence=["async_bounce"]))["events"]
    assert late["smtp-id"] == "<mine@shop.example>"
    assert not {"hg_msg", "sg_message_id"} & set(late)
    await send(api, to="eve@example.com")
    (other,) = (await order(api, url=receiver.url, to="eve@example.com", sequence=["async_bounce"]))["events"]
    assert other["smtp-id"].endswith("@lab.localhost>")


async def test_events_that_follow_may_be_doubled_and_shuffled(
    lab: Lab, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    """As SendGrid's own servers do to everybody sooner or later: the same sg_event_id again, in no order."""
    setting = {"webhook_url": receiver.url, "duplicates": 1.0, "shuffle": True}
    assert (await api.put("/lab/events/sendgrid", json=setting)).json() == setting
    await send(api, personalizations=[{"to": [{"email": f"user-{n}@example.com"}]} for n in range(10)])
    events = await receiver.events(40)
    names = [event["sg_event_id"] for event in events]
    assert sorted(names) == sorted([*dict.fromkeys(names)] * 2)
    assert len(set(names)) == 20
    assert [event["email"] for event in events[:20]] != sorted(event["email"] for event in events[:20])
    refused = await api.put("/lab/events/sendgrid", json={**setting, "duplicates": 2})
    assert refused.status_code == 422


async def test_ready_made_events_are_sent_as_they_are(lab: Lab, api: httpx.AsyncClient, receiver: Receiver) -> None:
    """Only what SendGrid would always add is added."""
    event = {"email": "x@example.com", "event": "spamreport", "timestamp": 5, "odd": [1]}
    (sent,) = (await order(api, url=receiver.url, events=[event]))["events"]
    assert sent.pop("sg_event_id")
    assert sent == event


async def test_the_receivers_answer_is_told(lab: Lab, api: httpx.AsyncClient, receiver: Receiver) -> None:
    """Its status, redirects not followed; 0 and the reason when nobody is there."""
    receiver.statuses = [401, 302]
    for status in (401, 302):
        assert (await order(api, url=receiver.url, events=[{}]))["status"] == status
    told = await order(api, url=f"http://127.0.0.1:{lab.smtp_port}/", events=[{}])
    assert told["status"] == 0
    assert told["error"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"events": []}, 422),
        ({"url": "http://example.com/", "events": []}, 422),
        ({"url": "http://127.0.0.1:1/"}, 422),
        ({"url": "http://127.0.0.1:1/", "events": [], "to": "bob@example.com"}, 422),
        ({"url": "http://127.0.0.1:1/", "to": "bob@example.com", "sequence": ["exploded"]}, 422),
        ({"url": "http://127.0.0.1:1/", "to": "bob@example.com", "colour": "red"}, 422),
        ({"url": "http://127.0.0.1:1/", "to": "nobody@example.com"}, 404),
        ({"url": "http://127.0.0.1:1/", "message_id": "unknown"}, 404),
    ],
)
async def test_a_bad_order_is_refused(lab: Lab, api: httpx.AsyncClient, body: dict[str, Any], status: int) -> None:
    """As problem+json, and nothing is sent."""
    answer = await api.post("/lab/events/sendgrid", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_with_a_webhook_url_events_follow_every_accepted_mail(
    lab: Lab, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    """processed and delivered by themselves; a refused mail has none; several mails share a request."""
    lab.webhook_url = receiver.url
    await api.put("/lab/faults/sendgrid", json={"tokens": {"bad@example.com": "invalid"}})
    refused = {"personalizations": [{"to": [{"email": "bad@example.com"}]}]}
    assert (await api.post("/sendgrid/v3/mail/send", json=refused)).status_code == 401
    await send(api, "a@example.com")
    await send(api, "b@example.com")
    events = await receiver.events(4)
    assert sorted((event["email"], event["event"]) for event in events) == [
        ("a@example.com", "delivered"),
        ("a@example.com", "processed"),
        ("b@example.com", "delivered"),
        ("b@example.com", "processed"),
    ]


async def test_a_bouncing_address_is_dropped_the_second_time(
    lab: Lab, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    """The suppression list: first a bounce, then dropped, unless bypassed; clearing the journal clears it."""
    setting = await api.put("/lab/events/sendgrid", json={"webhook_url": receiver.url})
    assert setting.json() == {"webhook_url": receiver.url}
    await api.put("/lab/faults/sendgrid", json={"tokens": {"bob@example.com": "bounce"}})
    await send(api)
    assert [(event["event"], event.get("type")) for event in await receiver.events(2)] == [
        ("processed", None),
        ("bounce", "bounce"),
    ]
    await api.put("/lab/faults/sendgrid", json={})
    await send(api)
    assert [(event["event"], event["reason"]) for event in await receiver.events(1)] == [("dropped", "Bounced Address")]
    await send(api, mail_settings={"bypass_bounce_management": {"enable": True}})
    assert [event["event"] for event in await receiver.events(2)] == ["processed", "delivered"]
    await api.delete("/lab/messages")
    await send(api)
    assert [event["event"] for event in await receiver.events(2)] == ["processed", "delivered"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("blocked", ["processed", "bounce"]),
        ("deferred", ["processed", "deferred", "delivered"]),
        ("async_bounce", ["processed", "delivered", "bounce"]),
        ("spamreport", ["processed", "delivered", "spamreport"]),
        ("click", ["processed", "delivered", "open", "click"]),
    ],
)
async def test_the_recipients_behaviour_decides_the_events(
    lab: Lab, api: httpx.AsyncClient, receiver: Receiver, word: str, expected: list[str]
) -> None:
    """The mail is taken with 202 in each case; only the events tell what became of it."""
    lab.webhook_url = receiver.url
    await api.put("/lab/faults/sendgrid", json={"tokens": {"bob@example.com": word}})
    await send(api)
    assert [event["event"] for event in await receiver.events(len(expected))] == expected


async def test_what_the_receiver_refuses_is_sent_again(lab: Lab, api: httpx.AsyncClient, receiver: Receiver) -> None:
    """Same events, same ids, freshly signed, until a 2xx."""
    lab.webhook_url = receiver.url
    receiver.statuses = [503]
    await send(api)
    first, second = await receiver.requests.get(), await receiver.requests.get()
    assert first[1] == second[1]
    oracle = Oracle(lab.webhook_public_key)
    for headers, body in (first, second):
        signature = headers["x-twilio-email-event-webhook-signature"]
        assert oracle.verify_signature(body.decode(), signature, headers["x-twilio-email-event-webhook-timestamp"])


@pytest.mark.parametrize("body", [{"webhook_url": "http://example.com/"}, {}, {"webhook_url": 5}, {"url": None}])
async def test_a_bad_webhook_setting_is_refused(lab: Lab, api: httpx.AsyncClient, body: dict[str, Any]) -> None:
    """422, and the old setting stays."""
    lab.webhook_url = "http://127.0.0.1:1/"
    assert (await api.put("/lab/events/sendgrid", json=body)).status_code == 422
    assert lab.webhook_url == "http://127.0.0.1:1/"
