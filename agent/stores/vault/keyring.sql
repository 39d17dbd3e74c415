-- The keyring's schema, number 1: only what opens a recording and finds an account's again. Every key in it is
-- encrypted, the accounts' under the site key, the recordings' under their account's.

CREATE TABLE keyring (
    salt BLOB NOT NULL,     -- of the keys that are derived from the site key
    proof BLOB NOT NULL     -- derived from it too: tells the right site key from another
) STRICT;

-- The keys. A row is never deleted, but overwritten with zeros and taken again: a tree that loses rows moves others
-- from page to page, and leaves copies of them where they stood, which secure_delete does not know of.
CREATE TABLE slots (
    slot INTEGER PRIMARY KEY,
    free INTEGER NOT NULL,
    wrapped BLOB NOT NULL CHECK (length(wrapped) = 60)
) STRICT;

CREATE INDEX slots_free ON slots (slot) WHERE free;

CREATE TABLE accounts (
    id TEXT PRIMARY KEY,            -- random
    account BLOB NOT NULL UNIQUE,   -- keyed hash
    slot INTEGER NOT NULL UNIQUE REFERENCES slots
) STRICT;

CREATE TABLE recordings (
    id TEXT PRIMARY KEY,            -- the recording's
    account TEXT NOT NULL REFERENCES accounts,
    slot INTEGER NOT NULL UNIQUE REFERENCES slots
) STRICT;

CREATE INDEX recordings_account ON recordings (account);
