-- The keyring's schema, number 2: fields of records are locked with two keys, an account's and a period's.

-- Keys that end with time, each wrapped under the site key.
CREATE TABLE months (
    kind TEXT NOT NULL CHECK (kind IN ('period', 'epoch')),     -- of fields, of their index
    term TEXT NOT NULL,             -- whose data end together: a retention class
    month TEXT NOT NULL,            -- the calendar month in UTC, as 2026-11
    id TEXT NOT NULL UNIQUE,        -- random: a month that is made again after its end is another
    slot INTEGER NOT NULL UNIQUE REFERENCES slots,
    PRIMARY KEY (kind, term, month)
) STRICT;

-- The last month of which the account may have locked fields; NULL: it has none, and goes with its last recording.
ALTER TABLE accounts ADD COLUMN fields_until TEXT;

-- The key that accounts are hashed with: of its own, so that it outlives the site key.
ALTER TABLE keyring ADD COLUMN hashing INTEGER REFERENCES slots;

-- When a copy of this site key was last put in escrow, in ms since 1970; NULL: never.
ALTER TABLE keyring ADD COLUMN escrowed_at INTEGER;
