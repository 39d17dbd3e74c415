-- Every statement on records, by name. For each kind:
--   upsert    insert a record, or put its later state in its place
--   open      records that have not ended
--   delete    at most :limit records that ended before :before
--   read      the next :chunk records after (:begin, :id), oldest first, each behind its begin; _of_line: of one line
--   seek      the record just before the :limit latest ones, from which read goes on
--   count     how many there are

-- transactions

-- An emergency must not pay for other records' checkpoint either.
-- name: begin_durable
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 0;
BEGIN IMMEDIATE;

-- name: begin_ordinary
PRAGMA synchronous = NORMAL;
PRAGMA wal_autocheckpoint = 1000;
BEGIN IMMEDIATE;

-- registrations

-- name: upsert_registration
INSERT INTO registrations (
    id, line, ip, ip_source, transport, vendor, model, firmware, first_seen, last_seen, refreshes,
    ended_at, links
) VALUES (
    :id, :line, :ip, :ip_source, :transport, :vendor, :model, :firmware, :first_seen, :last_seen,
    :refreshes, :ended_at, :links
) ON CONFLICT (id) DO UPDATE SET
    line = excluded.line, ip = excluded.ip, ip_source = excluded.ip_source, transport = excluded.transport,
    vendor = excluded.vendor, model = excluded.model, firmware = excluded.firmware,
    first_seen = excluded.first_seen, last_seen = excluded.last_seen, refreshes = excluded.refreshes,
    ended_at = excluded.ended_at, links = excluded.links;

-- name: open_registration
SELECT * FROM registrations WHERE ended_at IS NULL;

-- name: delete_registration
DELETE FROM registrations WHERE id IN (
    SELECT id FROM registrations
    WHERE ended_at < :before
    LIMIT :limit
);

-- name: read_registration
SELECT first_seen, * FROM registrations
WHERE first_seen >= :begin
    AND (first_seen, id) > (:begin, :id)
ORDER BY first_seen, id LIMIT :chunk;

-- name: seek_registration
SELECT first_seen, id FROM registrations
WHERE first_seen >= :begin
ORDER BY first_seen DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: read_registration_of_line
SELECT first_seen, * FROM registrations
WHERE line = :line AND first_seen >= :begin
    AND (first_seen, id) > (:begin, :id)
ORDER BY first_seen, id LIMIT :chunk;

-- name: seek_registration_of_line
SELECT first_seen, id FROM registrations
WHERE line = :line AND first_seen >= :begin
ORDER BY first_seen DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_registration
SELECT count(*) FROM registrations;

-- emergencies

-- name: upsert_emergency
INSERT INTO emergencies (
    id, line, number, ip, vendor, model, started_at, answered_at, ended_at, outcome, trunk, attempts,
    ring_ms, talk_ms, seen_by, blind, test, links
) VALUES (
    :id, :line, :number, :ip, :vendor, :model, :started_at, :answered_at, :ended_at, :outcome, :trunk,
    :attempts, :ring_ms, :talk_ms, :seen_by, :blind, :test, :links
) ON CONFLICT (id) DO UPDATE SET
    line = excluded.line, number = excluded.number, ip = excluded.ip, vendor = excluded.vendor,
    model = excluded.model, started_at = excluded.started_at, answered_at = excluded.answered_at,
    ended_at = excluded.ended_at, outcome = excluded.outcome, trunk = excluded.trunk,
    attempts = excluded.attempts, ring_ms = excluded.ring_ms, talk_ms = excluded.talk_ms,
    seen_by = excluded.seen_by, blind = excluded.blind, test = excluded.test, links = excluded.links;

-- name: open_emergency
SELECT * FROM emergencies WHERE ended_at IS NULL;

-- name: delete_emergency
DELETE FROM emergencies WHERE id IN (
    SELECT id FROM emergencies
    WHERE ended_at < :before
    LIMIT :limit
);

-- name: read_emergency
SELECT started_at, * FROM emergencies
WHERE started_at >= :begin
    AND (started_at, id) > (:begin, :id)
ORDER BY started_at, id LIMIT :chunk;

-- name: seek_emergency
SELECT started_at, id FROM emergencies
WHERE started_at >= :begin
ORDER BY started_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: read_emergency_of_line
SELECT started_at, * FROM emergencies
WHERE line = :line AND started_at >= :begin
    AND (started_at, id) > (:begin, :id)
ORDER BY started_at, id LIMIT :chunk;

-- name: seek_emergency_of_line
SELECT started_at, id FROM emergencies
WHERE line = :line AND started_at >= :begin
ORDER BY started_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_emergency
SELECT count(*) FROM emergencies;

-- recordings

-- name: upsert_recording
INSERT INTO recordings (
    id, line, leg, trigger, opted_in, started_at, stopped_at, pauses, state, blind, links
) VALUES (
    :id, :line, :leg, :trigger, :opted_in, :started_at, :stopped_at, :pauses, :state, :blind, :links
) ON CONFLICT (id) DO UPDATE SET
    line = excluded.line, leg = excluded.leg, trigger = excluded.trigger, opted_in = excluded.opted_in,
    started_at = excluded.started_at, stopped_at = excluded.stopped_at, pauses = excluded.pauses,
    state = excluded.state, blind = excluded.blind, links = excluded.links;

-- name: open_recording
SELECT * FROM recordings WHERE state NOT IN ('stopped', 'not_started');

-- name: delete_recording
DELETE FROM recordings WHERE id IN (
    SELECT id FROM recordings
    WHERE state IN ('stopped', 'not_started') AND coalesce(stopped_at, started_at) < :before
    LIMIT :limit
);

-- name: read_recording
SELECT coalesce(started_at, stopped_at, '9999'), * FROM recordings
WHERE coalesce(started_at, stopped_at, '9999') >= :begin
    AND (coalesce(started_at, stopped_at, '9999'), id) > (:begin, :id)
ORDER BY coalesce(started_at, stopped_at, '9999'), id LIMIT :chunk;

-- name: seek_recording
SELECT coalesce(started_at, stopped_at, '9999'), id FROM recordings
WHERE coalesce(started_at, stopped_at, '9999') >= :begin
ORDER BY coalesce(started_at, stopped_at, '9999') DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: read_recording_of_line
SELECT coalesce(started_at, stopped_at, '9999'), * FROM recordings
WHERE line = :line AND coalesce(started_at, stopped_at, '9999') >= :begin
    AND (coalesce(started_at, stopped_at, '9999'), id) > (:begin, :id)
ORDER BY coalesce(started_at, stopped_at, '9999'), id LIMIT :chunk;

-- name: seek_recording_of_line
SELECT coalesce(started_at, stopped_at, '9999'), id FROM recordings
WHERE line = :line AND coalesce(started_at, stopped_at, '9999') >= :begin
ORDER BY coalesce(started_at, stopped_at, '9999') DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_recording
SELECT count(*) FROM recordings;

-- failures

-- name: upsert_failure
INSERT INTO failures (
    id, hour, cause, count
) VALUES (
    :id, :hour, :cause, :count
) ON CONFLICT (id) DO UPDATE SET
    hour = excluded.hour, cause = excluded.cause, count = excluded.count;

-- name: delete_failure
DELETE FROM failures WHERE id IN (
    SELECT id FROM failures
    WHERE hour < strftime('%Y-%m-%dT%H:%M:%fZ', :before, '-1 hour')
    LIMIT :limit
);

-- name: read_failure
SELECT hour, * FROM failures
WHERE hour >= :begin
    AND (hour, id) > (:begin, :id)
ORDER BY hour, id LIMIT :chunk;

-- name: seek_failure
SELECT hour, id FROM failures
WHERE hour >= :begin
ORDER BY hour DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_failure
SELECT count(*) FROM failures;

-- blind_times

-- name: upsert_blind
INSERT INTO blind_times (
    id, session, cause, from_at, until_at
) VALUES (
    :id, :session, :cause, :from_at, :until_at
) ON CONFLICT (id) DO UPDATE SET
    session = excluded.session, cause = excluded.cause, from_at = excluded.from_at, until_at = excluded.until_at;

-- name: open_blind
SELECT * FROM blind_times WHERE until_at IS NULL;

-- name: delete_blind
DELETE FROM blind_times WHERE id IN (
    SELECT id FROM blind_times
    WHERE until_at < :before
    LIMIT :limit
);

-- name: read_blind
SELECT from_at, * FROM blind_times
WHERE from_at >= :begin
    AND (from_at, id) > (:begin, :id)
ORDER BY from_at, id LIMIT :chunk;

-- name: seek_blind
SELECT from_at, id FROM blind_times
WHERE from_at >= :begin
ORDER BY from_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_blind
SELECT count(*) FROM blind_times;
