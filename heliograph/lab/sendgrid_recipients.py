"""Lab: SendGrid's rules for `personalizations`: who a request is for. Pure.

Reads a parsed request body, answers its recipients and the errors of its personalizations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from heliograph.lab.sendgrid_errors import (
    HELP,
    ApiError,
    check_addresses,
    check_headers,
    check_non_empty,
    check_send_at,
    help_for,
    type_error,
)

MAX_RECIPIENTS = 1000
MAX_PERSONALIZATIONS = 1000
MAX_CUSTOM_ARGS_BYTES = 10_000
RECIPIENT_FIELDS = ("to", "cc", "bcc")


def recipients(mail: Any) -> Iterator[tuple[int, str, int, str]]:
    """(personalization, field, position, address) of every readable recipient, however broken the rest is."""
    blocks = mail.get("personalizations") if isinstance(mail, dict) else None
    for number, block in enumerate(blocks if isinstance(blocks, list) else ()):
        for field in RECIPIENT_FIELDS:
            entries = block.get(field) if isinstance(block, dict) else None
            for position, entry in enumerate(entries if isinstance(entries, list) else ()):
                address = entry.get("email") if isinstance(entry, dict) else None
                if isinstance(address, str):
                    yield number, field, position, address


def personalizations(mail: dict[str, Any], now: float) -> Iterator[ApiError]:
    blocks = mail.get("personalizations")
    if not isinstance(blocks, list) or not blocks:
        text = "The personalizations field is required and must have at least one personalization."
        yield ApiError(text, "personalizations", f"{HELP}-Personalizations-Errors")
        return
    if len(blocks) > MAX_PERSONALIZATIONS:
        text = (
            "The personalization block is limited to 1000 personalizations per API request. You have provided "
            f"{len(blocks)} personalizations. Please consider splitting this into multiple requests and resending "
            "your request."
        )
        yield ApiError(text, "personalizations", f"{HELP}message.personalizations")
    if sum(1 for _ in recipients(mail)) > MAX_RECIPIENTS:
        text = "There is a limit of 1000 total recipients (to + cc + bcc) per request."
        yield ApiError(text, "personalizations", f"{HELP}message.recipient-errors")
    root_args = mail.get("custom_args") or {}
    for number, block in enumerate(blocks):
        yield from _personalization(block, f"personalizations.{number}", root_args, now)


def _personalization(block: Any, path: str, root_args: dict[str, str], now: float) -> Iterator[ApiError]:
    if not isinstance(block, dict):
        yield type_error("object", block, path)
        return
    if not isinstance(block.get("to"), list) or not block["to"]:
        text = (
            "The to array is required for all personalization objects, and must have at least one email object "
            "with a valid email address."
        )
        yield ApiError(text, f"{path}.to", help_for("personalizations.to"))
    for field in RECIPIENT_FIELDS:
        yield from check_addresses(block.get(field), f"{path}.{field}")
    yield from _duplicates(block, path)
    if "subject" in block:
        yield from check_non_empty(block["subject"], f"{path}.subject", "subject")
    yield from check_headers(block.get("headers"), f"{path}.headers")
    yield from check_send_at(block.get("send_at"), f"{path}.send_at", now)
    yield from _args_size({**root_args, **(block.get("custom_args") or {})}, f"{path}.custom_args")


def _args_size(args: dict[str, str], path: str) -> Iterator[ApiError]:
    size = sum(len(key.encode()) + len(value.encode()) for key, value in args.items())
    if size > MAX_CUSTOM_ARGS_BYTES:
        yield ApiError(
            "The total length of custom arguments must be less than 10000 bytes.",
            path,
            help_for("custom_args"),
        )


def _duplicates(block: dict[str, Any], path: str) -> Iterator[ApiError]:
    """Addresses are unique across to, cc and bcc of one personalization; case doesn't make a difference."""
    seen: set[str] = set()
    for _, field, _, address in recipients({"personalizations": [block]}):
        if address.lower() in seen:
            text = (
                "Each email address in the personalization block should be unique between to, cc, and bcc. "
                f"We found the first duplicate instance of [{address}] in the {path}.{field} field."
            )
            yield ApiError(text, path, f"{HELP}message.recipient-errors")
            return
        seen.add(address.lower())
