"""Attacks through what becomes a mail: more recipients, more messages, templates. The lab's SMTP sees what arrives."""

from __future__ import annotations

import pytest

from tests.support.eventually import eventually
from tests.support.system import Heliograph

pytestmark = pytest.mark.asyncio(loop_scope="package")
LITERAL = (
    "{{7*7}} {{''.__class__.__mro__}} {% for a in range(10**9) %}x{% endfor %} ${7*7} <%= 7 %> {{lipsum(n=10**5)}}"
)


@pytest.mark.parametrize(
    "sign", ["\r\n", "\n", "\r", "\0", "\u2028", "\x1c", "\x85", "=?utf-8?q?x=0ABcc=3A_a=40b=2Ec?="]
)
@pytest.mark.parametrize("place", ["title", "name", "category"])
async def test_no_header_is_broken_open(system: Heliograph, place: str, sign: str) -> None:
    """Whatever becomes a header has no line break in any of its shapes, nor an encoded word that hides one."""
    text = f"x{sign}Bcc: c@d.example"
    to = {"id": "eve", "email": "eve@example.com", **({"name": text} if place == "name" else {})}
    fields = {} if place == "name" else {place: text}
    status, answer = await system.call("POST", "/v1/send", {"to": to, "title": "Hello", **fields})
    assert status == 422
    assert [error["path"] for error in answer["errors"]] == ["to.name" if place == "name" else place]


@pytest.mark.parametrize(
    "address", ["a@b.example>\r\nRCPT TO:<x@y.example", "a@b.example,x@y.example", "a b@c.example"]
)
async def test_no_second_recipient(system: Heliograph, address: str) -> None:
    """An address is one address."""
    status, _ = await system.call("POST", "/v1/send", {"to": {"id": "eve", "email": address}, "title": "x"})
    assert status == 422


async def test_a_body_is_one_message_and_no_template(system: Heliograph) -> None:
    """The end-of-data of SMTP in all its spellings, and the syntax of templates, arrive as the text that they are."""
    smuggled = "\r\n.\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nDATA\r\n"
    body = LITERAL + smuggled + smuggled.replace("\r\n", "\n") + smuggled.replace("\r\n", "\r")
    to = {"id": "sam", "email": "sam@example.com", "name": "{{ name }}"}
    sent = await system.send(to, title="{{ title }}", body=body, data={"name": "x"})
    after = await system.send({"id": "sue", "email": "sue@example.com"})
    for one in (sent, after):
        await system.reaches(one["id"], "email", "sent", "delivered")

    async def both() -> bool:
        """both mails are in the mailbox"""
        return len(await system.received(provider="smtp")) >= 2

    await eventually(both)
    mails = [mail for mail in await system.received(provider="smtp") if mail["to"] != "sue@example.com"]
    assert [mail["to"] for mail in mails if "x@y.example" in mail["to"]] == []
    (mail,) = [mail for mail in mails if mail["to"] == "sam@example.com"]
    assert mail["title"] == "{{ title }}"
    assert LITERAL in mail["body"]
    assert "MAIL FROM:<a@b.example>" in mail["body"]
    item = (await system.get("/v1/inbox", key=await system.token("sam")))["items"][0]
    assert (item["title"], item["body"]) == ("{{ title }}", body)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "https://a\u0000b/", "//x"]
)
async def test_no_link_runs_a_script(system: Heliograph, url: str) -> None:
    """Only http and https."""
    status, answer = await system.call("POST", "/v1/send", {"to": "eve", "title": "x", "action_url": url})
    assert status == 422
    assert answer["errors"][0]["path"] == "action_url"
