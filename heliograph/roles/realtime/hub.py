"""Who is connected to this node, and what concerns them: hands bus messages to the users' connections.

Reads nothing, writes frames into connections and asks for what is missing (`holes`). Never waits, never reaches a
backend; presence is kept by `leases.py`, which asks here who is held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from heliograph.core.frames import InboxFrame, NotificationFrame
from heliograph.core.model import Key
from heliograph.core.ports import PresenceLease
from heliograph.roles.realtime.connection import Connection

_REMEMBERED: Final = 512
"""Acknowledged notifications a user is remembered for, so that a second tab's acknowledgement costs nothing."""


class LocalUser:
    """A user with at least one connection here. `connections` is replaced, never changed: safe to loop over."""

    __slots__ = ("_acked", "connections", "filling", "key")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.connections: tuple[Connection, ...] = ()
        self.filling = False
        self._acked: dict[str, None] = {}

    def first_acks(self, notification_ids: Iterable[str]) -> list[str]:
        """Those that no connection of the user acknowledged before, as far as is remembered."""
        fresh = [one for one in notification_ids if one not in self._acked]
        self._acked.update(dict.fromkeys(fresh))
        while len(self._acked) > _REMEMBERED:
            del self._acked[next(iter(self._acked))]
        return fresh


class Hub:
    """
    Args:
        fill: called with a user of whom a connection is behind.
    """

    def __init__(self, node: str, per_user: int, fill: Callable[[LocalUser], None]) -> None:
        self._node = node
        self._per_user = per_user
        self._fill = fill
        self._users: dict[Key, LocalUser] = {}

    def enter(self, connection: Connection) -> bool:
        """False = the user has as many connections here as are allowed."""
        user = self._users.get(connection.user)
        if user is None:
            user = self._users[connection.user] = LocalUser(connection.user)
        elif len(user.connections) >= self._per_user:
            return False
        user.connections = (*user.connections, connection)
        return True

    def leave(self, connection: Connection) -> bool:
        """False = it was not here."""
        user = self._users.get(connection.user)
        if user is None or connection not in user.connections:
            return False
        user.connections = tuple(other for other in user.connections if other is not connection)
        if not user.connections:
            del self._users[connection.user]
        return True

    def user(self, key: Key) -> LocalUser | None:
        return self._users.get(key)

    def users(self) -> Sequence[LocalUser]:
        return list(self._users.values())

    def notify(self, frames: Iterable[NotificationFrame]) -> None:
        """Offers each to every connection of its user."""
        for frame in frames:
            user = self._users.get(frame.user)
            if user is None:
                continue  # it left a moment ago: the lease outlived it
            for connection in user.connections:
                connection.offer(frame.epoch, frame.entry)
                if connection.behind:
                    self._fill(user)

    def here(self, frames: Iterable[InboxFrame]) -> dict[Key, list[bytes]]:
        """Inbox texts of the users who are connected here, in order."""
        texts: dict[Key, list[bytes]] = {}
        for frame in frames:
            if frame.user in self._users:
                texts.setdefault(frame.user, []).append(frame.text)
        return texts

    def send(self, key: Key, text: bytes) -> None:
        """To every connection of a user."""
        user = self._users.get(key)
        for connection in user.connections if user else ():
            connection.send(text)

    # --- what presence needs to know ----------------------------------------------------------------------------------

    def leases_of(self, connection: Connection) -> list[PresenceLease]:
        """The leases that this connection is a reason for, whether it is here or not."""
        lease = PresenceLease(connection.user, self._node)
        if not connection.device:
            return [lease]
        return [lease, PresenceLease(connection.user, self._node, connection.device)]

    def holds(self, lease: PresenceLease) -> bool:
        """Whether some connection here is a reason for the lease."""
        user = self._users.get(lease.user)
        if user is None:
            return False
        return not lease.device or any(connection.device == lease.device for connection in user.connections)

    def leases(self) -> Iterator[PresenceLease]:
        """All of this node."""
        for user in self.users():
            yield PresenceLease(user.key, self._node)
            for device in {connection.device for connection in user.connections if connection.device}:
                yield PresenceLease(user.key, self._node, device)
