"""Store: users with their preferences, devices, server keys, settings of the installation and leases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from heliograph.core.keys import ApiKey
from heliograph.core.model import Device, Key, Millis, Preferences, Recipient, User


class UserStore(Protocol):
    async def put_user(self, user: User) -> User:
        """Replaces the user's fields; their preferences stay."""

    async def user(self, key: Key) -> User | None: ...

    async def recipients(self, keys: Sequence[Key]) -> Sequence[Recipient]:
        """Users with their devices and preferences; unknown users as `Recipient(None)`."""

    async def put_preferences(self, user: Key, preferences: Preferences, now: Millis) -> None:
        """Replaces them whole. A user whom nobody described is known from then on, with nothing but these."""

    async def preferences(self, users: Sequence[Key]) -> Sequence[Preferences]:
        """Empty ones for who has none, or is unknown."""

    async def erase_user(self, key: Key) -> bool:
        """Deletes the user with preferences, devices, notifications, events and dead letters. False = nothing was
        known."""

    async def add_device(self, device: Device) -> Device:
        """Registers a device. A (kind, value) belongs to one user of a tenant at a time: registering it again
        refreshes its time, or moves it; the stored device (with its first id) is returned."""

    async def devices(self, user: Key) -> Sequence[Device]: ...

    async def remove_devices(self, user_devices: Sequence[tuple[Key, str]]) -> Sequence[bool]:
        """Removes (user, device id) pairs; False where there was none."""


class AccessStore(Protocol):
    async def add_key(self, key: ApiKey) -> None: ...

    async def api_key(self, digest: str) -> ApiKey | None: ...

    async def api_keys(self, tenant: str) -> Sequence[ApiKey]:
        """All of a tenant's, ended ones too, the oldest first."""

    async def end_key(self, digest: str, at: Millis) -> None:
        """It ends then, or when it would have ended anyway if that is sooner."""

    async def touch_key(self, digest: str, at: Millis) -> None:
        """It was used then."""

    async def keep(self, name: str, value: str) -> str:
        """Stores a setting of the installation unless there is one; returns the one that stands."""

    async def replace(self, name: str, value: str) -> None:
        """Stores a setting of the installation, whatever stood there."""

    async def settings(self, names: Sequence[str]) -> Sequence[str | None]:
        """What stands under each name; None = nothing."""

    async def forget(self, name: str) -> bool:
        """Removes a setting of the installation. False = there was none."""

    async def lease(self, name: str, holder: str, now: Millis, until: Millis) -> bool:
        """Takes or renews a lease that nobody else holds at `now`."""
