"""One client's connection as a state machine: frames in, frames out, no socket and no await.

    NEW --connect frame--> OPENING --position known--> LIVE --stream began anew--> STALE
    any of them --close(), or depart() and its time--> CLOSED
What it needs of its node and its socket is declared in `services.py`; it never reaches further.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from enum import IntEnum
from typing import Final

import msgspec

from heliograph.core.errors import Problem
from heliograph.core.frames import BAD_FRAME, RESTART, TOO_MANY, TOO_SLOW, UNAUTHORIZED, notification_frame
from heliograph.core.model import Key, Millis
from heliograph.core.ports import Position, StreamEntry
from heliograph.core.wire import encode
from heliograph.roles.realtime.incoming import Ack, Connect, Mark, Ping, parse
from heliograph.roles.realtime.services import Link, Services

PING: Final = b'{"t":"ping"}'
PONG: Final = b'{"t":"pong"}'
STALE_MS: Final = 2_000
"""Clients whose stream began anew come back within this time."""


class State(IntEnum):
    NEW = 0
    OPENING = 1
    LIVE = 2
    STALE = 3
    """No notification fits behind the last one any more: all but those goes on until the client comes back."""
    CLOSED = 4


class Connection:
    """`offset` = the last one sent (or known to the client); `wanted` = a later one the client is known to lack."""

    __slots__ = (
        "_allowance", "_allowance_at", "_held", "_link", "_missed", "_node", "_unacked", "departing", "device", "epoch",
        "expires_at", "heard", "offset", "session", "slot", "state", "user", "wanted",
    )  # fmt: skip

    def __init__(self, node: Services[Connection], link: Link) -> None:
        self._node = node
        self._link = link
        self.state = State.NEW
        self.user = Key("", "")
        self.device = ""
        self.session = ""
        self.epoch = ""
        self.offset = 0
        self.wanted = 0
        self.expires_at: Millis = 0
        self.heard = True
        self.departing = False
        self.slot: int | None = None
        self._missed = 0
        self._allowance = node.limits.frames_burst
        self._allowance_at = node.monotonic()
        self._held: list[tuple[str, StreamEntry]] | None = None
        self._unacked: deque[tuple[int, str]] | None = None
        node.arrived(self)
        node.wake_in(self, node.limits.connect_within_s)

    # --- from the client ----------------------------------------------------------------------------------------------

    def admit(self) -> bool:
        """Counts one frame of any kind; closes the connection when the client sends too many."""
        self.heard = True
        self._node.counters.frames_received += 1
        limits, now = self._node.limits, self._node.monotonic()
        refilled = self._allowance + (now - self._allowance_at) * limits.frames_per_s
        self._allowance = min(refilled, limits.frames_burst) - 1.0
        self._allowance_at = now
        if self._allowance < 0:
            self.close(TOO_MANY, "too many frames")
            return False
        return self._listening

    @property
    def _listening(self) -> bool:
        """Whom we sent away may still tell what it got: it need not get an e-mail about it."""
        return self.state is not State.CLOSED or self.departing

    def received(self, text: bytes) -> None:
        """One whole text message."""
        if not self._listening:
            return
        try:
            frame = parse(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.close(BAD_FRAME, "not a frame of this protocol")
            return
        if self.state is State.NEW:
            self._connect(frame)
        elif isinstance(frame, Ack):
            self._ack(frame.offset)
        elif isinstance(frame, Mark):
            if not self._node.marked(self, frame.engagement, frame.id):
                self.close(TOO_MANY, "too many marks are waiting")
        elif isinstance(frame, Ping):
            self.send(PONG)
        elif isinstance(frame, Connect):
            self.close(BAD_FRAME, "connected already")

    def _connect(self, frame: object) -> None:
        if not isinstance(frame, Connect) or frame.token is None:
            self.close(UNAUTHORIZED, "the first frame must be connect with a token")
            return
        try:
            self.user, self.expires_at = self._node.verify(frame.token)
        except Problem:
            self.close(UNAUTHORIZED, "the token is not valid")
            return
        self.device = frame.device or ""
        self.session = os.urandom(9).hex()
        self.state = State.OPENING
        self._wake_at_heartbeat(self._node.first_heartbeat_s())
        if not self._node.enter(self, frame.since):
            self.close(TOO_MANY, "too many connections of this user")

    def _ack(self, offset: int) -> None:
        unacked = self._unacked
        acked = []
        while unacked and unacked[0][0] <= offset:
            acked.append(unacked.popleft()[1])
        if acked:
            self._node.delivered(self, acked)

    # --- to the client ------------------------------------------------------------------------------------------------

    def send(self, text: bytes) -> None:
        """Any JSON text frame; nothing once the connection is closed."""
        if self.state is not State.CLOSED:
            self._node.counters.frames_sent += 1
            self._link.send(text)

    def opened(self, position: Position, gap: Sequence[StreamEntry] | None, unread: int | None) -> None:
        """Sends the gap, then `connected`, then what came meanwhile.

        Args:
            position: where the user's stream ends, as far as is known.
            gap: what the client missed, without holes, until there or further; None = can't be resumed.
        """
        if self.state is not State.OPENING:
            return
        self.epoch = position.epoch
        self.offset = position.offset
        for entry in gap or ():
            self._deliver(entry)
        self.send(self._connected(gap is not None, unread))
        if self.state is not State.OPENING:
            return  # that was too much for it
        self.state = State.LIVE
        held, self._held = self._held, None
        for epoch, entry in held or ():
            self.offer(epoch, entry)

    def offer(self, epoch: str, entry: StreamEntry) -> None:
        """An entry of the user's stream, in any order and any number of times: sent if it is the next, dropped if the
        client has it, noted in `wanted` if others are missing before it."""
        if self.state is State.OPENING:
            self._hold(epoch, entry)
        elif self.state is not State.LIVE:
            return
        elif epoch != self.epoch:
            self.stale()
        elif entry.offset == self.offset + 1:
            self._deliver(entry)
        elif entry.offset > self.wanted:
            self.wanted = entry.offset

    def stands_at(self, position: Position) -> None:
        """Where the user's stream ends now: notes what the client lacks."""
        if self.state is not State.LIVE:
            return
        if position.epoch != self.epoch:
            self.stale()
        else:
            self.wanted = max(self.wanted, position.offset)

    @property
    def behind(self) -> bool:
        """Whether the client is known to lack notifications that only the stream can give it."""
        return self.state is State.LIVE and self.wanted > self.offset

    def _hold(self, epoch: str, entry: StreamEntry) -> None:
        if self._held is None:
            self._held = []
        if len(self._held) < self._node.limits.held:
            self._held.append((epoch, entry))
        elif epoch != self._held[-1][0] or entry.offset > self._held[-1][1].offset:
            # The newest is as good as all before it: it makes a hole, which the stream fills.
            self._held[-1] = epoch, entry

    def _deliver(self, entry: StreamEntry) -> None:
        self.offset = entry.offset
        if entry.planned:
            self._await_ack(entry)
        self.send(notification_frame(entry.offset, entry.payload))

    def _await_ack(self, entry: StreamEntry) -> None:
        if self._unacked is None:
            self._unacked = deque(maxlen=self._node.limits.unacked)
        self._unacked.append((entry.offset, entry.notification_id))

    def _connected(self, recovered: bool, unread: int | None) -> bytes:
        return encode({
            "t": "connected",
            "session": self.session,
            "epoch": self.epoch,
            "offset": self.offset,
            "recovered": recovered,
            "unread": unread,
            "heartbeat_s": self._node.heartbeat_s,
        })  # fmt: skip

    # --- time and the end ---------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """The time asked for with `wake_in` has come."""
        if self.state is State.CLOSED:
            self._link.abort()
        elif self.departing:
            self.close(RESTART, "come back")
        elif self.state is State.NEW:
            self.close(UNAUTHORIZED, "no connect frame in time")
        else:
            self._heartbeat()

    def _heartbeat(self) -> None:
        if self._node.clock() >= self.expires_at:
            self.close(UNAUTHORIZED, "the token has expired")
            return
        self._missed = 0 if self.heard else self._missed + 1
        if self._missed >= 2:
            self.close(TOO_SLOW, "two pings unanswered")
            return
        self.heard = False
        self._wake_at_heartbeat(self._node.heartbeat_s)
        self.send(PING)

    def _wake_at_heartbeat(self, heartbeat_s: float) -> None:
        valid_s = (self.expires_at - self._node.clock()) / 1000
        self._node.wake_in(self, min(heartbeat_s, max(valid_s, 0.0)))

    def stale(self) -> None:
        """What the client has can't be continued: it must come back and start from what the stream says then."""
        if self.state is State.LIVE:
            self.state = State.STALE
            self.depart(STALE_MS)

    def depart(self, within_ms: int) -> None:
        """Asks the client to come back at a random time within `within_ms`, and closes then; serves it until then."""
        if self.state is State.NEW:
            self.close(RESTART, "come back")
        elif self.state is not State.CLOSED and not self.departing:
            self.departing = True
            after_ms = self._node.farewell_ms(within_ms)
            self._node.wake_in(self, after_ms / 1000)
            self.send(b'{"t":"reconnect","after_ms":%d}' % after_ms)

    def too_slow(self) -> None:
        """The client doesn't read what it is sent."""
        if self.state is not State.CLOSED:
            self._node.counters.slow_closed += 1
        self.close(TOO_SLOW, "too slow")

    def close(self, code: int, reason: str) -> None:
        if self.state is not State.CLOSED:
            self.closing()
            self._link.close(code, reason)

    def closing(self) -> None:
        """We, the client, or the WebSocket protocol itself began to close."""
        if self.state is not State.CLOSED:
            self.state = State.CLOSED
            self._held = None
            self._node.wake_in(self, self._node.limits.close_within_s)
            self._node.leave(self)

    def abort(self) -> None:
        """Ends it at once."""
        self._link.abort()

    def lost(self) -> None:
        """The socket is closed."""
        self.closing()
        self._node.gone(self)
