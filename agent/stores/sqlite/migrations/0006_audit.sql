-- Who used whose data: entries chained by month, and the roots that prove the rest whole when a month has gone.

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
