"""`/metrics`: folds over commits, each call once, and never a personal label."""

from dataclasses import replace
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from agent import app
from agent.config import load
from agent.core.lanes import Lane
from agent.core.records import Blind, Emergency, Failure, Outcome, Record, Recording, RecordingState, SeenBy, Trigger
from agent.views.metrics import Metrics, SessionState, Snapshot
from tests.scenarios.golden import CAPTURES

EMERGENCY = Emergency(
    id="1",
    line="201",
    number="999",
    ip="203.0.113.7",
    vendor="snom",
    model="D785",
    started_at=0,
    answered_at=1_500,
    ended_at=9_000,
    outcome=Outcome.ANSWERED,
    trunk="trunk-b",
    attempts=2,
    ring_ms=1_500,
    talk_ms=7_500,
    seen_by=SeenBy.DIALPLAN,
)


def snapshot() -> Snapshot:
    return Snapshot(
        version="1",
        ready=True,
        storing=True,
        sessions=[
            SessionState(
                name="bulk",
                in_step=True,
                filtered=True,
                messages=7,
                wanted=5,
                bytes=900,
                oversized=1,
                faults=0,
                reconnects=2,
            )
        ],
        lane_depths={lane: lane.value for lane in Lane},
        shed={"registration": 3},
        store_errors=4,
        failures=5,
        registered={"snom": 6},
        emergencies_in_progress=1,
        recordings_running={"button": 2},
    )


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample by its name and the values of its labels."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def after(*commits: Record) -> dict[tuple[str, tuple[str, ...]], float]:
    metrics = Metrics(snapshot)
    for record in commits:
        metrics(Lane.EMERGENCY, [record], 0.001)
    return samples(metrics)


def test_the_gauges_are_the_snapshots() -> None:
    found = after()
    assert found["telephony_agent_info", ("1",)] == 1
    assert found["telephony_lane_depth", ("ordinary",)] == Lane.ORDINARY.value
    assert found["telephony_records_shed_total", ("registration",)] == 3
    assert found["telephony_store_errors_total", ()] == 4
    assert found["telephony_part_failures_total", ()] == 5
    assert found["telephony_registrations", ("snom",)] == 6
    assert found["telephony_ami_messages_total", ("bulk",)] == 7
    assert found["telephony_ami_reconnects_total", ("bulk",)] == 2
    assert found["telephony_emergencies_in_progress", ()] == 1
    assert found["telephony_recordings_running", ("button",)] == 2


def test_an_alert_sees_the_zero_before_the_first() -> None:
    found = after()
    assert found["telephony_emergencies_total", ("failed", "calls", "false")] == 0
    assert found["telephony_recordings_total", ("false", "stopped", "none")] == 0


def test_an_emergency_counts_once_when_it_is_over_however_often_it_is_written() -> None:
    under_way = replace(EMERGENCY, answered_at=None, ended_at=None, outcome=Outcome.IN_PROGRESS, ring_ms=None)
    found = after(under_way, under_way, EMERGENCY, EMERGENCY, replace(EMERGENCY, id="2"))
    assert found["telephony_emergencies_total", ("answered", "dialplan", "false")] == 2
    assert found["telephony_emergency_attempts_total", ()] == 4
    assert found["telephony_emergency_ring_seconds_sum", ()] == 3.0
    assert found["telephony_records_committed_total", ("emergency",)] == 5


def test_a_rehearsal_is_counted_apart() -> None:
    found = after(replace(EMERGENCY, test=True))
    assert found["telephony_emergencies_total", ("answered", "dialplan", "true")] == 1
    assert found["telephony_emergencies_total", ("answered", "dialplan", "false")] == 0
    assert found["telephony_emergency_ring_seconds_count", ()] == 0


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
    assert found["telephony_recordings_total", ("false", "stopped", "none")] == 1
    assert found["telephony_authentication_failures_total", ("wrong_secret",)] == 5
    assert found["telephony_ami_blind_seconds_total", ("bulk",)] == 2.5


def test_no_label_says_who() -> None:
    records = [record for capture in CAPTURES for record in _records(capture)]
    metrics = Metrics(snapshot)
    for record in records:
        metrics(Lane.ORDINARY, [record], 0.001)
    personal = {
        str(value)
        for record in records
        for name in ("id", "line", "ip", "trunk", "model", "number")
        if (value := getattr(record, name, None)) is not None
    } - {""}
    assert personal
    labels = {value for _, values in samples(metrics) for value in values}
    assert not labels & personal


def _records(capture: Path) -> list[Record]:
    return app.replayed(load(None, {}, secrets_required=False), [capture.read_bytes()], source=capture.name)[0]
