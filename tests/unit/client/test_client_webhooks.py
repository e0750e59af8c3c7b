"""Webhooks are believed only with a signature of our secret, made lately."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from heliograph.client import WebhookRefused, verify_webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT = {"type": "notification.delivered", "data": {"id": "ntf_1", "title": "größer"}}
BODY = json.dumps(EVENT).encode()


def signed(body: bytes = BODY, *, secret: str = SECRET, ago_s: float = 0.0) -> dict[str, str]:
    at = datetime.now(UTC) - timedelta(seconds=ago_s)
    signature = Webhook(secret).sign("msg_1", at, body.decode())
    return {"Webhook-Id": "msg_1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


def test_what_is_signed_is_read() -> None:
    """Header names in any case; one good signature of several is enough, while a secret is being changed."""
    assert verify_webhook(SECRET, signed(), BODY) == EVENT
    both = signed()
    both["webhook-signature"] = f"v1,{'A' * 43}= v2,x {both['webhook-signature']}"
    assert verify_webhook(SECRET, both, BODY) == EVENT


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (signed, BODY + b" "),
        (lambda: signed(secret="whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), BODY),
        (lambda: signed(ago_s=600), BODY),
        (lambda: signed(ago_s=-600), BODY),
        (lambda: {**signed(), "webhook-id": "msg_2", "Webhook-Id": "msg_2"}, BODY),
        (dict, BODY),
        (lambda: {**signed(), "webhook-signature": "nonsense"}, BODY),
        (lambda: {**signed(), "webhook-signature": "v1,a,b"}, BODY),
        (lambda: {**signed(), "webhook-signature": "v1,%%%"}, BODY),
        (lambda: {**signed(), "webhook-timestamp": "nan"}, BODY),
        (lambda: {**signed(), "webhook-timestamp": "1e999"}, BODY),
        (signed, b"\xff\xfe"),
        (lambda: signed(b"no json"), b"no json"),
    ],
)
def test_what_is_not_is_refused(headers: Callable[[], dict[str, str]], body: bytes) -> None:
    """Changed, somebody else's, too old, from the future, unsigned, or nonsense: one error for all."""
    with pytest.raises(WebhookRefused):
        verify_webhook(SECRET, headers(), body)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_é"])
def test_a_secret_that_cannot_be_one_is_a_mistake_of_ours(secret: str) -> None:
    """Never the same as a refusal: nothing that comes in would be answered rightly."""
    with pytest.raises(ValueError, match="secret"):
        verify_webhook(secret, signed(), BODY)


HEADERS = st.dictionaries(
    st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text(max_size=40)
)


@settings(max_examples=300, deadline=None, database=None)
@given(HEADERS, st.binary(max_size=40), st.booleans())
def test_nothing_that_anybody_sends_is_more_than_refused(headers: dict[str, Any], body: bytes, fresh: bool) -> None:
    """Whatever is put into headers and body."""
    given_headers = {**headers, **({"webhook-timestamp": signed()["webhook-timestamp"]} if fresh else {})}
    with pytest.raises(WebhookRefused):
        verify_webhook(SECRET, given_headers, body)
