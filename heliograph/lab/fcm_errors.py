"""Lab: FCM's error answers, byte shapes included. Pure.

Sources: Firebase's ErrorCode reference, observed answers of the live service quoted in pushiko and in conformance
suites (order of `details` included), and what firebase-admin's parser reads.
"""

from __future__ import annotations

import json
import math
from typing import Any

from msgspec import Struct

from heliograph.lab.exchange import JSON, Reply

FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
QUOTA_FAILURE = "type.googleapis.com/google.rpc.QuotaFailure"

DEFAULT_RETRY_AFTER_S = 1
"""Real FCM often says 60; short here so that tests needn't wait. `retry_after_s` of the fault overrides it."""

INVALID_AUTH = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
UNAVAILABLE = "The service is currently unavailable."
BAD_GATEWAY = (
    "<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n  <title>Error {status} (Server Error)!!1</title>\n"
    "  <p><b>{status}.</b> <ins>That\u2019s an error.</ins>\n"
    "  <p>The server encountered a temporary error and could not complete your request."
    "<p>Please try again in 30 seconds.  <ins>That\u2019s all we know.</ins>\n"
)


class Failure(Struct, frozen=True):
    """An error: HTTP status, google.rpc status, FcmError code (empty: none in the details) and message."""

    http: int
    status: str
    code: str
    message: str


FAILURES = {
    "unregistered": Failure(404, "NOT_FOUND", "UNREGISTERED", "Requested entity was not found."),
    "not_found": Failure(404, "NOT_FOUND", "", "Requested entity was not found."),
    "sender_id_mismatch": Failure(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", "SenderId mismatch"),
    "permission_denied": Failure(403, "PERMISSION_DENIED", "", "The caller does not have permission"),
    "unauthenticated": Failure(401, "UNAUTHENTICATED", "", INVALID_AUTH),
    "third_party_auth": Failure(
        401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", "Auth error from APNS or Web Push Service"
    ),
    "quota": Failure(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "Resource has been exhausted (e.g. check quota)."),
    "device_quota": Failure(
        429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "Message rate for this device has been exceeded."
    ),
    "internal": Failure(500, "INTERNAL", "INTERNAL", "Internal error encountered."),
    "unavailable": Failure(503, "UNAVAILABLE", "UNAVAILABLE", UNAVAILABLE),
}
BY_STATUS = {
    400: Failure(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: FAILURES["unauthenticated"],
    403: FAILURES["permission_denied"],
    404: FAILURES["not_found"],
    429: FAILURES["quota"],
    500: FAILURES["internal"],
    503: FAILURES["unavailable"],
}
GATEWAY_STATUSES = frozenset({502, 504})


def fail(failure: Failure, *, device: str = "", retry_after_s: float = DEFAULT_RETRY_AFTER_S) -> Reply:
    """The answer for a failure. `device` adds the QuotaFailure that names one device as exhausted."""
    details: list[dict[str, Any]] = []
    if failure.code:
        details.append({"@type": FCM_ERROR, "errorCode": failure.code})
    if device:
        violation = {"subject": f"device:{device}", "description": "Device message rate exceeded"}
        details.append({"@type": QUOTA_FAILURE, "violations": [violation]})
    headers = {}
    if failure.http in (429, 503):
        headers["Retry-After"] = str(math.ceil(retry_after_s))
    if failure.http == 401 and not failure.code:
        headers["WWW-Authenticate"] = 'Bearer realm="https://accounts.google.com/", error="invalid_token"'
    return _reply(failure.http, failure.status, failure.message, details, headers)


def fail_with_status(status: int, retry_after_s: float = DEFAULT_RETRY_AFTER_S) -> Reply:
    """The answer for a bare HTTP status: FCM's JSON where it has one, the front end's HTML for 502 and 504."""
    if status in GATEWAY_STATUSES:
        page = BAD_GATEWAY.format(status=status).encode()
        return Reply(status, page, media_type="text/html; charset=UTF-8")
    known = BY_STATUS.get(status, Failure(status, "UNKNOWN", "", f"Error {status}"))
    return fail(known, retry_after_s=retry_after_s)


def invalid_field(field: str, description: str) -> Reply:
    """400 for a value FCM's own rules refuse: BadRequest first, FcmError second."""
    details = [_bad_request(field, description), {"@type": FCM_ERROR, "errorCode": "INVALID_ARGUMENT"}]
    return _reply(400, "INVALID_ARGUMENT", description, details)


def invalid_json(violations: list[tuple[str, str]]) -> Reply:
    """400 for what the JSON front end refuses (wrong type, unknown name): all violations, no FcmError."""
    text = "\n".join(description for _, description in violations)
    entries = [{"field": field, "description": description} for field, description in violations]
    return _reply(400, "INVALID_ARGUMENT", text, [{"@type": BAD_REQUEST, "fieldViolations": entries}])


def malformed() -> Reply:
    """400 for a body that isn't JSON."""
    return _reply(400, "INVALID_ARGUMENT", "Invalid JSON payload received. Unexpected token.", [])


def invalid_token(field: str) -> Reply:
    """400 for a target that isn't one; the one case with FcmError before BadRequest."""
    text = "The registration token is not a valid FCM registration token"
    details = [{"@type": FCM_ERROR, "errorCode": "INVALID_ARGUMENT"}, _bad_request(field, text)]
    return _reply(400, "INVALID_ARGUMENT", text, details)


def too_large(limit: int) -> Reply:
    """400 for an oversized message; its BadRequest carries no fieldViolations."""
    text = f"Message is too large. The maximum is {limit // 1024}K ({limit} bytes)."
    details = [{"@type": BAD_REQUEST}, {"@type": FCM_ERROR, "errorCode": "INVALID_ARGUMENT"}]
    return _reply(400, "INVALID_ARGUMENT", text, details)


def _bad_request(field: str, description: str) -> dict[str, Any]:
    return {"@type": BAD_REQUEST, "fieldViolations": [{"field": field, "description": description}]}


def _reply(
    http: int, status: str, message: str, details: list[dict[str, Any]], headers: dict[str, str] | None = None
) -> Reply:
    error: dict[str, Any] = {"code": http, "message": message, "status": status}
    if details:
        error["details"] = details
    return Reply(http, json.dumps({"error": error}, indent=2).encode() + b"\n", headers or {}, JSON)
