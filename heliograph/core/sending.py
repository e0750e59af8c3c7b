"""What a caller may ask to send, and whether a request is one: the body of `POST /v1/send`, pure.

`read` turns bytes into a `SendRequest` or raises a `Problem` that names every flaw with its path; `submission` turns
that into what the store keeps. Nothing flawed ever reaches the store (CONTRACT sections 1 and 2).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from heliograph.core import ids
from heliograph.core.errors import Flaw, Problem
from heliograph.core.flaws import data_flaw, find_flaws
from heliograph.core.headers import address_flaw, header_flaw
from heliograph.core.model import Batch, Channel, Millis, Notification, Type, User
from heliograph.core.names import TOPIC_RULE, topic_is_valid, user_id_is_valid
from heliograph.core.ports import Idempotency, Submission
from heliograph.core.reconciling import GRACE_MS
from heliograph.core.strict_json import parse_json, refuse_ambiguous

MAX_TITLE: Final = 200
MAX_CATEGORY: Final = 128
MAX_BODY: Final = 64 * 1024
"""Bytes of UTF-8."""
MAX_RECIPIENTS: Final = 1_000
MAX_URL: Final = 2_048
MAX_TTL_S: Final = 30 * 86_400
MAX_BADGE: Final = 99_999

ShortText = Annotated[str, Meta(max_length=200)]


class RecipientInput(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A user named inline: created or updated on the way; absent fields stay as they were. Or `topic` and nothing else:
    everybody who is subscribed to it."""

    id: str = ""
    topic: str | None = None
    email: str | None = None
    name: ShortText | None = None
    locale: Annotated[str, Meta(max_length=35)] | None = None
    timezone: Annotated[str, Meta(max_length=64)] | None = None
    data: dict[str, Any] | None = None


class SendRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of a send. One recipient makes one notification; a list or a topic makes a batch."""

    to: str | RecipientInput | list[str | RecipientInput]
    type: Type = "alert"
    category: Annotated[str, Meta(max_length=MAX_CATEGORY)] | None = None
    title: Annotated[str, Meta(max_length=MAX_TITLE)] = ""
    body: str = ""
    data: dict[str, Any] | None = None
    action_url: Annotated[str, Meta(max_length=MAX_URL)] | None = None
    image_url: Annotated[str, Meta(max_length=MAX_URL)] | None = None
    badge: Annotated[int, Meta(ge=0, le=MAX_BADGE)] | None = None
    channels: Annotated[list[Channel], Meta(min_length=1, max_length=3)] | None = None
    collapse_key: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    ttl_s: Annotated[int, Meta(ge=1, le=MAX_TTL_S)] | None = None
    idempotency_key: Annotated[str, Meta(min_length=1, max_length=255)] | None = None

    @property
    def topic(self) -> str | None:
        return self.to.topic if isinstance(self.to, RecipientInput) else None

    @property
    def recipients(self) -> list[str | RecipientInput]:
        return self.to if isinstance(self.to, list) else [self.to]


_decoder: Final = msgspec.json.Decoder(SendRequest)


def read(body: bytes) -> SendRequest:
    """Raises `Problem`: `invalid_json` (400), or `invalid` (422) with every flaw."""
    try:
        request = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Problem("invalid", flaws=_every_flaw(parse_json(body), str(error))) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Problem("invalid_json", "the body is not valid JSON in UTF-8") from error
    refuse_ambiguous(body)
    flaws = tuple(flaws_of(request))
    if flaws:
        raise Problem("invalid", flaws=flaws)
    return request


def _every_flaw(value: Any, first: str) -> tuple[Flaw, ...]:
    """What the types refuse, and what the rules refuse of the fields that are left: a caller mends all in one go."""
    flaws = find_flaws(value, SendRequest, first)
    if not isinstance(value, dict):
        return flaws
    refused = {re.split(r"[.\[]", flaw.path)[0] for flaw in flaws}
    known = {name: field for name, field in value.items() if name in SendRequest.__struct_fields__}
    sound = {"to": "nobody", "title": "-"} | {name: field for name, field in known.items() if name not in refused}
    return (*flaws, *flaws_of(msgspec.convert(sound, SendRequest)))


def submission(
    request: SendRequest, tenant: str, now: Millis, fingerprint: str, header_key: str | None = None
) -> Submission:
    """What the store keeps of a valid request."""
    key = header_key or request.idempotency_key
    common: dict[str, Any] = {
        "tenant": tenant,
        "users": users_of(request, tenant, now),
        "idempotency": Idempotency(key, fingerprint) if key else None,
        "check_at": now + GRACE_MS,
    }
    if not isinstance(request.to, list) and request.topic is None:
        return Submission(notification=notification_of(request, tenant, now, ids.new_notification_id(now)), **common)
    batch = Batch(
        id=ids.new_batch_id(now),
        tenant=tenant,
        type=request.type,
        created_at=now,
        content=_content(request, tenant, now, "", ""),
        users=() if request.topic else tuple(_id_of(recipient) for recipient in request.recipients),
        topic=request.topic,
    )
    return Submission(batch=batch, **common)


def notification_of(request: SendRequest, tenant: str, now: Millis, notification_id: str = "") -> Notification:
    """Of a request with one recipient."""
    (recipient,) = request.recipients
    return _content(request, tenant, now, notification_id, _id_of(recipient))


def users_of(request: SendRequest, tenant: str, now: Millis) -> tuple[User, ...]:
    """The users named inline."""
    if request.topic is not None:
        return ()
    return tuple(_user(r, tenant, now) for r in request.recipients if isinstance(r, RecipientInput))


def fingerprint_of(body: bytes) -> str:
    """A digest of a valid request's meaning: the same JSON in another order or spacing is the same body."""
    canonical = msgspec.json.encode(msgspec.json.decode(body), order="deterministic")
    return hashlib.sha256(canonical).hexdigest()


def _content(request: SendRequest, tenant: str, now: Millis, notification_id: str, user: str) -> Notification:
    return Notification(
        id=notification_id,
        tenant=tenant,
        user=user,
        type=request.type,
        created_at=now,
        title=request.title,
        body=request.body,
        category=request.category,
        data=request.data,
        action_url=request.action_url,
        image_url=request.image_url,
        badge=request.badge,
        channels=tuple(dict.fromkeys(request.channels)) if request.channels else None,
        collapse_key=request.collapse_key,
        expires_at=None if request.ttl_s is None else now + request.ttl_s * 1000,
    )


def _id_of(recipient: str | RecipientInput) -> str:
    return recipient if isinstance(recipient, str) else recipient.id


def _user(recipient: RecipientInput, tenant: str, now: Millis) -> User:
    return User(
        tenant=tenant,
        id=recipient.id,
        email=recipient.email,
        name=recipient.name,
        locale=recipient.locale,
        timezone=recipient.timezone,
        data=recipient.data,
        updated_at=now,
    )


def flaws_of(request: SendRequest) -> Iterator[Flaw]:
    """What the types can't say."""
    if not request.title.strip() and not request.body.strip():
        yield Flaw("title", "a notification needs a title or a body")
    if flaw := header_flaw(request.title):
        yield Flaw("title", f"becomes a mail header and {flaw}")
    if len(request.body) > MAX_BODY // 4 and len(request.body.encode()) > MAX_BODY:
        yield Flaw("body", f"is longer than {MAX_BODY} bytes")
    if "\0" in request.body:
        yield Flaw("body", "contains a null character")
    for name, url in (("action_url", request.action_url), ("image_url", request.image_url)):
        if url is not None and not url_is_safe(url):
            yield Flaw(name, "is not an http or https URL")
    for name, text in (("category", request.category), ("collapse_key", request.collapse_key)):
        if text and (flaw := header_flaw(text)):
            yield Flaw(name, flaw)
    if request.data and (flaw := data_flaw(request.data)):
        yield Flaw("data", flaw)
    yield from _recipient_flaws(request)


def _recipient_flaws(request: SendRequest) -> Iterator[Flaw]:
    if not request.recipients:
        yield Flaw("to", "is empty")
    if len(request.recipients) > MAX_RECIPIENTS:
        yield Flaw("to", f"has more than {MAX_RECIPIENTS} recipients")
        return
    listed = isinstance(request.to, list)
    for index, recipient in enumerate(request.recipients):
        path = f"to[{index}]" if listed else "to"
        if isinstance(recipient, str):
            if not user_id_is_valid(recipient):
                yield Flaw(path, USER_ID_RULE)
        elif recipient.topic is not None:
            yield from _topic_flaws(recipient, path, listed=listed)
        else:
            if not recipient.id:
                yield Flaw(f"{path}.id", "is missing")
            elif not user_id_is_valid(recipient.id):
                yield Flaw(f"{path}.id", USER_ID_RULE)
            yield from person_flaws(recipient.email, recipient.name, recipient.data, f"{path}.")


def _topic_flaws(recipient: RecipientInput, path: str, *, listed: bool) -> Iterator[Flaw]:
    if listed:
        yield Flaw(f"{path}.topic", "a topic stands alone in `to`, not in a list")
    elif not topic_is_valid(recipient.topic or ""):
        yield Flaw(f"{path}.topic", TOPIC_RULE)
    if recipient != RecipientInput(topic=recipient.topic):
        yield Flaw(path, "is a topic or a user, not both")


USER_ID_RULE: Final = "a user id has 1 to 128 characters, none of them white space, '/' or a control character"


def person_flaws(email: str | None, name: str | None, data: dict[str, Any] | None, prefix: str = "") -> Iterator[Flaw]:
    """What is wrong with what a caller says of a person; address and name become mail headers."""
    if email is not None and (flaw := address_flaw(email)):
        yield Flaw(f"{prefix}email", flaw)
    if name is not None and (flaw := header_flaw(name)):
        yield Flaw(f"{prefix}name", f"becomes a mail header and {flaw}")
    if data and (flaw := data_flaw(data)):
        yield Flaw(f"{prefix}data", flaw)


def url_is_safe(url: str) -> bool:
    """http or https, and nothing that a reader could mistake: no white space or control characters."""
    scheme, separator, rest = url.partition("://")
    return scheme.lower() in ("http", "https") and bool(separator and rest) and url.isprintable() and " " not in url
