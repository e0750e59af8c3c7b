"""Message-ID: names one delivery, the same for every attempt, and is found again in what a provider tells later. Pure.

Reads the arguments of a mail (`Mail.args`), writes `<notification.generation.tenant@domain of From>`. A bounce that
comes long after the mail carries nothing else of ours (SendGrid's `smtp-id`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

_OURS: Final = re.compile(r"<?(ntf_[0-9a-z-]{26,36})\.(\d{1,6})\.([A-Za-z0-9][A-Za-z0-9_-]{0,62})@[^@\s]+>?")


class Named(msgspec.Struct, frozen=True):
    """The delivery that a Message-ID names."""

    tenant: str
    notification_id: str
    gen: int


def message_id(args: Mapping[str, str], domain: str) -> str | None:
    """With its angle brackets; None for a mail that is no delivery of ours. Mailboxes that know how show a duplicate
    once, because a retry has the same."""
    if "hg_id" not in args or "hg_tenant" not in args:
        return None
    return f"<{args['hg_id']}.{args.get('hg_gen', '0')}.{args['hg_tenant']}@{domain}>"


def named_by(text: str) -> Named | None:
    """What a Message-ID of ours names; None for anybody else's."""
    found = _OURS.fullmatch(text.strip())
    return Named(found[3], found[1], int(found[2])) if found else None
