"""Webhook handler: what e-mail providers tell us afterwards, verified, deduplicated and correlated.

Reads SendGrid's signed Event Webhook; writes events to the store, and hard bounces and complaints to the suppressions.
An event carries its provider's own id, so a duplicate is recorded once; status is a rank, so order doesn't matter.
Source: SendGrid's Event Webhook reference and its security features (ECDSA P-256 over timestamp + raw body).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from litestar import Response, post
from litestar.types import ControllerRouterHandler

from heliograph import telemetry
from heliograph.core.errors import Problem
from heliograph.core.headers import address_flaw
from heliograph.core.lifecycle import Event, EventKind
from heliograph.core.model import Key, Millis
from heliograph.core.ports import Clock, Store
from heliograph.web import AnyRequest, no_content, raw_body

log = telemetry.logger("webhooks")
MAX_WEBHOOK: Final = 1024 * 1024
"""SendGrid flushes at 768 KB."""

_KIND: Final[dict[str, EventKind]] = {
    "delivered": "delivered",
    "deferred": "deferred",
    "bounce": "failed",
    "dropped": "failed",
    "open": "opened",
    "click": "clicked",
    "spamreport": "complained",
    "unsubscribe": "unsubscribed",
    "group_unsubscribe": "unsubscribed",
}


class SendGridEvent(msgspec.Struct, kw_only=True):
    """The fields we read; custom arguments stand at the top level (`hg_…`)."""

    event: str
    email: str = ""
    timestamp: int = 0
    sg_event_id: str = ""
    sg_message_id: str = ""
    reason: str = ""
    response: str = ""
    status: str = ""
    type: str = ""
    url: str = ""
    hg_id: str = ""
    hg_tenant: str = ""
    hg_target: str = "email"
    hg_gen: str = "0"
    hg_attempt: str = "0"


class Verifier:
    """Checks SendGrid's signature.

    Args:
        public_key: base64 of a DER SubjectPublicKeyInfo, as SendGrid's settings show it.
        tolerance_s: how far the signed timestamp may be from now. Wide by default: SendGrid repeats a refused POST for
            24 h, and duplicates change nothing.
    """

    def __init__(self, public_key: str, clock: Clock, tolerance_s: float) -> None:
        found = load_der_public_key(base64.b64decode(public_key))
        if not isinstance(found, ec.EllipticCurvePublicKey):
            raise TypeError("the SendGrid webhook key is not an elliptic curve key")
        self._key = found
        self._clock = clock
        self._tolerance_ms = tolerance_s * 1000

    def check(self, body: bytes, signature: str, timestamp: str) -> None:
        """Raises `Problem("unauthorized")` unless `body` was signed at `timestamp`, lately."""
        try:
            self._key.verify(base64.b64decode(signature, validate=True), timestamp.encode() + body, ec.ECDSA(SHA256()))
            age_ms = abs(self._clock() - int(timestamp) * 1000)
        except (InvalidSignature, ValueError) as error:
            raise Problem("unauthorized") from error
        if age_ms > self._tolerance_ms:
            raise Problem("unauthorized", "the signed timestamp is too far from now")


def to_events(received: Sequence[SendGridEvent], now: Millis) -> list[Event]:
    """Those that belong to one of our notifications, as our events.

    SendGrid tells whole seconds: an event counts as of the end of its second, or it would stand before its own cause.
    """
    return [
        Event(
            tenant=one.hg_tenant,
            notification_id=one.hg_id,
            at=max(0, min(now, one.timestamp * 1000 + 999)),
            kind=_KIND[one.event],
            target=one.hg_target,
            attempt=_number(one.hg_attempt),
            gen=_number(one.hg_gen),
            provider="sendgrid",
            provider_id=one.sg_message_id or None,
            detail=(one.reason or one.response or one.url)[:500] or None,
            unique=one.sg_event_id[:100],
        )
        for one in received
        if one.event in _KIND and one.hg_id and one.hg_tenant
    ]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def to_suppress(received: Iterable[SendGridEvent]) -> list[tuple[Key, str, Millis]]:
    """Addresses that must not be written to again: hard bounces (`blocked` is a temporary refusal) and complaints."""
    found = []
    for one in received:
        hard = one.event == "bounce" and one.type != "blocked"
        if (hard or one.event == "spamreport") and one.hg_tenant and not address_flaw(one.email):
            reason = "hard_bounce" if hard else "complaint"
            found.append((Key(one.hg_tenant, one.email), reason, one.timestamp * 1000))
    return found


def parse(body: bytes) -> list[SendGridEvent]:
    """The events of a POST; those of a kind or shape we don't know are left out, whatever else is wrong is a 422."""
    try:
        raw: list[Any] = msgspec.json.decode(body, type=list[Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Problem("invalid", "the body is not a JSON array of events") from error
    events = []
    for one in raw:
        try:
            events.append(msgspec.convert(one, SendGridEvent))
        except msgspec.ValidationError as error:
            log.warning("webhook_event_ignored", action="ignore", provider="sendgrid", error=str(error))
    return events


def routes(store: Store, clock: Clock, sendgrid_key: str, tolerance_s: float) -> list[ControllerRouterHandler]:
    """Without a public key every call is answered 401: an unsigned webhook could be anyone's."""
    verifier = Verifier(sendgrid_key, clock, tolerance_s) if sendgrid_key else None

    @post("/v1/webhooks/sendgrid", status_code=204, summary="Signed Event Webhook")
    async def sendgrid(request: AnyRequest) -> Response[None]:
        body = await raw_body(request, MAX_WEBHOOK)
        if verifier is None:
            raise Problem("unauthorized", "HELIOGRAPH_SENDGRID_WEBHOOK_KEY is not set")
        verifier.check(
            body,
            request.headers.get("x-twilio-email-event-webhook-signature", ""),
            request.headers.get("x-twilio-email-event-webhook-timestamp", ""),
        )
        received = parse(body)
        for one in received:
            telemetry.webhook_events_total.labels("sendgrid", one.event if one.event in _KIND else "other").inc()
        for address, reason, at in to_suppress(received):
            await store.suppress(address, reason, at)
        await store.record(to_events(received, clock()))
        return no_content()

    return [sendgrid]
