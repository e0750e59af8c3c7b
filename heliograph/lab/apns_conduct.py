"""Lab: how APNs treats one connection, by the answers it has given there. Pure: counts, never sends.

One stream until the first push that was taken; one again after a row of errors, all after a success; goodbye after many
bad device tokens. Apple says what happens ("Sending notification requests to APNs", "Handling notification responses
from APNs") but not at which numbers: those here are the lab's.
"""

from __future__ import annotations

STREAMS = 1000
LOWER_AFTER = 10
"""Errors in a row. 410 is none."""
LEAVE_AFTER = 50
"""Bad device tokens in a row."""
BAD_TOKENS = frozenset({"BadDeviceToken", "DeviceTokenNotForTopic"})


class Conduct:
    """`limit` is what the client has been told last; `goodbye` the reason for a GOAWAY, once there is one."""

    def __init__(self, streams: int = STREAMS) -> None:
        self.limit = 1
        self.goodbye = ""
        self._streams = streams
        self._errors = 0
        self._bad_tokens = 0
        self._trusted = False

    def allow(self, streams: int) -> None:
        """The most streams from now on."""
        self._streams = streams
        if self._trusted:
            self.limit = streams

    def answered(self, status: int, reason: str) -> None:
        """Counts an answer."""
        if status == 200:
            self._errors = self._bad_tokens = 0
            self._trusted = True
            self.limit = self._streams
        elif 400 <= status < 500 and status != 410:
            self._errors += 1
            self._bad_tokens += reason in BAD_TOKENS
            if self._errors >= LOWER_AFTER:
                self.limit = 1
            if self._bad_tokens >= LEAVE_AFTER:
                self.goodbye = reason
