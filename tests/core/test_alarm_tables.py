"""What becomes of an alarm, and of a notice: their tables hold whatever comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import alarm as one_alarm
from agent.core import notices as one_notice
from agent.core.alarm import TRANSITIONS, Input, Phase, phase_of
from agent.core.notices import LONGEST_MS, back_off
from agent.core.records import (
    Alarm,
    Cause,
    Delivery,
    News,
    Notice,
    Severity,
)
from tests.core.alarmed import NOON


@pytest.mark.parametrize("what", Input)
def test_nothing_happens_to_a_closed_alarm(what: Input) -> None:
    assert (Phase.CLOSED, what) not in TRANSITIONS


ALARMS = st.builds(
    Alarm,
    id=st.just("a"),
    cause=st.sampled_from(Cause),
    subject=st.just("s"),
    severity=st.sampled_from(Severity),
    test=st.booleans(),
    raised_at=st.just(NOON),
    acknowledged_at=st.none() | st.just(NOON + 1),
    cleared_at=st.none() | st.just(NOON + 2),
    closed_at=st.none() | st.just(NOON + 3),
)


@given(ALARMS, st.sampled_from(Input))
def test_an_alarm_goes_only_where_the_table_says_and_a_repetition_changes_nothing(alarm: Alarm, what: Input) -> None:
    after = one_alarm.step(alarm, what, NOON + 9, level=2, by="Ann", comment="well")
    wanted = TRANSITIONS.get((phase_of(alarm), what))
    if wanted is None:
        assert after is alarm
    else:
        assert phase_of(after) is wanted
    if what is not Input.ESCALATED:
        assert one_alarm.step(after, what, NOON + 10) is after


NOTICES = st.builds(
    Notice,
    id=st.just("n"),
    alarm=st.just("a"),
    cause=st.just(Cause.EMERGENCY),
    channel=st.just("desk"),
    news=st.sampled_from(News),
    state=st.sampled_from(Delivery),
    raised_at=st.just(NOON),
    try_at=st.just(NOON),
    attempts=st.integers(0, 2000),
)


@given(NOTICES, st.sampled_from(one_notice.Input))
def test_a_notice_goes_only_where_the_table_says(notice: Notice, what: one_notice.Input) -> None:
    after = one_notice.step(notice, what, NOON + 9, error="refused")
    wanted = one_notice.TRANSITIONS.get((notice.state, what))
    assert after.state is (wanted or notice.state)
    if wanted is None:
        assert after is notice
    if after.state in (Delivery.DELIVERED, Delivery.DROPPED):
        assert notice.state is after.state or after.done_at is not None


def test_the_back_off_doubles_up_to_five_minutes() -> None:
    assert [back_off(attempts) for attempts in (1, 2, 3, 9, 10, 10_000)] == [
        1_000,
        2_000,
        4_000,
        256_000,
        LONGEST_MS,
        LONGEST_MS,
    ]
