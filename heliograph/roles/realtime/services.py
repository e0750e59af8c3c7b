"""What a connection needs around it: its limits, its node's services, its socket. Declarations only.

`connection.py` reads these, `node.py` and `socket.py` are them; tests put fakes in their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec

from heliograph.core.model import Engagement, Key, Millis
from heliograph.roles.realtime.incoming import Since

Client_contra = TypeVar("Client_contra", contravariant=True)
"""The node's own kind of connection: named by it, so that this module needs not know it."""


class Limits(msgspec.Struct, frozen=True):
    """What one client may ask of a node. The defaults are the contract's; tests make them smaller."""

    connect_within_s: float = 5.0
    close_within_s: float = 10.0
    """After our close frame the client has this long to answer it, or to read what stands before it."""
    frames_per_s: float = 100.0
    frames_burst: float = 200.0
    connections_per_user: int = 20
    write_buffer_bytes: int = 1024 * 1024
    frame_bytes: int = 16 * 1024
    unacked: int = 2_000
    """Notifications of one connection whose acknowledgement is awaited; older ones count as unseen, as for any client
    that doesn't acknowledge."""
    held: int = 1_000
    """Frames that may arrive while a connection opens; more are fetched from the stream afterwards."""
    origins: tuple[str | None, ...] | None = None
    """Pages that may connect, as browsers name them in `Origin`; None among them = clients that send none. None
    instead of a list = all: no cookie and no address is a credential here, so a foreign page has none to misuse."""


class Counters(msgspec.Struct):
    """What a node says of itself to telemetry; all but `connections` only grow."""

    connections: int = 0
    accepted: int = 0
    frames_sent: int = 0
    frames_received: int = 0
    slow_closed: int = 0


class Link(Protocol):
    """The connection's own socket."""

    def send(self, text: bytes) -> None: ...

    def close(self, code: int, reason: str) -> None:
        """Sends a close frame; the client's answer ends the connection."""

    def abort(self) -> None:
        """Ends it without asking, dropping what the client has not read."""


class Services(Protocol[Client_contra]):
    """What a connection asks of its node. None of it waits."""

    limits: Limits
    counters: Counters
    heartbeat_s: float
    draining: bool
    """No new clients: they are answered 503."""

    def clock(self) -> Millis: ...

    def monotonic(self) -> float: ...

    def arrived(self, connection: Client_contra) -> None:
        """A client made the WebSocket handshake."""

    def verify(self, token: str) -> tuple[Key, Millis]:
        """The user and when the token expires; raises `Problem`."""

    def enter(self, connection: Client_contra, since: Since | None) -> bool:
        """Registers it under its user and starts opening it. False = the user has too many here."""

    def leave(self, connection: Client_contra) -> None:
        """It takes no more frames from now on."""

    def gone(self, connection: Client_contra) -> None:
        """Its socket is closed."""

    def wake_in(self, connection: Client_contra, delay_s: float) -> None:
        """Calls `wake` then, and only then."""

    def first_heartbeat_s(self) -> float: ...

    def farewell_ms(self, within_ms: int) -> int:
        """A random time to come back in."""

    def delivered(self, connection: Client_contra, notification_ids: Sequence[str]) -> None:
        """The client acknowledged these planned notifications."""

    def marked(self, connection: Client_contra, mark: Engagement, notification_id: str) -> bool:
        """The user marked an item. False = too many marks are waiting already."""
