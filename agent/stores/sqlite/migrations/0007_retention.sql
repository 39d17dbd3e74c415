-- Retention: legal holds, the alarm of one that is overdue, and what the purge leaves behind: of numbers their area, of
-- calls what they came to, of each run its counts.

ALTER TABLE calls ADD COLUMN area TEXT;

CREATE TABLE deletions (
    id        TEXT NOT NULL PRIMARY KEY,
    at        TEXT NOT NULL,
    of        TEXT NOT NULL,
    retention TEXT NOT NULL,
    ground    TEXT NOT NULL CHECK (ground IN ('expired', 'cut', 'erasure', 'held')),
    count     INTEGER NOT NULL,
    oldest_at TEXT NOT NULL,
    newest_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX deletions_begin ON deletions (at);

CREATE TABLE totals (
    id           TEXT NOT NULL PRIMARY KEY,
    line         TEXT,
    month_at     TEXT NOT NULL,
    number_class TEXT NOT NULL CHECK (number_class IN (
        'geographic', 'mobile', 'freephone', 'helpline', 'international', 'premium', 'internal', 'emergency', 'unknown'
    )),
    area         TEXT,
    calls        INTEGER NOT NULL,
    billable_s   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX totals_begin ON totals (month_at);
CREATE INDEX totals_line ON totals (line, month_at);

CREATE TABLE holds (
    id          TEXT NOT NULL PRIMARY KEY,
    lines       TEXT NOT NULL,
    kinds       TEXT NOT NULL,
    from_at     TEXT,
    until_at    TEXT,
    authority   TEXT NOT NULL,
    reference   TEXT NOT NULL,
    placed_at   TEXT NOT NULL,
    placed_by   TEXT NOT NULL,
    reviewer    TEXT NOT NULL,
    review_at   TEXT NOT NULL,
    reviewed_at TEXT,
    reviewed_by TEXT,
    lifted_at   TEXT,
    lifted_by   TEXT,
    lifted_why  TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX holds_begin ON holds (placed_at);
CREATE INDEX holds_open ON holds (id) WHERE lifted_at IS NULL;
CREATE INDEX holds_ended ON holds (lifted_at) WHERE lifted_at IS NOT NULL;

ALTER TABLE alarms RENAME TO former_alarms;

CREATE TABLE alarms (
    id              TEXT NOT NULL PRIMARY KEY,
    cause           TEXT NOT NULL CHECK (cause IN (
        'emergency', 'rehearsal', 'location', 'path', 'trunk', 'address', 'probe', 'channel', 'recording', 'voicemail',
        'hold'
    )),
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

INSERT INTO alarms SELECT * FROM former_alarms;
DROP TABLE former_alarms;

CREATE INDEX alarms_begin ON alarms (raised_at);
CREATE INDEX alarms_subject ON alarms (subject, raised_at);
CREATE INDEX alarms_open ON alarms (id) WHERE closed_at IS NULL;
CREATE INDEX alarms_ended ON alarms (closed_at) WHERE closed_at IS NOT NULL;

ALTER TABLE notices RENAME TO former_notices;

CREATE TABLE notices (
    id           TEXT NOT NULL PRIMARY KEY,
    alarm        TEXT NOT NULL,
    cause        TEXT NOT NULL CHECK (cause IN (
        'emergency', 'rehearsal', 'location', 'path', 'trunk', 'address', 'probe', 'channel', 'recording', 'voicemail',
        'hold'
    )),
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

INSERT INTO notices SELECT * FROM former_notices;
DROP TABLE former_notices;

CREATE INDEX notices_begin ON notices (raised_at);
CREATE INDEX notices_alarm ON notices (alarm, raised_at);
CREATE INDEX notices_open ON notices (id) WHERE done_at IS NULL;
CREATE INDEX notices_ended ON notices (done_at) WHERE done_at IS NOT NULL;
