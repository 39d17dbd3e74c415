-- Alarms of a store that takes nothing, and of a clock that jumps.

ALTER TABLE alarms RENAME TO former_alarms;

CREATE TABLE alarms (
    id              TEXT NOT NULL PRIMARY KEY,
    cause           TEXT NOT NULL CHECK (cause IN (
        'emergency', 'rehearsal', 'location', 'path', 'trunk', 'address', 'probe', 'channel', 'recording', 'voicemail',
        'hold', 'request', 'text', 'store', 'clock'
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
        'hold', 'request', 'text', 'store', 'clock'
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
