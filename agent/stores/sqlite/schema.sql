-- The store as it stands after every migration; a test holds the two together.
-- A table's columns are the fields of the record class of the same name in agent/core/records/, in order.
-- Instants are RFC 3339 UTC with milliseconds, so that text order is time order. Lists are JSON.
-- Names of lines stand as handles (`lines`), personal values as locked ones; …_clear finds those that do not yet.
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
    links      TEXT NOT NULL,
    site       TEXT,
    certainty  TEXT CHECK (certainty IN ('expected', 'moved', 'unknown'))
) STRICT, WITHOUT ROWID;

CREATE INDEX registrations_begin ON registrations (first_seen);
CREATE INDEX registrations_line ON registrations (line, first_seen);
CREATE INDEX registrations_open ON registrations (id) WHERE ended_at IS NULL;
CREATE INDEX registrations_ended ON registrations (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX registrations_clear ON registrations (id) WHERE
    line NOT GLOB '~????????????????'
    OR ip NOT GLOB '1.????????????????.????????????????.*';

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
    links       TEXT NOT NULL,
    site        TEXT,
    certainty   TEXT CHECK (certainty IN ('expected', 'moved', 'unknown')),
    preempted   INTEGER NOT NULL DEFAULT 0 CHECK (preempted IN (0, 1)),
    callbacks   INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX emergencies_begin ON emergencies (started_at);
CREATE INDEX emergencies_line ON emergencies (line, started_at);
CREATE INDEX emergencies_open ON emergencies (id) WHERE ended_at IS NULL OR links <> '[]';
CREATE INDEX emergencies_ended ON emergencies (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX emergencies_clear ON emergencies (id) WHERE
    line NOT GLOB '~????????????????'
    OR ip NOT GLOB '1.????????????????.????????????????.*';

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
    links      TEXT NOT NULL,
    optin      TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX recordings_begin ON recordings (coalesce(started_at, stopped_at, '9999'));
CREATE INDEX recordings_line ON recordings (line, coalesce(started_at, stopped_at, '9999'));
CREATE INDEX recordings_open ON recordings (id) WHERE state NOT IN ('stopped', 'not_started');
CREATE INDEX recordings_ended ON recordings (coalesce(stopped_at, started_at))
    WHERE state IN ('stopped', 'not_started');
CREATE INDEX recordings_clear ON recordings (id) WHERE
    line NOT GLOB '~????????????????';

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
CREATE INDEX details_clear ON details (id) WHERE
    cli NOT GLOB '1.????????????????.????????????????.*'
    OR address NOT GLOB '1.????????????????.????????????????.*'
    OR contact NOT GLOB '1.????????????????.????????????????.*';

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

CREATE INDEX alarms_begin ON alarms (raised_at);
CREATE INDEX alarms_subject ON alarms (subject, raised_at);
CREATE INDEX alarms_open ON alarms (id) WHERE closed_at IS NULL;
CREATE INDEX alarms_ended ON alarms (closed_at) WHERE closed_at IS NOT NULL;

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
CREATE INDEX optins_clear ON optins (id) WHERE
    line NOT GLOB '~????????????????'
    OR by NOT GLOB '1.????????????????.????????????????.*'
    OR purpose NOT GLOB '1.????????????????.????????????????.*'
    OR withdrawn_by NOT GLOB '1.????????????????.????????????????.*';

CREATE TABLE contents (
    id          TEXT NOT NULL PRIMARY KEY,
    line        TEXT,
    kept_as     TEXT CHECK (kept_as IN ('user', 'pa', 'customer_service')),
    state       TEXT NOT NULL CHECK (state IN ('kept', 'lost', 'deleted', 'shredded')),
    began_at    TEXT NOT NULL,
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

CREATE INDEX contents_begin ON contents (began_at);
CREATE INDEX contents_line ON contents (line, began_at);
CREATE INDEX contents_kept ON contents (kept_as, stored_at) WHERE state = 'kept';
CREATE INDEX contents_ended ON contents (coalesce(deleted_at, stored_at)) WHERE state <> 'kept';
CREATE INDEX contents_clear ON contents (id) WHERE
    line NOT GLOB '~????????????????';

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

CREATE TABLE calls (
    id              TEXT NOT NULL PRIMARY KEY,
    call            TEXT NOT NULL,
    line            TEXT,
    direction       TEXT NOT NULL CHECK (direction IN ('incoming', 'outgoing', 'internal')),
    number_class    TEXT NOT NULL CHECK (number_class IN (
        'geographic', 'mobile', 'freephone', 'helpline', 'international', 'premium', 'internal', 'emergency', 'unknown'
    )),
    number          TEXT,
    number_index    TEXT,
    forwarded_class TEXT CHECK (forwarded_class IN (
        'geographic', 'mobile', 'freephone', 'helpline', 'international', 'premium', 'internal', 'emergency', 'unknown'
    )),
    forwarded       TEXT,
    started_at      TEXT NOT NULL,
    duration_s      INTEGER NOT NULL,
    billable_s      INTEGER NOT NULL,
    outcome         TEXT NOT NULL CHECK (outcome IN ('answered', 'busy', 'no_answer', 'failed', 'cancelled')),
    recorded        INTEGER NOT NULL CHECK (recorded IN (0, 1)),
    itemised        INTEGER NOT NULL CHECK (itemised IN (0, 1)),
    area            TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX calls_begin ON calls (started_at);
CREATE INDEX calls_line ON calls (line, started_at);
CREATE INDEX calls_number ON calls (number_index, started_at) WHERE number_index IS NOT NULL;
CREATE INDEX calls_kept ON calls (itemised, started_at);
CREATE INDEX calls_clear ON calls (id) WHERE
    line NOT GLOB '~????????????????'
    OR number NOT GLOB '1.????????????????.????????????????.*'
    OR forwarded NOT GLOB '1.????????????????.????????????????.*';

CREATE TABLE texts (
    id           TEXT NOT NULL PRIMARY KEY,
    line         TEXT,
    direction    TEXT NOT NULL CHECK (direction IN ('incoming', 'outgoing', 'internal')),
    number_class TEXT NOT NULL CHECK (number_class IN (
        'geographic', 'mobile', 'freephone', 'helpline', 'international', 'premium', 'internal', 'emergency', 'unknown'
    )),
    number       TEXT,
    number_index TEXT,
    at           TEXT NOT NULL,
    size         TEXT NOT NULL CHECK (size IN ('short', 'medium', 'long')),
    outcome      TEXT NOT NULL CHECK (outcome IN ('sent', 'failed', 'refused')),
    itemised     INTEGER NOT NULL CHECK (itemised IN (0, 1)),
    area         TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX texts_begin ON texts (at);
CREATE INDEX texts_line ON texts (line, at);
CREATE INDEX texts_number ON texts (number_index, at) WHERE number_index IS NOT NULL;
CREATE INDEX texts_kept ON texts (itemised, at);
CREATE INDEX texts_clear ON texts (id) WHERE
    line NOT GLOB '~????????????????'
    OR number NOT GLOB '1.????????????????.????????????????.*';

CREATE TABLE accounts (
    id              TEXT NOT NULL PRIMARY KEY,
    account         TEXT NOT NULL,
    itemised        INTEGER NOT NULL CHECK (itemised IN (0, 1)),
    history_consent INTEGER NOT NULL CHECK (history_consent IN (0, 1)),
    opened_at       TEXT NOT NULL,
    closed_at       TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX accounts_begin ON accounts (opened_at);
CREATE INDEX accounts_account ON accounts (account, opened_at);
CREATE INDEX accounts_ended ON accounts (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE services (
    id           TEXT NOT NULL PRIMARY KEY,
    account      TEXT NOT NULL,
    line         TEXT,
    line_index   TEXT,
    number       TEXT,
    number_index TEXT,
    from_at      TEXT NOT NULL,
    until_at     TEXT,
    corrected_at TEXT,
    corrected_by TEXT,
    correction   TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX services_begin ON services (from_at);
CREATE INDEX services_account ON services (account, from_at);
CREATE INDEX services_line ON services (line_index, from_at) WHERE line_index IS NOT NULL;
CREATE INDEX services_number ON services (number_index, from_at) WHERE number_index IS NOT NULL;
CREATE INDEX services_ended ON services (coalesce(until_at, corrected_at))
    WHERE coalesce(until_at, corrected_at) IS NOT NULL;
CREATE INDEX services_clear ON services (id) WHERE
    line NOT GLOB '1.????????????????.????????????????.*'
    OR number NOT GLOB '1.????????????????.????????????????.*'
    OR corrected_by NOT GLOB '1.????????????????.????????????????.*'
    OR correction NOT GLOB '1.????????????????.????????????????.*';

CREATE TABLE audits (
    id         TEXT NOT NULL PRIMARY KEY,
    segment    TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    at         TEXT NOT NULL,
    by         TEXT NOT NULL,
    use        TEXT NOT NULL,
    subject    TEXT,
    salt       TEXT,
    commitment TEXT NOT NULL,
    reason     TEXT NOT NULL,
    chain      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX audits_place ON audits (segment, seq);
CREATE INDEX audits_begin ON audits (at);

CREATE TABLE segment_roots (
    id        TEXT NOT NULL PRIMARY KEY,
    segment   TEXT NOT NULL,
    entries   INTEGER NOT NULL,
    head      TEXT NOT NULL,
    closed_at TEXT NOT NULL,
    previous  TEXT NOT NULL,
    chain     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX segment_roots_segment ON segment_roots (segment);
CREATE INDEX segment_roots_begin ON segment_roots (closed_at);

-- Written once; but what says about whom an entry is may become unreadable.
CREATE TRIGGER audits_written_once BEFORE UPDATE OF id, segment, seq, at, by, use, commitment, reason, chain ON audits
BEGIN
    SELECT RAISE(ABORT, 'an entry of the audit is written once');
END;

-- Only a closed segment goes, and from its first entry on, so that what is left of it leads to its root.
CREATE TRIGGER audits_deleted_whole BEFORE DELETE ON audits
WHEN NOT EXISTS (SELECT 1 FROM segment_roots WHERE segment = OLD.segment)
    OR EXISTS (SELECT 1 FROM audits WHERE segment = OLD.segment AND seq < OLD.seq)
BEGIN
    SELECT RAISE(ABORT, 'the audit is deleted by whole segments');
END;

CREATE TRIGGER segment_roots_written_once BEFORE UPDATE ON segment_roots
BEGIN
    SELECT RAISE(ABORT, 'a root of the audit is written once');
END;

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
    billable_s   INTEGER NOT NULL,
    texts        INTEGER NOT NULL DEFAULT 0
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
    lifted_why  TEXT,
    account     TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX holds_begin ON holds (placed_at);
CREATE INDEX holds_open ON holds (id) WHERE lifted_at IS NULL;
CREATE INDEX holds_ended ON holds (lifted_at) WHERE lifted_at IS NOT NULL;
CREATE INDEX holds_clear ON holds (id) WHERE
    lines NOT GLOB '1.????????????????.????????????????.*'
    OR authority NOT GLOB '1.????????????????.????????????????.*'
    OR reference NOT GLOB '1.????????????????.????????????????.*'
    OR placed_by NOT GLOB '1.????????????????.????????????????.*'
    OR reviewer NOT GLOB '1.????????????????.????????????????.*'
    OR reviewed_by NOT GLOB '1.????????????????.????????????????.*'
    OR lifted_by NOT GLOB '1.????????????????.????????????????.*'
    OR lifted_why NOT GLOB '1.????????????????.????????????????.*'
    OR account NOT GLOB '1.????????????????.????????????????.*';

CREATE TABLE requests (
    id          TEXT NOT NULL PRIMARY KEY,
    account     TEXT NOT NULL,
    asks        TEXT NOT NULL CHECK (asks IN ('access', 'rectification', 'erasure')),
    received_at TEXT NOT NULL,
    opened_by   TEXT NOT NULL,
    identity    TEXT,
    identity_at TEXT,
    identity_by TEXT,
    pauses      TEXT NOT NULL,
    waits_for   TEXT CHECK (waits_for IN ('identity', 'clarification')),
    extended_at TEXT,
    extension   TEXT,
    due_at      TEXT,
    closed_at   TEXT,
    closed_by   TEXT,
    outcome     TEXT CHECK (outcome IN ('granted', 'partly', 'refused', 'withdrawn')),
    answer      TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX requests_begin ON requests (received_at);
CREATE INDEX requests_account ON requests (account, received_at);
CREATE INDEX requests_open ON requests (id) WHERE closed_at IS NULL;
CREATE INDEX requests_ended ON requests (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE consents (
    id           TEXT NOT NULL PRIMARY KEY,
    account      TEXT NOT NULL,
    lines        TEXT NOT NULL,
    party        TEXT NOT NULL,
    kinds        TEXT NOT NULL,
    purpose      TEXT NOT NULL,
    by           TEXT NOT NULL,
    given_at     TEXT NOT NULL,
    expires_at   TEXT NOT NULL,
    withdrawn_at TEXT,
    withdrawn_by TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX consents_begin ON consents (given_at);
CREATE INDEX consents_ended ON consents (coalesce(withdrawn_at, expires_at));
CREATE INDEX consents_clear ON consents (id) WHERE
    lines NOT GLOB '1.????????????????.????????????????.*'
    OR party NOT GLOB '1.????????????????.????????????????.*'
    OR purpose NOT GLOB '1.????????????????.????????????????.*'
    OR by NOT GLOB '1.????????????????.????????????????.*'
    OR withdrawn_by NOT GLOB '1.????????????????.????????????????.*';

CREATE TABLE disclosures (
    id              TEXT NOT NULL PRIMARY KEY,
    disclosure      TEXT NOT NULL,
    step            TEXT NOT NULL CHECK (step IN ('proposed', 'released', 'refused')),
    at              TEXT NOT NULL,
    by              TEXT NOT NULL,
    login           TEXT NOT NULL,
    party           TEXT NOT NULL,
    authority       TEXT NOT NULL,
    power           TEXT NOT NULL,
    consent         TEXT NOT NULL,
    reference       TEXT NOT NULL,
    emergency       TEXT NOT NULL,
    account         TEXT NOT NULL,
    lines           TEXT NOT NULL,
    since_at        TEXT NOT NULL,
    until_at        TEXT NOT NULL,
    kinds           TEXT NOT NULL,
    fields          TEXT NOT NULL,
    reason          TEXT NOT NULL,
    bundle          TEXT,
    secret_until_at TEXT,
    salt            TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX disclosures_begin ON disclosures (at);
CREATE INDEX disclosures_disclosure ON disclosures (disclosure, at);

CREATE TABLE leaves (
    id         TEXT NOT NULL PRIMARY KEY,
    seq        INTEGER NOT NULL,
    at         TEXT NOT NULL,
    commitment TEXT NOT NULL,
    root       TEXT NOT NULL,
    signature  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX leaves_seq ON leaves (seq);
CREATE INDEX leaves_begin ON leaves (at);

CREATE TRIGGER disclosures_written_once BEFORE UPDATE ON disclosures
BEGIN
    SELECT RAISE(ABORT, 'an entry of the register is written once');
END;

CREATE TRIGGER leaves_written_once BEFORE UPDATE ON leaves
BEGIN
    SELECT RAISE(ABORT, 'a leaf of the register is written once');
END;

CREATE TRIGGER leaves_kept BEFORE DELETE ON leaves
BEGIN
    SELECT RAISE(ABORT, 'a leaf of the register stays');
END;

CREATE TABLE traffic (
    id           TEXT NOT NULL PRIMARY KEY,
    day_at       TEXT NOT NULL,
    clock_hour   INTEGER,
    direction    TEXT CHECK (direction IN ('incoming', 'outgoing', 'internal')),
    number_class TEXT CHECK (number_class IN (
        'geographic', 'mobile', 'freephone', 'helpline', 'international', 'premium', 'internal', 'emergency', 'unknown'
    )),
    lines        INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    answered     INTEGER NOT NULL,
    carried_s    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX traffic_begin ON traffic (day_at);

CREATE TABLE devices (
    id       TEXT NOT NULL PRIMARY KEY,
    month_at TEXT NOT NULL,
    vendor   TEXT,
    model    TEXT,
    firmware TEXT,
    lines    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX devices_begin ON devices (month_at);

CREATE TABLE aggregates (
    id        TEXT NOT NULL PRIMARY KEY,
    of        TEXT NOT NULL CHECK (of IN ('traffic', 'devices')),
    period_at TEXT NOT NULL,
    at        TEXT NOT NULL,
    cells     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX aggregates_begin ON aggregates (period_at);

CREATE TABLE lines (
    id         TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    name_index TEXT,
    since_at   TEXT NOT NULL,
    until_at   TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX lines_begin ON lines (since_at);
CREATE INDEX lines_name ON lines (name_index);
CREATE INDEX lines_ended ON lines (until_at) WHERE until_at IS NOT NULL;
