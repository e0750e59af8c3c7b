"""A mail as bytes: read back by Python's own parser, it says exactly what the mail says."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any

import msgspec
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from heliograph.core.headers import header_flaw
from heliograph.core.model import Mail
from heliograph.providers.mime import mailbox_value, message_bytes, text_value
from heliograph.unsubscribing import UnsubscribeLinks

NOW = 1_700_000_000_000
SENDER = Address("Shop", addr_spec="no-reply@shop.example")
MAIL = Mail(to="zoe@x.example", subject="s", text="t", html="<p>t</p>")
TEXTS = (
    st.text(max_size=200)
    | st.text(alphabet='=?utf-8Qq_ éß€日😀<>@,;:"\\()[]\u00a0', max_size=150)
    | st.lists(st.text(alphabet="abcé€.=?", max_size=90), max_size=20).map(" ".join)
    | st.lists(st.text(alphabet="abc.=?", max_size=90), max_size=20).map(" ".join)
)
SETTINGS = settings(max_examples=400, deadline=None, database=None)


def raw_of(**changes: Any) -> bytes:
    return message_bytes(msgspec.structs.replace(MAIL, **changes), SENDER, "<id@shop.example>", NOW)


def parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def body_of(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def decoded(raw: bytes, name: str) -> str:
    """A header as a careful reader decodes it (Python's newer parser puts spaces between encoded words of a name)."""
    value = message_from_bytes(raw, policy=policy.compat32)[name]
    return str(make_header(decode_header(re.sub(r"\r\n(?=[ \t])", "", value))))


def test_a_whole_message() -> None:
    """Every header once, both bodies, and our id for correlation."""
    message = parsed(
        raw_of(to_name="Zoë", args={"hg_id": "ntf_1"}, headers={"List-Unsubscribe": "<https://a.example>"})
    )
    assert dict(message.items()).keys() == {
        *("From", "To", "Subject", "Date", "Message-ID", "X-Heliograph-Id", "List-Unsubscribe"),
        *("MIME-Version", "Content-Type"),
    }
    assert message["From"] == "Shop <no-reply@shop.example>"
    assert str(message["To"]) == "Zoë <zoe@x.example>"
    assert message["Date"] == "Tue, 14 Nov 2023 22:13:20 +0000"
    assert message["Message-ID"] == "<id@shop.example>"
    assert message["X-Heliograph-Id"] == "ntf_1"
    assert message["List-Unsubscribe"] == "<https://a.example>"
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert message.defects == []


@SETTINGS
@given(TEXTS)
@example(" ?é= abcé€.=? a€ éé. é=.é..ccbé é")
@example("a" * 200)
@example(" ")
def test_a_subject_arrives_character_by_character(subject: str) -> None:
    """Spaces, folds, encoded-word look-alikes: the reader sees what was meant, and no other header."""
    assume(header_flaw(subject) is None)
    raw = raw_of(subject=subject)
    message = parsed(raw)
    assert len(message.keys()) == 7
    assert decoded(raw, "Subject") == str(message["Subject"]) == subject


@SETTINGS
@given(TEXTS)
@example("Doe, Zoë")
@example('a"b\\c')
def test_a_name_arrives_character_by_character(name: str) -> None:
    """Whatever a person is called, it's one recipient, and the name is theirs."""
    assume(header_flaw(name) is None)
    assume(name)
    raw = raw_of(to_name=name)
    message = parsed(raw)
    assert len(message.keys()) == 7
    assert [address.addr_spec for address in message["To"].addresses] == ["zoe@x.example"]
    phrase = decoded(raw, "To").removesuffix("<zoe@x.example>")[:-1]
    assert (
        re.sub(r"\\(.)", r"\1", phrase[1:-1]) if phrase.startswith('"') and "=?" not in raw_to(raw) else phrase
    ) == name


def raw_to(raw: bytes) -> str:
    return str(message_from_bytes(raw, policy=policy.compat32)["To"])


@SETTINGS
@given(st.text(max_size=300), st.text(alphabet="é=. \t\n<x", max_size=3000))
@example("no newline at the end é" + "x" * 200, "")
@example("\n.\n..\nFrom here\n", "a \n b\t\n\n")
def test_bodies_arrive_character_by_character(text: str, html: str) -> None:
    """Dots, blanks at line ends, long lines, other alphabets. Line breaks are the renderer's: only \\n arrives here."""
    text = text.replace("\r", "")
    message = parsed(raw_of(text=text, html=html))
    assert body_of(message, "plain") == text
    assert body_of(message, "html") == html


@SETTINGS
@given(TEXTS, st.text(max_size=3000))
@example("one long line, nearly ASCII", "é" + "x" * 200)
def test_any_relay_can_carry_it(subject: str, text: str) -> None:
    """7-bit, CRLF only, no line over 998 characters (RFC 5321 section 4.5.3.1.6, RFC 5322 section 2.1.1)."""
    assume(header_flaw(subject) is None)
    raw = raw_of(subject=subject, text=text, to_name=subject[:40] or None)
    assert raw.isascii()
    assert b"\0" not in raw
    assert raw.count(b"\r") == raw.count(b"\n") == raw.count(b"\r\n")
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@SETTINGS
@given(TEXTS)
def test_lines_with_encoded_words_stay_short(text: str) -> None:
    """RFC 2047 section 2: 76 characters a line, 75 a word."""
    assume(header_flaw(text) is None)
    for value in (f"Subject: {text_value('Subject', text)}", f"To: {mailbox_value('To', text, 'a@b.example')}"):
        assert all(len(line) <= 76 for line in value.split("\r\n") if "=?utf-8?" in line)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain\n", "7bit"),
        ("x" * 999, "quoted-printable"),
        ("Your parcel is at the café, waiting for you", "quoted-printable"),
        ("日本語", "base64"),
    ],
)
def test_the_smallest_encoding_is_chosen(text: str, encoding: str) -> None:
    """What can be read without decoding stays readable."""
    part = parsed(raw_of(text=text)).get_body(("plain",))
    assert part is not None
    assert part["Content-Transfer-Encoding"] == encoding


def test_the_longest_unsubscribe_link_arrives_whole() -> None:
    """In one line of its header, which no relay may break: the longest address of the longest tenant."""
    address = f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 57}.de"
    link = UnsubscribeLinks("s" * 32, f"https://{'notify.' * 8}example.com").link("t" * 63, address, f"ntf_{'0' * 36}")
    assert link
    raw = raw_of(headers={"List-Unsubscribe": f"<{link}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"})
    assert f"\r\nList-Unsubscribe: <{link}>\r\n".encode() in raw
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert parsed(raw)["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
