"""The body of `POST /v1/send/bulk`: up to 10,000 sends, each with its own type and content; pure.

One flawed send never spoils its neighbours: it is refused by its place, the others are taken (CONTRACT section 2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from heliograph.core import ids
from heliograph.core.errors import ERRORS, Flaw, Problem
from heliograph.core.ids import batch_member_id
from heliograph.core.model import Batch, Millis, Send, User
from heliograph.core.ports import Idempotency, Submission
from heliograph.core.reconciling import GRACE_MS
from heliograph.core.sending import SendRequest, fingerprint_of, flaws_of, notification_of, read, users_of
from heliograph.core.strict_json import refuse_ambiguous

MAX_SENDS: Final = 10_000
MAX_BULK_BODY: Final = 5 * 1024 * 1024
"""Bytes."""

_array: Final = msgspec.json.Decoder(list[msgspec.Raw])
_send: Final = msgspec.json.Decoder(SendRequest)


class Rejected(msgspec.Struct, frozen=True):
    """A send that wasn't taken: its place, from 0; `code` as in `core.errors`; what is wrong, with the paths."""

    index: int
    code: str
    detail: str


class Sound(msgspec.Struct, frozen=True):
    """A send that is valid. `raw`: its JSON text."""

    place: int
    request: SendRequest
    raw: bytes | msgspec.Raw


class Bulk(msgspec.Struct, frozen=True):
    """A bulk request as the store keeps it.

    `batch` holds the sends without an idempotency key of their own; each of `keyed` is a submission of its own, with
    its place. `size` = sends in the request.
    """

    size: int
    batch: Submission
    keyed: tuple[tuple[int, Submission], ...]
    rejected: tuple[Rejected, ...]


def texts_of(body: bytes, *, lines: bool) -> Sequence[bytes | msgspec.Raw]:
    """The JSON texts of the sends: of an array, or one a line (NDJSON; empty lines don't count).

    Raises:
        Problem: `invalid_json` for a body that is no array, `invalid` for an empty one, `too_large` beyond `MAX_SENDS`.
    """
    texts: Sequence[bytes | msgspec.Raw]
    if lines:
        texts = [line for line in body.split(b"\n") if line.strip()]
    else:
        try:
            texts = _array.decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise Problem("invalid_json", "the body is not a JSON array in UTF-8") from error
    if not texts:
        raise Problem("invalid", flaws=(Flaw("", "has no sends"),))
    if len(texts) > MAX_SENDS:
        raise Problem("too_large", f"has more than {MAX_SENDS} sends")
    return texts


def checked(texts: Iterable[tuple[int, bytes | msgspec.Raw]]) -> Iterator[Sound | Rejected]:
    """What each of these sends, given with its place, is: sound, or rejected."""
    for place, text in texts:
        try:
            request = _send.decode(text)
            refuse_ambiguous(bytes(text))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, Problem):  # the slow way finds every flaw
            yield _refused(place, text)
            continue
        flaw = next(_bulk_flaws(request), None)
        yield Sound(place, request, text) if flaw is None else _refused(place, text)


def submissions(
    found: Iterable[Sound | Rejected], size: int, tenant: str, now: Millis, idempotency: Idempotency | None
) -> Bulk:
    """What the store keeps of them. The most urgent go first, each level in the order of the request."""
    batch_id = ids.new_batch_id(now)
    sends: list[Send] = []
    users: list[User] = []
    keyed: list[tuple[int, Submission]] = []
    rejected: list[Rejected] = []
    for one in found:
        match one:
            case Rejected():
                rejected.append(one)
            case Sound(place, request, raw) if request.idempotency_key:
                keyed.append((place, _keyed(request, raw, tenant, now, batch_id)))
            case Sound(place, request):
                sends.append(Send(place, notification_of(request, tenant, now)))
                users += users_of(request, tenant, now)
    sends.sort(key=lambda send: send.notification.level)  # stable
    kind = sends[0].notification.type if sends else "alert"
    batch = Batch(batch_id, tenant, kind, now, sends=tuple(sends))
    whole = Submission(tenant=tenant, batch=batch, users=tuple(users), idempotency=idempotency, check_at=now + GRACE_MS)
    return Bulk(size, whole, tuple(keyed), tuple(rejected))


def ids_of(bulk: Bulk, batch_id: str, keyed: Sequence[str | None]) -> list[str | None]:
    """The answer's `ids`, in the order of the request; None where rejected.

    `keyed`: the ids of `bulk.keyed`; None = the key belongs to another body.
    """
    found: list[str | None] = [batch_member_id(batch_id, place) for place in range(bulk.size)]
    for (place, _), notification_id in zip(bulk.keyed, keyed, strict=True):
        found[place] = notification_id
    for refused in bulk.rejected:
        found[refused.index] = None
    return found


def rejected_of(bulk: Bulk, keyed: Sequence[str | None]) -> list[Rejected]:
    """In the order of the request."""
    kind = ERRORS["idempotency_mismatch"]
    taken = [place for (place, _), found in zip(bulk.keyed, keyed, strict=True) if found is None]
    refused = [*bulk.rejected, *(Rejected(place, kind.code, kind.title) for place in taken)]
    return sorted(refused, key=lambda one: one.index)


def _bulk_flaws(request: SendRequest) -> Iterator[Flaw]:
    if isinstance(request.to, list) or request.topic is not None:
        yield Flaw("to", "is one recipient in a bulk send; lists and topics go to /v1/send")
    yield from flaws_of(request)


def _refused(place: int, text: bytes | msgspec.Raw) -> Rejected:
    try:
        flaws = tuple(_bulk_flaws(read(bytes(text))))
        problem = Problem("invalid", flaws=flaws)
    except Problem as found:
        problem = found
    told = "; ".join(f"{flaw.path}: {flaw.message}" if flaw.path else flaw.message for flaw in problem.flaws)
    return Rejected(place, problem.kind.code, told or problem.detail)


def _keyed(request: SendRequest, raw: bytes | msgspec.Raw, tenant: str, now: Millis, batch_id: str) -> Submission:
    """A send with a key of its own: the same notification whether it comes alone or in a bulk."""
    notification = notification_of(request, tenant, now, ids.new_notification_id(now))
    assert request.idempotency_key
    return Submission(
        tenant=tenant,
        notification=msgspec.structs.replace(notification, batch_id=batch_id),
        users=users_of(request, tenant, now),
        idempotency=Idempotency(request.idempotency_key, fingerprint_of(bytes(raw))),
        check_at=now + GRACE_MS,
    )
