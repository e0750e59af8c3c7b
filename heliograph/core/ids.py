"""Identifiers: time-ordered, so that an index on the id is one on age; derived where a repeat must hit the same row.

`ntf_` + 26 characters (ULID: 48 bit milliseconds, 80 bit random, Crockford base 32); a notification that belongs to a
batch is the batch's own 26 characters plus its index, so its id is known before its row exists.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]
"""Two digits at a time: an id is made for every request."""
_ULID_LENGTH: Final = 26
_ULID_BITS: Final = (1 << 128) - 1
_INDEX_DIGITS: Final = 9
"""More digits than any batch has; Python itself refuses to read thousands of them."""
NOTIFICATION: Final = "ntf_"
BATCH: Final = "bat_"
DEVICE: Final = "dev_"


def _base32(number: int, length: int) -> str:
    """The last `length` digits, an even number of them."""
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(5 * length - 10, -1, -10)])


def new_ulid(now_ms: int) -> str:
    """26 lower-case characters, ordered by `now_ms` (source: github.com/ulid/spec)."""
    return _base32(now_ms, 10) + _base32(int.from_bytes(os.urandom(10)), 16)


def accepted_at(any_id: str) -> int:
    """When an id of `new_ulid` was made; 0 for anything else."""
    return _made_at(any_id.rpartition("_")[2][:10])


@lru_cache(maxsize=4096)
def _made_at(time: str) -> int:
    """Every stage asks of every notification, and many have one time: a whole bulk has."""
    if len(time) < 10 or not all(character in _ALPHABET for character in time):
        return 0
    made = 0
    for character in time:
        made = made * 32 + _ALPHABET.index(character)
    return made


def floor_of(prefix: str, made_at: int) -> str:
    """No id of this kind that was made at or after that time is smaller, and none made before it is as large."""
    return prefix + _base32(made_at, 10)


def ulid_of(any_id: str) -> int:
    """The ULID in an id, as a number of 128 bits; a member's is its batch's. 0 for an id without one."""
    text = any_id.rpartition("_")[2][:_ULID_LENGTH]
    if len(text) < _ULID_LENGTH or not all(character in _ALPHABET for character in text):
        return 0
    number = 0
    for character in text:
        number = number * 32 + _ALPHABET.index(character)
    return number & _ULID_BITS


def new_notification_id(now_ms: int) -> str:
    return NOTIFICATION + new_ulid(now_ms)


def new_batch_id(now_ms: int) -> str:
    return BATCH + new_ulid(now_ms)


def new_device_id(now_ms: int) -> str:
    return DEVICE + new_ulid(now_ms)


def batch_member_id(batch_id: str, index: int) -> str:
    """The id of the `index`-th notification of a batch; the same for every expansion, so repeats write the same row."""
    return f"{NOTIFICATION}{batch_id.removeprefix(BATCH)}-{index:05d}"


def batch_subscriber_id(batch_id: str, user: str) -> str:
    """The id of a topic send's notification for one subscriber: who they are decides, not their place among others."""
    digest = hashlib.blake2b(user.encode(), digest_size=10).digest()
    return f"{NOTIFICATION}{batch_id.removeprefix(BATCH)}-{_base32(int.from_bytes(digest), 16)}"


def batch_of_member(notification_id: str) -> tuple[str, int] | None:
    """Inverse of `batch_member_id`; None for an id that isn't a member of a batch, exactly as that writes it."""
    ulid, _, index = notification_id.removeprefix(NOTIFICATION).partition("-")
    if len(ulid) != _ULID_LENGTH or not (index.isascii() and index.isdigit() and len(index) <= _INDEX_DIGITS):
        return None
    found = BATCH + ulid, int(index)
    return found if batch_member_id(*found) == notification_id else None
