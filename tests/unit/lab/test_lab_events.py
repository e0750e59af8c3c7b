"""SendGrid's events as the lab makes them: content, signature, batches."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sendgrid.helpers.eventwebhook import EventWebhook as Oracle

from heliograph.lab.events import DETAILS, FATES, SIGNATURE_HEADER, TIMESTAMP_HEADER, Signer, build_event, encode
from heliograph.lab.inbox import Inbox, Received
from heliograph.lab.sendgrid import FATES as FATE_WORDS
from heliograph.lab.sendgrid import SendGridMail
from heliograph.lab.webhook import batches, is_local


def received(**changes: Any) -> Received:
    document = {"personalizations": [{"to": [{"email": "bob@example.com"}]}], **changes}
    content = SendGridMail(document, 0, "bob@example.com")
    return Inbox().add("sendgrid", "bob@example.com", content, accepted=True, status=202, provider_id="XMSGID")


@pytest.mark.parametrize("kind", sorted(DETAILS))
def test_every_event_carries_what_all_events_carry(kind: str) -> None:
    """email, timestamp, event and a fresh sg_event_id, whatever the kind."""
    record = received()
    one, other = build_event(kind, record, 5.9), build_event(kind, record, 5.9)
    assert (one["email"], one["timestamp"]) == ("bob@example.com", 5)
    assert one["sg_event_id"] != other["sg_event_id"]
    assert one["event"] == {"blocked": "bounce", "async_bounce": "bounce"}.get(kind, kind)


def test_custom_args_are_flattened_but_never_overwrite_sendgrids_names() -> None:
    """The personalization's args win over the root's, SendGrid's own keys over both."""
    record = received(
        custom_args={"hg_msg": "root", "hg_tenant": "acme"},
        personalizations=[{"to": [{"email": "bob@example.com"}], "custom_args": {"hg_msg": "ntf_1", "event": "x"}}],
    )
    event = build_event("delivered", record, 1)
    assert (event["hg_msg"], event["hg_tenant"], event["event"]) == ("ntf_1", "acme", "delivered")
    assert event["sg_message_id"].startswith("XMSGID.recvd-")


def test_an_asynchronous_bounce_can_not_be_correlated() -> None:
    """It comes back by mail: no sg_message_id, no custom args; only address and smtp-id remain."""
    event = build_event("async_bounce", received(custom_args={"hg_msg": "ntf_1"}), 1)
    assert event["event"] == event["type"] == "bounce"
    assert "sg_message_id" not in event
    assert "hg_msg" not in event
    assert event["smtp-id"]


def test_categories_mirror_how_they_were_sent() -> None:
    """A string stays a string, a list a list, none is none."""
    assert build_event("open", received(categories="news"), 1)["category"] == "news"
    assert build_event("open", received(categories=["a", "b"]), 1)["category"] == ["a", "b"]
    assert "category" not in build_event("open", received(), 1)


def test_the_official_verifier_accepts_our_signature_and_nothing_else() -> None:
    """ECDSA P-256 over timestamp + raw body, trailing CRLF included."""
    signer = Signer()
    body = encode([build_event("open", received(), 1)])
    headers = signer.sign(body, "1700000000")
    oracle = Oracle(signer.public_key)
    assert body.endswith(b"]\r\n")

    def verifies(text: str, timestamp: str) -> bool:
        return bool(oracle.verify_signature(text, headers[SIGNATURE_HEADER], timestamp))

    assert verifies(body.decode(), headers[TIMESTAMP_HEADER])
    assert not verifies(body.decode().rstrip(), headers[TIMESTAMP_HEADER])
    assert not verifies(body.decode(), "1700000001")
    assert not verifies(body.decode().replace("bob", "eve"), headers[TIMESTAMP_HEADER])


def test_every_fate_a_recipient_can_have_is_told_by_known_events() -> None:
    """The words `tokens` takes and the event sequences must not drift apart."""
    assert {word for word in FATES if word} == FATE_WORDS | {"lost_answer"}
    assert {kind for sequence in FATES.values() for kind in sequence} <= set(DETAILS)


def test_batches_keep_order_and_stay_below_the_limit() -> None:
    """Nothing is lost or reordered by cutting; a batch's JSON never exceeds the limit."""
    events = [{"n": n, "text": "x" * (n % 50)} for n in range(200)]
    cut = list(batches(events, 500))
    assert [event for batch in cut for event in batch] == events
    assert all(len(msgspec.json.encode(batch)) <= 501 for batch in cut)
    assert list(batches([{"text": "x" * 1000}], 500)) == [[{"text": "x" * 1000}]]


def test_events_go_to_this_machine_only() -> None:
    """The lab refuses to talk to anything but 127.0.0.1."""
    assert is_local("http://127.0.0.1:8080/v1/webhooks/sendgrid")
    assert is_local("http://localhost/x")
    assert not is_local("http://example.com/")
    assert not is_local("https://127.0.0.1/")
    assert not is_local("127.0.0.1:80")
