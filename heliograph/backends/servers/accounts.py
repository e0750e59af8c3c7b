"""Who may do what on NATS and Valkey: an account per group of roles, each with what its roles need and no more.

Text for the two servers' own configuration, for the bundled ones and as the model for a cluster's. No account of ours
may purge or delete a stream, read the server's configuration or flush the cache. Holds no password.

A process has one connection per backend, under one account. `heliograph up` runs every role in one process, as
`supervisor`, which may do what all of them may: several connections under narrower accounts would protect nothing, as
that one process would hold all their passwords. The API processes of `--api N`, where the world comes in, are `api`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

OPERATOR: Final = "operator"
"""For a person with the server's own tools. The program never uses it."""


class Rights(NamedTuple):
    """`publish`, `subscribe`: NATS subjects. `keys`, `commands`: of Valkey, which runs our scripts under these too."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    keys: tuple[str, ...]
    commands: tuple[str, ...]


_PREPARE: Final = (
    "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.CREATE.*", "$JS.API.STREAM.UPDATE.*", "$JS.API.CONSUMER.CREATE.>",
)  # fmt: skip
"""Whoever finds the queue empty makes its streams anew."""
_MEASURE: Final = ("$JS.API.CONSUMER.LIST.*", "$JS.API.STREAM.MSG.GET.*")
_NODES: Final = "rt.*"
_CONNECT: Final = ("auth", "hello", "ping", "select", "client|setinfo", "client|setname", "eval", "evalsha")
_PERSON: Final = ("hg:presence:*", "hg:stream:*", "hg:entries:*", "hg:offsets:*")
_ACCOUNTS_CELLS: Final = ("hg:cell:*", "hg:turn:*")
_LOOK: Final = ("zrangebyscore", "exists", "get")
_LEASE: Final = ("zremrangebyscore", "zadd", "pttl", "pexpire", "zrem")
_STREAM: Final = ("hset", "hget", "hmget", "hincrby", "xadd", "xrange", "zscore", "del")

API: Final = Rights(
    ("lane.ingest.>", "crowd.ingest.>", _NODES, *_PREPARE, *_MEASURE),
    (),
    _PERSON + _ACCOUNTS_CELLS,
    (*_LOOK, "del", "set"),
)
WORKER: Final = Rights(
    ("lane.>", "crowd.>", "retry.>", _NODES, "$JS.ACK.>", "$JS.API.CONSUMER.MSG.NEXT.>", *_PREPARE, *_MEASURE), (),
    _PERSON + _ACCOUNTS_CELLS, (*_LOOK, *_LEASE, *_STREAM, "set"),
)  # fmt: skip
REALTIME: Final = Rights((_NODES, *_PREPARE), (_NODES,), _PERSON + _ACCOUNTS_CELLS, (*_LOOK, *_LEASE, *_STREAM, "set"))
"""Cells too: its `/readyz` tells how the providers are."""
ACCOUNTS: Final[Mapping[str, Rights]] = {
    "api": API,
    "worker": WORKER,
    "realtime": REALTIME,
    "supervisor": Rights(*(tuple(dict.fromkeys(a + w + r)) for a, w, r in zip(API, WORKER, REALTIME, strict=True))),
}


def inbox_of(account: str) -> str:
    """The prefix of the subjects that answers to an account come to: no account hears another's."""
    return f"_INBOX.{account}"


def nats_users(passwords: Mapping[str, str]) -> str:
    """The `authorization` block of a NATS configuration (docs.nats.io, "Authorization"); a password per account."""
    users = [f'    {{ user: {OPERATOR}, password: "{passwords[OPERATOR]}" }}']
    for name, rights in ACCOUNTS.items():
        hears = (*rights.subscribe, f"{inbox_of(name)}.>")
        users.append(
            f'    {{ user: {name}, password: "{passwords[name]}", permissions: {{\n'
            f"        publish: {{ allow: [{_quoted(rights.publish)}] }}\n"
            f"        subscribe: {{ allow: [{_quoted(hears)}] }} }} }}"
        )
    return "authorization {\n  users: [\n" + "\n".join(users) + "\n  ]\n}\n"


def valkey_users(passwords: Mapping[str, str]) -> str:
    """The `user` lines of a Valkey configuration (valkey.io, "ACL"); the one without a name is off."""
    lines = ["user default off", f"user {OPERATOR} on >{passwords[OPERATOR]} ~* &* +@all"]
    for name, rights in ACCOUNTS.items():
        keys = " ".join(f"~{key}" for key in rights.keys)
        commands = " ".join(f"+{command}" for command in (*_CONNECT, *rights.commands))
        lines.append(f"user {name} on >{passwords[name]} resetchannels {keys} -@all {commands}")
    return "\n".join(lines) + "\n"


def _quoted(subjects: tuple[str, ...]) -> str:
    return ", ".join(f'"{subject}"' for subject in subjects)
