"""Lab: what the devices behind APNs show. Pure: reads accepted pushes and who is offline, answers who has seen what.

APNs keeps one push per app for a device that is offline, the newest, until it expires (Apple, "Sending notification
requests to APNs"); one with expiration 0 is never kept. A push with a collapse id replaces the shown one of that id.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

MAX_DEVICES = 20_000
MAX_SHOWN = 50


class Note(Struct, frozen=True):
    """A push as a device gets it. `expires_at` in seconds since 1970; None = kept for 30 days, 0 = now or never."""

    id: str
    topic: str
    title: str
    collapse_id: str = ""
    expires_at: int | None = None


class Screen(Struct):
    """One device: what it shows, oldest first, and what APNs keeps for it, per app."""

    shown: list[Note] = []
    stored: dict[str, Note] = {}


class Devices:
    """The last `MAX_DEVICES` devices that were sent something."""

    def __init__(self) -> None:
        self._screens: dict[str, Screen] = {}
        self._offline: frozenset[str] = frozenset()

    def take(self, token: str, note: Note) -> None:
        """A push was accepted for a device."""
        screen = self._screens.pop(token, None) or Screen()
        self._screens[token] = screen
        while len(self._screens) > MAX_DEVICES:
            del self._screens[next(iter(self._screens))]
        if token not in self._offline:
            _show(screen, note)
        elif note.expires_at != 0:
            screen.stored[note.topic] = note

    def be_offline(self, tokens: Iterable[str], now: float) -> None:
        """These are offline from now on, and no others: who comes back gets what was kept."""
        self._offline = frozenset(tokens)
        for token, screen in self._screens.items():
            if screen.stored and token not in self._offline:
                for note in screen.stored.values():
                    if note.expires_at is None or note.expires_at > now:
                        _show(screen, note)
                screen.stored = {}

    def online(self, token: str) -> bool:
        return token not in self._offline

    def screen(self, token: str) -> Screen:
        return self._screens.get(token, Screen())


def _show(screen: Screen, note: Note) -> None:
    same = [one for one in screen.shown if note.collapse_id and one.collapse_id == note.collapse_id]
    screen.shown = [*(one for one in screen.shown if one not in same), note][-MAX_SHOWN:]
