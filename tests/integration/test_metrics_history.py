"""Ordinary calls in `/metrics`: each leg once, and nothing of a person."""

from dataclasses import replace

from agent.core.records import Call, CallOutcome, Direction, NumberClass
from tests.integration.exposition import SNAPSHOT, after

CALL = Call(
    id="c1",
    call="l1",
    line="201",
    direction=Direction.OUTGOING,
    number_class=NumberClass.MOBILE,
    number="locked",
    started_at=1_000,
    duration_s=9,
    billable_s=7,
    outcome=CallOutcome.ANSWERED,
)


def test_each_leg_counts_once_by_direction_and_outcome() -> None:
    missed = replace(CALL, id="c2", direction=Direction.INCOMING, billable_s=0, outcome=CallOutcome.NO_ANSWER)
    found = after(CALL, missed, CALL)
    assert found["telephony_call_legs_total", ("outgoing", "answered")] == 1
    assert found["telephony_call_legs_total", ("incoming", "no_answer")] == 1
    assert found["telephony_call_legs_total", ("internal", "busy")] == 0
    assert found["telephony_call_billable_seconds_total", ("outgoing",)] == 7


def test_how_far_the_file_is_read() -> None:
    found = after()
    assert SNAPSHOT.calls is not None
    assert found["telephony_call_file_read_timestamp_seconds", ()] == 70
    assert found["telephony_call_file_waiting_bytes", ()] == 411
    assert found["telephony_call_lines_unreadable_total", ()] == 2
    assert found["telephony_call_file_usable", ()] == 1
