"""Lab: SendGrid's error entries, and the rules for single fields that hold wherever the field may stand.

Pure. Used by sendgrid_rules.py (the request as a whole) and sendgrid_recipients.py (its personalizations).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

HELP = "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html#"
MAX_SCHEDULE_S = 72 * 3600
RESERVED_HEADERS = frozenset(
    {"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"}
    | {"to", "from", "subject", "reply-to", "cc", "bcc"}
)
ADDRESS = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;.]+")


class ApiError(Struct, frozen=True):
    """One entry of `errors`. `help` is an anchor on SendGrid's Errors page; None with `field` None: a bare error."""

    message: str
    field: str | None = None
    help: str | None = None


BAD_REQUEST = ApiError("Bad Request")
"""SendGrid's answer to what its decoder can't read, such as a number among custom_args."""


def help_for(field: str) -> str:
    return f"{HELP}message.{field}"


def type_error(expected: str, given: Any, field: str) -> ApiError:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
    given_name = names.get(type(given), "null")
    return ApiError(
        f"Invalid type. Expected: {expected}, given: {given_name}.", field, help_for(field.partition(".")[0])
    )


def check_non_empty(value: Any, path: str, what: str) -> Iterator[ApiError]:
    if not isinstance(value, str) or not value:
        text = f"The {what} value must be a string at least one character in length."
        yield ApiError(text, path, help_for(what))


def check_addresses(entries: Any, path: str) -> Iterator[ApiError]:
    if entries is None:
        return
    if not isinstance(entries, list):
        yield type_error("array", entries, path)
        return
    for position, entry in enumerate(entries):
        yield from check_address(entry, f"{path}.{position}")


def check_address(entry: Any, path: str) -> Iterator[ApiError]:
    if not isinstance(entry, dict):
        yield type_error("object", entry, path)
        return
    email = entry.get("email")
    if not isinstance(email, str) or not ADDRESS.fullmatch(email):
        yield ApiError("Does not contain a valid address.", f"{path}.email", help_for("personalizations.to"))
    name = entry.get("name")
    if name is not None and not isinstance(name, str):
        yield type_error("string", name, f"{path}.name")
    elif name and set(name) & {";", ","} and not (name.startswith('"') and name.endswith('"')):
        yield ApiError("The name cannot include either the ; or , characters.", f"{path}.name", help_for("limitations"))


def check_headers(headers: Any, path: str) -> Iterator[ApiError]:
    if headers is None:
        return
    if not isinstance(headers, dict):
        yield type_error("object", headers, path)
        return
    for name, value in headers.items():
        if name.lower() in RESERVED_HEADERS:
            yield ApiError(f"The header {name} is reserved and cannot be set.", f"{path}.{name}", help_for("headers"))
        elif not name.isascii() or not name or any(character in name for character in " :\r\n"):
            yield ApiError("The header name is not valid.", f"{path}.{name}", help_for("headers"))
        elif not isinstance(value, str):
            yield type_error("string", value, f"{path}.{name}")


def check_send_at(send_at: Any, path: str, now: float) -> Iterator[ApiError]:
    if send_at is None:
        return
    if not isinstance(send_at, int) or isinstance(send_at, bool):
        yield type_error("integer", send_at, path)
    elif send_at > now + MAX_SCHEDULE_S:
        text = "Scheduling more than 72 hours in advance is forbidden."
        yield ApiError(text, path, help_for("send_at"))
