"""What may become a mail header, and what is an e-mail address."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage

import msgspec
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from heliograph.core.headers import address_flaw, header_flaw, mail_flaw, parse_mailbox
from heliograph.core.model import Mail

TRICKY = st.text(alphabet="=?utf-8QqBb_ éß€日😀<>@,;:\"\\()[]'\u00a0\u200f\r\n\t\0\x85\u2028", max_size=120)
WORDS = st.lists(st.text(alphabet="abcé€.=?", max_size=30), max_size=20).map(" ".join)
TEXTS = st.text(max_size=200) | TRICKY | WORDS
SETTINGS = settings(max_examples=400, deadline=None, database=None)
MAIL = Mail(to="a@b.example", subject="s", text="t", html="<p>t</p>")


def reparsed(name: str, value: object) -> EmailMessage:
    """A message with one more header, as another program reads it."""
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = "us@heliograph.example"
    message[name] = value
    message.set_content("hello")
    return message_from_bytes(message.as_bytes(), policy=policy.SMTP)  # type: ignore[return-value]


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize(
    "text",
    [
        *("a\rb", "a\nb", "a\r\nBcc: x@y.example", "a\0b", "tab\there", "bell\a", "esc\x1b[0m", "del\x7f"),
        *("nel\x85", "csi\x9b", "ls\u2028", "ps\u2029", "fs\x1c", "lone \ud800"),
        *("=?utf-8?q?x?=", "a =?utf-8?b?DQpCY2M6IHhAeS5leGFtcGxl?= b", "=?x?=", "=??="),
    ],
)
def test_refuses_what_breaks_or_hides_in_a_header(text: str) -> None:
    """Line breaks, controls and encoded words never become a header."""
    assert header_flaw(text) is not None


@pytest.mark.parametrize(
    "text",
    ["", "Your order has shipped", "Prix : 3 €", "日本語", "👩‍👩‍👧 emoji", "a=?b", "really?=", "שלום", "a,b;c<d>"],
)
def test_takes_ordinary_text(text: str) -> None:
    """Any language and punctuation is fine."""
    assert header_flaw(text) is None


@SETTINGS
@given(TEXTS)
@example("=?utf-8?q?a?b é")
def test_a_subject_that_passes_adds_no_header_and_loses_no_character(text: str) -> None:
    """What passes and is put into an EmailMessage comes out as one Subject and nothing else.

    Spaces are left out of the comparison: Python's folding drops one between encoded words (why providers/mime.py
    writes header values itself).
    """
    assume(header_flaw(text) is None)
    found = reparsed("Subject", text)
    assert sorted(name.lower() for name in found) == [
        *("content-transfer-encoding", "content-type", "from", "mime-version", "subject")
    ]
    assert squeezed(str(found["Subject"])) == squeezed(text)
    assert found.get_content().strip() == "hello"


@SETTINGS
@given(TEXTS)
def test_a_name_that_passes_stays_the_name_of_one_mailbox(text: str) -> None:
    """A person's name can't add a recipient or a header."""
    assume(header_flaw(text) is None)
    found = reparsed("To", Address(text, addr_spec="zoe@x.example"))
    assert [name.lower() for name in found].count("to") == 1
    assert len(found.keys()) == 5
    assert [address.addr_spec for address in found["To"].addresses] == ["zoe@x.example"]


@pytest.mark.parametrize(
    "address",
    [
        *("zoe@x.example", "a.b+tag@mail.example.org", "o'neil@x.example", "x@xn--bcher-kva.example", "A_1%b@X.CO"),
        *("a" * 64 + "@x.example", "x@" + "a" * 63 + ".example", "1@2.example"),
    ],
)
def test_takes_plain_addresses(address: str) -> None:
    """A dot-atom at a host name, internationalised domains as punycode."""
    assert address_flaw(address) is None


@pytest.mark.parametrize(
    "address",
    [
        *("", "zoe", "@x.example", "zoe@", "zoe@localhost", "a b@x.example", '"a b"@x.example', "a@b@x.example"),
        *("zoe@x.example\r\nBcc: y@z.example", "zoe@x.example\n", "<zoe@x.example>", "Zoe <zoe@x.example>"),
        *("zoe(c)@x.example", "a,b@x.example", "a;b@x.example", "zoë@x.example", "zoe@bücher.example"),
        *(".a@x.example", "a.@x.example", "a..b@x.example", "a@-x.example", "a@x-.example", "a@x..example"),
        *("a@127.0.0.1", "a@[127.0.0.1]", "a@x.example.", "a" * 65 + "@x.example", "=?utf-8?q?x?=@x.example"),
        "a@" + "b." * 125 + "x.example",
        "a@" + "b" * 64 + ".example",
    ],
)
def test_refuses_what_is_no_plain_address(address: str) -> None:
    """Nothing quoted, commented, spaced, bracketed, non-ASCII, too long or without a real domain."""
    assert address_flaw(address) is not None


@SETTINGS
@given(st.text(alphabet="ab1.@+-_=?<>\"' ,;()\r\n", max_size=30) | st.emails())
def test_an_address_that_passes_is_read_back_as_itself(text: str) -> None:
    """What passes is one mailbox for any parser, unchanged."""
    assume(address_flaw(text) is None)
    found = reparsed("To", text)
    assert [address.addr_spec for address in found["To"].addresses] == [text]


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("Heliograph <no-reply@h.example>", "Heliograph", "no-reply@h.example"),
        ("no-reply@h.example", "", "no-reply@h.example"),
        ("Zoë <z@h.example>", "Zoë", "z@h.example"),
        ('"Shop, The" <z@h.example>', "Shop, The", "z@h.example"),
        ("Shop, The <z@h.example>", "Shop, The", "z@h.example"),
        ('"The \\"Shop\\"" <z@h.example>', 'The "Shop"', "z@h.example"),
        (" <z@h.example> ", "", "z@h.example"),
    ],
)
def test_reads_a_sender(text: str, name: str, address: str) -> None:
    """`Name <addr>` or `addr`."""
    found = parse_mailbox(text)
    assert (found.display_name, found.addr_spec) == (name, address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Nobody",
        "a b@x.example",
        "Name <x>",
        "A <a@b.example",
        "<<a@b.example>>",
        "a@b.example>",
        "A <a@b.example>\r\nBcc: c@d.example",
    ],
)
def test_refuses_a_sender_that_is_no_mailbox(text: str) -> None:
    """A wrong setting is told at start-up."""
    with pytest.raises(ValueError, match="sender"):
        parse_mailbox(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "a\r\nBcc: x@y.example"},
        {"to_name": "=?utf-8?q?x?="},
        {"headers": {"List-Unsubscribe": "<https://a.example>\r\nBcc: x@y.example"}},
        {"headers": {"Bad Name": "x"}},
        {"headers": {"": "x"}},
        {"headers": {"X-A": "é"}},
        {"headers": {"Bcc": "x@y.example"}},
        {"headers": {"content-type": "text/html"}},
    ],
)
def test_a_flawed_mail_is_told_before_a_provider_sees_it(changes: dict[str, object]) -> None:
    """Every place of a mail that becomes a header is looked at, and our own headers can't be replaced."""
    assert mail_flaw(MAIL) is None
    assert mail_flaw(msgspec.structs.replace(MAIL, **changes)) is not None


def test_takes_a_mail_with_headers_of_its_own() -> None:
    """The unsubscribe headers of RFC 8058 are allowed."""
    own = {
        "List-Unsubscribe": "<https://h.example/u/1>, <mailto:u@h.example>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert mail_flaw(msgspec.structs.replace(MAIL, headers=own)) is None
