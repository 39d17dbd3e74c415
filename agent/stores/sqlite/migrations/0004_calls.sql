-- Ordinary calls, one row a CDR of Asterisk's.

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
    itemised        INTEGER NOT NULL CHECK (itemised IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE INDEX calls_begin ON calls (started_at);
CREATE INDEX calls_line ON calls (line, started_at);
CREATE INDEX calls_number ON calls (number_index, started_at) WHERE number_index IS NOT NULL;
CREATE INDEX calls_kept ON calls (itemised, started_at);
