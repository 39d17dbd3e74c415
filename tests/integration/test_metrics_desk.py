"""Alarms, notices, paths and probes in `/metrics`: as they are stored, over rewritings and restarts."""

from dataclasses import replace

from agent.core.records import Alarm, Cause, Delivery, News, Notice, Path, Probe, Severity, Verdict
from agent.views.metrics import Metrics
from tests.integration.exposition import after, samples, snapshot

ALARM = Alarm(id="a", cause=Cause.EMERGENCY, subject="1", severity=Severity.CRITICAL, raised_at=60_000)
TRUNK = Alarm(id="t", cause=Cause.TRUNK, subject="carrier", severity=Severity.WARNING, raised_at=30_000)
NOTICE = Notice(
    id="n", alarm="a", cause=Cause.EMERGENCY, channel="desk", news=News.RAISED, raised_at=60_000, try_at=60_000
)
SENT = replace(NOTICE, state=Delivery.SENT, attempts=1, sent_at=60_500)
PATH = Path(id="p", context="phones", number="999", verdict=Verdict.OURS, route="", since_at=5_000)


def unacknowledged(*records: Alarm) -> dict[str, float]:
    name = "telephony_alarm_unacknowledged_timestamp_seconds"
    return {labels[0]: value for (metric, labels), value in after(*records).items() if metric == name}


def test_open_alarms_are_counted_until_they_are_closed() -> None:
    found = after(ALARM, TRUNK, replace(TRUNK, id="u", subject="other"), replace(TRUNK, closed_at=90_000))
    assert found["telephony_alarms_open", ("emergency", "critical")] == 1
    assert found["telephony_alarms_open", ("trunk", "warning")] == 1
    assert found["telephony_alarms_open", ("path", "critical")] == 0


def test_the_oldest_that_nobody_has_taken_on_is_told() -> None:
    assert unacknowledged(ALARM, replace(ALARM, id="b", raised_at=90_000), TRUNK) == {"emergency": 60, "trunk": 30}
    assert unacknowledged(ALARM, replace(ALARM, acknowledged_at=70_000, acknowledged_by="Ann")) == {}
    assert unacknowledged(ALARM, replace(ALARM, closed_at=70_000)) == {}


def test_an_emergency_that_is_over_still_waits_for_somebody_and_a_trunk_that_is_back_does_not() -> None:
    assert unacknowledged(replace(ALARM, cleared_at=70_000), replace(TRUNK, cleared_at=70_000)) == {"emergency": 60}


def test_an_alarm_of_an_earlier_run_is_open_still() -> None:
    found = after(restored=(ALARM, NOTICE))
    assert found["telephony_alarms_open", ("emergency", "critical")] == 1
    assert found["telephony_notices_waiting", ("desk",)] == 1
    assert found["telephony_notices_total", ("desk", "pending")] == 0, "the earlier run counted it"


def test_a_notice_counts_in_each_state_that_it_came_through_once() -> None:
    retried = replace(NOTICE, attempts=2, error="timeout")
    delivered = replace(SENT, state=Delivery.DELIVERED, delivered_at=61_000)
    found = after(NOTICE, retried, SENT, SENT, delivered, delivered)
    reached = {state: found["telephony_notices_total", ("desk", state)] for state in Delivery}
    assert reached == {"pending": 1, "sent": 1, "delivered": 1, "dropped": 0}
    # the lane keeps the latest state only
    assert after(delivered)["telephony_notices_total", ("desk", "sent")] == 1
    assert after(replace(NOTICE, state=Delivery.DROPPED))["telephony_notices_total", ("desk", "sent")] == 0


def test_notices_wait_until_their_channel_has_them() -> None:
    found = after(NOTICE, replace(NOTICE, id="m"), replace(NOTICE, id="o", channel="pager"), SENT)
    assert found["telephony_notices_waiting", ("desk",)] == 1
    assert found["telephony_notices_waiting", ("pager",)] == 1
    assert after(NOTICE, SENT, restored=(NOTICE,))["telephony_notices_waiting", ("desk",)] == 0


def test_every_channel_has_its_zeros_before_anything_happens() -> None:
    found = after()
    for channel in ("desk", "pager"):
        assert found["telephony_notices_total", (channel, "sent")] == 0
        assert found["telephony_notices_waiting", (channel,)] == 0
        assert found["telephony_alert_latency_seconds_count", (channel,)] == 0
    assert found["telephony_notice_failures_total", ("desk",)] == 0
    assert found["telephony_notice_failures_total", ("pager",)] == 2


def test_the_latency_is_of_real_emergencies_and_their_first_notice() -> None:
    metrics = Metrics(snapshot)
    metrics.handed("desk", Cause.EMERGENCY, 40)
    metrics.handed("desk", Cause.EMERGENCY, None)
    metrics.handed("desk", Cause.REHEARSAL, 40)
    found = samples(metrics)
    assert found["telephony_alert_latency_seconds_count", ("desk",)] == 1
    assert found["telephony_alert_latency_seconds_sum", ("desk",)] == 0.04
    assert found["telephony_alert_latency_seconds_bucket", ("desk", "0.025")] == 0


def test_paths_count_by_verdict_from_when_they_are_seen_until_they_are_gone() -> None:
    broken = replace(PATH, id="q", number="112", verdict=Verdict.BROKEN, since_at=9_000)
    found = after(PATH, PATH, broken, replace(broken, id="r", number="18000", since_at=7_000))
    assert found["telephony_paths", ("ours",)] == 1
    assert found["telephony_paths", ("broken",)] == 2
    assert found["telephony_path_since_timestamp_seconds", ("phones", "broken")] == 7
    assert ("telephony_path_since_timestamp_seconds", ("phones", "ours")) not in found
    found = after(replace(broken, gone_at=12_000), restored=(PATH, broken))
    assert found["telephony_paths", ("broken",)] == 0
    assert found["telephony_paths", ("ours",)] == 1
    assert ("telephony_path_since_timestamp_seconds", ("phones", "broken")) not in found


def test_of_a_thousand_contexts_in_trouble_fifty_are_named_the_broken_ones_first() -> None:
    weak = [replace(PATH, id=f"w{n}", context=f"a{n:04}", verdict=Verdict.WEAK) for n in range(1_000)]
    broken = [replace(PATH, id=f"b{n}", context=f"z{n:04}", verdict=Verdict.BROKEN) for n in range(30)]
    found = after(*weak, *broken)
    named = [labels for name, labels in found if name == "telephony_path_since_timestamp_seconds"]
    assert len(named) == 50
    assert sum(verdict == "broken" for _, verdict in named) == 30
    assert found["telephony_paths", ("weak",)] == 1_000


def test_the_latest_probe_counts() -> None:
    assert after()["telephony_probe_timestamp_seconds", ()] == 0
    found = after(Probe(id="probe", at=8_000), Probe(id="probe", at=7_000))
    assert found["telephony_probe_timestamp_seconds", ()] == 8
