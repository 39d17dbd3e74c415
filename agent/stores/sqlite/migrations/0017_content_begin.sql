-- When the capture of a content began, by which it is of who had the line then; of one whose recording is on record no
-- more, when it was stored.

DROP INDEX contents_begin;
DROP INDEX contents_line;
DROP INDEX contents_kept;
DROP INDEX contents_ended;
DROP INDEX contents_clear;
ALTER TABLE contents RENAME TO contents_before;

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

INSERT INTO contents
SELECT
    id, line, kept_as, state,
    coalesce(
        (SELECT coalesce(started_at, stopped_at) FROM recordings WHERE recordings.id = contents_before.id), stored_at
    ),
    stored_at, size_bytes, duration_ms, sha256, key, deleted_at, deleted_by, reason
FROM contents_before;
DROP TABLE contents_before;

CREATE INDEX contents_begin ON contents (began_at);
CREATE INDEX contents_line ON contents (line, began_at);
CREATE INDEX contents_kept ON contents (kept_as, stored_at) WHERE state = 'kept';
CREATE INDEX contents_ended ON contents (coalesce(deleted_at, stored_at)) WHERE state <> 'kept';
CREATE INDEX contents_clear ON contents (id) WHERE
    line NOT GLOB '~????????????????';
