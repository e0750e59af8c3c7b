"""SQLite store: every table, index and trigger, in this one place.

Read by `connection.py` when a file is opened. Content is immutable JSON text; what changes (counts, marks, times) are
columns beside it. Nothing here is ever altered in place: a change of shape is a new `VERSION` with its own steps.
"""

from __future__ import annotations

from typing import Final

import apsw

VERSION: Final = 7

TABLES: Final = """
CREATE TABLE IF NOT EXISTS notifications (
    seq INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    user TEXT NOT NULL,
    level INTEGER NOT NULL,
    category TEXT,
    batch TEXT,
    check_at INTEGER NOT NULL,
    in_inbox INTEGER NOT NULL,
    open INTEGER NOT NULL DEFAULT 1,
    cancelled INTEGER NOT NULL DEFAULT 0,
    has_left INTEGER NOT NULL DEFAULT 0,
    seen_at INTEGER,
    read_at INTEGER,
    archived_at INTEGER,
    idempotency_key TEXT,
    content TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY,
    notification INTEGER NOT NULL,
    id TEXT NOT NULL,
    opens INTEGER NOT NULL,
    settles TEXT,
    leaves INTEGER NOT NULL,
    content TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS batches (
    seq INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    level INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    moved_at INTEGER NOT NULL,
    check_at INTEGER NOT NULL,
    cursor TEXT NOT NULL DEFAULT '',
    expanded INTEGER NOT NULL DEFAULT 0,
    content TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS batch_sends (
    tenant TEXT NOT NULL,
    batch TEXT NOT NULL,
    part INTEGER NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (tenant, batch, part)
) STRICT;
CREATE TABLE IF NOT EXISTS idempotency (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS users (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    email TEXT,
    name TEXT,
    locale TEXT,
    timezone TEXT,
    data TEXT,
    updated_at INTEGER NOT NULL,
    preferences TEXT,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS devices (
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS subscriptions (
    tenant TEXT NOT NULL,
    topic TEXT NOT NULL,
    user TEXT NOT NULL,
    PRIMARY KEY (tenant, topic, user)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS suppressions (
    tenant TEXT NOT NULL,
    address TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (tenant, address, reason)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead_letters (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    notification_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    cause TEXT NOT NULL,
    level INTEGER NOT NULL,
    at INTEGER NOT NULL,
    content TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS tickets (
    provider TEXT NOT NULL,
    id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (provider, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keys (
    digest TEXT PRIMARY KEY, tenant TEXT NOT NULL, prefix TEXT NOT NULL, created_at INTEGER NOT NULL,
    name TEXT NOT NULL DEFAULT '',
    scopes TEXT NOT NULL DEFAULT '',
    expires_at INTEGER,
    used_at INTEGER,
    rate REAL,
    daily INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leases (
    name TEXT PRIMARY KEY, holder TEXT NOT NULL, until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

# Few on `notifications`: users come in no order, so each index by user costs every accepted row a page of its own. The
# one there is lists an inbox by age and counts what is unread without reading the rows.
INDEXES: Final = """
CREATE UNIQUE INDEX IF NOT EXISTS notifications_key ON notifications (tenant, id);
CREATE INDEX IF NOT EXISTS notifications_inbox ON notifications (tenant, user, in_inbox, id, read_at, archived_at);
CREATE INDEX IF NOT EXISTS notifications_due ON notifications (level, check_at) WHERE open > 0;
CREATE INDEX IF NOT EXISTS notifications_batch ON notifications (tenant, batch, id) WHERE batch IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS events_key ON events (notification, id);
CREATE UNIQUE INDEX IF NOT EXISTS batches_key ON batches (tenant, id);
CREATE INDEX IF NOT EXISTS batches_due ON batches (level, created_at, id) WHERE expanded = 0;
CREATE INDEX IF NOT EXISTS batches_done ON batches (created_at) WHERE expanded = 1;
CREATE INDEX IF NOT EXISTS idempotency_age ON idempotency (id);
CREATE UNIQUE INDEX IF NOT EXISTS devices_key ON devices (tenant, user, id);
CREATE UNIQUE INDEX IF NOT EXISTS devices_value ON devices (tenant, kind, value);
CREATE INDEX IF NOT EXISTS subscriptions_user ON subscriptions (tenant, user, topic);
CREATE INDEX IF NOT EXISTS users_address ON users (lower(email), tenant) WHERE email IS NOT NULL;
CREATE INDEX IF NOT EXISTS suppressions_reason ON suppressions (tenant, reason, address);
CREATE UNIQUE INDEX IF NOT EXISTS dead_letters_key ON dead_letters (tenant, id);
CREATE INDEX IF NOT EXISTS dead_letters_notification ON dead_letters (tenant, notification_id);
CREATE INDEX IF NOT EXISTS dead_letters_cause ON dead_letters (tenant, cause, at, channel);
CREATE INDEX IF NOT EXISTS dead_letters_replay ON dead_letters (tenant, cause, level, at, id);
CREATE INDEX IF NOT EXISTS dead_letters_order ON dead_letters (tenant, level, at, id);
CREATE INDEX IF NOT EXISTS dead_letters_age ON dead_letters (at, id);
CREATE INDEX IF NOT EXISTS keys_tenant ON keys (tenant, created_at, digest);
CREATE INDEX IF NOT EXISTS tickets_due ON tickets (provider, due_at);
CREATE INDEX IF NOT EXISTS tickets_user ON tickets (tenant, user);
"""

# Keeps `open` and `has_left` exact in the very statement that adds an event, in the order of the events, whoever adds
# it. An event that exists already isn't inserted, so it counts once; the first of a `settles` name closes a delivery.
TRIGGERS: Final = """
CREATE TRIGGER IF NOT EXISTS events_count AFTER INSERT ON events
WHEN NEW.opens <> 0 OR NEW.leaves OR NEW.settles IS NOT NULL
BEGIN
    UPDATE notifications SET
        has_left = has_left OR NEW.leaves,
        open = CASE WHEN cancelled THEN 0 ELSE max(0, open + NEW.opens - (
            NEW.settles IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM events AS earlier
                WHERE earlier.notification = NEW.notification AND earlier.settles = NEW.settles
                    AND earlier.seq <> NEW.seq
            )
        )) END
    WHERE seq = NEW.notification;
END;
"""


_TO_2: Final = """
    ALTER TABLE users ADD COLUMN preferences TEXT;
    ALTER TABLE batches ADD COLUMN moved_at INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE batches ADD COLUMN cursor TEXT NOT NULL DEFAULT '';
    ALTER TABLE idempotency DROP COLUMN members
"""
_FROM_2: Final = """
    INSERT INTO suppressions (tenant, address, reason, at) SELECT tenant, address, reason, at FROM suppressions_of_2;
    DROP TABLE suppressions_of_2
"""
_TO_5: Final = """
    ALTER TABLE keys ADD COLUMN name TEXT NOT NULL DEFAULT '';
    ALTER TABLE keys ADD COLUMN scopes TEXT NOT NULL DEFAULT '';
    ALTER TABLE keys ADD COLUMN expires_at INTEGER;
    ALTER TABLE keys ADD COLUMN used_at INTEGER;
    ALTER TABLE keys ADD COLUMN rate REAL;
    ALTER TABLE keys ADD COLUMN daily INTEGER
"""
STEPS: Final[dict[int, tuple[str, str]]] = {
    2: (_TO_2, "UPDATE batches SET moved_at = created_at"),
    3: ("ALTER TABLE suppressions RENAME TO suppressions_of_2", _FROM_2),
    5: (_TO_5, "UPDATE keys SET name = prefix, scopes = 'send,broadcast,manage,read'"),
}
"""By the version they lead to: what is done to an older file before what is missing is created, and what after."""


WORDS: Final[dict[int, str]] = {
    1: "the first shape",
    2: "users: preferences; batches: how far they have come",
    3: "suppressions: an address may have several reasons",
    4: "tickets: a table of their own",
    5: "server keys: names, scopes, ends, quotas",
    6: "batches: what each member gets, in pieces",
    7: "indexes by age, for what is kept for a time",
}
"""What each version brought, for people."""


def create(connection: apsw.Connection) -> None:
    """Creates what is missing. Raises ValueError when a newer Heliograph wrote the file."""
    connection.execute("BEGIN IMMEDIATE")  # several processes may start on a new file at once
    try:
        _upgrade(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _upgrade(connection: apsw.Connection) -> None:
    found = connection.pragma("user_version")
    if found > VERSION:
        raise ValueError(f"the database has schema version {found}, this Heliograph knows up to {VERSION}")
    if found < VERSION:
        steps = [STEPS[version] for version in range(found + 1, VERSION + 1) if found and version in STEPS]
        connection.execute(";".join([*(before for before, _ in steps), TABLES + INDEXES + TRIGGERS]))
        connection.execute(";".join(after for _, after in steps))
        connection.pragma("user_version", VERSION)
