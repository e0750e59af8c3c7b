-- A database as version 1 of the schema left it (Heliograph before preferences), dumped from a file of that time.
BEGIN TRANSACTION;
CREATE TABLE batches (
    seq INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    level INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    check_at INTEGER NOT NULL,
    expanded INTEGER NOT NULL DEFAULT 0,
    content TEXT NOT NULL
) STRICT;
CREATE TABLE dead_letters (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    notification_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    cause TEXT NOT NULL,
    level INTEGER NOT NULL,
    at INTEGER NOT NULL,
    content TEXT NOT NULL
) STRICT;
CREATE TABLE devices (
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO "devices" VALUES('shop','anna','dev_1','apns','t',1800000000000);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    notification INTEGER NOT NULL,
    id TEXT NOT NULL,
    opens INTEGER NOT NULL,
    settles TEXT,
    leaves INTEGER NOT NULL,
    content TEXT NOT NULL
) STRICT;
CREATE TABLE idempotency (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    id TEXT NOT NULL,
    members INTEGER,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE keys (
    digest TEXT PRIMARY KEY, tenant TEXT NOT NULL, prefix TEXT NOT NULL, created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE leases (
    name TEXT PRIMARY KEY, holder TEXT NOT NULL, until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE notifications (
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
INSERT INTO "notifications" VALUES(1,'shop','ntf_of_version_1','anna',1,NULL,NULL,1800000000000,1,1,0,0,NULL,NULL,NULL,NULL,'{"id":"ntf_of_version_1","tenant":"shop","user":"anna","type":"alert","created_at":1800000000000,"title":"T"}');
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE suppressions (
    tenant TEXT NOT NULL,
    address TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (tenant, address)
) STRICT, WITHOUT ROWID;
CREATE TABLE users (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    email TEXT,
    name TEXT,
    locale TEXT,
    timezone TEXT,
    data TEXT,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
INSERT INTO "users" VALUES('shop','anna','a@x','Anna','de','Europe/Vienna','{"a":1}',1800000000000);
CREATE UNIQUE INDEX notifications_key ON notifications (tenant, id);
CREATE INDEX notifications_inbox ON notifications (tenant, user, in_inbox, id, read_at, archived_at);
CREATE INDEX notifications_due ON notifications (level, check_at) WHERE open > 0;
CREATE INDEX notifications_batch ON notifications (tenant, batch, id) WHERE batch IS NOT NULL;
CREATE UNIQUE INDEX events_key ON events (notification, id);
CREATE UNIQUE INDEX batches_key ON batches (tenant, id);
CREATE INDEX batches_due ON batches (level, created_at, id) WHERE expanded = 0;
CREATE UNIQUE INDEX devices_key ON devices (tenant, user, id);
CREATE UNIQUE INDEX devices_value ON devices (tenant, kind, value);
CREATE UNIQUE INDEX dead_letters_key ON dead_letters (tenant, id);
CREATE INDEX dead_letters_notification ON dead_letters (tenant, notification_id);
CREATE INDEX dead_letters_cause ON dead_letters (tenant, cause, at, channel);
CREATE INDEX dead_letters_replay ON dead_letters (tenant, cause, level, at, id);
CREATE INDEX dead_letters_order ON dead_letters (tenant, level, at, id);
CREATE TRIGGER events_count AFTER INSERT ON events
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
COMMIT;
PRAGMA user_version = 1;
