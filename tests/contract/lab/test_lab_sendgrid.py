"""The official `sendgrid` client against the lab's SendGrid."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from python_http_client import exceptions
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import (
    Attachment,
    Bcc,
    Category,
    Cc,
    Content,
    CustomArg,
    Header,
    Mail,
    MailSettings,
    Personalization,
    ReplyTo,
    SandBoxMode,
    To,
)

from heliograph.lab.server import Lab

Send = Callable[[Mail], Any]


def letter(to: str = "bob@example.com") -> Mail:
    return Mail(
        from_email=("shop@example.com", "Shop"),
        to_emails=to,
        subject="Ünïcode ✓",
        plain_text_content="Hi **Bob** 🎉\n",
        html_content="<p>Hi <b>Bob</b> 🎉</p>",
    )


async def send(lab: Lab, mail: Mail, key: str = "SG.test") -> Any:
    """The official client's answer, got in a thread."""
    return await asyncio.to_thread(SendGridAPIClient(key, host=lab.sendgrid_url).send, mail)


async def refused(
    lab: Lab, mail: Mail, error: type[exceptions.HTTPError], key: str = "SG.test"
) -> exceptions.HTTPError:
    """The error the official client raises; its body must be SendGrid's."""
    with pytest.raises(error) as caught:
        await send(lab, mail, key)
    errors = json.loads(caught.value.body)["errors"]
    assert all(set(entry) == {"message", "field", "help"} for entry in errors)
    return caught.value


def fields(error: exceptions.HTTPError) -> list[str | None]:
    return [entry["field"] for entry in error.to_dict["errors"]]


async def messages(api: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    return list((await api.get("/lab/messages", params={"provider": "sendgrid", **query})).json()["messages"])


async def test_a_mail_arrives_as_it_was_written(lab: Lab, api: httpx.AsyncClient) -> None:
    """202, no body, X-Message-Id; subject, texts, args, headers and categories on record unharmed."""
    mail = letter()
    mail.custom_arg = CustomArg("hg_msg", "ntf_1")
    mail.header = Header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
    mail.category = Category("orders")
    mail.reply_to = ReplyTo("help@example.com")
    answer = await send(lab, mail)
    assert (answer.status_code, answer.body) == (202, b"")
    assert len(answer.headers["X-Message-Id"]) == 22
    assert all(answer.headers[f"X-RateLimit-{what}"].isdigit() for what in ("Limit", "Remaining", "Reset"))
    (message,) = await messages(api)
    assert (message["to"], message["title"]) == ("bob@example.com", "Ünïcode ✓")
    assert (message["body"], message["html"]) == ("Hi **Bob** 🎉\n", "<p>Hi <b>Bob</b> 🎉</p>")
    assert message["provider_id"] == answer.headers["X-Message-Id"]
    assert message["data"] == {"hg_msg": "ntf_1"}
    assert message["headers"]["From"] == "Shop <shop@example.com>"
    assert message["headers"]["Reply-To"] == "help@example.com"
    assert message["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["payload"]["categories"] == ["orders"]
    assert (message["accepted"], message["status"]) == (True, 202)


async def test_every_recipient_of_every_personalization_is_a_record(lab: Lab, api: httpx.AsyncClient) -> None:
    """to, cc and bcc alike; each with its own subject and args, all under one X-Message-Id."""
    mail = Mail(from_email="shop@example.com", subject="For all")
    mail.add_content(Content("text/plain", "Hi -name-"))
    first, second = Personalization(), Personalization()
    first.add_to(To("a@example.com", substitutions={"-name-": "Ann"}))
    first.add_cc(Cc("b@example.com"))
    first.add_custom_arg(CustomArg("hg_msg", "1"))
    second.add_to(To("c@example.com"))
    second.add_bcc(Bcc("d@example.com"))
    second.subject = "For you"
    second.add_custom_arg(CustomArg("hg_msg", "2"))
    mail.add_personalization(first)
    mail.add_personalization(second)
    await send(lab, mail)
    found = sorted(await messages(api), key=lambda message: str(message["to"]))
    assert [(message["to"], message["title"], message["data"]["hg_msg"]) for message in found] == [
        ("a@example.com", "For all", "1"),
        ("b@example.com", "For all", "1"),
        ("c@example.com", "For you", "2"),
        ("d@example.com", "For you", "2"),
    ]
    assert found[0]["body"] == "Hi Ann"
    assert len({message["provider_id"] for message in found}) == 1


async def test_sandbox_mode_validates_without_sending(lab: Lab, api: httpx.AsyncClient) -> None:
    """200 instead of 202, nothing accepted."""
    mail = letter()
    mail.mail_settings = MailSettings(sandbox_mode=SandBoxMode(True))
    assert (await send(lab, mail)).status_code == 200
    assert await messages(api) == []
    (tried,) = await messages(api, all="true")
    assert (tried["accepted"], tried["status"]) == (False, 200)


async def test_a_bad_mail_is_a_400_naming_the_field(lab: Lab, api: httpx.AsyncClient) -> None:
    """The client raises BadRequestsError; nothing is accepted."""
    error = await refused(lab, Mail(from_email="shop@example.com", to_emails="a@x.io"), exceptions.BadRequestsError)
    assert fields(error) == ["subject", "content"]
    mail = letter("bob@nowhere")
    mail.header = Header("To", "eve@example.com")
    error = await refused(lab, mail, exceptions.BadRequestsError)
    assert fields(error) == ["personalizations.0.to.0.email", "headers.To"]
    assert await messages(api) == []
    assert {message["status"] for message in await messages(api, all="true")} == {400}


@pytest.mark.parametrize("key", ["wrong", "", "SG"])
async def test_a_bad_key_is_a_401(lab: Lab, key: str) -> None:
    """Before the mail is even looked at."""
    await refused(lab, letter(), exceptions.UnauthorizedError, key)


async def test_a_fixed_key_is_the_only_one() -> None:
    """With `sendgrid_key` set, other keys of the right form are refused too."""
    lab = Lab(sendgrid_key="SG.right")
    await lab.start()
    assert (await send(lab, letter(), "SG.right")).status_code == 202
    await refused(lab, letter(), exceptions.UnauthorizedError, "SG.wrong")
    await lab.stop()


async def test_a_mail_over_30_mb_is_a_413(lab: Lab) -> None:
    """Attachments included."""
    mail = letter()
    mail.attachment = Attachment("A" * (30 * 1024 * 1024), "big.bin")
    await refused(lab, mail, exceptions.PayloadTooLargeError)


async def test_what_is_not_json_is_refused(lab: Lab, api: httpx.AsyncClient) -> None:
    """Wrong content type 415, broken or foreign JSON a bare 400, wrong method 405; all in SendGrid's shape."""
    url, key = "/sendgrid/v3/mail/send", {"Authorization": "Bearer SG.test"}
    json_type = key | {"Content-Type": "application/json"}
    assert (await api.post(url, content="{}", headers=key)).status_code == 415
    for broken in ("{", "[]", '"text"', "null", '{"personalizations": {"to": 1}}', '{"personalizations": [[1]]}'):
        answer = await api.post(url, content=broken, headers=json_type)
        assert answer.status_code == 400
        assert answer.json()["errors"]
    assert (await api.get(url)).json()["errors"][0]["message"] == "method not allowed"
    assert len(await messages(api, all="true")) == 7


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, exceptions.UnauthorizedError),
        (403, exceptions.ForbiddenError),
        (429, exceptions.TooManyRequestsError),
        (500, exceptions.InternalServerError),
        (503, exceptions.ServiceUnavailableError),
        (504, exceptions.GatewayTimeoutError),
    ],
)
async def test_mode_error_answers_the_status(
    lab: Lab, api: httpx.AsyncClient, status: int, error: type[exceptions.HTTPError]
) -> None:
    """As the exception the official client has for it; the refused mail is on record with its content."""
    await api.put("/lab/faults/sendgrid", json={"mode": "error", "status": status})
    await refused(lab, letter(), error)
    (message,) = await messages(api, all="true")
    assert (message["accepted"], message["status"], message["title"]) == (False, status, "Ünïcode ✓")


async def test_throttle_refuses_with_sendgrids_headers(lab: Lab, api: httpx.AsyncClient) -> None:
    """429 with Remaining 0 and a Reset in the future; there is no Retry-After."""
    await api.put("/lab/faults/sendgrid", json={"mode": "throttle", "rate_per_s": 0.001})
    first = await send(lab, letter())
    assert (first.status_code, first.headers["X-RateLimit-Limit"], first.headers["X-RateLimit-Remaining"]) == (
        202,
        "1",
        "0",
    )
    error = await refused(lab, letter(), exceptions.TooManyRequestsError)
    assert error.headers["X-RateLimit-Remaining"] == "0"
    assert 900 < int(error.headers["X-RateLimit-Reset"]) - time.time() < 1002
    assert error.headers["Retry-After"] is None
    assert error.to_dict["errors"][0]["message"] == "too many requests"


@pytest.mark.parametrize(
    ("word", "error", "text"),
    [
        ("invalid", exceptions.BadRequestsError, "Does not contain a valid address."),
        ("unauthorized", exceptions.UnauthorizedError, "invalid, expired, or revoked"),
        ("credits", exceptions.UnauthorizedError, "Maximum credits exceeded"),
        ("forbidden", exceptions.ForbiddenError, "access forbidden"),
        ("throttled", exceptions.TooManyRequestsError, "too many requests"),
        ("error", exceptions.InternalServerError, "internal server error"),
        ("unavailable", exceptions.ServiceUnavailableError, "service unavailable"),
    ],
)
async def test_one_address_can_be_refused(
    lab: Lab, api: httpx.AsyncClient, word: str, error: type[exceptions.HTTPError], text: str
) -> None:
    """Only mail to the named address; everybody else's is taken."""
    await api.put("/lab/faults/sendgrid", json={"tokens": {"bad@example.com": word}})
    assert text in (await refused(lab, letter("bad@example.com"), error)).to_dict["errors"][0]["message"]
    assert (await send(lab, letter())).status_code == 202


async def test_an_unverified_sender_is_a_403(lab: Lab, api: httpx.AsyncClient) -> None:
    """By the From address."""
    await api.put("/lab/faults/sendgrid", json={"tokens": {"shop@example.com": "unverified"}})
    error = await refused(lab, letter(), exceptions.ForbiddenError)
    assert fields(error) == ["from"]


async def test_twenty_clients_at_once_are_all_served(lab: Lab, api: httpx.AsyncClient) -> None:
    """Nothing is lost or mixed up between concurrent calls."""
    await asyncio.gather(*(send(lab, letter(f"u{n}@example.com")) for n in range(20)))
    assert sorted(message["to"] for message in await messages(api)) == sorted(f"u{n}@example.com" for n in range(20))
