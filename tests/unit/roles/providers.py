"""Providers that answer what a test tells them to, and note what they were given."""

from __future__ import annotations

from heliograph.core.model import Mail, PushMessage
from heliograph.core.outcomes import Delivered, ProviderOutcome


class FakeMail:
    """Implements `MailProvider`."""

    def __init__(self, name: str = "smtp") -> None:
        self.name = name
        self.sent: list[Mail] = []
        self.answers: dict[str, ProviderOutcome] = {}
        """By address; else yes."""

    async def send(self, mail: Mail) -> ProviderOutcome:
        self.sent.append(mail)
        return self.answers.get(mail.to, Delivered(f"{self.name}-{len(self.sent)}"))

    async def close(self) -> None:
        """Nothing to do."""


class FakePush:
    """Implements `PushProvider`."""

    name = "fcm"
    kinds = frozenset({"fcm_token"})

    def __init__(self) -> None:
        self.sent: list[PushMessage] = []
        self.answers: dict[str, ProviderOutcome] = {}
        """By token; else yes."""

    async def send(self, message: PushMessage) -> ProviderOutcome:
        self.sent.append(message)
        return self.answers.get(message.token, Delivered(f"projects/p/messages/{len(self.sent)}"))

    async def close(self) -> None:
        """Nothing to do."""
