"""What the unit tests start from: one notification, user, device or event each, and a clock that stands still."""

from __future__ import annotations

from typing import Any

from heliograph.core.lifecycle import Event
from heliograph.core.model import Device, Notification, Recipient, User

T0 = 1_800_000_000_000
TENANT = "acme"


class FakeClock:
    """Milliseconds; moves only when told to."""

    def __init__(self, now: int = T0) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


def notification(**fields: Any) -> Notification:
    given: dict[str, Any] = {
        "id": "ntf_1", "tenant": TENANT, "user": "anna", "type": "transactional", "created_at": T0, "title": "Hello",
        "body": "World", **fields,
    }  # fmt: skip
    return Notification(**given)


def event(kind: str, target: str = "email", **fields: Any) -> Event:
    given: dict[str, Any] = {"tenant": TENANT, "notification_id": "ntf_1", "at": T0, "kind": kind, **fields}
    return Event(**{"target": "" if kind in ("routed", "escalated") else target, **given})


def user(**fields: Any) -> User:
    given: dict[str, Any] = {"tenant": TENANT, "id": "anna", "email": "anna@acme.example", "name": "Anna", **fields}
    return User(**given)


def device(device_id: str = "dev_1", **fields: Any) -> Device:
    given: dict[str, Any] = {"tenant": TENANT, "user": "anna", "kind": "fcm_token", "value": f"token-{device_id}",
                             "created_at": T0, **fields}  # fmt: skip
    return Device(id=device_id, **given)


def recipient(*devices: Device, **fields: Any) -> Recipient:
    return Recipient(user(**fields), devices)
