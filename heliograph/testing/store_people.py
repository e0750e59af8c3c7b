"""The in-memory twin of the store, second half: people, access and dead letters.

Reads and writes the dictionaries of `store_rows.py`; `MemoryStore` is built on it.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from heliograph.core.erasing import without
from heliograph.core.errors import StoreUnavailable
from heliograph.core.keys import ApiKey
from heliograph.core.model import Device, Key, Millis, Preferences, Recipient, User
from heliograph.core.ports import DeadGroup, DeadLetter
from heliograph.core.suppressing import REASONS, Reason, Suppression, SuppressionQuery, folded, folded_key, in_order
from heliograph.testing.store_rows import Kept
from heliograph.testing.store_tickets import MemoryTickets


class MemoryPeople(MemoryTickets):
    """Implements `core.ports.UserStore`, `SuppressionStore`, `AccessStore`, `DeadLetterStore` and `TicketStore`."""

    def __init__(self) -> None:
        self._everything = Kept()
        self._open = True

    @property
    def _kept(self) -> Kept:
        if not self._open:
            raise StoreUnavailable("the store is closed")
        return self._everything

    # --- people -------------------------------------------------------------------------------------------------------

    async def put_user(self, user: User) -> User:
        self._kept.users[user.key] = user
        return user

    async def user(self, key: Key) -> User | None:
        return self._kept.users.get(key)

    async def recipients(self, keys: Sequence[Key]) -> Sequence[Recipient]:
        users, preferences = self._kept.users, await self.preferences(keys)
        return [
            Recipient(users.get(key), tuple(await self.devices(key)), wanted)
            for key, wanted in zip(keys, preferences, strict=True)
        ]

    async def put_preferences(self, user: Key, preferences: Preferences, now: Millis) -> None:
        self._kept.users.setdefault(user, User(user.tenant, user.id, updated_at=now))
        self._kept.preferences[user] = preferences

    async def preferences(self, users: Sequence[Key]) -> Sequence[Preferences]:
        return [self._kept.preferences.get(user, Preferences()) for user in users]

    async def erase_user(self, key: Key) -> bool:
        kept = self._kept
        theirs = {sent.notification.key for sent in kept.sent.values() if sent.notification.user_key == key}
        batches = {k: without(b.batch, key.id) for k, b in kept.batches.items() if k.tenant == key.tenant}
        for batch_key, left in batches.items():
            if left is not None:
                kept.batches[batch_key].batch = left
        known = (
            any(left is not None for left in batches.values())
            or bool(theirs)
            or key in kept.users
            or bool(await self.devices(key))
        )
        kept.users.pop(key, None)
        kept.preferences.pop(key, None)
        kept.tickets = {k: ticket for k, ticket in kept.tickets.items() if ticket.user_key != key}
        kept.devices = [device for device in kept.devices if Key(device.tenant, device.user) != key]
        kept.subscriptions = {(of, who) for of, who in kept.subscriptions if Key(of.tenant, who) != key}
        kept.sent = {k: sent for k, sent in kept.sent.items() if k not in theirs}
        kept.claims = {k: c for k, c in kept.claims.items() if Key(k.tenant, c[1].id) not in theirs}
        kept.letters = {k: d for k, d in kept.letters.items() if Key(d.tenant, d.notification_id) not in theirs}
        return known

    async def add_device(self, device: Device) -> Device:
        same = (device.tenant, device.kind, device.value)
        first = next((d for d in self._kept.devices if (d.tenant, d.kind, d.value) == same), device)
        stored = replace(device, id=first.id)
        self._kept.devices = [*(d for d in self._kept.devices if d is not first), stored]
        return stored

    async def devices(self, user: Key) -> Sequence[Device]:
        return sorted((d for d in self._kept.devices if Key(d.tenant, d.user) == user), key=lambda d: d.id)

    async def remove_devices(self, user_devices: Sequence[tuple[Key, str]]) -> Sequence[bool]:
        return [self._remove_device(user, device_id) for user, device_id in user_devices]

    def _remove_device(self, user: Key, device_id: str) -> bool:
        before = self._kept.devices
        self._kept.devices = [d for d in before if (Key(d.tenant, d.user), d.id) != (user, device_id)]
        return len(self._kept.devices) < len(before)

    # --- suppressions -------------------------------------------------------------------------------------------------

    async def suppressed(self, addresses: Sequence[Key]) -> Sequence[tuple[Reason, ...]]:
        kept = self._kept.suppressed
        return [in_order([r for r in REASONS if (folded_key(address), r) in kept]) for address in addresses]

    async def suppress(self, suppressions: Sequence[Suppression]) -> None:
        for one in suppressions:
            key = Key(one.tenant, folded(one.address))
            self._kept.suppressed.setdefault((key, one.reason), replace(one, address=key.id))

    async def unsuppress(self, address: Key, reason: Reason | None = None) -> bool:
        gone = [self._kept.suppressed.pop((folded_key(address), one), None) for one in REASONS if reason in (None, one)]
        return any(gone)

    async def suppressions(self, query: SuppressionQuery) -> Sequence[Suppression]:
        found = [
            one
            for one in self._kept.suppressed.values()
            if one.tenant == query.tenant
            and query.reason in (None, one.reason)
            and (one.address > query.after[0] if query.reason else (one.address, one.reason) > query.after)
        ]
        return sorted(found)[: query.limit]

    async def tenants_of(self, addresses: Sequence[str]) -> Sequence[tuple[str, ...]]:
        users = [user for user in self._kept.users.values() if user.email]
        return [
            tuple(sorted({user.tenant for user in users if folded(user.email or "") == folded(address)}))
            for address in addresses
        ]

    # --- access -------------------------------------------------------------------------------------------------------

    async def add_key(self, key: ApiKey) -> None:
        self._kept.keys[key.digest] = key

    async def api_key(self, digest: str) -> ApiKey | None:
        return self._kept.keys.get(digest)

    async def api_keys(self, tenant: str) -> Sequence[ApiKey]:
        found = [key for key in self._kept.keys.values() if key.tenant == tenant]
        return sorted(found, key=lambda key: (key.created_at, key.digest))

    async def end_key(self, digest: str, at: Millis) -> None:
        key = self._kept.keys[digest]
        self._kept.keys[digest] = replace(key, expires_at=at if key.expires_at is None else min(at, key.expires_at))

    async def touch_key(self, digest: str, at: Millis) -> None:
        self._kept.keys[digest] = replace(self._kept.keys[digest], used_at=at)

    async def keep(self, name: str, value: str) -> str:
        return self._kept.settings.setdefault(name, value)

    async def replace(self, name: str, value: str) -> None:
        self._kept.settings[name] = value

    async def settings(self, names: Sequence[str]) -> Sequence[str | None]:
        return [self._kept.settings.get(name) for name in names]

    async def forget(self, name: str) -> bool:
        return self._kept.settings.pop(name, None) is not None

    async def lease(self, name: str, holder: str, now: Millis, until: Millis) -> bool:
        other, their_until = self._kept.leases.get(name, (holder, now))
        if other != holder and their_until > now:
            return False
        self._kept.leases[name] = (holder, until)
        return True

    # --- dead letters -------------------------------------------------------------------------------------------------

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        self._kept.letters.update({Key(letter.tenant, letter.id): letter for letter in letters})

    async def dead_groups(self, tenant: str, channel: str | None) -> Sequence[DeadGroup]:
        groups: dict[str, list[DeadLetter]] = {}
        for letter in self._kept.letters.values():
            if letter.tenant == tenant and channel in (None, letter.channel):
                groups.setdefault(letter.cause, []).append(letter)
        oldest = {cause: min(letters, key=lambda letter: letter.at) for cause, letters in groups.items()}
        found = [DeadGroup(cause, len(groups[cause]), first.at, first) for cause, first in oldest.items()]
        return sorted(found, key=lambda group: (-group.count, group.cause))

    async def dead_letters(
        self, tenant: str, *, cause: str | None = None, ids: Sequence[str] | None = None, limit: int = 10_000
    ) -> Sequence[DeadLetter]:
        found = [
            letter
            for letter in self._kept.letters.values()
            if letter.tenant == tenant
            and cause in (None, letter.cause)
            and (ids is None or letter.id in ids or letter.notification_id in ids)
        ]
        return sorted(found, key=lambda letter: (letter.level, letter.at, letter.id))[:limit]

    async def unbury(self, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            kept = self._kept.letters.get(Key(letter.tenant, letter.id))
            if kept and kept.at == letter.at:
                del self._kept.letters[Key(letter.tenant, letter.id)]

    async def dead_count(self) -> int:
        return len(self._kept.letters)
