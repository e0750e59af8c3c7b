"""Lab: what Expo remembers of the pushes it took: a ticket for each, and later a receipt.

Reads the clock, writes nothing outside itself. A receipt is there `delay_s` after its ticket and gone after a day.
Pure but for the ids it draws.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

KEPT_S = 24 * 3600
MAX_TICKETS = 200_000

ERRORS = {
    "unregistered": ("DeviceNotRegistered", '"{token}" is not a registered push notification recipient'),
    "too_big": ("MessageTooBig", "The message payload was too large"),
    "rate": ("MessageRateExceeded", "Too many messages were sent to this device"),
    "sender_mismatch": ("MismatchSenderId", "The FCM credentials don't belong to the app's sender"),
    "credentials": ("InvalidCredentials", "Your push notification credentials are invalid"),
    "developer_error": ("DeveloperError", "The message was malformed"),
    "expo_error": ("ExpoError", "An unknown error occurred at Expo"),
    "provider_error": ("ProviderError", "The push notification service failed"),
}
"""Word -> (`details.error`, message)."""


class _Taken(Struct, frozen=True):
    at: float
    word: str
    token: str


class Tickets:
    """Args:
    delay_s: seconds until a ticket has its receipt; may be changed at any time.
    """

    def __init__(self, delay_s: float = 0.0, clock: Callable[[], float] = time.time) -> None:
        self.delay_s = delay_s
        self._clock = clock
        self._taken: dict[str, _Taken] = {}

    def ticket(self, token: str, word: str = "") -> str:
        """The id of a new ticket. `word`: what its receipt will say instead of "ok"; `none` = there will be none."""
        ticket_id = str(uuid.uuid4())
        self._taken[ticket_id] = _Taken(self._clock(), word, token)
        while len(self._taken) > MAX_TICKETS:
            del self._taken[next(iter(self._taken))]
        return ticket_id

    def receipts(self, ids: Sequence[str]) -> dict[str, Any]:
        """The receipts that there are by now."""
        now = self._clock()
        known = {one: self._taken[one] for one in ids if one in self._taken}
        return {
            one: failed(taken.word, taken.token) if taken.word else {"status": "ok"}
            for one, taken in known.items()
            if taken.word != "none" and taken.at + self.delay_s <= now <= taken.at + KEPT_S
        }


def failed(word: str, token: str) -> dict[str, Any]:
    """An error as tickets and receipts carry it."""
    error, message = ERRORS[word]
    details = {"error": error} | ({"expoPushToken": token} if error == "DeviceNotRegistered" else {})
    return {"status": "error", "message": message.format(token=token), "details": details}
