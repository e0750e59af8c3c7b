"""Webhook handler: what SendGrid tells us afterwards, verified, deduplicated and correlated.

Reads its signed Event Webhook; writes events to the store, and bounces, complaints and unsubscribes to the
suppressions. An event carries its provider's own id, so a duplicate is recorded once; status is a rank, so order
doesn't matter. What an event means stands in sendgrid_events.py.
Source: SendGrid's security features (ECDSA P-256 over timestamp + raw body).
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
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
from heliograph.core.model import Millis
from heliograph.core.ports import Clock, Store
from heliograph.roles.webhooks.sendgrid_events import SendGridEvent, known, reason_of, to_events, to_suppress
from heliograph.web import AnyRequest, no_content, raw_body

log = telemetry.logger("webhooks")
MAX_WEBHOOK: Final = 1024 * 1024
"""Bytes; SendGrid flushes at 768 KB."""
MAX_EVENTS: Final = 5_000
"""More than fit into a real post: what comes beyond it would hold the store for too long at once."""

_decode: Final = msgspec.json.Decoder(list[SendGridEvent]).decode


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


def parse(body: bytes) -> list[SendGridEvent]:
    """The events of a POST; those of a kind or shape we don't know are left out, whatever else is wrong is a 422.

    Raises:
        Problem: `invalid`, or `too_large` for more than `MAX_EVENTS`.
    """
    try:
        events = _decode(body)
    except msgspec.ValidationError:
        events = _one_by_one(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Problem("invalid", "the body is not a JSON array of events") from error
    if len(events) > MAX_EVENTS:
        raise Problem("too_large", f"more than {MAX_EVENTS} events in one post")
    return events


def _one_by_one(body: bytes) -> list[SendGridEvent]:
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


async def take(store: Store, received: Sequence[SendGridEvent], now: Millis) -> None:
    """Records what was told; either half may be repeated, so a store that fails in between costs nothing."""
    # load: whose mail it was, where only the address is told (an asynchronous bounce)
    nameless = list(dict.fromkeys(one.email for one in received if not one.named and reason_of(one)))
    tenants = dict(zip(nameless, await store.tenants_of(nameless), strict=True)) if nameless else {}
    # decide
    suppressions, events = to_suppress(received, tenants, now), to_events(received, now)
    # commit
    await asyncio.gather(*([store.suppress(suppressions)] if suppressions else []), store.record(events))
    telemetry.count_ends(events)


def routes(store: Store, clock: Clock, public_key: str, tolerance_s: float) -> list[ControllerRouterHandler]:
    verifier = Verifier(public_key, clock, tolerance_s) if public_key else None

    @post("/v1/webhooks/sendgrid", status_code=204, summary="Signed Event Webhook")
    async def told(request: AnyRequest) -> Response[None]:
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
            telemetry.webhook_events_total.labels("sendgrid", one.event if known(one) else "other").inc()
        await take(store, received, clock())
        return no_content()

    return [told]
