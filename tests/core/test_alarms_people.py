"""Alarms that nobody takes on go further, and people end them."""

from dataclasses import replace

import pytest

from agent.core.alarms import BY_ITSELF, DAY_MS
from agent.core.records import (
    Cause,
    News,
    Outcome,
    Severity,
)
from tests.core.alarmed import (
    DESK,
    MANAGER,
    NOON,
    POLICY,
    STEP_MS,
    alarm_of,
    alarms,
    answered,
    call,
    notices_of,
    over,
    rule_of,
    send_all,
)


def test_it_is_escalated_level_by_level_until_the_last() -> None:
    book = alarms(policy=POLICY)
    list(book.noted(call(), NOON))
    told = [(at, notices_of(book.tick(NOON + at))) for at in range(0, 10 * STEP_MS, 1_000)]
    assert [one for one in told if one[1]] == [
        (STEP_MS, [("manager", News.ESCALATED)]),
        (2 * STEP_MS, [("director", News.ESCALATED)]),
    ]


def test_also_when_the_call_is_over_and_answered() -> None:
    """The emergency services know of it, the desk does not."""
    book = alarms(DESK, MANAGER)
    emergency = answered(call(), NOON)
    list(book.noted(emergency, NOON))
    list(book.noted(over(emergency, Outcome.ANSWERED, NOON + 9_000), NOON + 9_000))
    assert notices_of(book.tick(NOON + STEP_MS)) == [("manager", News.ESCALATED)]


def test_taking_it_on_stops_the_escalation_and_what_waits_of_it() -> None:
    book = alarms(DESK, MANAGER, rule_of("director", 3))
    list(book.noted(call(), NOON))
    list(book.tick(NOON + STEP_MS))
    list(book.acknowledge("call", "Ann", NOON + STEP_MS + 1))
    assert [notice.channel for notice in book.due(NOON + DAY_MS)] == ["desk"]
    assert notices_of(book.tick(NOON + 10 * STEP_MS)) == []


def test_a_warning_is_not_escalated_until_it_is_critical() -> None:
    book = alarms(DESK, MANAGER)
    list(book.condition(Cause.TRUNK, "trunk-a", "is slow", Severity.WARNING, NOON))
    assert notices_of(book.tick(NOON + 100 * STEP_MS)) == []
    at = NOON + 100 * STEP_MS
    send_all(book, at)
    assert notices_of(book.condition(Cause.TRUNK, "trunk-a", "is down", Severity.CRITICAL, at)) == [
        ("desk", News.WORSENED)
    ]
    assert notices_of(book.tick(at + STEP_MS - 1)) == []
    assert notices_of(book.tick(at + STEP_MS)) == [("manager", News.ESCALATED)]


@pytest.mark.parametrize("by_alarm", [True, False])
def test_people_name_the_alarm_or_the_emergency(by_alarm: bool) -> None:
    book = alarms(DESK)
    raised = alarm_of(book.noted(call(), NOON))
    id = raised.id if by_alarm else "call"
    assert alarm_of(book.acknowledge(id, "Ann", NOON)).acknowledged_by == "Ann"
    assert list(book.acknowledge(id, "Ann", NOON + 1)) == []
    with pytest.raises(ValueError, match="Ann has taken it on already"):
        list(book.acknowledge(id, "Bob", NOON + 1))
    with pytest.raises(ValueError, match="still up"):
        list(book.close(id, "Ann", "well", NOON + 1))
    list(book.noted(over(call(), Outcome.ABANDONED, NOON + 2), NOON + 2))
    with pytest.raises(ValueError, match="comment"):
        list(book.close(id, "Ann", " \n", NOON + 3))
    with pytest.raises(ValueError, match="name"):
        list(book.close(id, "\t", "well", NOON + 3))
    closed = alarm_of(book.close(id, "Ann", "child playing", NOON + 3))
    assert (closed.closed_by, closed.comment, closed.closed_at) == ("Ann", "child playing", NOON + 3)
    for again in (book.close(id, "Bob", "well", NOON + 4), book.acknowledge(id, "Bob", NOON + 4)):
        with pytest.raises(ValueError, match="closed already, by Ann"):
            list(again)
    with pytest.raises(LookupError):
        list(book.acknowledge("nothing", "Ann", NOON))


def test_a_name_cannot_write_a_second_line() -> None:
    book = alarms(DESK)
    list(book.noted(call(), NOON))
    taken = alarm_of(book.acknowledge("call", "Ann\n\x1b[31mclosed by Bob" + "x" * 500, NOON))
    assert taken.acknowledged_by is not None
    assert taken.acknowledged_by.isprintable()
    assert len(taken.acknowledged_by) <= 80


def test_an_emergency_that_nobody_closes_is_closed_by_the_agent_a_day_later() -> None:
    book = alarms(DESK)
    list(book.noted(call(), NOON))
    send_all(book, NOON)
    at = NOON + 2 * DAY_MS
    assert notices_of(book.tick(at)) == [], "its call is up"
    list(book.noted(over(call(), Outcome.ABANDONED, at), at))
    assert notices_of(book.tick(at + DAY_MS - 1)) == []
    told = list(book.tick(at + DAY_MS))
    assert (alarm_of(told).comment, alarm_of(told).closed_by) == (BY_ITSELF, None)
    assert notices_of(told) == [("desk", News.CLOSED)]


def test_nor_does_it_stay_open_for_a_pbx_whose_clock_is_a_year_ahead() -> None:
    gone = over(call(), Outcome.ABANDONED, NOON + 365 * DAY_MS)
    book = alarms(DESK)
    book.restore([*alarms(DESK).noted(gone, NOON), gone])
    list(book.tick(NOON + 1_000))
    assert alarm_of(book.tick(NOON + 1_000 + DAY_MS)).comment == BY_ITSELF


def test_who_has_been_told_is_told_of_the_end_though_worse_news_still_waits() -> None:
    book = alarms(DESK)
    list(book.noted(call(), NOON))
    send_all(book, NOON)
    list(book.noted(over(call(), Outcome.FAILED, NOON + 1), NOON + 1))
    assert notices_of(book.close("call", "Ann", "called 999 for them", NOON + 2)) == [("desk", News.CLOSED)]
    assert [notice.news for notice in book.due(NOON + 3)] == [News.CLOSED]


def test_late_evidence_of_a_closed_call_raises_nothing_unless_it_failed() -> None:
    book = alarms(DESK)
    gone = over(call(), Outcome.ABANDONED, NOON + 1)
    list(book.noted(call(), NOON))
    list(book.noted(gone, NOON + 1))
    list(book.close("call", "Ann", "well", NOON + 2))
    assert list(book.noted(replace(gone, callbacks=1), NOON + 3)) == []
    assert notices_of(book.noted(replace(gone, outcome=Outcome.FAILED), NOON + 4)) == [("desk", News.RAISED)]
