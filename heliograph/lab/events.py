"""Lab: SendGrid's Event Webhook, the events themselves: what they contain and how they are signed.

Reads journal records of accepted mail, writes event objects and signed bodies. Sends nothing; webhook.py does.

Source: SendGrid's Event Webhook reference; the signature is ECDSA P-256 over SHA-256 of timestamp + raw body.
"""

from __future__ import annotations

import base64
import secrets
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from heliograph.lab.inbox import Received
from heliograph.lab.sendgrid import SendGridMail

SIGNATURE_HEADER = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP_HEADER = "X-Twilio-Email-Event-Webhook-Timestamp"

Event = dict[str, Any]

IP = "127.0.0.1"
AGENT = "Mozilla/5.0 (lab)"
DETAILS: dict[str, Event] = {
    "processed": {"pool": {"name": "lab", "id": 1}},
    "delivered": {"response": "250 2.0.0 OK", "ip": IP, "tls": 1},
    "deferred": {"response": "451 4.7.1 Greylisted, please try again later", "attempt": "1", "ip": IP},
    "bounce": {
        "reason": "550 5.1.1 The email account that you tried to reach does not exist",
        "status": "5.1.1",
        "type": "bounce",
        "bounce_classification": "Invalid Address",
        "tls": 1,
        "ip": IP,
    },
    "blocked": {
        "reason": "451 4.7.1 Message temporarily refused",
        "status": "4.7.1",
        "type": "blocked",
        "bounce_classification": "Reputation",
        "tls": 1,
        "ip": IP,
    },
    "dropped": {"reason": "Bounced Address", "status": "5.0.0"},
    "open": {"useragent": AGENT, "ip": IP, "sg_machine_open": False},
    "click": {
        "useragent": AGENT,
        "ip": IP,
        "url": "https://example.com/",
        "url_offset": {"index": 0, "type": "html"},
    },
    "spamreport": {},
    "unsubscribe": {},
    "group_unsubscribe": {"useragent": AGENT, "ip": IP, "url": "https://example.com/", "asm_group_id": 1},
    "group_resubscribe": {"useragent": AGENT, "ip": IP, "url": "https://example.com/", "asm_group_id": 1},
}
DETAILS["async_bounce"] = DETAILS["bounce"]
EVENT_NAMES = {"blocked": "bounce", "async_bounce": "bounce"}
"""Kinds whose `event` value differs: SendGrid tells a block by `type` and a late bounce by what is missing."""
WITH_SMTP_ID = frozenset({"processed", "delivered", "deferred", "bounce", "blocked", "dropped", "async_bounce"})

FATES: dict[str | None, tuple[str, ...]] = {
    None: ("processed", "delivered"),
    "lost_answer": ("processed", "delivered"),
    "bounce": ("processed", "bounce"),
    "blocked": ("processed", "blocked"),
    "dropped": ("dropped",),
    "deferred": ("processed", "deferred", "delivered"),
    "async_bounce": ("processed", "delivered", "async_bounce"),
    "spamreport": ("processed", "delivered", "spamreport"),
    "unsubscribe": ("processed", "delivered", "unsubscribe"),
    "open": ("processed", "delivered", "open"),
    "click": ("processed", "delivered", "open", "click"),
    "silent": (),
}
"""What happens to a mail after it was taken, by the behaviour of its recipient."""


def new_event_id() -> str:
    return secrets.token_urlsafe(24)


def build_event(kind: str, record: Received, now: float) -> Event:
    """One event about a recorded mail. `kind` is a key of DETAILS, `now` seconds since 1970.

    Custom args stand at the top level, and SendGrid's own names win over them. An asynchronous bounce comes through
    the Return-Path and carries neither custom args nor sg_message_id.
    """
    mail = record.content
    own: Event = {
        "email": record.to,
        "timestamp": int(now),
        "event": EVENT_NAMES.get(kind, kind),
        "sg_event_id": new_event_id(),
        **DETAILS[kind],
    }
    if kind in WITH_SMTP_ID:
        own["smtp-id"] = _message_id(mail) or f"<{record.provider_id}@lab.localhost>"
    if kind == "async_bounce" or not isinstance(mail, SendGridMail):
        return own
    own["sg_message_id"] = f"{record.provider_id}.recvd-lab-{record.serial}-0"
    if mail.document.get("categories"):
        own["category"] = mail.document["categories"]
    return mail.custom_args() | own


def _message_id(mail: object) -> str | None:
    """The Message-ID that the request gave the mail; SendGrid makes one only for a mail without."""
    if not isinstance(mail, SendGridMail):
        return None
    headers = mail.document.get("headers") or {}
    return next((value for name, value in headers.items() if name.lower() == "message-id"), None)


class Signer:
    """The account's webhook key. `public_key` is the base64 DER text SendGrid's settings page shows."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.public_key = base64.b64encode(der).decode()

    def sign(self, body: bytes, timestamp: str) -> dict[str, str]:
        """The two signature headers for a body."""
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))
        return {SIGNATURE_HEADER: base64.b64encode(signature).decode(), TIMESTAMP_HEADER: timestamp}


def encode(events: list[Event]) -> bytes:
    """The body as SendGrid sends it, trailing CRLF included: receivers that strip it break the signature."""
    return msgspec.json.encode(events) + b"\r\n"
