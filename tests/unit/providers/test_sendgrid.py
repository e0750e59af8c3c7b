"""SendGrid: the request we write and what each answer means (reference: statuses and bodies of v3 mail/send)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from heliograph.core.model import Mail
from heliograph.core.outcomes import (
    Delivered,
    Misconfigured,
    ProviderOutcome,
    Rejected,
    Throttled,
    Unavailable,
)
from heliograph.providers.http import LOST, NO_CONNECTION, SILENT, Failed
from heliograph.providers.sendgrid import ACTIONS, SendGrid, outcome_of

NOW = 1_700_000_000_000
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


def errors(message: str, field: str | None = None) -> dict[str, Any]:
    return {"errors": [{"message": message, "field": field, "help": None}]}


@pytest.fixture
def provider(http: Any) -> SendGrid:
    return SendGrid("https://api.sendgrid.com/", " SG.key\n", "Shop <no-reply@shop.example>", http, lambda: NOW)


async def test_writes_one_mail_as_one_request(provider: SendGrid, http: Any, mail: Mail, answer: Any) -> None:
    """The whole body of mail/send: text before HTML, our names as custom_args of the personalization."""
    http.answers = [answer(202, X_Message_Id="abc")]
    assert await provider.send(mail) == Delivered("abc")
    (request,) = http.requests
    assert request.url == "https://api.sendgrid.com/v3/mail/send"
    assert request.headers == {"Authorization": "Bearer SG.key", "Content-Type": "application/json"}
    assert request.json == {
        "personalizations": [{"to": [{"email": "zoe@x.example", "name": "Zoë"}], "custom_args": mail.args}],
        "from": {"email": "no-reply@shop.example", "name": "Shop"},
        "subject": "Your order has shipped",
        "content": [
            {"type": "text/plain", "value": "It left."},
            {"type": "text/html", "value": "<p>It left.</p>"},
        ],
    }


async def test_headers_of_the_mail_travel(provider: SendGrid, http: Any, mail: Mail, answer: Any) -> None:
    """List-Unsubscribe and the like are SendGrid's `headers`."""
    http.answers = [answer(202)]
    await provider.send(msgspec.structs.replace(mail, headers={"List-Unsubscribe": "<https://a.example>"}))
    assert http.requests[0].json["headers"] == {"List-Unsubscribe": "<https://a.example>"}


@pytest.mark.parametrize(
    ("name", "written"),
    [(None, None), ("", None), ("Zoë", "Zoë"), ("Doe, Zoë", '"Doe, Zoë"'), ('Z "Q"; x', '"Z Q; x"')],
)
async def test_names_with_commas_are_quoted(
    provider: SendGrid, http: Any, mail: Mail, answer: Any, name: str | None, written: str | None
) -> None:
    """SendGrid refuses `,` and `;` in names unless they stand in quotes."""
    http.answers = [answer(202)]
    await provider.send(msgspec.structs.replace(mail, to_name=name))
    assert http.requests[0].json["personalizations"][0]["to"][0].get("name") == written


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (202, b"", Delivered(None)),
        (200, b"", Delivered(None)),
        (400, errors("Bad Request"), Rejected("sendgrid 400: Bad Request")),
        (
            400,
            errors("Does not contain a valid address.", "personalizations.0.to.0.email"),
            Rejected("sendgrid 400: Does not contain a valid address.", bad_address=True),
        ),
        (
            400,
            errors("The from email does not contain a valid address.", "from.email"),
            Rejected("sendgrid 400: The from email does not contain a valid address."),
        ),
        (401, errors("authorization required"), Misconfigured("sendgrid 401: authorization required")),
        (401, errors("Maximum credits exceeded"), Misconfigured("sendgrid 401: Maximum credits exceeded")),
        (403, errors("access forbidden"), Misconfigured("sendgrid 403: access forbidden")),
        (404, errors("not found"), Misconfigured("sendgrid 404: not found")),
        (405, errors("method not allowed"), Misconfigured("sendgrid 405: method not allowed")),
        (408, b"", Unavailable("sendgrid 408", unknown=True)),
        (413, errors("content too large"), Rejected("sendgrid 413: content too large")),
        (415, errors("wrong type"), Misconfigured("sendgrid 415: wrong type")),
        (429, errors("too many requests"), Throttled("sendgrid 429: too many requests")),
        (500, errors("internal server error"), Unavailable("sendgrid 500: internal server error", unknown=True)),
        (502, HTML, Unavailable("sendgrid 502", unknown=True)),
        (503, HTML, Unavailable("sendgrid 503", unknown=True)),
        (504, b"", Unavailable("sendgrid 504", unknown=True)),
        # nobody documented these
        (301, b"", Misconfigured("sendgrid 301")),
        (418, b"", Rejected("sendgrid 418")),
        (599, b"", Unavailable("sendgrid 599", unknown=True)),
    ],
)
def test_what_a_status_means(status: int, body: Any, expected: ProviderOutcome, answer: Any) -> None:
    """Row by row: what is refused for good, what waits for us, what is tried again and may have been taken."""
    assert outcome_of(answer(status, body), NOW) == expected


def test_every_row_of_the_table_is_tested() -> None:
    """A status added to the table needs its row above."""
    rows = test_what_a_status_means.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert set(ACTIONS) <= {row[0] for row in rows}


@pytest.mark.parametrize(
    ("headers", "after_s"),
    [
        ({}, None),
        ({"X_RateLimit_Reset": "1700000030"}, 30),
        ({"X_RateLimit_Reset": "1600000000"}, 0),
        ({"Retry_After": "7", "X_RateLimit_Reset": "1700000030"}, 7),
        ({"Retry_After": "Tue, 14 Nov 2023 22:13:45 GMT"}, 25),
        ({"X_RateLimit_Reset": "garbage"}, None),
    ],
)
def test_too_fast_waits_as_long_as_told(headers: dict[str, str], after_s: float | None, answer: Any) -> None:
    """429: until X-RateLimit-Reset, or Retry-After where a proxy adds one."""
    assert outcome_of(answer(429, b"", **headers), NOW) == Throttled("sendgrid 429", after_s)


def test_unavailable_waits_as_long_as_told(answer: Any) -> None:
    """Retry-After is obeyed for 5xx too."""
    assert outcome_of(answer(503, b"", Retry_After="9"), NOW) == Unavailable(
        "sendgrid 503", 9, unknown=True, asked=True
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HTML,
        b"[]",
        b'"x"',
        b"{}",
        b'{"errors": null}',
        b'{"errors": []}',
        b'{"errors": [1]}',
        b"\xff\xfe",
        b"[" * 9999,
    ],
)
def test_bodies_that_are_not_sendgrids(body: bytes, answer: Any) -> None:
    """Whatever stands in a body, the status decides."""
    assert outcome_of(answer(400, body), NOW) == Rejected("sendgrid 400")


def test_causes_name_no_person(answer: Any) -> None:
    """Dead letters are grouped by cause: addresses and what stands in brackets stay out, and it stays short."""
    told = "We found the first duplicate instance of [zoe@x.example] for zoe@x.example in the field"
    outcome = outcome_of(answer(400, errors(told)), NOW)
    assert outcome == Rejected("sendgrid 400: We found the first duplicate instance of … for … in the field")
    long = outcome_of(answer(400, errors("x " * 500)), NOW)
    assert isinstance(long, Rejected)
    assert len(long.cause) < 140


@pytest.mark.parametrize(("failure", "unknown"), [(NO_CONNECTION, False), (SILENT, True), (LOST, True)], ids=str)
async def test_no_answer(provider: SendGrid, http: Any, mail: Mail, failure: Failed, unknown: bool) -> None:
    """Only a request that never left is certainly not taken: there is no idempotency key."""
    http.answers = [failure]
    assert await provider.send(mail) == Unavailable(f"sendgrid: {failure.cause}", unknown=unknown)


@pytest.mark.parametrize(
    ("changes", "bad_address"),
    [
        ({"to": "zoe"}, True),
        ({"to": "zoe@x.example\r\n"}, True),
        ({"subject": "a\r\nBcc: b@c.example"}, False),
        ({"to_name": "a\nb"}, False),
        ({"headers": {"Subject": "other"}}, False),
    ],
)
async def test_flawed_mail_is_not_sent(
    provider: SendGrid, http: Any, mail: Mail, changes: dict[str, Any], bad_address: bool
) -> None:
    """The last guard before the outside world."""
    outcome = await provider.send(msgspec.structs.replace(mail, **changes))
    assert isinstance(outcome, Rejected)
    assert outcome.bad_address is bad_address
    assert http.requests == []


def test_a_sender_that_is_no_mailbox_is_told_at_once(http: Any) -> None:
    """A wrong setting stops the start, not the first mail."""
    with pytest.raises(ValueError, match="sender"):
        SendGrid("https://api.sendgrid.com", "SG.x", "nobody", http)


async def test_closes_its_pool(provider: SendGrid, http: Any) -> None:
    """Nothing stays open."""
    await provider.close()
    assert http.closed
