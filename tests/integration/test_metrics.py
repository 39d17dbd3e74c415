"""`/metrics`: what is read off the agent at the scrape, folds over commits, and never a personal label."""

from dataclasses import replace
from pathlib import Path

from agent.assembly import replaying
from agent.config import load
from agent.core.lanes import Lane
from agent.core.records import Blind, Failure, Record, Recording, RecordingState, Trigger
from agent.views.metrics import Metrics
from tests.integration.exposition import EMERGENCY, PATH, SNAPSHOT, after, samples, snapshot
from tests.scenarios.golden import CAPTURES


def test_the_gauges_are_the_snapshots() -> None:
    found = after()
    assert found["telephony_agent_info", ("1",)] == 1
    assert found["telephony_lane_depth", ("ordinary",)] == Lane.ORDINARY.value
    assert found["telephony_records_shed_total", ("registration",)] == 3
    assert found["telephony_store_errors_total", ()] == 4
    assert found["telephony_part_failures_total", ()] == 5
    assert found["telephony_registrations", ("snom",)] == 6
    assert found["telephony_phones_by_certainty", ("expected",)] == 4
    assert found["telephony_phones_by_certainty", ("moved",)] == 0
    assert found["telephony_phones_by_certainty", ("none",)] == 2
    assert found["telephony_ami_messages_total", ("bulk",)] == 7
    assert found["telephony_ami_reconnects_total", ("bulk",)] == 2
    assert found["telephony_emergencies_in_progress", ()] == 1
    assert found["telephony_emergency_strange_events_total", ()] == 8
    assert found["telephony_emergency_callbacks_missed_total", ()] == 9
    assert found["telephony_recordings_running", ("button",)] == 2


def test_the_journal_and_the_way_of_the_next_call() -> None:
    found = after()
    assert found["telephony_journal_entries_recovered_total", ()] == 3
    assert found["telephony_journal_entries_waiting", ()] == 4
    assert found["telephony_journal_entries_odd", ()] == 1
    assert found["telephony_journal_read_timestamp_seconds", ()] == 2
    assert found["telephony_path_check_timestamp_seconds", ()] == 1
    assert found["telephony_path_check_interval_seconds", ()] == 30
    assert found["telephony_probe_late_after_seconds", ()] == 15
    assert found["telephony_rehearsal_proof_timestamp_seconds", ()] == 0
    assert found["telephony_emergency_trunk_up", ("trunk-a",)] == 1
    assert found["telephony_emergency_trunk_up", ("trunk-b",)] == 0
    assert found["telephony_emergency_trunks", ("down",)] == 1
    assert found["telephony_phones_by_reach", ("no_path",)] == 1


def test_an_address_export_shows_only_where_there_is_one() -> None:
    assert not any("address" in name for name, _ in after())
    path = replace(PATH, addresses={"good": 3, "missing": 1}, export_at=5_000, export_faults=2, proofs={"cli": False})
    found = samples(Metrics(lambda: replace(SNAPSHOT, path=path)))
    assert found["telephony_addresses", ("missing",)] == 1
    assert found["telephony_address_export_timestamp_seconds", ()] == 5
    assert found["telephony_address_export_faults", ()] == 2
    assert found["telephony_rehearsal_proven", ("cli",)] == 0


def test_an_agent_without_journal_and_assurance_has_none_of_their_series() -> None:
    found = samples(Metrics(lambda: replace(SNAPSHOT, journal=None, path=None)))
    assert found["telephony_agent_ready", ()] == 1
    assert not any(name.startswith(("telephony_journal", "telephony_phones_by_reach")) for name, _ in found)


def test_recordings_failures_and_blind_times() -> None:
    recording = Recording(
        id="3",
        line="202",
        leg="caller",
        trigger=Trigger.NONE,
        opted_in=False,
        started_at=0,
        stopped_at=5,
        state=RecordingState.STOPPED,
    )
    failure = Failure(id="4", hour=0, cause="wrong_secret", count=2)
    blind = Blind(id="5", session="bulk", cause="closed", from_at=1_000)
    found = after(recording, recording, failure, replace(failure, count=5), blind, replace(blind, until_at=3_500))
    assert after()["telephony_recordings_total", ("false", "stopped", "none")] == 0, "an alert sees the zero before"
    assert found["telephony_recordings_total", ("false", "stopped", "none")] == 1
    assert found["telephony_authentication_failures_total", ("wrong_secret",)] == 5
    assert found["telephony_ami_blind_seconds_total", ("bulk",)] == 2.5
    assert found["telephony_records_committed_total", ("blind",)] == 2


def test_no_label_says_who() -> None:
    records = [record for capture in CAPTURES for record in _records(capture)]
    metrics = Metrics(snapshot)
    for record in (*records, EMERGENCY):
        metrics(Lane.ORDINARY, [record], 0.001)
    personal = {
        str(value)
        for record in records
        for name in ("id", "line", "ip", "model", "number")
        if (value := getattr(record, name, None)) is not None
    } - {""}
    assert personal
    labels = {value for _, values in samples(metrics) for value in values}
    assert not labels & personal


def _records(capture: Path) -> list[Record]:
    return replaying.replayed(load(None, {}, secrets_required=False), [capture.read_bytes()], source=capture.name)[0]
