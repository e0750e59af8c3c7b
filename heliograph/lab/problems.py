"""Lab: the control API's errors as problem+json (RFC 9457), and what unknown paths of a provider answer.

Reads exceptions, writes responses. Bugs are logged with their traceback and answered 500.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

log = logging.getLogger(__name__)
T = TypeVar("T")


class ProblemError(Exception):
    """A refused control call. `errors` are (path, message) pairs."""

    def __init__(self, status: int, code: str, detail: str, errors: list[tuple[str, str]] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors or []


def decode(raw: bytes, kind: type[T]) -> T:
    """A control call's body. Raises ProblemError 400 or 422."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        wrong = [(path.strip("`").lstrip("."), message)]
        raise ProblemError(422, "invalid_body", "The body is not understood", wrong) from error
    except msgspec.DecodeError as error:
        raise ProblemError(400, "malformed_json", str(error)) from error


def on_problem(_: Request[Any, Any, Any], problem: ProblemError) -> Response[bytes]:
    """The problem+json document of a ProblemError."""
    body = {
        "type": f"urn:heliograph:lab:{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "errors": [{"path": path, "message": message} for path, message in problem.errors],
    }
    content = msgspec.json.encode(body)
    return Response(content, status_code=problem.status, media_type="application/problem+json")


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Unknown path, wrong method, oversized body. Under /sendgrid in SendGrid's own shape."""
    if request.scope["path"].startswith("/sendgrid/"):
        entry = {"message": error.detail.lower(), "field": None, "help": None}
        content = msgspec.json.encode({"errors": [entry]})
        return Response(content, status_code=error.status_code, media_type="application/json")
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return on_problem(request, ProblemError(error.status_code, code, error.detail))


def on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A bug in the lab: logged, and told apart from an injected fault by its code."""
    log.error("lab failed on %s %s", request.method, request.scope["path"], exc_info=error)
    return on_problem(request, ProblemError(500, "lab_bug", f"The lab itself failed: {error!r}"))
