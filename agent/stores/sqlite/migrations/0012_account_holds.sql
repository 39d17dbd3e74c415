-- A hold may be on an account: on each of its lines while it is that account's.

ALTER TABLE holds ADD COLUMN account TEXT;
