"""What people may pause by hand: a lane or a provider, by name. Pure: names and values only.

A pause is a setting of the installation, so that it outlives restarts and holds for every process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from heliograph.core.lanes import LANES
from heliograph.core.model import Millis

PROVIDERS: Final = ("sendgrid", "smtp", "fcm", "apns", "webpush", "expo")
PAUSABLE: Final = (*(lane.name for lane in LANES), *PROVIDERS)
"""No provider has a lane's name."""


class Pause(msgspec.Struct, frozen=True):
    """Since when nothing leaves through a lane or to a provider, and why, in the words of whoever paused it."""

    name: str
    at: Millis
    reason: str = ""

    @property
    def words(self) -> str:
        return f"paused by hand: {self.reason}" if self.reason else "paused by hand"


_pause: Final = msgspec.json.Decoder(Pause)


def setting_of(name: str) -> str:
    """Where a pause is kept."""
    return f"paused:{name}"


def kept(pause: Pause) -> str:
    return msgspec.json.encode(pause).decode()


def pauses_of(values: Sequence[str | None]) -> Mapping[str, Pause]:
    """By name: what the settings `setting_of(name)` of all `PAUSABLE` names say."""
    found = [_pause.decode(value) for value in values if value]
    return {pause.name: pause for pause in found}
