"""What may be edited of a dead letter before it is replayed: what is said, and the address it goes to. Pure.

Who it is for, its type, channels and category stay as they were accepted: they decided how it was routed, and another
answer to that is another send.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from heliograph.core.errors import Flaw, Problem
from heliograph.core.lifecycle import Event
from heliograph.core.model import Millis, Notification
from heliograph.core.ports import DeadLetter
from heliograph.core.sending import MAX_TITLE, MAX_URL, RecipientInput, SendRequest, flaws_of

CONTENT: Final = ("title", "body", "data", "action_url", "image_url")
EDITABLE: Final = (*CONTENT, "email")


class Mend(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What shall stand there instead; null takes a field away that may be missing.

    `email` becomes the user's address, so that the next mail reaches them too; only for a mail's letter.
    """

    title: Annotated[str, Meta(max_length=MAX_TITLE)] | UnsetType = UNSET
    body: str | UnsetType = UNSET
    data: dict[str, Any] | UnsetType | None = UNSET
    action_url: Annotated[str, Meta(max_length=MAX_URL)] | UnsetType | None = UNSET
    image_url: Annotated[str, Meta(max_length=MAX_URL)] | UnsetType | None = UNSET
    email: str | UnsetType = UNSET

    @property
    def named(self) -> tuple[str, ...]:
        """The fields that it changes."""
        return tuple(name for name in EDITABLE if getattr(self, name) is not UNSET)


def mended(notification: Notification, letter: DeadLetter, mend: Mend) -> Notification:
    """The notification as it shall be. Raises `Problem("invalid")` naming every flaw by its field."""
    flaws = () if mend.named else (Flaw("", f"nothing to change: {', '.join(EDITABLE)} may be edited"),)
    if mend.email is not UNSET and letter.channel != "email":
        flaws = (*flaws, Flaw("email", f"this is a letter of {letter.channel}, which has no e-mail address"))
    changes = {name: getattr(mend, name) for name in mend.named if name in CONTENT}
    found = msgspec.structs.replace(notification, **changes)
    flaws = (*flaws, *_flaws(found, None if mend.email is UNSET else mend.email))
    if flaws:
        raise Problem("invalid", flaws=flaws)
    return found


def _flaws(notification: Notification, email: str | None) -> list[Flaw]:
    """The rules are those of a send."""
    request = SendRequest(
        to=RecipientInput(id=notification.user, email=email),
        title=notification.title,
        body=notification.body or "",
        data=notification.data,
        action_url=notification.action_url,
        image_url=notification.image_url,
    )
    return [msgspec.structs.replace(flaw, path=flaw.path.removeprefix("to.")) for flaw in flaws_of(request)]


def edited(letter: DeadLetter, mend: Mend, now: Millis) -> Event:
    """The trace that it leaves: which fields, not what stood there."""
    return Event(
        tenant=letter.tenant, notification_id=letter.notification_id, at=now, kind="edited", target=letter.target,
        detail=", ".join(mend.named), unique=str(now),
    )  # fmt: skip


def discarded(letter: DeadLetter, reason: str, gen: int, now: Millis) -> Event:
    """Its end: failed it is, and failed it stays."""
    return Event(
        tenant=letter.tenant, notification_id=letter.notification_id, at=now, kind="discarded", target=letter.target,
        gen=gen, detail=reason,
    )  # fmt: skip
