-- Recording by opt-in alone: who asked, what became of each content, who used it; and each purge of the voicemails.

ALTER TABLE recordings ADD COLUMN optin TEXT;

CREATE TABLE optins (
    id           TEXT NOT NULL PRIMARY KEY,
    line         TEXT NOT NULL,
    trigger      TEXT NOT NULL CHECK (trigger IN ('button', 'code', 'service', 'pa', 'customer_service', 'none')),
    calls        TEXT NOT NULL CHECK (calls IN ('all', 'incoming', 'outgoing', 'one')),
    how          TEXT NOT NULL CHECK (how IN ('press', 'command', 'announced')),
    by           TEXT,
    purpose      TEXT NOT NULL,
    given_at     TEXT NOT NULL,
    withdrawn_at TEXT,
    withdrawn_by TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX optins_begin ON optins (given_at);
CREATE INDEX optins_line ON optins (line, given_at);
CREATE INDEX optins_open ON optins (id) WHERE withdrawn_at IS NULL;
CREATE INDEX optins_ended ON optins (withdrawn_at) WHERE withdrawn_at IS NOT NULL;

CREATE TABLE contents (
    id          TEXT NOT NULL PRIMARY KEY,
    line        TEXT,
    kept_as     TEXT CHECK (kept_as IN ('user', 'pa', 'customer_service')),
    state       TEXT NOT NULL CHECK (state IN ('kept', 'lost', 'deleted', 'shredded')),
    stored_at   TEXT NOT NULL,
    size_bytes  INTEGER NOT NULL,
    duration_ms INTEGER,
    sha256      TEXT,
    key         TEXT,
    deleted_at  TEXT,
    deleted_by  TEXT,
    reason      TEXT CHECK (reason IN (
        'expired', 'customer', 'erasure', 'mistake', 'unasked', 'orphan', 'empty', 'missing'
    ))
) STRICT, WITHOUT ROWID;

CREATE INDEX contents_begin ON contents (stored_at);
CREATE INDEX contents_line ON contents (line, stored_at);
CREATE INDEX contents_kept ON contents (kept_as, stored_at) WHERE state = 'kept';
CREATE INDEX contents_ended ON contents (coalesce(deleted_at, stored_at)) WHERE state <> 'kept';

CREATE TABLE accesses (
    id        TEXT NOT NULL PRIMARY KEY,
    at        TEXT NOT NULL,
    by        TEXT NOT NULL,
    recording TEXT NOT NULL,
    use       TEXT NOT NULL CHECK (use IN ('listed', 'played', 'exported', 'deleted')),
    reason    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX accesses_begin ON accesses (at);
CREATE INDEX accesses_recording ON accesses (recording, at);

CREATE TABLE purges (
    id        TEXT NOT NULL PRIMARY KEY,
    at        TEXT NOT NULL,
    done_at   TEXT,
    mailboxes INTEGER NOT NULL,
    heard     INTEGER NOT NULL,
    unheard   INTEGER NOT NULL,
    trashed   INTEGER NOT NULL,
    leftover  INTEGER NOT NULL,
    kept      INTEGER NOT NULL,
    due       INTEGER NOT NULL,
    failed    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX purges_begin ON purges (at);

-- Two causes more. A CHECK cannot be altered, so each table is made anew with the rows that it had.

ALTER TABLE alarms RENAME TO former_alarms;

CREATE TABLE alarms (
    id              TEXT NOT NULL PRIMARY KEY,
    cause           TEXT NOT NULL CHECK (cause IN (
        'emergency', 'rehearsal', 'location', 'path', 'trunk', 'address', 'probe', 'channel', 'recording', 'voicemail'
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
        'emergency', 'rehearsal', 'location', 'path', 'trunk', 'address', 'probe', 'channel', 'recording', 'voicemail'
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
