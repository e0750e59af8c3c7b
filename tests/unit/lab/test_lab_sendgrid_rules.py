"""SendGrid's rules for mail/send: what is refused, and under which field path."""

from __future__ import annotations

from typing import Any

import pytest

from heliograph.lab.sendgrid_rules import check_mail

NOW = 1_700_000_000.0


def mail(**changes: Any) -> dict[str, Any]:
    document = {
        "personalizations": [{"to": [{"email": "bob@example.com"}]}],
        "from": {"email": "shop@example.com", "name": "Shop"},
        "subject": "Hello",
        "content": [{"type": "text/plain", "value": "Hi"}, {"type": "text/html", "value": "<p>Hi</p>"}],
    } | changes
    return {name: value for name, value in document.items() if value is not None}


def block(**changes: Any) -> dict[str, Any]:
    return mail(personalizations=[{"to": [{"email": "bob@example.com"}], **changes}])


GOOD = [
    mail(),
    mail(subject=None, content=None, template_id="d-123"),
    mail(subject=None, personalizations=[{"to": [{"email": "a@x.io"}], "subject": "Own"}]),
    mail(custom_args={"hg_msg": "ntf_1"}, categories=["a", "b"], send_at=int(NOW) + 72 * 3600),
    mail(headers={"List-Unsubscribe": "<https://x.io/u>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}),
    mail(reply_to_list=[{"email": "a@x.io"}], mail_settings={"sandbox_mode": {"enable": True}}),
    block(cc=[{"email": "c@example.com", "name": "Cécile"}], custom_args={"a": "1"}),
    mail(personalizations=[{"to": [{"email": f"u{n}@example.com"}]} for n in range(1000)]),
    mail(attachments=[{"content": "aGk=", "filename": "hi.txt", "disposition": "inline"}]),
]

BAD = [
    (mail(personalizations=[]), "personalizations"),
    (mail(personalizations=None), "personalizations"),
    (mail(personalizations=[{"to": []}]), "personalizations.0.to"),
    (mail(personalizations=[{"to": [{"email": "a@x.io"}]}, {}]), "personalizations.1.to"),
    (mail(personalizations=["a@x.io"]), "personalizations.0"),
    (mail(personalizations=[{"to": [{"email": f"u{n}@example.com"}]} for n in range(1001)]), "personalizations"),
    (mail(personalizations=[{"to": [{"email": f"u{n}@example.com"} for n in range(1001)]}]), "personalizations"),
    (block(to=["bob@example.com"]), "personalizations.0.to.0"),
    (block(to=[{"email": "not an address"}]), "personalizations.0.to.0.email"),
    (block(cc=[{"email": "a@x.io", "name": "Doe, John"}]), "personalizations.0.cc.0.name"),
    (block(bcc=[{"email": "BOB@example.com"}]), "personalizations.0"),
    (block(subject=""), "personalizations.0.subject"),
    (block(headers={"X-SG-ID": "1"}), "personalizations.0.headers.X-SG-ID"),
    (block(send_at=int(NOW) + 72 * 3600 + 1), "personalizations.0.send_at"),
    (block(custom_args={"a": "x" * 10_000}), "personalizations.0.custom_args"),
    (mail(**{"from": None}), "from.email"),
    (mail(**{"from": {"email": "jürgen@example.com"}}), "from.email"),
    (mail(**{"from": "shop@example.com"}), "from"),
    (mail(subject=None), "subject"),
    (mail(subject=""), "subject"),
    (mail(content=None), "content"),
    (mail(content=[]), "content"),
    (mail(content=[{"type": "text/plain", "value": ""}]), "content.0.value"),
    (mail(content=[{"type": "text/html", "value": "x"}, {"type": "text/plain", "value": "x"}]), "content"),
    (mail(reply_to={"email": "a@x.io"}, reply_to_list=[{"email": "b@x.io"}]), "reply_to"),
    (mail(reply_to={"email": "nobody"}), "reply_to.email"),
    (mail(headers={"Subject": "x"}), "headers.Subject"),
    (mail(headers={"dkim-signature": "x"}), "headers.dkim-signature"),
    (mail(headers={"X-A\r\nBcc": "x"}), "headers.X-A\r\nBcc"),
    (mail(headers={"X-A": 1}), "headers.X-A"),
    (mail(categories=["a", "a"]), "categories"),
    (mail(categories=[str(n) for n in range(11)]), "categories"),
    (mail(categories=["x" * 256]), "categories"),
    (mail(send_at="tomorrow"), "send_at"),
    (mail(attachments=[{"content": "%%%", "filename": "a"}]), "attachments.0.content"),
    (mail(attachments=[{"content": "aGk="}]), "attachments.0.filename"),
    (mail(attachments=[{"content": "aGk=", "filename": "a", "disposition": "below"}]), "attachments.0.disposition"),
    (mail(asm={"group_id": "1"}), "asm.group_id"),
    (mail(ip_pool_name="x"), "ip_pool_name"),
    (mail(mail_settings={"sandbox_mode": {"enable": "true"}}), "mail_settings.sandbox_mode.enable"),
    (mail(custom_args={"count": 3}), None),
    (block(custom_args={"count": 3}), None),
    ([], None),
    ("text", None),
]


@pytest.mark.parametrize("document", GOOD)
def test_what_sendgrid_takes_is_taken(document: dict[str, Any]) -> None:
    """No rule of the lab is stricter than the documented API."""
    assert check_mail(document, NOW) == []


@pytest.mark.parametrize(("document", "field"), BAD)
def test_what_sendgrid_refuses_is_refused_under_its_field(document: Any, field: str | None) -> None:
    """The documented field path and no other is named; None is the bare "Bad Request" of its JSON decoder."""
    errors = check_mail(document, NOW)
    assert {error.field for error in errors} == {field}
    assert all(error.message for error in errors)


def test_all_errors_are_told_at_once() -> None:
    """One round trip shows every mistake."""
    assert {error.field for error in check_mail({"personalizations": []}, NOW)} == {
        "personalizations",
        "from.email",
        "subject",
        "content",
    }


def test_the_first_duplicate_is_named_as_sendgrid_names_it() -> None:
    """The text is SendGrid's own, with the address and the field it was found in."""
    (error,) = check_mail(block(cc=[{"email": "bob@example.com"}]), NOW)
    assert error.message == (
        "Each email address in the personalization block should be unique between to, cc, and bcc. We found the first "
        "duplicate instance of [bob@example.com] in the personalizations.0.cc field."
    )
