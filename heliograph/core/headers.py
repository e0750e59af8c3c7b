"""Mail headers: what text may become one (a title, a name, a sender) and what counts as an e-mail address.

Reads one string, answers with what is wrong with it, or None. Used at the edge (nothing flawed is stored) and again
where mail is built. Never repairs anything, never looks an address up.
"""

from __future__ import annotations

import re
from email.headerregistry import Address
from typing import Final

from heliograph.core.model import Mail

MAX_ADDRESS: Final = 254
"""RFC 5321 section 4.5.3.1.3 (a path of 256 octets with its angle brackets), RFC 3696 erratum 1690."""
MAX_LOCAL_PART: Final = 64
"""RFC 5321 section 4.5.3.1.1."""

_BREAKS: Final = {
    "\r": "a carriage return",
    "\n": "a line feed",
    "\0": "a null character",
    "\u2028": "a line separator (U+2028)",
    "\u2029": "a paragraph separator (U+2029)",
}
# C0 and DEL, C1 (with NEL, which splits lines), the two Unicode separators, and lone surrogates, which no encoding of a
# header can carry.
_REFUSED: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Python's EmailMessage decodes an encoded word wherever a header has one, line breaks in it included (the family of
# CVE-2024-6923), and so does every reader: such text would show as something else than what was sent.
_ENCODED_WORD: Final = re.compile(r"=\?.*\?=")

# A dot-atom of RFC 5322 section 3.2.3: no quoting, no comments, no SMTPUTF8.
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL: Final = rf"{_ATOM}(?:\.{_ATOM})*"
# Host names of RFC 1035 with at least two labels; the last one is no number, so that no IPv4 address passes.
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = rf"(?:{_LABEL}\.)+(?![0-9]+$){_LABEL}"
_ADDRESS: Final = re.compile(rf"({_LOCAL})@({_DOMAIN})")

_HEADER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,75}")
OUR_HEADERS: Final = frozenset(
    {
        *("from", "sender", "reply-to", "to", "cc", "bcc", "subject", "date", "message-id"),
        *("mime-version", "content-type", "content-transfer-encoding", "received", "dkim-signature"),
        *("return-path", "x-heliograph-id", "x-sg-id", "x-sg-eid"),
    }
)
"""Headers that mail code or a provider writes itself; `Mail.headers` has none of them."""


def header_flaw(text: str) -> str | None:
    """Why `text` can't be (part of) a mail header's value, in words for the caller; None = it can."""
    refused = _REFUSED.search(text)
    if refused is not None:
        character = refused.group()
        return f"contains {_BREAKS.get(character, f'the control character U+{ord(character):04X}')}"
    if _ENCODED_WORD.search(text) is not None:
        return "contains an encoded word (=?…?=)"
    return None


def address_flaw(text: str) -> str | None:
    """Why `text` is no e-mail address that mail is sent to; None = it is one (conservative: ASCII, nothing quoted).

    An internationalised domain is given in its ASCII form (`xn--…`).
    """
    if not text:
        return "is empty"
    if len(text) > MAX_ADDRESS:
        return f"is longer than {MAX_ADDRESS} characters"
    if not text.isascii():
        return "contains a character that is not ASCII (give an internationalised domain as xn--…)"
    found = _ADDRESS.fullmatch(text)
    if found is None:
        return "is not an e-mail address"
    if len(found[1]) > MAX_LOCAL_PART:
        return f"has more than {MAX_LOCAL_PART} characters before the @"
    # An encoded word made of address characters (`=?utf-8?q?x?=@a.example`) is decoded by careless readers.
    return header_flaw(text)


def parse_mailbox(text: str) -> Address:
    """`Name <addr>` or `addr`, as a setting gives a sender; the name may stand in quotes, but needn't.

    Raises:
        ValueError: either part is flawed; the sentence says which and why.
    """
    flaw = header_flaw(text)
    if flaw is not None:
        raise ValueError(f"the sender {flaw}")
    head, opened, tail = text.strip().rpartition("<")
    name, address = (head.strip(), tail.removesuffix(">")) if opened and tail.endswith(">") else ("", text.strip())
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    # A sender of our own may stand on a bare host, as in noreply@localhost; a recipient may not.
    flaw = address_flaw(address) and address_flaw(f"{address}.local")
    if flaw is not None:
        raise ValueError(f"the sender {text!r}: the address {flaw}")
    return Address(display_name=name, addr_spec=address)


def mail_flaw(mail: Mail) -> str | None:
    """Why no provider is given this mail: something in its headers that the edge should have refused."""
    ours = {"subject": mail.subject, "to_name": mail.to_name, "from": mail.sender, "reply_to": mail.reply_to}
    named = {name: value or "" for name, value in ours.items()} | mail.headers
    for name, value in named.items():
        flaw = header_flaw(value)
        if flaw is not None:
            return f"{name} {flaw}"
    if mail.reply_to and (flaw := address_flaw(mail.reply_to)):
        return f"reply_to {flaw}"
    try:
        parse_mailbox(mail.sender) if mail.sender else None
    except ValueError as error:
        return str(error)
    for name, value in mail.headers.items():
        if _HEADER_NAME.fullmatch(name) is None or name.lower() in OUR_HEADERS or not value.isascii():
            return "a header of its own that can't be written"
    return None
