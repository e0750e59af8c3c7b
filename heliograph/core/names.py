"""Which names tenants and users may have. Both stand in URLs, keys and subjects."""

from __future__ import annotations

import re
from typing import Final

_TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_USER_ID: Final = re.compile(r"[^\s/\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,128}")

_TOPIC: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
TOPIC_RULE: Final = "a topic has 1 to 128 letters, digits, '.', '_', ':' and '-', the first a letter or digit"


def topic_is_valid(topic: str) -> bool:
    return _TOPIC.fullmatch(topic) is not None


def tenant_is_valid(tenant: str) -> bool:
    """1 to 63 letters, digits, `-` and `_`, the first a letter or digit."""
    return _TENANT.fullmatch(tenant) is not None


def user_id_is_valid(user_id: str) -> bool:
    """1 to 128 characters without white space, `/` and controls."""
    return _USER_ID.fullmatch(user_id) is not None
