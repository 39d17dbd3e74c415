-- Figures of traffic and devices for planning, and of which days and months there are some.

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
