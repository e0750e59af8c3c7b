"""The names of everything in Redis. The tenant is part of every one, so that no tenant ever reads another's.

Pure. A colon inside a tenant's name is escaped: `a:b` + `c` and `a` + `b:c` must not meet.
"""

from __future__ import annotations

from heliograph.core.model import Key


def presence_key(user: Key) -> str:
    """Sorted set: member `node|device`, score = when the lease ends (Millis)."""
    return f"hg:presence:{_place(user)}"


def stream_key(user: Key) -> str:
    """Hash {epoch, offset}: the stream's newest position. The stream exists while this does."""
    return f"hg:stream:{_place(user)}"


def entries_key(user: Key) -> str:
    """Redis stream: id `<offset>-0`, fields n (notification id), p (planned, 0 or 1), d (payload)."""
    return f"hg:entries:{_place(user)}"


def offsets_key(user: Key) -> str:
    """Sorted set: member notification id, score = its offset."""
    return f"hg:offsets:{_place(user)}"


def stream_keys(user: Key) -> tuple[str, str, str]:
    return stream_key(user), entries_key(user), offsets_key(user)


def cell_key(name: str) -> str:
    """String: what all processes know of a provider's account, which is no tenant's own."""
    return f"hg:cell:{name}"


def turn_key(name: str) -> str:
    """String, for an instant: whose change of the cell comes next."""
    return f"hg:turn:{name}"


def _place(user: Key) -> str:
    return f"{user.tenant.replace('%', '%25').replace(':', '%3A')}:{user.id}"
