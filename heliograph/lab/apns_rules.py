"""Lab: the rules APNs applies to one request. Pure: a request in, a refusal or None out.

Sources: Apple, "Sending notification requests to APNs" (headers, sizes) and "Handling notification responses from APNs"
(reasons). Device tokens need not be hexadecimal here, so that tests can give them names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Struct

PATH = "/3/device/"
MAX_PAYLOAD = 4096
MAX_VOIP_PAYLOAD = 5120
MAX_COLLAPSE_ID = 64
PUSH_TYPES = frozenset(
    (
        *("alert", "background", "voip", "complication", "controls", "fileprovider"),
        *("liveactivity", "location", "mdm", "pushtotalk", "widgets"),
    )
)
UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
TOPIC = re.compile(r"[A-Za-z0-9.-]{1,255}")
REASONS = {
    **dict.fromkeys(
        ("BadCollapseId", "BadDeviceToken", "BadExpirationDate", "BadMessageId", "BadPriority", "BadTopic",
         "DeviceTokenNotForTopic", "DuplicateHeaders", "IdleTimeout", "InvalidPushType", "MissingDeviceToken",
         "MissingTopic", "PayloadEmpty", "TopicDisallowed"), 400),
    **dict.fromkeys(
        ("BadCertificate", "BadCertificateEnvironment", "BadEnvironmentKeyIdInToken", "ExpiredProviderToken",
         "Forbidden", "InvalidProviderToken", "MissingProviderToken", "UnrelatedKeyIdInToken"), 403),
    "BadPath": 404,
    "MethodNotAllowed": 405,
    "ExpiredToken": 410,
    "Unregistered": 410,
    "PayloadTooLarge": 413,
    "TooManyProviderTokenUpdates": 429,
    "TooManyRequests": 429,
    "InternalServerError": 500,
    "ServiceUnavailable": 503,
    "Shutdown": 503,
}  # fmt: skip


class ApnsRequest(Struct):
    """`headers` with lower-case names, the pseudo headers among them; `twice` = a name that stood there twice."""

    headers: dict[str, str]
    body: bytes = b""
    twice: str = ""

    @property
    def token(self) -> str:
        path = self.headers.get(":path", "")
        return unquote(path.removeprefix(PATH)) if path.startswith(PATH) else ""

    @property
    def document(self) -> dict[str, Any]:
        """The payload; empty if it is no JSON object."""
        try:
            found = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def check_request(request: ApnsRequest, topic: str | None) -> str:
    """The first reason for which APNs would refuse it, or "". `topic` is the only one allowed; None allows any."""
    for rule in RULES:
        reason = rule(request)
        if reason:
            return reason
    wrong = topic is not None and request.headers["apns-topic"] != topic
    return "TopicDisallowed" if wrong else ""


def _address(request: ApnsRequest) -> str:
    if request.headers.get(":method") != "POST":
        return "MethodNotAllowed"
    if not request.headers.get(":path", "").startswith(PATH):
        return "BadPath"
    return "" if request.token else "MissingDeviceToken"


def _headers(request: ApnsRequest) -> str:
    headers = request.headers
    if request.twice.startswith("apns-"):
        return "DuplicateHeaders"
    if "apns-id" in headers and not UUID.fullmatch(headers["apns-id"]):
        return "BadMessageId"
    if not headers.get("apns-topic"):
        return "MissingTopic"
    if not TOPIC.fullmatch(headers["apns-topic"]):
        return "BadTopic"
    return "BadCollapseId" if len(headers.get("apns-collapse-id", "").encode()) > MAX_COLLAPSE_ID else ""


def _manner(request: ApnsRequest) -> str:
    kind = request.headers.get("apns-push-type", "alert")
    priority = request.headers.get("apns-priority", "5" if kind == "background" else "10")
    expiration = request.headers.get("apns-expiration", "0")
    if kind not in PUSH_TYPES:
        return "InvalidPushType"
    if priority not in ("1", "5", "10") or (kind == "background" and priority == "10"):
        return "BadPriority"
    return "" if expiration.isascii() and expiration.isdigit() else "BadExpirationDate"


def _payload(request: ApnsRequest) -> str:
    voip = request.headers.get("apns-push-type") == "voip"
    if len(request.body) > (MAX_VOIP_PAYLOAD if voip else MAX_PAYLOAD):
        return "PayloadTooLarge"
    return "" if request.document else "PayloadEmpty"


RULES: tuple[Callable[[ApnsRequest], str], ...] = (_address, _headers, _manner, _payload)
