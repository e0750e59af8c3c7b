"""Lab: Firebase Cloud Messaging's `POST /v1/projects/{project}/messages:send`.

Reads the call, the provider's gate and the tokens the OAuth endpoint issued; answers as FCM's HTTP v1 API does.
Delivers nothing.

Behaviours for `tokens` (by token, fid, topic or condition): unregistered, not_found (404), sender_id_mismatch,
permission_denied (403), third_party_auth, unauthenticated (401), invalid (400), quota, device_quota (429),
internal (500), html502, unavailable (503), lost_answer (taken, but the connection ends before the 200).
"""

from __future__ import annotations

import math
import secrets
import time
from typing import Any

import msgspec

from heliograph.lab import fcm_errors
from heliograph.lab.exchange import Call, Letter, Reply
from heliograph.lab.faults import Dialect, Verdict
from heliograph.lab.fcm_errors import FAILURES, Failure
from heliograph.lab.fcm_rules import check_message, target_of
from heliograph.lab.fcm_schema import normalize, violations
from heliograph.lab.gate import Gate
from heliograph.lab.inbox import View
from heliograph.lab.oauth import AccessTokens

SCOPES = frozenset(
    {"https://www.googleapis.com/auth/firebase.messaging", "https://www.googleapis.com/auth/cloud-platform"}
)
DIALECT = Dialect(500, frozenset(FAILURES) | {"invalid", "html502", "lost_answer"})
NO_SCOPE = Failure(403, "PERMISSION_DENIED", "", "Request had insufficient authentication scopes.")
HIDDEN_HEADERS = frozenset({"authorization"})


class Push:
    """A received message. `request` is the normalized JSON; empty if the call has the errors in `wrong`."""

    __slots__ = ("document", "headers", "request", "wrong")

    def __init__(self, document: Any, headers: dict[str, str]) -> None:
        self.document = document
        self.headers = headers
        self.wrong = [] if document is msgspec.UNSET else list(violations(document))
        readable = isinstance(document, dict) and not self.wrong
        self.request: dict[str, Any] = normalize(document) if readable else {}

    @property
    def message(self) -> dict[str, Any]:
        """The normalized message, or as much of the raw one as can be used without trusting its shape."""
        return _object(self.request, "message") or _object(self.document, "message")

    def view(self) -> View:
        """Title and body as an Android phone would show them; those for iOS where only they are set."""
        message = self.message
        plain, android = (
            _object(message, "notification"),
            _object(_object(message, "android"), "notification"),
        )
        alert = _object(_object(_object(_object(message, "apns"), "payload"), "aps"), "alert")
        return View(
            title=_text(android.get("title") or plain.get("title") or alert.get("title")),
            body=_text(android.get("body") or plain.get("body") or alert.get("body")),
            data=_object(message, "data"),
            headers={name: value for name, value in self.headers.items() if name not in HIDDEN_HEADERS},
            payload=None if self.document is msgspec.UNSET else self.document,
        )


class Fcm:
    """The messages:send endpoint of one project."""

    name = "fcm"

    def __init__(self, gate: Gate, tokens: AccessTokens, project_id: str) -> None:
        self._gate = gate
        self._tokens = tokens
        self._project_id = project_id

    def read(self, call: Call) -> list[Letter]:
        push = Push(call.document, call.headers)
        return [Letter(_text(target_of(push.message)[1]), push)]

    async def answer(self, call: Call, letters: list[Letter], verdict: Verdict) -> Reply:
        if verdict.kind == "throttle":
            return fcm_errors.fail(FAILURES["quota"], retry_after_s=self._wait(math.ceil(verdict.wait_s)))
        if verdict.kind == "fail":
            return fcm_errors.fail_with_status(verdict.status, self._wait())
        push = letters[0].content
        assert isinstance(push, Push)
        return self._refusal(call) or self._decision(push)

    def _wait(self, usual: float = fcm_errors.DEFAULT_RETRY_AFTER_S) -> float:
        """Seconds for Retry-After."""
        chosen = self._gate.fault.retry_after_s
        return usual if chosen is None else chosen

    def _refusal(self, call: Call) -> Reply | None:
        """What is refused before the message itself is looked at."""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        scopes = self._tokens.scopes(token, time.time()) if scheme.lower() == "bearer" else None
        if scopes is None:
            return fcm_errors.fail(FAILURES["unauthenticated"])
        if not scopes & SCOPES:
            return fcm_errors.fail(NO_SCOPE)
        if call.parameter != self._project_id:
            resource = f"//cloudresourcemanager.googleapis.com/projects/{call.parameter}"
            text = f"Permission 'cloudmessaging.messages.create' denied on resource '{resource}'"
            return fcm_errors.fail(Failure(403, "PERMISSION_DENIED", "", f"{text} (or it may not exist)."))
        return None

    def _decision(self, push: Push) -> Reply:
        if push.document is msgspec.UNSET:
            return fcm_errors.malformed()
        if push.wrong:
            return fcm_errors.invalid_json(push.wrong)
        message = _object(push.request, "message")
        refused = check_message(message)
        if refused:
            return refused
        kind, target = target_of(message)
        word = self._gate.behaviour(target)
        if word and word != "lost_answer":
            return self._misbehaviour(word, kind, target)
        if push.request.get("validate_only"):
            return self._named("fake_message_id", accepted=False)
        reply = self._named(f"0:{time.time_ns() // 1000}%{secrets.token_hex(8)}", accepted=True)
        reply.lost = word == "lost_answer"
        return reply

    def _misbehaviour(self, word: str, kind: str, target: str) -> Reply:
        if word == "invalid":
            return fcm_errors.invalid_token(f"message.{kind}")
        if word == "html502":
            return fcm_errors.fail_with_status(502)
        device = target if word == "device_quota" else ""
        return fcm_errors.fail(FAILURES[word], device=device, retry_after_s=self._wait())

    def _named(self, message_id: str, *, accepted: bool) -> Reply:
        name = f"projects/{self._project_id}/messages/{message_id}"
        return Reply(200, b'{\n  "name": "%s"\n}\n' % name.encode(), accepted=accepted, provider_id=name)


def _object(holder: Any, field: str) -> dict[str, Any]:
    value = holder.get(field) if isinstance(holder, dict) else None
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
