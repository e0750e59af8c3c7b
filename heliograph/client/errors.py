"""What can go wrong, one class per thing a caller may want to do about it; all are `HeliographError`.

Reads an HTTP answer (RFC 9457 problem documents, docs/errors.md) and makes the error of it. Never raises by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from heliograph.client.shapes import Sent


class Flaw(msgspec.Struct, frozen=True):
    """One thing that is wrong with a request. `path` is dotted, from the body's root: `to[2].email`."""

    path: str
    message: str


class HeliographError(Exception):
    """A call that was refused or got no answer.

    Attributes:
        code: a code of docs/errors.md, such as `invalid`; `http_<status>` when the answer wasn't Heliograph's own.
        status: the HTTP status; 0 = there was no answer.
        detail: a sentence for people.
        errors: what is wrong with the request, one entry per place.
        retry_after_s: how long the server asked to wait, if it did.
        tries: how often the call was made; the client tries again by itself where that can help.
    """

    tries = 1

    def __init__(
        self,
        detail: str,
        *,
        code: str = "",
        status: int = 0,
        errors: tuple[Flaw, ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        self.detail = detail
        self.code = code
        self.status = status
        self.errors = errors
        self.retry_after_s = retry_after_s
        places = "; ".join(f"{flaw.path}: {flaw.message}" for flaw in errors)
        super().__init__(": ".join(filter(None, [code, detail, places])))


class ValidationError(HeliographError):
    """The request is not valid (400, 413, 415, 422): see `errors`. Nothing has changed."""


class IdempotencyMismatch(HeliographError):  # noqa: N818 - named by what happened, as docs/errors.md does
    """This idempotency key was used with another body (422)."""


class Unauthorized(HeliographError):  # noqa: N818
    """The server key is missing, unknown or expired (401)."""


class Forbidden(HeliographError):  # noqa: N818
    """The server key doesn't allow that (403)."""


class NotFound(HeliographError):  # noqa: N818
    """There is no such object, or it is another tenant's (404)."""


class Conflict(HeliographError):  # noqa: N818
    """It can't be done any more (409): the notification to cancel has left."""


class RateLimited(HeliographError):  # noqa: N818
    """Over the key's quota (429), still after waiting and trying again."""


class Overloaded(HeliographError):  # noqa: N818
    """Too busy, or a part of the system is down (502, 503, 504), still after waiting and trying again."""


class ServerError(HeliographError):
    """A bug on the other side (500), or an answer that can't be read."""


class ConnectionFailed(HeliographError):  # noqa: N818
    """No answer, still after trying again. Whether the last request took effect is unknown; with the same idempotency
    key it may be repeated safely."""


class PartlySent(HeliographError):  # noqa: N818
    """Some messages of `send_many` were not sent.

    Attributes:
        results: in the order of the messages: `Sent`, or the error of that one.
    """

    def __init__(self, results: Sequence[Sent | HeliographError]) -> None:
        self.results = tuple(results)
        failed = [one for one in self.results if isinstance(one, HeliographError)]
        super().__init__(f"{len(failed)} of {len(self.results)} messages were not sent; the first: {failed[0]}")


class WebhookRefused(HeliographError):  # noqa: N818
    """A webhook that Heliograph did not sign, or too old a one."""


_BY_CODE: Final[dict[str, type[HeliographError]]] = {"idempotency_mismatch": IdempotencyMismatch}
_BY_STATUS: Final[dict[int, type[HeliographError]]] = {
    400: ValidationError,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: ValidationError,
    415: ValidationError,
    422: ValidationError,
    429: RateLimited,
    502: Overloaded,
    503: Overloaded,
    504: Overloaded,
}


def refusal_of(code: str, detail: str) -> HeliographError:
    """The error of one send that a bulk request was answered without."""
    return _BY_CODE.get(code, ValidationError)(detail, code=code, status=422)


class _Problem(msgspec.Struct):
    code: str
    detail: str
    errors: tuple[Flaw, ...] = ()


_problem: Final = msgspec.json.Decoder(_Problem)


def error_of(status: int, headers: Mapping[str, str], body: bytes, now: datetime | None = None) -> HeliographError:
    """The error of an answer that isn't a success, whoever gave it (a proxy in between, say)."""
    try:
        problem = _problem.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = " ".join(body[:200].decode(errors="replace").split())
        problem = _Problem(f"http_{status}", f"status {status}" + (f": {text}" if text else ""))
    kind = _BY_CODE.get(problem.code) or _BY_STATUS.get(status, ServerError)
    wait_s = _retry_after_s(headers.get("Retry-After"), now or datetime.now(UTC))
    return kind(problem.detail, code=problem.code, status=status, errors=problem.errors, retry_after_s=wait_s)


def _retry_after_s(text: str | None, now: datetime) -> float | None:
    """Seconds or an HTTP date (RFC 9110 section 10.2.3); what is neither is as if it weren't there."""
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())
