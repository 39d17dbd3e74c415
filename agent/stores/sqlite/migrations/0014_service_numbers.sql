-- An index for the number of a service, which may be locked; what is in clear is its own.

DROP INDEX services_begin;
DROP INDEX services_account;
DROP INDEX services_line;
DROP INDEX services_number;
DROP INDEX services_ended;
ALTER TABLE services RENAME TO services_before;

CREATE TABLE services (
    id           TEXT NOT NULL PRIMARY KEY,
    account      TEXT NOT NULL,
    line         TEXT,
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
CREATE INDEX services_line ON services (line, from_at) WHERE line IS NOT NULL;
CREATE INDEX services_number ON services (number_index, from_at) WHERE number_index IS NOT NULL;
CREATE INDEX services_ended ON services (coalesce(until_at, corrected_at))
    WHERE coalesce(until_at, corrected_at) IS NOT NULL;
CREATE INDEX services_clear ON services (id) WHERE
    number NOT GLOB '1.????????????????.????????????????.*'
    OR corrected_by NOT GLOB '1.????????????????.????????????????.*'
    OR correction NOT GLOB '1.????????????????.????????????????.*';

INSERT INTO services
SELECT id, account, line, number, number, from_at, until_at, corrected_at, corrected_by, correction FROM services_before;
DROP TABLE services_before;
