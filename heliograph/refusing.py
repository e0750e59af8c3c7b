"""What is answered to a request that is refused or fails: problem+json (RFC 9457), by the rows of core/errors.py.

A bug becomes a bare 500 and a log line with a traceback; a backend that is away, or too much work, becomes 503 with
Retry-After (CONTRACT section 1). Reads nothing of the request but its method and path; writes one metric.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from heliograph import telemetry
from heliograph.auditing import audit
from heliograph.core.errors import (
    ERRORS,
    Overloaded,
    PresenceUnavailable,
    Problem,
    QueueUnavailable,
    StoreUnavailable,
)
from heliograph.core.wire import encode
from heliograph.door import retry_after_s

_PROBLEM_JSON: Final = "application/problem+json"
_CODE_OF_STATUS: Final = {
    400: "invalid_json",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}
log = telemetry.logger("web")


def problem_response(problem: Problem, more: Mapping[str, str] | None = None) -> Response[bytes]:
    """RFC 9457, with the extension members `code` and `errors`; `more` headers go along."""
    kind = problem.kind
    telemetry.requests_refused_total.labels(kind.code).inc()
    content = {
        "type": f"https://heliograph.dev/errors#{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": problem.detail,
        "code": kind.code,
        "errors": [{"path": flaw.path, "message": flaw.message} for flaw in problem.flaws],
    }
    headers = dict(more or {})
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    if kind.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(encode(content), status_code=kind.status, media_type=_PROBLEM_JSON, headers=headers)


def _on_problem(request: Request[Any, Any, Any], problem: Problem) -> Response[bytes]:
    audit(request, problem.kind.code)
    return problem_response(problem)


def _on_http(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    if error.status_code >= 500:
        return problem_response(Problem("internal"))
    # RFC 9110 section 15.5.6: a 405 names the methods that there are, in `Allow`.
    return problem_response(Problem(_CODE_OF_STATUS.get(error.status_code, "invalid")), error.headers)


def _on_away(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    if not isinstance(error, Overloaded):  # a line for each refusal would be one more load
        log.warning("backend_away", action="refuse", error=repr(error))
    return problem_response(Problem(_AWAY[type(error)], retry_after_s=retry_after_s()))


_AWAY: Final[dict[type[Exception], str]] = {
    StoreUnavailable: "store_unavailable",
    QueueUnavailable: "queue_unavailable",
    PresenceUnavailable: "cache_unavailable",
    Overloaded: "overloaded",
}


def _on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("bug", action="refuse", method=request.method, path=request.url.path, exc_info=error)
    return problem_response(Problem("internal"))


def full() -> ASGIApp:
    """What is answered at the door."""
    answer = problem_response(Problem("overloaded", retry_after_s=retry_after_s()))
    return ASGIResponse(body=answer.content, status_code=503, media_type=_PROBLEM_JSON, headers={**answer.headers})


HANDLERS: Final[dict[int | type[Exception], Callable[[Request[Any, Any, Any], Any], Response[Any]]]] = {
    Problem: _on_problem,
    HTTPException: _on_http,
    **dict.fromkeys(_AWAY, _on_away),
    Exception: _on_bug,
}
"""By what was raised."""

assert set(_CODE_OF_STATUS.values()) <= set(ERRORS)
