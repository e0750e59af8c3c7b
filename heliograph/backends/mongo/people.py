"""MongoDB store: users and their devices; also the erasure of a person from every collection."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from msgspec.structs import replace
from pymongo import DeleteOne

from heliograph.backends.mongo.connection import Connected, Document, reaching
from heliograph.backends.mongo.documents import (
    ADDRESS,
    LEVELS,
    USER_FIELDS,
    batch_id_of,
    id_of,
    ids_of,
    preferences_of,
    text,
    user_fields,
    user_of,
    without_user,
)
from heliograph.core.model import Device, Key, Millis, Preferences, Recipient, User

_PORTION: Final = 1_000
_NONE: Final = Preferences()


class People(Connected):
    """See `core.ports.UserStore`."""

    @reaching
    async def put_user(self, user: User) -> User:
        given = {**user_fields(user), "updated_at": user.updated_at}
        absent = dict.fromkeys({*USER_FIELDS, ADDRESS} - set(given), "")
        change = {"$set": given} | ({"$unset": absent} if absent else {})
        await self._database.users.update_one({"_id": id_of(user.key)}, change, upsert=True)
        return user

    @reaching
    async def user(self, key: Key) -> User | None:
        found = await self._database.users.find_one({"_id": id_of(key)})
        return user_of(found) if found else None

    @reaching
    async def recipients(self, keys: Sequence[Key]) -> Sequence[Recipient]:
        users = {d["_id"]: d async for d in self._database.users.find({"_id": ids_of(keys)})}
        devices: dict[Key, list[Device]] = {key: [] for key in keys}
        async for document in self._database.devices.find(_of_users(keys), sort=[("id", 1)]):
            devices.get(Key(document["tenant"], document["user"]), []).append(_device_of(document))
        return [_recipient_of(users.get(id_of(key)), devices[key]) for key in keys]

    @reaching
    async def put_preferences(self, user: Key, preferences: Preferences, now: Millis) -> None:
        change = {
            "$set": {"preferences": text(preferences)},
            "$setOnInsert": {"tenant": user.tenant, "id": user.id, "updated_at": now},
        }
        await self._database.users.update_one({"_id": id_of(user)}, change, upsert=True)

    @reaching
    async def preferences(self, users: Sequence[Key]) -> Sequence[Preferences]:
        found = self._database.users.find({"_id": ids_of(users)}, {"preferences": 1})
        kept = {document["_id"]: preferences_of(document) async for document in found}
        return [kept.get(id_of(user), _NONE) for user in users]

    @reaching
    async def erase_user(self, key: Key) -> bool:
        """The user last: an erasure that was cut off is found unfinished when it is repeated."""
        theirs = {"tenant": key.tenant, "user": key.id}
        sends, letters = self._database.sends, self._database.dead_letters
        found = [document async for document in sends.find(theirs, {"id": 1, "batch": 1})]
        ids = [document["id"] for document in found]
        for start in range(0, len(ids), _PORTION):
            portion = {"$in": ids[start : start + _PORTION]}
            await letters.delete_many({"tenant": key.tenant, "notification_id": portion})
        left = await self._leave_batches(key, {document["batch"] for document in found if "batch" in document})
        deleted = [
            await sends.delete_many(theirs),
            await self._database.tickets.delete_many(theirs),
            await self._database.devices.delete_many(theirs),
            await self._database.subscriptions.delete_many(theirs),
            await self._database.users.delete_one({"_id": id_of(key)}),
        ]
        return left or any(result.deleted_count for result in deleted)

    async def _leave_batches(self, key: Key, made: AbstractSet[str]) -> bool:
        """Takes them out of the batches that made a notification of theirs, and of those that still may."""
        sends = self._database.sends
        ids = [batch_id_of(Key(key.tenant, batch)) for batch in made]
        unexpanded = {"level": {"$in": LEVELS}, "expanded": False, "tenant": key.tenant}
        wanted = {"content": 1, "parts": 1}
        found = [document async for document in sends.find({"_id": {"$in": ids}}, wanted)]
        found += [document async for document in sends.find(unexpanded, wanted)]
        rewritten = False
        for document in found:
            changes = without_user(document, key.id)
            if changes:
                rewritten = True
                await sends.update_one({"_id": document["_id"]}, {"$set": changes})
        return rewritten

    @reaching
    async def add_device(self, device: Device) -> Device:
        one = {"_id": f"{device.tenant}/{device.kind}/{device.value}"}
        change = {
            "$set": {"user": device.user, "created_at": device.created_at},
            "$setOnInsert": {name: getattr(device, name) for name in ("id", "tenant", "kind", "value")},
        }
        await self._database.devices.update_one(one, change, upsert=True)
        stored = await self._database.devices.find_one(one, {"id": 1})
        return replace(device, id=stored["id"]) if stored else device

    @reaching
    async def devices(self, user: Key) -> Sequence[Device]:
        found = self._database.devices.find({"tenant": user.tenant, "user": user.id}, sort=[("id", 1)])
        return tuple([_device_of(document) async for document in found])

    @reaching
    async def remove_devices(self, user_devices: Sequence[tuple[Key, str]]) -> Sequence[bool]:
        wanted = _of_users([user for user, _ in user_devices]) | {"id": {"$in": [id_ for _, id_ in user_devices]}}
        there = {(Key(d["tenant"], d["user"]), d["id"]) async for d in self._database.devices.find(wanted)}
        found = [pair in there and pair not in user_devices[:i] for i, pair in enumerate(user_devices)]
        gone = [
            DeleteOne({"tenant": user.tenant, "user": user.id, "id": device_id})
            for (user, device_id), known in zip(user_devices, found, strict=True)
            if known
        ]
        if gone:
            await self._database.devices.bulk_write(gone, ordered=False)
        return found


def _of_users(keys: Sequence[Key]) -> Document:
    """Of these users, and perhaps of some more when several tenants are asked about at once."""
    return {"tenant": {"$in": list({key.tenant for key in keys})}, "user": {"$in": list({key.id for key in keys})}}


def _recipient_of(user: Document | None, devices: Sequence[Device]) -> Recipient:
    if user is None:
        return Recipient(None, tuple(devices))
    return Recipient(user_of(user), tuple(devices), preferences_of(user))


def _device_of(document: Document) -> Device:
    return Device(
        id=document["id"],
        tenant=document["tenant"],
        user=document["user"],
        kind=document["kind"],
        value=document["value"],
        created_at=int(document["created_at"]),
    )
