"""Lab: Apple Push Notification service: what it answers to one push.

Reads the request, the connection's token and the provider's gate; writes the journal and the devices' screens. How it
reaches the client is apns_server.py's business.

Behaviours for `tokens` (by device token): any of APNs' reasons in small letters (unregistered, expired_token,
bad_device_token, device_token_not_for_topic, too_many_requests, internal_server_error, service_unavailable, ...);
offline (taken; kept for the device until it comes back, see apns_devices.py), lost_answer (taken, but the stream is
reset before the 200), refused (stream refused, not looked at).
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from heliograph.lab.apns_devices import Devices, Note
from heliograph.lab.apns_identity import Identity
from heliograph.lab.apns_rules import REASONS, ApnsRequest, check_request
from heliograph.lab.apns_tokens import Acquaintance, ProviderTokens
from heliograph.lab.faults import Dialect, Fault, Verdict
from heliograph.lab.gate import Gate
from heliograph.lab.inbox import Inbox, View

WORDS = {re.sub(r"(?<!^)(?=[A-Z])", "_", reason).lower(): reason for reason in REASONS}
DIALECT = Dialect(500, frozenset(WORDS) | {"offline", "lost_answer", "refused"})
OF_STATUS = {
    400: "PayloadEmpty", 403: "InvalidProviderToken", 404: "BadPath", 405: "MethodNotAllowed", 410: "Unregistered",
    413: "PayloadTooLarge", 429: "TooManyRequests", 500: "InternalServerError", 503: "ServiceUnavailable",
}  # fmt: skip
"""The reason of an error that was asked for by its status."""


class ApnsAnswer(Struct):
    """`lost` = taken, but the stream ends before the answer; `refused` = the stream is, with the push unseen."""

    status: int
    reason: str = ""
    timestamp: int | None = None
    apns_id: str = ""
    lost: bool = False
    refused: bool = False

    @property
    def body(self) -> bytes:
        """Empty for a success; `timestamp` in milliseconds, on a 410 only."""
        if self.status == 200:
            return b""
        told = {"reason": self.reason} | ({"timestamp": self.timestamp} if self.timestamp is not None else {})
        return msgspec.json.encode(told)


class ApnsPush:
    """A received push, read only when somebody looks."""

    __slots__ = ("_request",)

    def __init__(self, request: ApnsRequest) -> None:
        self._request = request

    def view(self) -> View:
        document = self._request.document
        alert = alert_of(document)
        return View(
            title=alert.get("title", ""),
            body=alert.get("body", ""),
            data={name: _text(value) for name, value in document.items() if name != "aps"},
            headers={name: value for name, value in self._request.headers.items() if name != "authorization"},
            payload=document or None,
        )


class ApnsApp(Struct, frozen=True):
    """Whom the service knows.

    topic  the only app (bundle id) that is known; None knows any
    ids    the only (key id, team id) that may sign; None takes any of ten characters
    clock  seconds since 1970: what tokens' ages are measured with
    """

    topic: str | None = None
    ids: tuple[str, str] | None = None
    clock: Callable[[], float] = time.time


class Apns:
    """The service of one lab."""

    name = "apns"

    def __init__(self, gate: Gate, inbox: Inbox, identity: Identity, app: ApnsApp) -> None:
        self.gate = gate
        self.identity = identity
        self.devices = Devices()
        self.tokens = ProviderTokens(identity.key.public_key(), app.ids, app.clock)
        self._inbox = inbox
        self._topic = app.topic
        self._clock = app.clock
        self._gone_since: dict[str, int] = {}
        gate.on_change.append(self._faulted)

    def answer(self, request: ApnsRequest, met: Acquaintance, verdict: Verdict) -> ApnsAnswer:
        """The answer to a push; it is in the journal then."""
        found = self._decide(request, met, verdict)
        found.apns_id = request.headers.get("apns-id") or str(uuid.uuid4())
        if found.status == 200:
            self.devices.take(request.token, _note(request, found.apns_id))
        self.record(request, found)
        return found

    def record(self, request: ApnsRequest, answer: ApnsAnswer) -> None:
        """Into the journal; status 0 = no answer was given."""
        accepted = answer.status == 200 and not answer.refused
        self._inbox.add(
            self.name, request.token, ApnsPush(request), accepted=accepted,
            status=0 if answer.lost or answer.refused else answer.status,
            provider_id=answer.apns_id if accepted else "", size=len(request.body),
        )  # fmt: skip

    def _decide(self, request: ApnsRequest, met: Acquaintance, verdict: Verdict) -> ApnsAnswer:
        if verdict.kind == "throttle":
            return _refusal("TooManyRequests")
        if verdict.kind == "fail":
            return self._failure(request.token, OF_STATUS.get(verdict.status, ""), verdict.status)
        reason = self.tokens.check(request.headers.get("authorization", ""), met) or check_request(request, self._topic)
        if reason:
            return _refusal(reason)
        word = self.gate.behaviour(request.token) or "offline"
        if word in WORDS:
            return self._failure(request.token, WORDS[word], REASONS[WORDS[word]])
        if word == "refused":
            return ApnsAnswer(0, refused=True)
        return ApnsAnswer(200, lost=word == "lost_answer")

    def _failure(self, token: str, reason: str, status: int) -> ApnsAnswer:
        since = self._gone_since.setdefault(token, self._now_ms()) if status == 410 else None
        return ApnsAnswer(status, reason, since)

    def _faulted(self, fault: Fault) -> None:
        """A device is gone since the moment this was said of it."""
        gone = [token for token, word in fault.tokens.items() if REASONS.get(WORDS.get(word, "")) == 410]
        self._gone_since = {token: self._gone_since.get(token, self._now_ms()) for token in gone}
        self.devices.be_offline((t for t, word in fault.tokens.items() if word == "offline"), self._clock())

    def _now_ms(self) -> int:
        return round(self._clock() * 1000)


def alert_of(document: dict[str, Any]) -> dict[str, str]:
    """Title and body as an iPhone would show them."""
    aps = document.get("aps")
    alert = aps.get("alert") if isinstance(aps, dict) else None
    if isinstance(alert, str):
        return {"body": alert}
    return {name: text for name, text in alert.items() if isinstance(text, str)} if isinstance(alert, dict) else {}


def _refusal(reason: str) -> ApnsAnswer:
    return ApnsAnswer(REASONS[reason], reason)


def _note(request: ApnsRequest, apns_id: str) -> Note:
    headers = request.headers
    expires = headers.get("apns-expiration")
    return Note(
        id=apns_id,
        topic=headers["apns-topic"],
        title=alert_of(request.document).get("title", ""),
        collapse_id=headers.get("apns-collapse-id", ""),
        expires_at=None if expires is None else int(expires),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
