-- The register of disclosures, the consents that some rest on, and the leaves that prove the register whole.

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
