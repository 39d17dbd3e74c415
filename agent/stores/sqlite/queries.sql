-- Every statement on records, by name. For each kind:
--   upsert    insert a record, or put its later state in its place
--   open      records that have not ended; of entries, those of an emergency that has not, or whose alarm is open
--   due       at most :limit records behind (:after, :id) that ended before :before, oldest first: end, id, line,
--             begin, account; of entries, none before its emergency has gone; of services, none before its account has
--             gone; of recordings, none before its content has gone; of lines, none before all that is theirs has gone;
--             _of_class: of one retention class
--   remove    the one with this :id
--   grouped   those of the time from :begin to :end, counted together
--   cut       add those of the :ids, a JSON list, to what is left of them
--   read      the next :chunk records after (:begin, :id), oldest first, each behind its begin; _of_line: of one line
--   seek      the record just before the :limit latest ones, from which read goes on
--   count     how many there are
--   lines     the next line behind :after of which there are any
--   find      at most :limit records whose id begins with :id, which sorts before :behind
--   of        those of the emergency, the alarm, the recording, the account, the segment or the disclosure :of, oldest
--             first; _line: those that are or were the line
--   kept      at most :limit contents of one class behind (:after, :id) that are kept since before :before, oldest first
--   among     those of the :ids, a JSON list, whose content is kept

--   clear     at most :limit records of which something personal stands in clear; unlocked: how many there are
--   lock      puts locked values in the place of those, unless they have changed since
--   having    records of which an indexed field has one of the :indexes, a JSON list
--   oldest    the earliest instants by which records that are there were locked (`agent.core.personal.aged_by`)

-- transactions

-- An emergency must not pay for other records' checkpoint either.
-- name: begin_durable
PRAGMA synchronous = FULL;
BEGIN IMMEDIATE;

-- name: begin_ordinary
PRAGMA synchronous = NORMAL;
BEGIN IMMEDIATE;

-- registrations

-- name: upsert_registration
INSERT INTO registrations (
    id, line, ip, ip_source, transport, vendor, model, firmware, first_seen, last_seen, refreshes,
    ended_at, links, site, certainty
) VALUES (
    :id, :line, :ip, :ip_source, :transport, :vendor, :model, :firmware, :first_seen, :last_seen,
    :refreshes, :ended_at, :links, :site, :certainty
) ON CONFLICT (id) DO UPDATE SET
    line = excluded.line, ip = excluded.ip, ip_source = excluded.ip_source,
    transport = excluded.transport, vendor = excluded.vendor, model = excluded.model,
    firmware = excluded.firmware, first_seen = excluded.first_seen, last_seen = excluded.last_seen,
    refreshes = excluded.refreshes, ended_at = excluded.ended_at, links = excluded.links,
    site = excluded.site, certainty = excluded.certainty;

-- name: open_registration
SELECT * FROM registrations WHERE ended_at IS NULL;

-- name: due_registration
SELECT ended_at, id, line, first_seen FROM registrations
WHERE ended_at >= :after AND ended_at < :before
    AND (ended_at, id) > (:after, :id)
ORDER BY ended_at, id LIMIT :limit;

-- name: grouped_registration
SELECT DISTINCT vendor, model, firmware, line FROM registrations
WHERE first_seen < :end AND (ended_at IS NULL OR ended_at >= :begin);

-- name: remove_registration
DELETE FROM registrations WHERE id = :id;

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

-- name: lines_registration
SELECT min(line) FROM registrations WHERE line > :after;

-- name: count_registration
SELECT count(*) FROM registrations;

-- emergencies

-- name: upsert_emergency
INSERT INTO emergencies (
    id, line, number, ip, vendor, model, started_at, answered_at, ended_at, outcome, trunk, attempts,
    ring_ms, talk_ms, seen_by, blind, test, links, site, certainty, preempted, callbacks
) VALUES (
    :id, :line, :number, :ip, :vendor, :model, :started_at, :answered_at, :ended_at, :outcome, :trunk,
    :attempts, :ring_ms, :talk_ms, :seen_by, :blind, :test, :links, :site, :certainty, :preempted,
    :callbacks
) ON CONFLICT (id) DO UPDATE SET
    line = excluded.line, number = excluded.number, ip = excluded.ip, vendor = excluded.vendor,
    model = excluded.model, started_at = excluded.started_at, answered_at = excluded.answered_at,
    ended_at = excluded.ended_at, outcome = excluded.outcome, trunk = excluded.trunk,
    attempts = excluded.attempts, ring_ms = excluded.ring_ms, talk_ms = excluded.talk_ms,
    seen_by = excluded.seen_by, blind = excluded.blind, test = excluded.test, links = excluded.links,
    site = excluded.site, certainty = excluded.certainty, preempted = excluded.preempted,
    callbacks = excluded.callbacks;

-- name: open_emergency
SELECT * FROM emergencies WHERE ended_at IS NULL OR links <> '[]';

-- name: due_emergency
SELECT ended_at, id, line, started_at FROM emergencies
WHERE ended_at >= :after AND ended_at < :before
    AND (ended_at, id) > (:after, :id)
ORDER BY ended_at, id LIMIT :limit;

-- name: remove_emergency
DELETE FROM emergencies WHERE id = :id;

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

-- name: find_emergency
SELECT * FROM emergencies WHERE id >= :id AND id < :behind ORDER BY id LIMIT :limit;

-- recordings

-- name: upsert_recording
INSERT INTO recordings (
    id, line, leg, trigger, opted_in, started_at, stopped_at, pauses, state, blind, links, optin
) VALUES (
    :id, :line, :leg, :trigger, :opted_in, :started_at, :stopped_at, :pauses, :state, :blind, :links,
    :optin
) ON CONFLICT (id) DO UPDATE SET
    line = excluded.line, leg = excluded.leg, trigger = excluded.trigger, opted_in = excluded.opted_in,
    started_at = excluded.started_at, stopped_at = excluded.stopped_at, pauses = excluded.pauses,
    state = excluded.state, blind = excluded.blind, links = excluded.links, optin = excluded.optin;

-- name: open_recording
SELECT * FROM recordings WHERE state NOT IN ('stopped', 'not_started');

-- name: due_recording
SELECT coalesce(stopped_at, started_at), id, line, coalesce(started_at, stopped_at) FROM recordings
WHERE state IN ('stopped', 'not_started')
    AND NOT EXISTS (SELECT 1 FROM contents WHERE contents.id = recordings.id AND contents.state = 'kept')
    AND coalesce(stopped_at, started_at) >= :after AND coalesce(stopped_at, started_at) < :before
    AND (coalesce(stopped_at, started_at), id) > (:after, :id)
ORDER BY coalesce(stopped_at, started_at), id LIMIT :limit;

-- name: remove_recording
DELETE FROM recordings WHERE id = :id;

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

-- name: lines_recording
SELECT min(line) FROM recordings WHERE line > :after;

-- name: count_recording
SELECT count(*) FROM recordings;

-- name: find_recording
SELECT * FROM recordings WHERE id >= :id AND id < :behind ORDER BY id LIMIT :limit;

-- failures

-- name: upsert_failure
INSERT INTO failures (
    id, hour, cause, count
) VALUES (
    :id, :hour, :cause, :count
) ON CONFLICT (id) DO UPDATE SET
    hour = excluded.hour, cause = excluded.cause, count = excluded.count;

-- name: due_failure
SELECT strftime('%Y-%m-%dT%H:%M:%fZ', hour, '+1 hour'), id, NULL, hour FROM failures
WHERE hour >= strftime('%Y-%m-%dT%H:%M:%fZ', :after, '-1 hour')
    AND hour < strftime('%Y-%m-%dT%H:%M:%fZ', :before, '-1 hour')
    AND (hour, id) > (strftime('%Y-%m-%dT%H:%M:%fZ', :after, '-1 hour'), :id)
ORDER BY hour, id LIMIT :limit;

-- name: remove_failure
DELETE FROM failures WHERE id = :id;

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

-- name: due_blind
SELECT until_at, id, NULL, from_at FROM blind_times
WHERE until_at >= :after AND until_at < :before
    AND (until_at, id) > (:after, :id)
ORDER BY until_at, id LIMIT :limit;

-- name: remove_blind
DELETE FROM blind_times WHERE id = :id;

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

-- details

-- name: upsert_detail
INSERT INTO details (
    id, emergency, cli, address, contact, until_at
) VALUES (
    :id, :emergency, :cli, :address, :contact, :until_at
) ON CONFLICT (id) DO UPDATE SET
    emergency = excluded.emergency, cli = excluded.cli, address = excluded.address,
    contact = excluded.contact, until_at = excluded.until_at;

-- name: open_detail
SELECT * FROM details WHERE until_at IS NULL;

-- name: due_detail
SELECT until_at, id, (SELECT line FROM emergencies WHERE emergencies.id = details.emergency), until_at FROM details
WHERE until_at >= :after AND until_at < :before
    AND (until_at, id) > (:after, :id)
ORDER BY until_at, id LIMIT :limit;

-- name: remove_detail
DELETE FROM details WHERE id = :id;

-- name: read_detail
SELECT coalesce(until_at, '9999'), * FROM details
WHERE coalesce(until_at, '9999') >= :begin
    AND (coalesce(until_at, '9999'), id) > (:begin, :id)
ORDER BY coalesce(until_at, '9999'), id LIMIT :chunk;

-- name: seek_detail
SELECT coalesce(until_at, '9999'), id FROM details
WHERE coalesce(until_at, '9999') >= :begin
ORDER BY coalesce(until_at, '9999') DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_detail
SELECT count(*) FROM details;

-- name: of_detail
SELECT * FROM details WHERE emergency = :of ORDER BY id;

-- entries

-- name: upsert_entry
INSERT INTO entries (
    id, emergency, seq, at, what, detail, by, chain
) VALUES (
    :id, :emergency, :seq, :at, :what, :detail, :by, :chain
) ON CONFLICT (id) DO UPDATE SET
    emergency = excluded.emergency, seq = excluded.seq, at = excluded.at, what = excluded.what,
    detail = excluded.detail, by = excluded.by, chain = excluded.chain;

-- name: open_entry
SELECT * FROM entries
WHERE emergency IN (SELECT id FROM emergencies WHERE ended_at IS NULL OR links <> '[]')
    OR emergency IN (SELECT subject FROM alarms WHERE closed_at IS NULL);

-- name: due_entry
SELECT at, id, NULL, at FROM entries
WHERE NOT EXISTS (SELECT 1 FROM emergencies WHERE emergencies.id = entries.emergency)
    AND at >= :after AND at < :before
    AND (at, id) > (:after, :id)
ORDER BY at, id LIMIT :limit;

-- name: remove_entry
DELETE FROM entries WHERE id = :id;

-- name: read_entry
SELECT at, * FROM entries
WHERE at >= :begin
    AND (at, id) > (:begin, :id)
ORDER BY at, id LIMIT :chunk;

-- name: seek_entry
SELECT at, id FROM entries
WHERE at >= :begin
ORDER BY at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_entry
SELECT count(*) FROM entries;

-- name: of_entry
SELECT * FROM entries WHERE emergency = :of ORDER BY seq;

-- alarms

-- name: upsert_alarm
INSERT INTO alarms (
    id, cause, subject, what, severity, test, level, raised_at, acknowledged_at, acknowledged_by,
    escalated_at, cleared_at, closed_at, closed_by, comment
) VALUES (
    :id, :cause, :subject, :what, :severity, :test, :level, :raised_at, :acknowledged_at,
    :acknowledged_by, :escalated_at, :cleared_at, :closed_at, :closed_by, :comment
) ON CONFLICT (id) DO UPDATE SET
    cause = excluded.cause, subject = excluded.subject, what = excluded.what,
    severity = excluded.severity, test = excluded.test, level = excluded.level,
    raised_at = excluded.raised_at, acknowledged_at = excluded.acknowledged_at,
    acknowledged_by = excluded.acknowledged_by, escalated_at = excluded.escalated_at,
    cleared_at = excluded.cleared_at, closed_at = excluded.closed_at, closed_by = excluded.closed_by,
    comment = excluded.comment;

-- name: open_alarm
SELECT * FROM alarms WHERE closed_at IS NULL;

-- name: due_alarm
SELECT closed_at, id, (SELECT line FROM emergencies WHERE emergencies.id = alarms.subject), raised_at FROM alarms
WHERE closed_at >= :after AND closed_at < :before
    AND (closed_at, id) > (:after, :id)
ORDER BY closed_at, id LIMIT :limit;

-- name: remove_alarm
DELETE FROM alarms WHERE id = :id;

-- name: read_alarm
SELECT raised_at, * FROM alarms
WHERE raised_at >= :begin
    AND (raised_at, id) > (:begin, :id)
ORDER BY raised_at, id LIMIT :chunk;

-- name: seek_alarm
SELECT raised_at, id FROM alarms
WHERE raised_at >= :begin
ORDER BY raised_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_alarm
SELECT count(*) FROM alarms;

-- name: find_alarm
SELECT * FROM alarms WHERE id >= :id AND id < :behind ORDER BY id LIMIT :limit;

-- name: of_alarm
SELECT * FROM alarms WHERE subject = :of ORDER BY raised_at, id;

-- notices

-- name: upsert_notice
INSERT INTO notices (
    id, alarm, cause, channel, news, state, raised_at, try_at, attempts, error, sent_at, delivered_at,
    done_at
) VALUES (
    :id, :alarm, :cause, :channel, :news, :state, :raised_at, :try_at, :attempts, :error, :sent_at,
    :delivered_at, :done_at
) ON CONFLICT (id) DO UPDATE SET
    alarm = excluded.alarm, cause = excluded.cause, channel = excluded.channel, news = excluded.news,
    state = excluded.state, raised_at = excluded.raised_at, try_at = excluded.try_at,
    attempts = excluded.attempts, error = excluded.error, sent_at = excluded.sent_at,
    delivered_at = excluded.delivered_at, done_at = excluded.done_at;

-- name: open_notice
SELECT * FROM notices WHERE done_at IS NULL;

-- name: due_notice
SELECT done_at, id, NULL, raised_at FROM notices
WHERE done_at >= :after AND done_at < :before
    AND (done_at, id) > (:after, :id)
ORDER BY done_at, id LIMIT :limit;

-- name: remove_notice
DELETE FROM notices WHERE id = :id;

-- name: read_notice
SELECT raised_at, * FROM notices
WHERE raised_at >= :begin
    AND (raised_at, id) > (:begin, :id)
ORDER BY raised_at, id LIMIT :chunk;

-- name: seek_notice
SELECT raised_at, id FROM notices
WHERE raised_at >= :begin
ORDER BY raised_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_notice
SELECT count(*) FROM notices;

-- name: of_notice
SELECT * FROM notices WHERE alarm = :of ORDER BY raised_at, id;

-- looks

-- name: upsert_look
INSERT INTO looks (
    id, at, by, emergency, reason
) VALUES (
    :id, :at, :by, :emergency, :reason
) ON CONFLICT (id) DO UPDATE SET
    at = excluded.at, by = excluded.by, emergency = excluded.emergency, reason = excluded.reason;

-- name: due_look
SELECT at, id, (SELECT line FROM emergencies WHERE emergencies.id = looks.emergency), at FROM looks
WHERE at >= :after AND at < :before
    AND (at, id) > (:after, :id)
ORDER BY at, id LIMIT :limit;

-- name: remove_look
DELETE FROM looks WHERE id = :id;

-- name: read_look
SELECT at, * FROM looks
WHERE at >= :begin
    AND (at, id) > (:begin, :id)
ORDER BY at, id LIMIT :chunk;

-- name: seek_look
SELECT at, id FROM looks
WHERE at >= :begin
ORDER BY at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_look
SELECT count(*) FROM looks;

-- name: of_look
SELECT * FROM looks WHERE emergency = :of ORDER BY at, id;

-- paths

-- name: upsert_path
INSERT INTO paths (
    id, context, number, verdict, route, since_at, gone_at
) VALUES (
    :id, :context, :number, :verdict, :route, :since_at, :gone_at
) ON CONFLICT (id) DO UPDATE SET
    context = excluded.context, number = excluded.number, verdict = excluded.verdict,
    route = excluded.route, since_at = excluded.since_at, gone_at = excluded.gone_at;

-- name: open_path
SELECT * FROM paths WHERE gone_at IS NULL;

-- name: due_path
SELECT gone_at, id, NULL, since_at FROM paths
WHERE gone_at >= :after AND gone_at < :before
    AND (gone_at, id) > (:after, :id)
ORDER BY gone_at, id LIMIT :limit;

-- name: remove_path
DELETE FROM paths WHERE id = :id;

-- name: read_path
SELECT since_at, * FROM paths
WHERE since_at >= :begin
    AND (since_at, id) > (:begin, :id)
ORDER BY since_at, id LIMIT :chunk;

-- name: seek_path
SELECT since_at, id FROM paths
WHERE since_at >= :begin
ORDER BY since_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_path
SELECT count(*) FROM paths;

-- probes

-- name: upsert_probe
INSERT INTO probes (
    id, at
) VALUES (
    :id, :at
) ON CONFLICT (id) DO UPDATE SET
    at = excluded.at;

-- name: due_probe
SELECT at, id, NULL, at FROM probes
WHERE at >= :after AND at < :before
    AND (at, id) > (:after, :id)
ORDER BY at, id LIMIT :limit;

-- name: remove_probe
DELETE FROM probes WHERE id = :id;

-- name: read_probe
SELECT at, * FROM probes
WHERE at >= :begin
    AND (at, id) > (:begin, :id)
ORDER BY at, id LIMIT :chunk;

-- name: seek_probe
SELECT at, id FROM probes
WHERE at >= :begin
ORDER BY at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_probe
SELECT count(*) FROM probes;

-- optins

-- name: upsert_optin
INSERT INTO optins (
    id, line, trigger, calls, how, by, purpose, given_at, withdrawn_at, withdrawn_by
) VALUES (
    :id, :line, :trigger, :calls, :how, :by, :purpose, :given_at, :withdrawn_at, :withdrawn_by
) ON CONFLICT (id) DO UPDATE SET
    line = excluded.line, trigger = excluded.trigger, calls = excluded.calls, how = excluded.how,
    by = excluded.by, purpose = excluded.purpose, given_at = excluded.given_at,
    withdrawn_at = excluded.withdrawn_at, withdrawn_by = excluded.withdrawn_by;

-- name: open_optin
SELECT * FROM optins WHERE withdrawn_at IS NULL;

-- name: due_optin
SELECT withdrawn_at, id, line, given_at FROM optins
WHERE withdrawn_at >= :after AND withdrawn_at < :before
    AND (withdrawn_at, id) > (:after, :id)
ORDER BY withdrawn_at, id LIMIT :limit;

-- name: remove_optin
DELETE FROM optins WHERE id = :id;

-- name: read_optin
SELECT given_at, * FROM optins
WHERE given_at >= :begin
    AND (given_at, id) > (:begin, :id)
ORDER BY given_at, id LIMIT :chunk;

-- name: seek_optin
SELECT given_at, id FROM optins
WHERE given_at >= :begin
ORDER BY given_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: read_optin_of_line
SELECT given_at, * FROM optins
WHERE line = :line AND given_at >= :begin
    AND (given_at, id) > (:begin, :id)
ORDER BY given_at, id LIMIT :chunk;

-- name: seek_optin_of_line
SELECT given_at, id FROM optins
WHERE line = :line AND given_at >= :begin
ORDER BY given_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: lines_optin
SELECT min(line) FROM optins WHERE line > :after;

-- name: count_optin
SELECT count(*) FROM optins;

-- name: find_optin
SELECT * FROM optins WHERE id >= :id AND id < :behind ORDER BY id LIMIT :limit;

-- contents

-- name: upsert_content
INSERT INTO contents (
    id, line, kept_as, state, began_at, stored_at, size_bytes, duration_ms, sha256, key,
    deleted_at, deleted_by, reason
) VALUES (
    :id, :line, :kept_as, :state, :began_at, :stored_at, :size_bytes, :duration_ms, :sha256, :key,
    :deleted_at, :deleted_by, :reason
) ON CONFLICT (id) DO UPDATE SET
    line = excluded.line, kept_as = excluded.kept_as, state = excluded.state,
    began_at = excluded.began_at, stored_at = excluded.stored_at, size_bytes = excluded.size_bytes,
    duration_ms = excluded.duration_ms, sha256 = excluded.sha256, key = excluded.key,
    deleted_at = excluded.deleted_at, deleted_by = excluded.deleted_by, reason = excluded.reason;

-- name: due_content
SELECT coalesce(deleted_at, stored_at), id, line, began_at FROM contents
WHERE state <> 'kept'
    AND coalesce(deleted_at, stored_at) >= :after AND coalesce(deleted_at, stored_at) < :before
    AND (coalesce(deleted_at, stored_at), id) > (:after, :id)
ORDER BY coalesce(deleted_at, stored_at), id LIMIT :limit;

-- name: remove_content
DELETE FROM contents WHERE id = :id;

-- name: read_content
SELECT began_at, * FROM contents
WHERE began_at >= :begin
    AND (began_at, id) > (:begin, :id)
ORDER BY began_at, id LIMIT :chunk;

-- name: seek_content
SELECT began_at, id FROM contents
WHERE began_at >= :begin
ORDER BY began_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: read_content_of_line
SELECT began_at, * FROM contents
WHERE line = :line AND began_at >= :begin
    AND (began_at, id) > (:begin, :id)
ORDER BY began_at, id LIMIT :chunk;

-- name: seek_content_of_line
SELECT began_at, id FROM contents
WHERE line = :line AND began_at >= :begin
ORDER BY began_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: lines_content
SELECT min(line) FROM contents WHERE line > :after;

-- name: count_content
SELECT count(*) FROM contents;

-- name: find_content
SELECT * FROM contents WHERE id >= :id AND id < :behind ORDER BY id LIMIT :limit;

-- name: kept_content
SELECT * FROM contents
WHERE state = 'kept' AND kept_as = :kept_as AND stored_at >= :after AND stored_at < :before
    AND (stored_at, id) > (:after, :id)
ORDER BY stored_at, id LIMIT :limit;

-- name: among_content
SELECT id FROM contents WHERE state = 'kept' AND id IN (SELECT value FROM json_each(:ids));

-- accesses

-- name: upsert_access
INSERT INTO accesses (
    id, at, by, recording, use, reason
) VALUES (
    :id, :at, :by, :recording, :use, :reason
) ON CONFLICT (id) DO UPDATE SET
    at = excluded.at, by = excluded.by, recording = excluded.recording, use = excluded.use,
    reason = excluded.reason;

-- name: due_access
SELECT at, id, (SELECT line FROM recordings WHERE recordings.id = accesses.recording), at FROM accesses
WHERE at >= :after AND at < :before
    AND (at, id) > (:after, :id)
ORDER BY at, id LIMIT :limit;

-- name: remove_access
DELETE FROM accesses WHERE id = :id;

-- name: read_access
SELECT at, * FROM accesses
WHERE at >= :begin
    AND (at, id) > (:begin, :id)
ORDER BY at, id LIMIT :chunk;

-- name: seek_access
SELECT at, id FROM accesses
WHERE at >= :begin
ORDER BY at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_access
SELECT count(*) FROM accesses;

-- name: of_access
SELECT * FROM accesses WHERE recording = :of ORDER BY at, id;

-- purges

-- name: upsert_purge
INSERT INTO purges (
    id, at, done_at, mailboxes, heard, unheard, trashed, leftover, kept, due, failed
) VALUES (
    :id, :at, :done_at, :mailboxes, :heard, :unheard, :trashed, :leftover, :kept, :due, :failed
) ON CONFLICT (id) DO UPDATE SET
    at = excluded.at, done_at = excluded.done_at, mailboxes = excluded.mailboxes,
    heard = excluded.heard, unheard = excluded.unheard, trashed = excluded.trashed,
    leftover = excluded.leftover, kept = excluded.kept, due = excluded.due, failed = excluded.failed;

-- name: due_purge
SELECT at, id, NULL, at FROM purges
WHERE at >= :after AND at < :before
    AND (at, id) > (:after, :id)
ORDER BY at, id LIMIT :limit;

-- name: remove_purge
DELETE FROM purges WHERE id = :id;

-- name: read_purge
SELECT at, * FROM purges
WHERE at >= :begin
    AND (at, id) > (:begin, :id)
ORDER BY at, id LIMIT :chunk;

-- name: seek_purge
SELECT at, id FROM purges
WHERE at >= :begin
ORDER BY at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_purge
SELECT count(*) FROM purges;

-- calls

-- name: upsert_call
INSERT INTO calls (
    id, call, line, direction, number_class, number, number_index, forwarded_class, forwarded,
    started_at, duration_s, billable_s, outcome, recorded, itemised, area
) VALUES (
    :id, :call, :line, :direction, :number_class, :number, :number_index, :forwarded_class,
    :forwarded, :started_at, :duration_s, :billable_s, :outcome, :recorded, :itemised, :area
) ON CONFLICT (id) DO UPDATE SET
    call = excluded.call, line = excluded.line, direction = excluded.direction, number_class =
    excluded.number_class, number = excluded.number, number_index = excluded.number_index,
    forwarded_class = excluded.forwarded_class, forwarded = excluded.forwarded, started_at =
    excluded.started_at, duration_s = excluded.duration_s, billable_s = excluded.billable_s,
    outcome = excluded.outcome, recorded = excluded.recorded, itemised = excluded.itemised, area = excluded.area;

-- name: due_call_of_class
SELECT started_at, id, line, started_at FROM calls
WHERE itemised = (:retention = 'call')
    AND started_at >= :after AND started_at < :before
    AND (started_at, id) > (:after, :id)
ORDER BY started_at, id LIMIT :limit;

-- name: remove_call
DELETE FROM calls WHERE id = :id;

-- name: read_call
SELECT started_at, * FROM calls
WHERE started_at >= :begin
    AND (started_at, id) > (:begin, :id)
ORDER BY started_at, id LIMIT :chunk;

-- name: seek_call
SELECT started_at, id FROM calls
WHERE started_at >= :begin
ORDER BY started_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: read_call_of_line
SELECT started_at, * FROM calls
WHERE line = :line AND started_at >= :begin
    AND (started_at, id) > (:begin, :id)
ORDER BY started_at, id LIMIT :chunk;

-- name: seek_call_of_line
SELECT started_at, id FROM calls
WHERE line = :line AND started_at >= :begin
ORDER BY started_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: lines_call
SELECT min(line) FROM calls WHERE line > :after;

-- name: count_call
SELECT count(*) FROM calls;

-- name: grouped_call
SELECT
    CAST(substr(started_at, 12, 2) AS INTEGER), direction, number_class, line,
    count(*), sum(outcome = 'answered'), sum(duration_s)
FROM calls WHERE started_at >= :begin AND started_at < :end
GROUP BY 1, 2, 3, 4;

-- name: cut_call
INSERT INTO totals (id, line, month_at, number_class, area, calls, billable_s)
SELECT
    substr(started_at, 1, 7) || ' ' || number_class || ' ' || coalesce(area, '') || ' ' || coalesce(line, ''),
    line, substr(started_at, 1, 7) || '-01T00:00:00.000Z', number_class, area, count(*), sum(billable_s)
FROM calls WHERE id IN (SELECT value FROM json_each(:ids))
GROUP BY 1
ON CONFLICT (id) DO UPDATE SET calls = calls + excluded.calls, billable_s = billable_s + excluded.billable_s;

-- texts

-- name: upsert_text
INSERT INTO texts (
    id, line, direction, number_class, number, number_index, at, size, outcome, itemised, area
) VALUES (
    :id, :line, :direction, :number_class, :number, :number_index, :at, :size, :outcome, :itemised, :area
) ON CONFLICT (id) DO UPDATE SET
    line = excluded.line, direction = excluded.direction, number_class = excluded.number_class,
    number = excluded.number, number_index = excluded.number_index, at = excluded.at,
    size = excluded.size, outcome = excluded.outcome, itemised = excluded.itemised, area = excluded.area;

-- name: due_text_of_class
SELECT at, id, line, at FROM texts
WHERE itemised = (:retention = 'call')
    AND at >= :after AND at < :before
    AND (at, id) > (:after, :id)
ORDER BY at, id LIMIT :limit;

-- name: remove_text
DELETE FROM texts WHERE id = :id;

-- name: read_text
SELECT at, * FROM texts
WHERE at >= :begin
    AND (at, id) > (:begin, :id)
ORDER BY at, id LIMIT :chunk;

-- name: seek_text
SELECT at, id FROM texts
WHERE at >= :begin
ORDER BY at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: read_text_of_line
SELECT at, * FROM texts
WHERE line = :line AND at >= :begin
    AND (at, id) > (:begin, :id)
ORDER BY at, id LIMIT :chunk;

-- name: seek_text_of_line
SELECT at, id FROM texts
WHERE line = :line AND at >= :begin
ORDER BY at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: lines_text
SELECT min(line) FROM texts WHERE line > :after;

-- name: count_text
SELECT count(*) FROM texts;

-- name: find_text
SELECT * FROM texts WHERE id >= :id AND id < :behind ORDER BY id LIMIT :limit;

-- name: cut_text
INSERT INTO totals (id, line, month_at, number_class, area, calls, billable_s, texts)
SELECT
    substr(at, 1, 7) || ' ' || number_class || ' ' || coalesce(area, '') || ' ' || coalesce(line, ''),
    line, substr(at, 1, 7) || '-01T00:00:00.000Z', number_class, area, 0, 0, count(*)
FROM texts WHERE id IN (SELECT value FROM json_each(:ids))
GROUP BY 1
ON CONFLICT (id) DO UPDATE SET texts = texts + excluded.texts;

-- accounts

-- name: upsert_account
INSERT INTO accounts (id, account, itemised, history_consent, opened_at, closed_at)
VALUES (:id, :account, :itemised, :history_consent, :opened_at, :closed_at)
ON CONFLICT (id) DO UPDATE SET
    account = excluded.account, itemised = excluded.itemised,
    history_consent = excluded.history_consent, opened_at = excluded.opened_at,
    closed_at = excluded.closed_at;

-- name: due_account
SELECT closed_at, id, NULL, opened_at, account FROM accounts
WHERE closed_at >= :after AND closed_at < :before
    AND (closed_at, id) > (:after, :id)
ORDER BY closed_at, id LIMIT :limit;

-- name: remove_account
DELETE FROM accounts WHERE id = :id;

-- name: read_account
SELECT opened_at, * FROM accounts
WHERE opened_at >= :begin
    AND (opened_at, id) > (:begin, :id)
ORDER BY opened_at, id LIMIT :chunk;

-- name: seek_account
SELECT opened_at, id FROM accounts
WHERE opened_at >= :begin
ORDER BY opened_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_account
SELECT count(*) FROM accounts;

-- name: of_account
SELECT * FROM accounts WHERE account = :of ORDER BY opened_at;

-- services

-- name: upsert_service
INSERT INTO services (
    id, account, line, line_index, number, number_index, from_at, until_at, corrected_at, corrected_by, correction
) VALUES (
    :id, :account, :line, :line_index, :number, :number_index, :from_at, :until_at, :corrected_at, :corrected_by,
    :correction
) ON CONFLICT (id) DO UPDATE SET
    account = excluded.account, line = excluded.line, line_index = excluded.line_index, number = excluded.number,
    number_index = excluded.number_index,
    from_at = excluded.from_at, until_at = excluded.until_at,
    corrected_at = excluded.corrected_at, corrected_by = excluded.corrected_by,
    correction = excluded.correction;

-- name: due_service
SELECT coalesce(until_at, corrected_at), id, NULL, from_at, account FROM services
WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE accounts.account = services.account)
    AND coalesce(until_at, corrected_at) >= :after AND coalesce(until_at, corrected_at) < :before
    AND (coalesce(until_at, corrected_at), id) > (:after, :id)
ORDER BY coalesce(until_at, corrected_at), id LIMIT :limit;

-- name: remove_service
DELETE FROM services WHERE id = :id;

-- name: read_service
SELECT from_at, * FROM services
WHERE from_at >= :begin
    AND (from_at, id) > (:begin, :id)
ORDER BY from_at, id LIMIT :chunk;

-- name: seek_service
SELECT from_at, id FROM services
WHERE from_at >= :begin
ORDER BY from_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: read_service_of_line
SELECT from_at, * FROM services
WHERE line_index = :line AND from_at >= :begin
    AND (from_at, id) > (:begin, :id)
ORDER BY from_at, id LIMIT :chunk;

-- name: seek_service_of_line
SELECT from_at, id FROM services
WHERE line_index = :line AND from_at >= :begin
ORDER BY from_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_service
SELECT count(*) FROM services;

-- name: find_service
SELECT * FROM services WHERE id >= :id AND id < :behind ORDER BY id LIMIT :limit;

-- name: of_service
SELECT * FROM services WHERE account = :of ORDER BY from_at;

-- name: of_line_service
SELECT * FROM services WHERE line_index IN (SELECT value FROM json_each(:indexes));

-- name: ended_service
SELECT coalesce(until_at, corrected_at), * FROM services
WHERE coalesce(until_at, corrected_at) >= :since AND coalesce(until_at, corrected_at) <= :until
    AND (coalesce(until_at, corrected_at), id) > (:since, :id)
ORDER BY coalesce(until_at, corrected_at), id LIMIT :chunk;

-- name: having_service
SELECT * FROM services WHERE number_index IN (SELECT value FROM json_each(:indexes));

-- name: clear_service
SELECT * FROM services INDEXED BY services_clear
WHERE line NOT GLOB '1.????????????????.????????????????.*'
    OR number NOT GLOB '1.????????????????.????????????????.*'
    OR corrected_by NOT GLOB '1.????????????????.????????????????.*'
    OR correction NOT GLOB '1.????????????????.????????????????.*'
LIMIT :limit;

-- name: lock_service
UPDATE services
SET line = :line, line_index = :line_index, number = :number, number_index = :number_index,
    corrected_by = :corrected_by, correction = :correction
WHERE id = :id AND line IS :line_was AND number IS :number_was AND corrected_by IS :corrected_by_was
    AND correction IS :correction_was;

-- name: oldest_service
SELECT min(coalesce(until_at, corrected_at)) FROM services WHERE coalesce(until_at, corrected_at) IS NOT NULL;

-- name: unlocked_service
SELECT count(*) FROM services INDEXED BY services_clear
WHERE line NOT GLOB '1.????????????????.????????????????.*'
    OR number NOT GLOB '1.????????????????.????????????????.*'
    OR corrected_by NOT GLOB '1.????????????????.????????????????.*'
    OR correction NOT GLOB '1.????????????????.????????????????.*';

-- audits: written once; `open` is the entry that the next one is chained to

-- name: upsert_audit
INSERT INTO audits (
    id, segment, seq, at, by, use, subject, salt, commitment, reason, chain
) VALUES (
    :id, :segment, :seq, :at, :by, :use, :subject, :salt, :commitment, :reason, :chain
) ON CONFLICT (id) DO NOTHING;

-- name: open_audit
SELECT * FROM audits WHERE segment = (SELECT max(segment) FROM audits) ORDER BY seq DESC LIMIT 1;

-- By month and in order. What :id stood for may have gone meanwhile: then all that is left comes behind it.
-- name: due_audit
SELECT roots.closed_at, audits.id, NULL, audits.at
FROM segment_roots AS roots CROSS JOIN audits ON audits.segment = roots.segment
WHERE roots.closed_at >= :after AND roots.closed_at < :before
    AND coalesce((roots.closed_at, roots.id, audits.seq) > (
        :after,
        (SELECT id FROM segment_roots WHERE segment = (SELECT segment FROM audits WHERE id = :id)),
        (SELECT seq FROM audits WHERE id = :id)
    ), 1)
ORDER BY roots.closed_at, roots.id LIMIT :limit;

-- name: remove_audit
DELETE FROM audits WHERE id = :id;

-- name: read_audit
SELECT at, * FROM audits
WHERE at >= :begin
    AND (at, id) > (:begin, :id)
ORDER BY at, id LIMIT :chunk;

-- name: seek_audit
SELECT at, id FROM audits
WHERE at >= :begin
ORDER BY at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_audit
SELECT count(*) FROM audits;

-- name: of_audit
SELECT * FROM audits WHERE segment = :of ORDER BY seq;

-- segment_roots: `open` is the one that the next segment begins with

-- name: upsert_segment_root
INSERT INTO segment_roots (
    id, segment, entries, head, closed_at, previous, chain
) VALUES (
    :id, :segment, :entries, :head, :closed_at, :previous, :chain
) ON CONFLICT (id) DO NOTHING;

-- name: open_segment_root
SELECT * FROM segment_roots WHERE segment = (SELECT max(segment) FROM segment_roots);

-- name: due_segment_root
SELECT closed_at, id, NULL, closed_at FROM segment_roots
WHERE segment < (SELECT max(segment) FROM segment_roots)
    AND NOT EXISTS (SELECT 1 FROM audits WHERE audits.segment = segment_roots.segment)
    AND closed_at >= :after AND closed_at < :before
    AND (closed_at, id) > (:after, :id)
ORDER BY closed_at, id LIMIT :limit;

-- name: remove_segment_root
DELETE FROM segment_roots WHERE id = :id;

-- name: read_segment_root
SELECT closed_at, * FROM segment_roots
WHERE closed_at >= :begin
    AND (closed_at, id) > (:begin, :id)
ORDER BY closed_at, id LIMIT :chunk;

-- name: seek_segment_root
SELECT closed_at, id FROM segment_roots
WHERE closed_at >= :begin
ORDER BY closed_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_segment_root
SELECT count(*) FROM segment_roots;

-- deletions

-- name: upsert_deletion
INSERT INTO deletions (
    id, at, of, retention, ground, count, oldest_at, newest_at
) VALUES (
    :id, :at, :of, :retention, :ground, :count, :oldest_at, :newest_at
) ON CONFLICT (id) DO UPDATE SET
    at = excluded.at, of = excluded.of, retention = excluded.retention, ground = excluded.ground,
    count = excluded.count, oldest_at = excluded.oldest_at, newest_at = excluded.newest_at;

-- name: due_deletion
SELECT at, id, NULL, at FROM deletions
WHERE at >= :after AND at < :before
    AND (at, id) > (:after, :id)
ORDER BY at, id LIMIT :limit;

-- name: remove_deletion
DELETE FROM deletions WHERE id = :id;

-- name: read_deletion
SELECT at, * FROM deletions
WHERE at >= :begin
    AND (at, id) > (:begin, :id)
ORDER BY at, id LIMIT :chunk;

-- name: seek_deletion
SELECT at, id FROM deletions
WHERE at >= :begin
ORDER BY at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_deletion
SELECT count(*) FROM deletions;

-- totals

-- name: upsert_total
INSERT INTO totals (
    id, line, month_at, number_class, area, calls, billable_s, texts
) VALUES (
    :id, :line, :month_at, :number_class, :area, :calls, :billable_s, :texts
) ON CONFLICT (id) DO UPDATE SET
    line = excluded.line, month_at = excluded.month_at, number_class = excluded.number_class,
    area = excluded.area, calls = excluded.calls, billable_s = excluded.billable_s,
    texts = excluded.texts;

-- name: due_total
SELECT strftime('%Y-%m-%dT%H:%M:%fZ', month_at, '+1 month'), id, line, month_at FROM totals
WHERE month_at >= strftime('%Y-%m-%dT%H:%M:%fZ', :after, '-1 month')
    AND month_at < strftime('%Y-%m-%dT%H:%M:%fZ', :before, '-0.001 seconds', 'start of month')
    AND (month_at, id) > (strftime('%Y-%m-%dT%H:%M:%fZ', :after, '-1 month'), :id)
ORDER BY month_at, id LIMIT :limit;

-- name: remove_total
DELETE FROM totals WHERE id = :id;

-- name: read_total
SELECT month_at, * FROM totals
WHERE month_at >= :begin
    AND (month_at, id) > (:begin, :id)
ORDER BY month_at, id LIMIT :chunk;

-- name: seek_total
SELECT month_at, id FROM totals
WHERE month_at >= :begin
ORDER BY month_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: read_total_of_line
SELECT month_at, * FROM totals
WHERE line = :line AND month_at >= :begin
    AND (month_at, id) > (:begin, :id)
ORDER BY month_at, id LIMIT :chunk;

-- name: seek_total_of_line
SELECT month_at, id FROM totals
WHERE line = :line AND month_at >= :begin
ORDER BY month_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_total
SELECT count(*) FROM totals;

-- holds

-- name: upsert_hold
INSERT INTO holds (
    id, lines, kinds, from_at, until_at, authority, reference, placed_at, placed_by, reviewer,
    review_at, reviewed_at, reviewed_by, lifted_at, lifted_by, lifted_why, account
) VALUES (
    :id, :lines, :kinds, :from_at, :until_at, :authority, :reference, :placed_at, :placed_by, :reviewer,
    :review_at, :reviewed_at, :reviewed_by, :lifted_at, :lifted_by, :lifted_why, :account
) ON CONFLICT (id) DO UPDATE SET
    lines = excluded.lines, kinds = excluded.kinds, from_at = excluded.from_at,
    until_at = excluded.until_at, authority = excluded.authority, reference = excluded.reference,
    placed_at = excluded.placed_at, placed_by = excluded.placed_by, reviewer = excluded.reviewer,
    review_at = excluded.review_at, reviewed_at = excluded.reviewed_at,
    reviewed_by = excluded.reviewed_by, lifted_at = excluded.lifted_at, lifted_by = excluded.lifted_by,
    lifted_why = excluded.lifted_why, account = excluded.account;

-- name: open_hold
SELECT * FROM holds WHERE lifted_at IS NULL;

-- name: due_hold
SELECT lifted_at, id, NULL, placed_at FROM holds
WHERE lifted_at >= :after AND lifted_at < :before
    AND (lifted_at, id) > (:after, :id)
ORDER BY lifted_at, id LIMIT :limit;

-- name: remove_hold
DELETE FROM holds WHERE id = :id;

-- name: read_hold
SELECT placed_at, * FROM holds
WHERE placed_at >= :begin
    AND (placed_at, id) > (:begin, :id)
ORDER BY placed_at, id LIMIT :chunk;

-- name: seek_hold
SELECT placed_at, id FROM holds
WHERE placed_at >= :begin
ORDER BY placed_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_hold
SELECT count(*) FROM holds;

-- requests

-- name: upsert_request
INSERT INTO requests (
    id, account, asks, received_at, opened_by, identity, identity_at, identity_by, pauses, waits_for,
    extended_at, extension, due_at, closed_at, closed_by, outcome, answer
) VALUES (
    :id, :account, :asks, :received_at, :opened_by, :identity, :identity_at, :identity_by, :pauses,
    :waits_for, :extended_at, :extension, :due_at, :closed_at, :closed_by, :outcome, :answer
) ON CONFLICT (id) DO UPDATE SET
    account = excluded.account, asks = excluded.asks, received_at = excluded.received_at,
    opened_by = excluded.opened_by, identity = excluded.identity, identity_at = excluded.identity_at,
    identity_by = excluded.identity_by, pauses = excluded.pauses, waits_for = excluded.waits_for,
    extended_at = excluded.extended_at, extension = excluded.extension, due_at = excluded.due_at,
    closed_at = excluded.closed_at, closed_by = excluded.closed_by, outcome = excluded.outcome,
    answer = excluded.answer;

-- name: open_request
SELECT * FROM requests WHERE closed_at IS NULL;

-- name: due_request
SELECT closed_at, id, NULL, received_at FROM requests
WHERE closed_at >= :after AND closed_at < :before
    AND (closed_at, id) > (:after, :id)
ORDER BY closed_at, id LIMIT :limit;

-- name: remove_request
DELETE FROM requests WHERE id = :id;

-- name: read_request
SELECT received_at, * FROM requests
WHERE received_at >= :begin
    AND (received_at, id) > (:begin, :id)
ORDER BY received_at, id LIMIT :chunk;

-- name: seek_request
SELECT received_at, id FROM requests
WHERE received_at >= :begin
ORDER BY received_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_request
SELECT count(*) FROM requests;

-- name: find_request
SELECT * FROM requests WHERE id >= :id AND id < :behind ORDER BY id LIMIT :limit;

-- name: of_request
SELECT * FROM requests WHERE account = :of ORDER BY received_at, id;

-- consents

-- name: upsert_consent
INSERT INTO consents (
    id, account, lines, party, kinds, purpose, by, given_at, expires_at, withdrawn_at, withdrawn_by
) VALUES (
    :id, :account, :lines, :party, :kinds, :purpose, :by, :given_at, :expires_at, :withdrawn_at, :withdrawn_by
) ON CONFLICT (id) DO UPDATE SET
    account = excluded.account, lines = excluded.lines, party = excluded.party, kinds = excluded.kinds, purpose = excluded.purpose,
    by = excluded.by, given_at = excluded.given_at, expires_at = excluded.expires_at,
    withdrawn_at = excluded.withdrawn_at, withdrawn_by = excluded.withdrawn_by;

-- name: due_consent
SELECT coalesce(withdrawn_at, expires_at), id, NULL, given_at FROM consents
WHERE coalesce(withdrawn_at, expires_at) >= :after AND coalesce(withdrawn_at, expires_at) < :before
    AND (coalesce(withdrawn_at, expires_at), id) > (:after, :id)
ORDER BY coalesce(withdrawn_at, expires_at), id LIMIT :limit;

-- name: remove_consent
DELETE FROM consents WHERE id = :id;

-- name: read_consent
SELECT given_at, * FROM consents
WHERE given_at >= :begin
    AND (given_at, id) > (:begin, :id)
ORDER BY given_at, id LIMIT :chunk;

-- name: seek_consent
SELECT given_at, id FROM consents
WHERE given_at >= :begin
ORDER BY given_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_consent
SELECT count(*) FROM consents;

-- name: find_consent
SELECT * FROM consents WHERE id >= :id AND id < :behind ORDER BY id LIMIT :limit;

-- disclosures: written once

-- name: upsert_disclosure
INSERT INTO disclosures (
    id, disclosure, step, at, by, login, party, authority, power, consent, reference, emergency, account, lines,
    since_at, until_at, kinds, fields, reason, bundle, secret_until_at, salt
) VALUES (
    :id, :disclosure, :step, :at, :by, :login, :party, :authority, :power, :consent, :reference, :emergency, :account,
    :lines, :since_at, :until_at, :kinds, :fields, :reason, :bundle, :secret_until_at, :salt
) ON CONFLICT (id) DO NOTHING;

-- name: due_disclosure
SELECT at, id, NULL, at FROM disclosures
WHERE at >= :after AND at < :before
    AND (at, id) > (:after, :id)
ORDER BY at, id LIMIT :limit;

-- name: remove_disclosure
DELETE FROM disclosures WHERE id = :id;

-- name: read_disclosure
SELECT at, * FROM disclosures
WHERE at >= :begin
    AND (at, id) > (:begin, :id)
ORDER BY at, id LIMIT :chunk;

-- name: seek_disclosure
SELECT at, id FROM disclosures
WHERE at >= :begin
ORDER BY at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_disclosure
SELECT count(*) FROM disclosures;

-- name: of_disclosure
SELECT * FROM disclosures WHERE disclosure = :of ORDER BY at, id;

-- name: find_disclosure
SELECT * FROM disclosures WHERE id >= :id AND id < :behind ORDER BY id LIMIT :limit;

-- leaves: written once, and none is deleted

-- name: upsert_leaf
INSERT INTO leaves (id, seq, at, commitment, root, signature)
VALUES (:id, :seq, :at, :commitment, :root, :signature)
ON CONFLICT (id) DO NOTHING;

-- name: due_leaf
SELECT at, id, NULL, at FROM leaves
WHERE at >= :after AND at < :before
    AND (at, id) > (:after, :id)
ORDER BY at, id LIMIT :limit;

-- name: remove_leaf
DELETE FROM leaves WHERE id = :id;

-- name: read_leaf
SELECT at, * FROM leaves
WHERE at >= :begin
    AND (at, id) > (:begin, :id)
ORDER BY at, id LIMIT :chunk;

-- name: seek_leaf
SELECT at, id FROM leaves
WHERE at >= :begin
ORDER BY at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_leaf
SELECT count(*) FROM leaves;

-- traffic

-- name: upsert_traffic
INSERT INTO traffic (
    id, day_at, clock_hour, direction, number_class, lines, attempts, answered, carried_s
) VALUES (
    :id, :day_at, :clock_hour, :direction, :number_class, :lines, :attempts, :answered, :carried_s
) ON CONFLICT (id) DO UPDATE SET
    day_at = excluded.day_at, clock_hour = excluded.clock_hour, direction = excluded.direction, number_class = excluded.number_class, lines = excluded.lines, attempts = excluded.attempts, answered = excluded.answered, carried_s = excluded.carried_s;

-- name: due_traffic
SELECT day_at, id, NULL, day_at FROM traffic
WHERE day_at >= :after AND day_at < :before
    AND (day_at, id) > (:after, :id)
ORDER BY day_at, id LIMIT :limit;

-- name: remove_traffic
DELETE FROM traffic WHERE id = :id;

-- name: read_traffic
SELECT day_at, * FROM traffic
WHERE day_at >= :begin
    AND (day_at, id) > (:begin, :id)
ORDER BY day_at, id LIMIT :chunk;

-- name: seek_traffic
SELECT day_at, id FROM traffic
WHERE day_at >= :begin
ORDER BY day_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_traffic
SELECT count(*) FROM traffic;

-- devices

-- name: upsert_devices
INSERT INTO devices (
    id, month_at, vendor, model, firmware, lines
) VALUES (
    :id, :month_at, :vendor, :model, :firmware, :lines
) ON CONFLICT (id) DO UPDATE SET
    month_at = excluded.month_at, vendor = excluded.vendor, model = excluded.model, firmware = excluded.firmware, lines = excluded.lines;

-- name: due_devices
SELECT month_at, id, NULL, month_at FROM devices
WHERE month_at >= :after AND month_at < :before
    AND (month_at, id) > (:after, :id)
ORDER BY month_at, id LIMIT :limit;

-- name: remove_devices
DELETE FROM devices WHERE id = :id;

-- name: read_devices
SELECT month_at, * FROM devices
WHERE month_at >= :begin
    AND (month_at, id) > (:begin, :id)
ORDER BY month_at, id LIMIT :chunk;

-- name: seek_devices
SELECT month_at, id FROM devices
WHERE month_at >= :begin
ORDER BY month_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_devices
SELECT count(*) FROM devices;

-- aggregates

-- name: upsert_aggregate
INSERT INTO aggregates (
    id, of, period_at, at, cells
) VALUES (
    :id, :of, :period_at, :at, :cells
) ON CONFLICT (id) DO UPDATE SET
    of = excluded.of, period_at = excluded.period_at, at = excluded.at, cells = excluded.cells;

-- name: due_aggregate
SELECT period_at, id, NULL, period_at FROM aggregates
WHERE period_at >= :after AND period_at < :before
    AND (period_at, id) > (:after, :id)
ORDER BY period_at, id LIMIT :limit;

-- name: remove_aggregate
DELETE FROM aggregates WHERE id = :id;

-- name: read_aggregate
SELECT period_at, * FROM aggregates
WHERE period_at >= :begin
    AND (period_at, id) > (:begin, :id)
ORDER BY period_at, id LIMIT :chunk;

-- name: seek_aggregate
SELECT period_at, id FROM aggregates
WHERE period_at >= :begin
ORDER BY period_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_aggregate
SELECT count(*) FROM aggregates;

-- lines

-- name: upsert_line
INSERT INTO lines (id, name, name_index, since_at, until_at)
VALUES (:id, :name, :name_index, :since_at, :until_at)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, name_index = excluded.name_index, since_at = excluded.since_at, until_at = excluded.until_at;

-- name: name_line
SELECT name FROM lines WHERE id = :id;

-- name: named_line
SELECT id, name, since_at, until_at FROM lines WHERE name_index IN (SELECT value FROM json_each(:indexes));

-- name: due_line
SELECT until_at, id, id, since_at FROM lines
WHERE until_at >= :after AND until_at < :before
    AND NOT EXISTS (SELECT 1 FROM registrations WHERE registrations.line = lines.id)
    AND NOT EXISTS (SELECT 1 FROM emergencies WHERE emergencies.line = lines.id)
    AND NOT EXISTS (SELECT 1 FROM recordings WHERE recordings.line = lines.id)
    AND NOT EXISTS (SELECT 1 FROM optins WHERE optins.line = lines.id)
    AND NOT EXISTS (SELECT 1 FROM contents WHERE contents.line = lines.id)
    AND NOT EXISTS (SELECT 1 FROM calls WHERE calls.line = lines.id)
    AND NOT EXISTS (SELECT 1 FROM texts WHERE texts.line = lines.id)
    AND NOT EXISTS (SELECT 1 FROM totals WHERE totals.line = lines.id)
    AND (until_at, id) > (:after, :id)
ORDER BY until_at, id LIMIT :limit;

-- name: remove_line
DELETE FROM lines WHERE id = :id;

-- name: read_line
SELECT since_at, * FROM lines
WHERE since_at >= :begin
    AND (since_at, id) > (:begin, :id)
ORDER BY since_at, id LIMIT :chunk;

-- name: seek_line
SELECT since_at, id FROM lines
WHERE since_at >= :begin
ORDER BY since_at DESC, id DESC LIMIT 1 OFFSET :limit;

-- name: count_line
SELECT count(*) FROM lines;

-- name: find_line
SELECT * FROM lines WHERE id >= :id AND id < :behind ORDER BY id LIMIT :limit;

-- what is personal

-- name: having_call
SELECT * FROM calls WHERE number_index IN (SELECT value FROM json_each(:indexes));

-- name: clear_registration
SELECT * FROM registrations INDEXED BY registrations_clear
WHERE line NOT GLOB '~????????????????'
    OR ip NOT GLOB '1.????????????????.????????????????.*'
LIMIT :limit;

-- name: lock_registration
UPDATE registrations SET line = :line, ip = :ip
WHERE id = :id AND line IS :line_was AND ip IS :ip_was;

-- name: unlocked_registration
SELECT count(*) FROM registrations INDEXED BY registrations_clear
WHERE line NOT GLOB '~????????????????'
    OR ip NOT GLOB '1.????????????????.????????????????.*';

-- name: clear_emergency
SELECT * FROM emergencies INDEXED BY emergencies_clear
WHERE line NOT GLOB '~????????????????'
    OR ip NOT GLOB '1.????????????????.????????????????.*'
LIMIT :limit;

-- name: lock_emergency
UPDATE emergencies SET line = :line, ip = :ip
WHERE id = :id AND line IS :line_was AND ip IS :ip_was;

-- name: unlocked_emergency
SELECT count(*) FROM emergencies INDEXED BY emergencies_clear
WHERE line NOT GLOB '~????????????????'
    OR ip NOT GLOB '1.????????????????.????????????????.*';

-- name: clear_recording
SELECT * FROM recordings INDEXED BY recordings_clear
WHERE line NOT GLOB '~????????????????'
LIMIT :limit;

-- name: lock_recording
UPDATE recordings SET line = :line
WHERE id = :id AND line IS :line_was;

-- name: unlocked_recording
SELECT count(*) FROM recordings INDEXED BY recordings_clear
WHERE line NOT GLOB '~????????????????';

-- name: clear_detail
SELECT * FROM details INDEXED BY details_clear
WHERE cli NOT GLOB '1.????????????????.????????????????.*'
    OR address NOT GLOB '1.????????????????.????????????????.*'
    OR contact NOT GLOB '1.????????????????.????????????????.*'
LIMIT :limit;

-- name: lock_detail
UPDATE details SET cli = :cli, address = :address, contact = :contact
WHERE id = :id AND cli IS :cli_was AND address IS :address_was AND contact IS :contact_was;

-- name: unlocked_detail
SELECT count(*) FROM details INDEXED BY details_clear
WHERE cli NOT GLOB '1.????????????????.????????????????.*'
    OR address NOT GLOB '1.????????????????.????????????????.*'
    OR contact NOT GLOB '1.????????????????.????????????????.*';

-- name: clear_optin
SELECT * FROM optins INDEXED BY optins_clear
WHERE line NOT GLOB '~????????????????'
    OR by NOT GLOB '1.????????????????.????????????????.*'
    OR purpose NOT GLOB '1.????????????????.????????????????.*'
    OR withdrawn_by NOT GLOB '1.????????????????.????????????????.*'
LIMIT :limit;

-- name: lock_optin
UPDATE optins SET line = :line, by = :by, purpose = :purpose, withdrawn_by = :withdrawn_by
WHERE id = :id AND line IS :line_was AND by IS :by_was AND purpose IS :purpose_was AND withdrawn_by IS :withdrawn_by_was;

-- name: unlocked_optin
SELECT count(*) FROM optins INDEXED BY optins_clear
WHERE line NOT GLOB '~????????????????'
    OR by NOT GLOB '1.????????????????.????????????????.*'
    OR purpose NOT GLOB '1.????????????????.????????????????.*'
    OR withdrawn_by NOT GLOB '1.????????????????.????????????????.*';

-- name: clear_content
SELECT * FROM contents INDEXED BY contents_clear
WHERE line NOT GLOB '~????????????????'
LIMIT :limit;

-- name: lock_content
UPDATE contents SET line = :line
WHERE id = :id AND line IS :line_was;

-- name: unlocked_content
SELECT count(*) FROM contents INDEXED BY contents_clear
WHERE line NOT GLOB '~????????????????';

-- name: clear_call
SELECT * FROM calls INDEXED BY calls_clear
WHERE line NOT GLOB '~????????????????'
    OR number NOT GLOB '1.????????????????.????????????????.*'
    OR forwarded NOT GLOB '1.????????????????.????????????????.*'
LIMIT :limit;

-- name: lock_call
UPDATE calls SET line = :line, number = :number, number_index = :number_index, forwarded = :forwarded
WHERE id = :id AND line IS :line_was AND number IS :number_was AND forwarded IS :forwarded_was;

-- name: unlocked_call
SELECT count(*) FROM calls INDEXED BY calls_clear
WHERE line NOT GLOB '~????????????????'
    OR number NOT GLOB '1.????????????????.????????????????.*'
    OR forwarded NOT GLOB '1.????????????????.????????????????.*';

-- name: oldest_registration
SELECT min(ended_at) FROM registrations WHERE ended_at IS NOT NULL
UNION ALL SELECT min(last_seen) FROM registrations WHERE ended_at IS NULL;

-- name: oldest_emergency
SELECT min(ended_at) FROM emergencies WHERE ended_at IS NOT NULL
UNION ALL SELECT min(started_at) FROM emergencies WHERE ended_at IS NULL OR links <> '[]';

-- name: oldest_detail
SELECT min(until_at) FROM details WHERE until_at IS NOT NULL;

-- name: oldest_optin
SELECT min(withdrawn_at) FROM optins WHERE withdrawn_at IS NOT NULL;

-- name: oldest_call
SELECT min(started_at) FROM calls WHERE itemised = (:retention = 'call');

-- name: oldest_line
SELECT min(until_at) FROM lines WHERE until_at IS NOT NULL;

-- name: having_text
SELECT * FROM texts WHERE number_index IN (SELECT value FROM json_each(:indexes));

-- name: clear_text
SELECT * FROM texts INDEXED BY texts_clear
WHERE line NOT GLOB '~????????????????'
    OR number NOT GLOB '1.????????????????.????????????????.*'
LIMIT :limit;

-- name: lock_text
UPDATE texts SET line = :line, number = :number, number_index = :number_index
WHERE id = :id AND line IS :line_was AND number IS :number_was;

-- name: unlocked_text
SELECT count(*) FROM texts INDEXED BY texts_clear
WHERE line NOT GLOB '~????????????????'
    OR number NOT GLOB '1.????????????????.????????????????.*';

-- name: oldest_text
SELECT min(at) FROM texts WHERE itemised = (:retention = 'call');

-- name: oldest_audit
SELECT min(at) FROM audits;

-- name: oldest_consent
SELECT min(coalesce(withdrawn_at, expires_at)) FROM consents;

-- name: oldest_disclosure
SELECT min(at) FROM disclosures;

-- name: oldest_hold
SELECT min(lifted_at) FROM holds WHERE lifted_at IS NOT NULL;

-- name: clear_hold
SELECT * FROM holds INDEXED BY holds_clear
WHERE lines NOT GLOB '1.????????????????.????????????????.*'
    OR authority NOT GLOB '1.????????????????.????????????????.*'
    OR reference NOT GLOB '1.????????????????.????????????????.*'
    OR placed_by NOT GLOB '1.????????????????.????????????????.*'
    OR reviewer NOT GLOB '1.????????????????.????????????????.*'
    OR reviewed_by NOT GLOB '1.????????????????.????????????????.*'
    OR lifted_by NOT GLOB '1.????????????????.????????????????.*'
    OR lifted_why NOT GLOB '1.????????????????.????????????????.*'
    OR account NOT GLOB '1.????????????????.????????????????.*'
LIMIT :limit;

-- name: lock_hold
UPDATE holds
SET lines = :lines, authority = :authority, reference = :reference, placed_by = :placed_by, reviewer = :reviewer,
    reviewed_by = :reviewed_by, lifted_by = :lifted_by, lifted_why = :lifted_why, account = :account
WHERE id = :id AND lines IS :lines_was AND authority IS :authority_was AND reference IS :reference_was
    AND placed_by IS :placed_by_was AND reviewer IS :reviewer_was AND reviewed_by IS :reviewed_by_was
    AND lifted_by IS :lifted_by_was AND lifted_why IS :lifted_why_was AND account IS :account_was;

-- name: unlocked_hold
SELECT count(*) FROM holds INDEXED BY holds_clear
WHERE lines NOT GLOB '1.????????????????.????????????????.*'
    OR authority NOT GLOB '1.????????????????.????????????????.*'
    OR reference NOT GLOB '1.????????????????.????????????????.*'
    OR placed_by NOT GLOB '1.????????????????.????????????????.*'
    OR reviewer NOT GLOB '1.????????????????.????????????????.*'
    OR reviewed_by NOT GLOB '1.????????????????.????????????????.*'
    OR lifted_by NOT GLOB '1.????????????????.????????????????.*'
    OR lifted_why NOT GLOB '1.????????????????.????????????????.*'
    OR account NOT GLOB '1.????????????????.????????????????.*';

-- name: clear_consent
SELECT * FROM consents INDEXED BY consents_clear
WHERE lines NOT GLOB '1.????????????????.????????????????.*'
    OR party NOT GLOB '1.????????????????.????????????????.*'
    OR purpose NOT GLOB '1.????????????????.????????????????.*'
    OR by NOT GLOB '1.????????????????.????????????????.*'
    OR withdrawn_by NOT GLOB '1.????????????????.????????????????.*'
LIMIT :limit;

-- name: lock_consent
UPDATE consents
SET lines = :lines, party = :party, purpose = :purpose, by = :by, withdrawn_by = :withdrawn_by
WHERE id = :id AND lines IS :lines_was AND party IS :party_was AND purpose IS :purpose_was AND by IS :by_was
    AND withdrawn_by IS :withdrawn_by_was;

-- name: unlocked_consent
SELECT count(*) FROM consents INDEXED BY consents_clear
WHERE lines NOT GLOB '1.????????????????.????????????????.*'
    OR party NOT GLOB '1.????????????????.????????????????.*'
    OR purpose NOT GLOB '1.????????????????.????????????????.*'
    OR by NOT GLOB '1.????????????????.????????????????.*'
    OR withdrawn_by NOT GLOB '1.????????????????.????????????????.*';
