-- Accounts, and the lines and numbers that are theirs.

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
    number       TEXT,
    from_at      TEXT NOT NULL,
    until_at     TEXT,
    corrected_at TEXT,
    corrected_by TEXT,
    correction   TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX services_begin ON services (from_at);
CREATE INDEX services_account ON services (account, from_at);
CREATE INDEX services_line ON services (line, from_at) WHERE line IS NOT NULL;
CREATE INDEX services_number ON services (number, from_at) WHERE number IS NOT NULL;
CREATE INDEX services_ended ON services (coalesce(until_at, corrected_at))
    WHERE coalesce(until_at, corrected_at) IS NOT NULL;
