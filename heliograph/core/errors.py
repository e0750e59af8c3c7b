"""Every error the HTTP API can answer with: code, status, title. One row each; docs/errors.md is checked against it."""

from __future__ import annotations

from typing import Final

import msgspec


class Flaw(msgspec.Struct, frozen=True):
    """One thing that is wrong with a request. `path` is dotted, from the body's root: `to[2].email`."""

    path: str
    message: str


class ErrorKind(msgspec.Struct, frozen=True):
    code: str
    status: int
    title: str


_ROWS: Final = (
    ErrorKind("invalid_json", 400, "The body is not valid JSON"),
    ErrorKind("unauthorized", 401, "The credentials are missing or not valid"),
    ErrorKind("forbidden", 403, "These credentials do not allow that"),
    ErrorKind("not_found", 404, "There is no such object"),
    ErrorKind("method_not_allowed", 405, "This method is not available here"),
    ErrorKind("already_left", 409, "The notification has left and can't be cancelled"),
    ErrorKind("in_progress", 409, "A request with this idempotency key is under way"),
    ErrorKind("too_large", 413, "The body is too large"),
    ErrorKind("unsupported_media_type", 415, "This content type or encoding is not supported"),
    ErrorKind("invalid", 422, "The request is not valid"),
    ErrorKind("idempotency_mismatch", 422, "This idempotency key was used with another body"),
    ErrorKind("quota_exceeded", 429, "This server key has used up its quota for now"),
    ErrorKind("recipient_limited", 429, "A recipient has got too many in a short time"),
    ErrorKind("internal", 500, "Something went wrong on our side"),
    ErrorKind("overloaded", 503, "Too busy to accept this now"),
    ErrorKind("cache_unavailable", 503, "The presence cache is not reachable"),
    ErrorKind("issuer_unavailable", 503, "The keys of who issued this token can't be fetched"),
    ErrorKind("queue_unavailable", 503, "The message queue is not reachable"),
    ErrorKind("store_unavailable", 503, "The store is not reachable"),
)
ERRORS: Final[dict[str, ErrorKind]] = {row.code: row for row in _ROWS}


class Problem(Exception):  # noqa: N818 - named as RFC 9457 names it
    """Ends a request with a row of `ERRORS`.

    Args:
        code: a key of `ERRORS`.
        detail: one sentence for the caller about this occurrence.
        flaws: what is wrong, one entry per place.
        retry_after_s: sent as `Retry-After`.
    """

    def __init__(
        self, code: str, detail: str = "", flaws: tuple[Flaw, ...] = (), retry_after_s: int | None = None
    ) -> None:
        self.kind = ERRORS[code]
        self.detail = detail or self.kind.title
        self.flaws = flaws
        self.retry_after_s = retry_after_s
        super().__init__(f"{code}: {self.detail}")


class StoreUnavailable(Exception):  # noqa: N818 - a state of the world, not a mistake
    """The store can't be reached or can't write. Raised by every store; becomes 503 `store_unavailable`."""


class QueueUnavailable(Exception):  # noqa: N818
    """The message queue can't take or give messages now."""


class PresenceUnavailable(Exception):  # noqa: N818
    """The presence cache can't be reached: everyone counts as offline."""


class Overloaded(Exception):  # noqa: N818
    """A high-water mark was reached; becomes 503 `overloaded`."""
