-- The 999 desk: where each phone is, the alarms and who was told, the timeline, the paths and the dead-man probe.

ALTER TABLE registrations ADD COLUMN site TEXT;
ALTER TABLE registrations ADD COLUMN certainty TEXT CHECK (certainty IN ('expected', 'moved', 'unknown'));

ALTER TABLE emergencies ADD COLUMN site TEXT;
ALTER TABLE emergencies ADD COLUMN certainty TEXT CHECK (certainty IN ('expected', 'moved', 'unknown'));
ALTER TABLE emergencies ADD COLUMN preempted INTEGER NOT NULL DEFAULT 0 CHECK (preempted IN (0, 1));
ALTER TABLE emergencies ADD COLUMN callbacks INTEGER NOT NULL DEFAULT 0;

-- A call that is over is still to be found while its journal or a call-back may tell more of it.
DROP INDEX emergencies_open;
CREATE INDEX emergencies_open ON emergencies (id) WHERE ended_at IS NULL OR links <> '[]';

CREATE TABLE details (
    id        TEXT NOT NULL PRIMARY KEY,
    emergency TEXT NOT NULL,
    cli       TEXT,
    address   TEXT,
    contact   TEXT,
    until_at  TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX details_begin ON details (coalesce(until_at, '9999'));
CREATE INDEX details_emergency ON details (emergency);
CREATE INDEX details_open ON details (id) WHERE until_at IS NULL;
CREATE INDEX details_ended ON details (until_at) WHERE until_at IS NOT NULL;

CREATE TABLE entries (
    id        TEXT NOT NULL PRIMARY KEY,
    emergency TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    at        TEXT NOT NULL,
    what      TEXT NOT NULL,
    detail    TEXT NOT NULL,
    by        TEXT,
    chain     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX entries_begin ON entries (at);
CREATE INDEX entries_emergency ON entries (emergency, seq);

CREATE TABLE alarms (
    id              TEXT NOT NULL PRIMARY KEY,
    cause           TEXT NOT NULL CHECK (cause IN ('emergency', 'rehearsal', 'location', 'path', 'trunk', 'address', 'probe', 'channel')),
    subject         TEXT NOT NULL,
    what            TEXT NOT NULL,
    severity        TEXT NOT NULL CHECK (severity IN ('critical', 'warning')),
    test            INTEGER NOT NULL CHECK (test IN (0, 1)),
    level           INTEGER NOT NULL,
    raised_at       TEXT NOT NULL,
    acknowledged_at TEXT,
    acknowledged_by TEXT,
    escalated_at    TEXT,
    cleared_at      TEXT,
    closed_at       TEXT,
    closed_by       TEXT,
    comment         TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX alarms_begin ON alarms (raised_at);
CREATE INDEX alarms_subject ON alarms (subject, raised_at);
CREATE INDEX alarms_open ON alarms (id) WHERE closed_at IS NULL;
CREATE INDEX alarms_ended ON alarms (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE notices (
    id           TEXT NOT NULL PRIMARY KEY,
    alarm        TEXT NOT NULL,
    cause        TEXT NOT NULL CHECK (cause IN ('emergency', 'rehearsal', 'location', 'path', 'trunk', 'address', 'probe', 'channel')),
    channel      TEXT NOT NULL,
    news         TEXT NOT NULL CHECK (news IN ('raised', 'worsened', 'escalated', 'cleared', 'closed')),
    state        TEXT NOT NULL CHECK (state IN ('pending', 'sent', 'delivered', 'dropped')),
    raised_at    TEXT NOT NULL,
    try_at       TEXT NOT NULL,
    attempts     INTEGER NOT NULL,
    error        TEXT,
    sent_at      TEXT,
    delivered_at TEXT,
    done_at      TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX notices_begin ON notices (raised_at);
CREATE INDEX notices_alarm ON notices (alarm, raised_at);
CREATE INDEX notices_open ON notices (id) WHERE done_at IS NULL;
CREATE INDEX notices_ended ON notices (done_at) WHERE done_at IS NOT NULL;

CREATE TABLE looks (
    id        TEXT NOT NULL PRIMARY KEY,
    at        TEXT NOT NULL,
    by        TEXT NOT NULL,
    emergency TEXT NOT NULL,
    reason    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX looks_begin ON looks (at);
CREATE INDEX looks_emergency ON looks (emergency, at);

CREATE TABLE paths (
    id       TEXT NOT NULL PRIMARY KEY,
    context  TEXT NOT NULL,
    number   TEXT NOT NULL,
    verdict  TEXT NOT NULL CHECK (verdict IN ('ours', 'weak', 'broken', 'unseen')),
    route    TEXT NOT NULL,
    since_at TEXT NOT NULL,
    gone_at  TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX paths_begin ON paths (since_at);
CREATE INDEX paths_open ON paths (id) WHERE gone_at IS NULL;
CREATE INDEX paths_ended ON paths (gone_at) WHERE gone_at IS NOT NULL;

CREATE TABLE probes (
    id TEXT NOT NULL PRIMARY KEY,
    at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX probes_begin ON probes (at);
