"""Senders as providers write them: the installation's mailbox, or the tenant's that a mail brings along. Pure."""

from __future__ import annotations

from email.headerregistry import Address
from functools import lru_cache

from heliograph.core.headers import parse_mailbox
from heliograph.core.model import Mail

_parsed = lru_cache(maxsize=4_096)(parse_mailbox)


def sender_of(mail: Mail, installation: Address) -> Address:
    """Of a mail without a flaw (`core.headers.mail_flaw`)."""
    return _parsed(mail.sender) if mail.sender else installation
