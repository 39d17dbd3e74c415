"""What is read off the running agent at each scrape."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client.core import Metric

from agent.core.lanes import LANE_OF, Lane
from agent.core.records import Certainty, Trigger
from agent.views.metrics.families import Rows, gauge, total
from agent.views.metrics.snapshot import JournalState, PathState, SessionState, Snapshot

#: Kinds that overload may shed.
_SHEDDABLE = sorted(record.KIND for record, lane in LANE_OF.items() if lane is Lane.ORDINARY)
_UNPLACED = "none"


def agent(now: Snapshot) -> Iterator[Metric]:
    """The agent itself, its lanes and its AMI sessions."""
    yield gauge("telephony_agent_info", "The running version.", ["version"], [((now.version,), 1)])
    yield gauge("telephony_agent_ready", "1 when store and both AMI sessions are in step.", [], [((), now.ready)])
    yield gauge("telephony_store_writable", "0 while the store refuses records.", [], [((), now.storing)])
    text = "Records of which something personal is not encrypted yet; no series without a site key."
    yield gauge("telephony_records_unlocked", text, [], [] if now.unlocked is None else [((), now.unlocked)])
    text = "0 while no room is kept for emergencies beside the store; no series where none is wanted."
    held = [] if now.reserve_held is None else [((), now.reserve_held)]
    yield gauge("telephony_store_reserve_held", text, [], held)
    text = "Records of emergencies that the store has not taken yet, in the last resort; no series without one."
    aside = [] if now.last_resort_bytes is None else [((), now.last_resort_bytes)]
    yield gauge("telephony_store_last_resort_bytes", text, [], aside)
    yield total("telephony_clock_jumps", "Times that somebody or something set the clock.", [], [((), now.clock_jumps)])
    depths = [((lane.name.lower(),), depth) for lane, depth in now.lane_depths.items()]
    yield gauge("telephony_lane_depth", "Records waiting for the store.", ["lane"], depths)
    shed = [((kind,), now.shed.get(kind, 0)) for kind in _SHEDDABLE]
    yield total("telephony_records_shed", "Records lost to overload.", ["kind"], shed)
    replaced = [((kind,), now.coalesced.get(kind, 0)) for kind in _SHEDDABLE]
    text = "States of records that a later one took the place of before they were written."
    yield total("telephony_records_coalesced", text, ["kind"], replaced)
    yield total("telephony_store_errors", "Commits that the store refused.", [], [((), now.store_errors)])
    yield total("telephony_part_failures", "Failures of a view, sink or duty.", [], [((), now.failures)])
    yield from _sessions(now.sessions)


def calls(now: Snapshot) -> Iterator[Metric]:
    """Who is registered, and what is up."""
    vendors = sorted(now.registered.items())
    text = "Phones registered now, by vendor."
    yield gauge("telephony_registrations", text, ["vendor"], [((vendor,), count) for vendor, count in vendors])
    certain = [((word,), now.certain.get(word, 0)) for word in (*Certainty, _UNPLACED)]
    text = "Phones registered now, by how sure their place is; none: no table of sites."
    yield gauge("telephony_phones_by_certainty", text, ["certainty"], certain)
    text = "Emergency calls up now."
    yield gauge("telephony_emergencies_in_progress", text, [], [((), now.emergencies_in_progress)])
    text = "Events that claimed to be of an emergency, and that no channel had sent."
    yield total("telephony_emergency_strange_events", text, [], [((), now.strange)])
    text = "Calls back of the emergency services that no phone of the caller's line took."
    yield total("telephony_emergency_callbacks_missed", text, [], [((), now.callbacks_missed)])
    running = [((trigger,), now.recordings_running.get(trigger, 0)) for trigger in Trigger]
    yield gauge("telephony_recordings_running", "Recordings running now.", ["trigger"], running)


def journal(now: JournalState) -> Iterator[Metric]:
    """The dialplan's journal in AstDB."""
    text = "Entries of the dialplan's journal that told of an emergency what nothing else had told."
    yield total("telephony_journal_entries_recovered", text, [], [((), now.recovered)])
    text = "Entries in the dialplan's journal that are not cleared yet."
    yield gauge("telephony_journal_entries_waiting", text, [], [((), now.waiting)])
    text = "Entries in the dialplan's journal that no dialplan of ours wrote."
    yield gauge("telephony_journal_entries_odd", text, [], [((), now.odd)])
    text = "When the dialplan's journal was last read; 0: not in this run."
    yield gauge("telephony_journal_read_timestamp_seconds", text, [], _instant(now.read_at))


def path(now: PathState) -> Iterator[Metric]:
    """The way of the next 999 call."""
    text = "When Asterisk last said what it would do with every emergency number; 0: not in this run."
    yield gauge("telephony_path_check_timestamp_seconds", text, [], _instant(now.checked_at))
    text = "How often Asterisk is asked what it would do with every emergency number."
    yield gauge("telephony_path_check_interval_seconds", text, [], [((), now.every_s)])
    text = "How old the last probe may be; 0: none are sent."
    yield gauge("telephony_probe_late_after_seconds", text, [], [((), now.probe_late_after_s)])
    text = "When a rehearsal last proved the whole way; 0: none did, as far as the store goes back."
    yield gauge("telephony_rehearsal_proof_timestamp_seconds", text, [], _instant(now.proved_at))
    text = "Whether the last rehearsal of this run proved it: routing, CLI, headers, alert, acknowledgement."
    proofs = [((name,), ok) for name, ok in sorted(now.proofs.items())]
    yield gauge("telephony_rehearsal_proven", text, ["proof"], proofs)
    text = "0 while Asterisk knows that this emergency trunk does not answer; 1 also where it does not ask."
    up = [((name,), state != "down") for name, state in sorted(now.trunks.items())]
    yield gauge("telephony_emergency_trunk_up", text, ["trunk"], up)
    yield gauge("telephony_emergency_trunks", "Emergency trunks.", ["state"], _counts(now.trunk_states.items()))
    text = "Phones registered now, by whether they can reach 999 with the right address."
    yield gauge("telephony_phones_by_reach", text, ["reach"], _counts(now.phones.items()))
    if not now.addresses:
        return
    text = "Emergency CLIs, by their entry in the carrier's address export."
    yield gauge("telephony_addresses", text, ["state"], _counts(now.addresses.items()))
    text = "When the address export was last changed; 0: it cannot be read."
    yield gauge("telephony_address_export_timestamp_seconds", text, [], _instant(now.export_at))
    text = "Rows of the address export that cannot be understood; the whole file counts as one."
    yield gauge("telephony_address_export_faults", text, [], [((), now.export_faults)])


def _instant(at: int | None) -> Rows:
    return [((), (at or 0) / 1000)]


def _counts(items: Iterable[tuple[str, int]]) -> Rows:
    return [((word,), count) for word, count in items]


def _sessions(sessions: Sequence[SessionState]) -> Iterator[Metric]:
    def rows(value: Callable[[SessionState], float]) -> Rows:
        return [((session.name,), value(session)) for session in sessions]

    label = ["session"]
    yield gauge("telephony_ami_session_in_step", "1 when logged in and in step.", label, rows(lambda s: s.in_step))
    yield gauge("telephony_ami_session_filtered", "1 when Asterisk filters it.", label, rows(lambda s: s.filtered))
    yield total("telephony_ami_messages", "AMI messages received.", label, rows(lambda s: s.messages))
    yield total("telephony_ami_messages_wanted", "AMI messages parsed.", label, rows(lambda s: s.wanted))
    yield total("telephony_ami_received_bytes", "Bytes received over AMI.", label, rows(lambda s: s.bytes))
    yield total("telephony_ami_oversized", "AMI messages dropped for their size.", label, rows(lambda s: s.oversized))
    yield total("telephony_ami_forged", "AMI messages with headers of a caller's.", label, rows(lambda s: s.forged))
    yield total("telephony_ami_faults", "AMI messages that the core failed on.", label, rows(lambda s: s.faults))
    yield total("telephony_ami_reconnects", "Reconnections.", label, rows(lambda s: s.reconnects))
