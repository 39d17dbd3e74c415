-- The store as it stands after every migration; a test holds the two together.
-- A table's columns are the fields of the record class of the same name in agent/core/records.py, in order.
-- Instants are RFC 3339 UTC with milliseconds, so that text order is time order. Lists are JSON.
-- Ids are random, hence WITHOUT ROWID: one tree instead of two, and every index ends in the id.

PRAGMA application_id = 1413827649;  -- 'TELA'

CREATE TABLE migrations (
    number     INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    checksum   TEXT NOT NULL,
    applied_at TEXT NOT NULL
) STRICT;

CREATE TABLE registrations (
    id         TEXT NOT NULL PRIMARY KEY,
    line       TEXT NOT NULL,
    ip         TEXT,
    ip_source  TEXT NOT NULL CHECK (ip_source IN ('security', 'proxy', 'contact')),
    transport  TEXT,
    vendor     TEXT NOT NULL,
    model      TEXT NOT NULL,
    firmware   TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    last_seen  TEXT NOT NULL,
    refreshes  INTEGER NOT NULL,
    ended_at   TEXT,
    links      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX registrations_begin ON registrations (first_seen);
CREATE INDEX registrations_line ON registrations (line, first_seen);
CREATE INDEX registrations_open ON registrations (id) WHERE ended_at IS NULL;
CREATE INDEX registrations_ended ON registrations (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE emergencies (
    id          TEXT NOT NULL PRIMARY KEY,
    line        TEXT,
    number      TEXT NOT NULL,
    ip          TEXT,
    vendor      TEXT,
    model       TEXT,
    started_at  TEXT NOT NULL,
    answered_at TEXT,
    ended_at    TEXT,
    outcome     TEXT NOT NULL CHECK (outcome IN ('in_progress', 'answered', 'abandoned', 'failed')),
    trunk       TEXT,
    attempts    INTEGER NOT NULL,
    ring_ms     INTEGER,
    talk_ms     INTEGER,
    seen_by     TEXT NOT NULL CHECK (seen_by IN ('dialplan', 'calls', 'journal')),
    blind       INTEGER NOT NULL CHECK (blind IN (0, 1)),
    test        INTEGER NOT NULL CHECK (test IN (0, 1)),
    links       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX emergencies_begin ON emergencies (started_at);
CREATE INDEX emergencies_line ON emergencies (line, started_at);
CREATE INDEX emergencies_open ON emergencies (id) WHERE ended_at IS NULL;
CREATE INDEX emergencies_ended ON emergencies (ended_at) WHERE ended_at IS NOT NULL;

-- An opt-in that never became a recording begins when it ended; one that still waits comes last.
CREATE TABLE recordings (
    id         TEXT NOT NULL PRIMARY KEY,
    line       TEXT,
    leg        TEXT,
    trigger    TEXT NOT NULL CHECK (trigger IN ('button', 'code', 'service', 'pa', 'customer_service', 'none')),
    opted_in   INTEGER NOT NULL CHECK (opted_in IN (0, 1)),
    started_at TEXT,
    stopped_at TEXT,
    pauses     TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('opted_in', 'recording', 'paused', 'stopped', 'not_started')),
    blind      INTEGER NOT NULL CHECK (blind IN (0, 1)),
    links      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX recordings_begin ON recordings (coalesce(started_at, stopped_at, '9999'));
CREATE INDEX recordings_line ON recordings (line, coalesce(started_at, stopped_at, '9999'));
CREATE INDEX recordings_open ON recordings (id) WHERE state NOT IN ('stopped', 'not_started');
CREATE INDEX recordings_ended ON recordings (coalesce(stopped_at, started_at))
    WHERE state IN ('stopped', 'not_started');

CREATE TABLE failures (
    id    TEXT NOT NULL PRIMARY KEY,
    hour  TEXT NOT NULL,
    cause TEXT NOT NULL,
    count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX failures_begin ON failures (hour);

CREATE TABLE blind_times (
    id       TEXT NOT NULL PRIMARY KEY,
    session  TEXT NOT NULL,
    cause    TEXT NOT NULL,
    from_at  TEXT NOT NULL,
    until_at TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX blind_times_begin ON blind_times (from_at);
CREATE INDEX blind_times_open ON blind_times (id) WHERE until_at IS NULL;
CREATE INDEX blind_times_ended ON blind_times (until_at) WHERE until_at IS NOT NULL;
