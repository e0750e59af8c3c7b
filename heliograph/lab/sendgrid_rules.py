"""Lab: SendGrid's rules for the body of `POST /v3/mail/send`. Pure: a JSON document in, the API's errors out.

Sources: the mail_send operation of SendGrid's OpenAPI description, its "Errors" and "Limitations" pages, and error
bodies quoted in issues of its client libraries. Where a text isn't published, the wording is the lab's own.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from heliograph.lab.sendgrid_errors import (
    ADDRESS,
    BAD_REQUEST,
    ApiError,
    check_address,
    check_addresses,
    check_headers,
    check_non_empty,
    check_send_at,
    help_for,
    type_error,
)
from heliograph.lab.sendgrid_recipients import MAX_RECIPIENTS, personalizations

MAX_CATEGORIES = 10
TEXT_BEFORE_HTML = "If present, text/plain must be first, followed by text/html, then any other content."


def check_mail(mail: Any, now: float) -> list[ApiError]:
    """All errors of a request body (the parsed JSON), empty if SendGrid would take it. `now`: seconds since 1970."""
    if not isinstance(mail, dict):
        return [BAD_REQUEST]
    if _has_unreadable_args(mail):
        return [BAD_REQUEST]
    checks = (
        personalizations(mail, now),
        _sender(mail),
        _reply_to(mail),
        _subject(mail),
        _content(mail),
        _attachments(mail.get("attachments")),
        check_headers(mail.get("headers"), "headers"),
        _categories(mail.get("categories")),
        check_send_at(mail.get("send_at"), "send_at", now),
        _options(mail),
    )
    return [error for check in checks for error in check]


def _args_of(mail: dict[str, Any]) -> Iterator[Any]:
    yield mail.get("custom_args")
    blocks = mail.get("personalizations")
    for block in blocks if isinstance(blocks, list) else ():
        if isinstance(block, dict):
            yield block.get("custom_args")


def _has_unreadable_args(mail: dict[str, Any]) -> bool:
    """Custom args must be objects of strings; anything else draws the bare "Bad Request" (sendgrid-nodejs#288)."""
    return any(
        args is not None and not (isinstance(args, dict) and all(isinstance(value, str) for value in args.values()))
        for args in _args_of(mail)
    )


def _sender(mail: dict[str, Any]) -> Iterator[ApiError]:
    sender = mail.get("from")
    if sender is None or (isinstance(sender, dict) and "email" not in sender):
        text = (
            "The from object must be provided for every email send. It is an object that requires the email "
            'parameter, but may also contain a name parameter.  e.g. {"email" : "example@example.com"}  or '
            '{"email" : "example@example.com", "name" : "Example Recipient"}.'
        )
        yield ApiError(text, "from.email", help_for("from"))
    elif not isinstance(sender, dict):
        yield type_error("object", sender, "from")
    elif not (isinstance(sender["email"], str) and sender["email"].isascii() and ADDRESS.fullmatch(sender["email"])):
        yield ApiError("The from email does not contain a valid address.", "from.email", help_for("from"))


def _reply_to(mail: dict[str, Any]) -> Iterator[ApiError]:
    single, several = mail.get("reply_to"), mail.get("reply_to_list")
    if single is not None and several is not None:
        yield ApiError("Use either reply_to or reply_to_list, not both.", "reply_to", help_for("reply_to"))
    if single is not None:
        yield from check_address(single, "reply_to")
    yield from check_addresses(several, "reply_to_list")
    if isinstance(several, list) and len(several) > MAX_RECIPIENTS:
        yield ApiError("The reply_to_list is limited to 1000 addresses.", "reply_to_list", help_for("reply_to_list"))


def _has_template(mail: dict[str, Any]) -> bool:
    return isinstance(mail.get("template_id"), str) and bool(mail["template_id"])


def _subject(mail: dict[str, Any]) -> Iterator[ApiError]:
    if mail.get("subject") is not None:
        yield from check_non_empty(mail["subject"], "subject", "subject")
        return
    blocks = mail.get("personalizations")
    everywhere = isinstance(blocks, list) and all(isinstance(block, dict) and block.get("subject") for block in blocks)
    if not (_has_template(mail) or (blocks and everywhere)):
        text = (
            "The subject is required. You can get around this requirement if you use a template with a subject "
            "defined or if every personalization has a subject defined."
        )
        yield ApiError(text, "subject", help_for("subject"))


def _content(mail: dict[str, Any]) -> Iterator[ApiError]:
    blocks = mail.get("content")
    if not isinstance(blocks, list) or not blocks:
        if not _has_template(mail):
            text = (
                "Unless a valid template_id is provided, the content parameter is required. There must be at least "
                "one defined content block. We typically suggest both text/plain and text/html blocks are included, "
                "but only one block is required."
            )
            yield ApiError(text, "content", help_for("content"))
        return
    for position, block in enumerate(blocks):
        if not isinstance(block, dict):
            yield type_error("object", block, f"content.{position}")
            continue
        yield from check_non_empty(block.get("type"), f"content.{position}.type", "content")
        yield from check_non_empty(block.get("value"), f"content.{position}.value", "content")
    kinds = [block.get("type") for block in blocks if isinstance(block, dict)]
    ranks = [{"text/plain": 0, "text/html": 1}.get(str(kind), 2) for kind in kinds]
    if ranks != sorted(ranks) or kinds.count("text/plain") > 1 or kinds.count("text/html") > 1:
        yield ApiError(TEXT_BEFORE_HTML, "content", help_for("content"))


def _attachments(attachments: Any) -> Iterator[ApiError]:
    for position, part in enumerate(attachments if isinstance(attachments, list) else ()):
        path = f"attachments.{position}"
        if not isinstance(part, dict):
            yield type_error("object", part, path)
            continue
        yield from check_non_empty(part.get("filename"), f"{path}.filename", "attachments")
        try:
            base64.b64decode(part.get("content") or "", validate=True)
        except (binascii.Error, TypeError, ValueError):
            text = "The attachment content must be base64 encoded."
            yield ApiError(text, f"{path}.content", help_for("attachments"))
        if part.get("disposition", "attachment") not in ("attachment", "inline"):
            text = "The disposition of your attachment can be either 'inline' or 'attachment'."
            yield ApiError(text, f"{path}.disposition", help_for("attachments"))


def _categories(categories: Any) -> Iterator[ApiError]:
    names = [categories] if isinstance(categories, str) else categories
    if names is None:
        return
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        yield type_error("array", categories, "categories")
    elif len(names) > MAX_CATEGORIES or len(set(names)) != len(names):
        yield ApiError("You may have at most 10 unique categories.", "categories", help_for("categories"))
    elif any(len(name) > 255 for name in names):
        yield ApiError("Each category name may not exceed 255 characters.", "categories", help_for("categories"))


def _options(mail: dict[str, Any]) -> Iterator[ApiError]:
    pool = mail.get("ip_pool_name")
    if pool is not None and not (isinstance(pool, str) and 2 <= len(pool) <= 64):
        yield ApiError("The ip pool name must be 2 to 64 characters long.", "ip_pool_name", help_for("ip_pool_name"))
    yield from _asm(mail.get("asm"))
    settings = mail.get("mail_settings")
    if settings is not None and not isinstance(settings, dict):
        yield type_error("object", settings, "mail_settings")
    for name, setting in settings.items() if isinstance(settings, dict) else ():
        field = f"mail_settings.{name}"
        if not isinstance(setting, dict):
            yield type_error("object", setting, field)
        elif not isinstance(setting.get("enable", False), bool):
            yield type_error("boolean", setting["enable"], f"{field}.enable")


def _asm(asm: Any) -> Iterator[ApiError]:
    """Unsubscribe groups."""
    if asm is None:
        return
    if not (isinstance(asm, dict) and isinstance(asm.get("group_id"), int)):
        yield ApiError("The asm group_id must be an integer.", "asm.group_id", help_for("asm"))
        return
    shown = asm.get("groups_to_display", [])
    if not isinstance(shown, list) or len(shown) > 25:
        text = "The asm groups_to_display is an array of at most 25."
        yield ApiError(text, "asm.groups_to_display", help_for("asm"))
