"""Takes secrets and forged lines out of text that people will read: logs, settings. Pure.

A secret gets into a log by way of an error's text or a URL, never because somebody wanted it there, so every line is
looked at. What is left of a key is what the store keeps beside its digest, to tell keys apart.
"""

from __future__ import annotations

import re
from typing import Final

_MASKS: Final = (
    (re.compile(r"(hg_sk_[\w-]{4})[\w-]+"), r"\1…"),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+\.[\w-]+"), "<token>"),  # a JWT: header {"…, claims, signature
    (re.compile(r"(\w://[^\s/@:]*):[^\s/@]+@"), r"\1:…@"),  # the password of a URL (RFC 3986 section 3.2.1)
    (re.compile(r"\b(Bearer|Basic) +[\w.~+/=-]{16,}"), r"\1 …"),
    (re.compile(r"\bSG\.[\w-]{4,}\.[\w-]+"), "SG.…"),
    (re.compile(r"\bwhsec_[\w+/=-]{8,}"), "whsec_…"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL), "<key>"),
)
_CONTROL: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


def masked(text: str) -> str:
    """The text without what looks like one of the secrets that we handle."""
    for pattern, instead in _MASKS:
        text = pattern.sub(instead, text)
    return text


def one_line(text: str) -> str:
    """The text with its control characters spelled out, so that it forges no second line and paints no terminal
    (OWASP "Logging": log injection)."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)
