"""The delivery router's rule, pure: facts about one recipient in, the planned deliveries and the reasons out.

Online: in-app, and push to devices that have no live connection. Offline: e-mail, and push. The item waits in the inbox
either way. Callers may limit the channels and users may mute them; the choice then falls on what is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from heliograph.core.lanes import push_target
from heliograph.core.model import CHANNELS, Channel, Device, DeviceKind, Notification, Recipient
from heliograph.core.preferences import PREFERENCE, muted_by

_LEFT_OUT: Final = "not chosen: the sender left it out of `channels`"


class Means(msgspec.Struct, frozen=True):
    """What this installation can send with."""

    email: bool
    push: frozenset[DeviceKind]


class Presence(msgspec.Struct, frozen=True):
    """What the presence cache says of one user. `known` = had a connection lately, so a client may resume."""

    nodes: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    """Devices that hold a live connection themselves: no push for them."""
    known: bool = False

    @property
    def online(self) -> bool:
        return bool(self.nodes)


class Facts(msgspec.Struct, frozen=True):
    recipient: Recipient
    presence: Presence
    means: Means
    suppressed: str | None = None
    """Why the e-mail address must not be written to, if so."""


class Route(msgspec.Struct, frozen=True):
    """The decision. `why` has a sentence for every channel, chosen or not; `inbox_only` = only waiting is left."""

    in_app: bool
    devices: tuple[Device, ...]
    email: str | None
    why: dict[str, str]
    summary: str
    inbox_only: bool = False
    withheld: tuple[tuple[Channel, str], ...] = ()
    """Channels that the user's preferences or the suppression list stand against, each with the reason of its end."""

    @property
    def leaves_for_page(self) -> bool:
        """A frame goes out to open pages: from then on nobody can call it back."""
        return self.in_app and not self.inbox_only

    @property
    def targets(self) -> tuple[str, ...]:
        in_app = ("in_app",) if self.in_app else ()
        email = ("email",) if self.email else ()
        return (*in_app, *(push_target(device.id) for device in self.devices), *email)


def route(notification: Notification, facts: Facts) -> Route:
    """Decides where one notification goes."""
    if facts.presence.online:
        return _online(notification, facts)
    return _offline(notification, facts, "the user is offline")


def escalate(notification: Notification, facts: Facts, already: Iterable[str], waited_s: float) -> Route:
    """What is added when an online user didn't acknowledge in time: as if offline, less what was planned before."""
    found = _offline(notification, facts, f"not acknowledged within {waited_s:g} s")
    planned = set(already)
    return msgspec.structs.replace(
        found,
        in_app=False,
        inbox_only=False,
        devices=tuple(d for d in found.devices if push_target(d.id) not in planned),
        email=None if "email" in planned else found.email,
    )


def inbox_keeps(notification: Notification, facts: Facts) -> bool:
    """Whether it is in the user's inbox: unless the sender left `in_app` out or the user muted it."""
    return notification.in_inbox and "in_app" not in _muted(notification, facts)


def _online(notification: Notification, facts: Facts) -> Route:
    why = _unwanted(notification, facts)
    in_app = "in_app" not in why
    if in_app:
        why["in_app"] = f"chosen: the user is online on {len(facts.presence.nodes)} node(s)"
    # A device with a connection of its own shows the in-app frame; without one it needs the push after all.
    devices = _devices(facts, why, skip_live=in_app)
    email = None
    refusal = _no_email(facts, why)
    if refusal:
        why["email"] = refusal
    elif in_app or devices:
        why["email"] = "not chosen: the user is online" + (", e-mail follows if nothing is acknowledged" * in_app)
    else:
        email, why["email"] = _address(facts), "chosen: the only channel left"
    return _finish(notification, facts, in_app, devices, email, why, "the user is online")


def _offline(notification: Notification, facts: Facts, because: str) -> Route:
    why = _unwanted(notification, facts)
    why.setdefault("in_app", f"not chosen: {because}; it waits in the inbox")
    devices = _devices(facts, why, skip_live=False)
    refusal = _no_email(facts, why)
    email = None if refusal else _address(facts)
    why["email"] = refusal or f"chosen: {because}"
    return _finish(notification, facts, False, devices, email, why, because)


def _finish(
    notification: Notification,
    facts: Facts,
    in_app: bool,
    devices: tuple[Device, ...],
    email: str | None,
    why: dict[str, str],
    because: str,
) -> Route:
    inbox_only = not (in_app or devices or email) and inbox_keeps(notification, facts)
    if inbox_only:
        why["in_app"] = f"chosen: {because} and no other channel is left, so it waits in the inbox"
    return Route(
        in_app=in_app or inbox_only,
        devices=devices,
        email=email,
        why=why,
        summary=because,
        inbox_only=inbox_only,
        withheld=(
            *((channel, PREFERENCE) for channel in _muted(notification, facts)),
            *_suppressed(notification, facts),
        ),
    )


def _unwanted(notification: Notification, facts: Facts) -> dict[str, str]:
    """A sentence for every channel that the sender or the user doesn't want."""
    allowed = notification.channels or CHANNELS
    why: dict[str, str] = {name: _LEFT_OUT for name in CHANNELS if name not in allowed}
    why.update((name, f"not chosen: {muted}") for name, muted in _muted(notification, facts).items())
    return why


def _muted(notification: Notification, facts: Facts) -> dict[Channel, str]:
    """The channels that the sender allows and the user has muted, with the clause that says so."""
    preferences = facts.recipient.preferences
    if not preferences.channels and not preferences.categories:
        return {}
    found = {
        channel: muted_by(preferences, notification.level, notification.category, channel)
        for channel in notification.channels or CHANNELS
    }
    return {channel: clause for channel, clause in found.items() if clause}


def _devices(facts: Facts, why: dict[str, str], *, skip_live: bool) -> tuple[Device, ...]:
    if "push" in why:
        return ()
    registered = facts.recipient.devices
    if not registered:
        why["push"] = "not chosen: no registered device"
        return ()
    usable = tuple(device for device in registered if device.kind in facts.means.push)
    chosen = tuple(d for d in usable if not (skip_live and d.id in facts.presence.devices))
    if chosen:
        why["push"] = f"chosen: {len(chosen)} registered device(s)"
    elif not usable:
        kinds = ", ".join(sorted({device.kind for device in registered}))
        why["push"] = f"not chosen: no push provider is configured for {kinds}"
    else:
        why["push"] = "not chosen: every registered device has a live connection"
    return chosen


def _address(facts: Facts) -> str | None:
    return None if facts.recipient.user is None else facts.recipient.user.email


def _no_email(facts: Facts, why: dict[str, str]) -> str | None:
    if "email" in why:
        return why["email"]
    if not facts.means.email:
        return "not chosen: no e-mail provider is configured"
    if not _address(facts):
        return "not chosen: the user has no e-mail address"
    if facts.suppressed:
        return f"not chosen: the address is suppressed ({facts.suppressed})"
    return None


def _suppressed(notification: Notification, facts: Facts) -> tuple[tuple[Channel, str], ...]:
    """The suppression list, if nothing else stands against a mail."""
    if facts.suppressed is None or not facts.means.email or not _address(facts):
        return ()
    return () if "email" in _unwanted(notification, facts) else (("email", facts.suppressed),)
