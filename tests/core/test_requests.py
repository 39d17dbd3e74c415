"""The clock of a customer's request: months of every length, and time that stands still."""

from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.core import requests
from agent.core.instants import from_rfc3339, rfc3339
from agent.core.records import Asks, Request, RequestOutcome, Waits

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY, HOUR = 86_400_000, 3_600_000
AT = from_rfc3339("2026-11-22T09:00:00Z")
#: Any instant up to the year 2126.
INSTANTS = st.integers(0, 4_922_000_000_000)
MONTHS = st.sampled_from([requests.MONTHS, requests.EXTENDED_MONTHS])


def opened(at: int = AT) -> Request:
    return requests.opened("r1", "A1001", Asks.ACCESS, at, "sam", at)


def day(at: int) -> datetime:
    return EPOCH + timedelta(milliseconds=at)


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2026-09-03T15:00:00Z", "2026-10-03T22:59:59.999Z"),
        ("2026-01-31T00:00:00Z", "2026-02-28T22:59:59.999Z"),
        ("2028-01-31T00:00:00Z", "2028-02-29T22:59:59.999Z"),
        ("2026-03-31T23:59:59.999Z", "2026-04-30T22:59:59.999Z"),
        ("2026-12-31T12:00:00Z", "2027-01-31T22:59:59.999Z"),
        ("2027-02-28T12:00:00Z", "2027-03-28T22:59:59.999Z"),
    ],
)
def test_a_request_is_due_on_the_same_day_of_the_next_month_or_its_last(received: str, due: str) -> None:
    request = opened(from_rfc3339(received))
    assert request.due_at is not None
    assert rfc3339(request.due_at) == due


@given(received=INSTANTS, months=MONTHS)
def test_the_term_ends_in_the_right_month_on_no_later_day(received: int, months: int) -> None:
    begin, end = day(received), day(requests.term_end(received, months))
    assert (end.year * 12 + end.month) - (begin.year * 12 + begin.month) == months
    assert end.day == min(begin.day, monthrange(end.year, end.month)[1])
    assert end + timedelta(hours=1) < datetime(end.year, end.month, end.day, tzinfo=UTC) + timedelta(days=1)


@given(earlier=INSTANTS, later=INSTANTS, months=MONTHS)
def test_who_asks_earlier_is_answered_no_later(earlier: int, later: int, months: int) -> None:
    assume(earlier <= later)
    assert requests.term_end(earlier, months) <= requests.term_end(later, months)


def test_past_the_last_calendar_year_there_is_no_term() -> None:
    with pytest.raises(OverflowError):
        requests.term_end(from_rfc3339("9999-12-02T00:00:00Z"), 1)


@given(received=INSTANTS, spans=st.lists(st.tuples(st.integers(0, 2 * DAY), st.integers(0, 40 * DAY)), max_size=6))
def test_the_time_stands_still_exactly_as_long_as_the_customer_takes(
    received: int, spans: list[tuple[int, int]]
) -> None:
    request, at = opened(received), received
    for before, waiting in spans:
        at += before
        request = requests.paused(request, Waits.CLARIFICATION, at)
        assert request.due_at is None
        assert not requests.overdue(request, at + 400 * DAY)
        at += waiting
        request = requests.resumed(request, at)
    assert request.due_at == requests.term_end(received, 1) + sum(waiting for _, waiting in spans)


@given(waiting=st.integers(0, 100 * DAY), first=st.booleans())
def test_an_extension_and_a_pause_come_to_the_same_in_either_order(waiting: int, first: bool) -> None:
    request = opened()
    if first:
        request = requests.extended(request, "complex", AT)
    request = requests.resumed(requests.paused(request, Waits.CLARIFICATION, AT + HOUR), AT + HOUR + waiting)
    if not first:
        request = requests.extended(request, "complex", AT + HOUR)
    assert request.due_at == requests.term_end(AT, 3) + waiting


def test_it_is_overdue_past_its_last_instant_only_and_never_once_answered() -> None:
    request = opened()
    assert request.due_at is not None
    assert not requests.overdue(request, request.due_at)
    assert requests.overdue(request, request.due_at + 1)
    closed = requests.closed(request, RequestOutcome.REFUSED, "unfounded", "sam", request.due_at + 1)
    assert not requests.overdue(closed, request.due_at + DAY)


def test_checking_who_asks_lets_the_time_go_on() -> None:
    waiting = requests.paused(opened(), Waits.IDENTITY, AT)
    known = requests.identified(waiting, "called back on the number on file", "sam", AT + DAY)
    assert (known.waits_for, known.due_at) == (None, requests.term_end(AT, 1) + DAY)
    asked = requests.paused(opened(), Waits.CLARIFICATION, AT)
    assert requests.identified(asked, "by letter", "sam", AT + DAY).waits_for is Waits.CLARIFICATION


def test_a_clock_that_was_set_back_takes_no_time_away() -> None:
    request = requests.resumed(requests.paused(opened(), Waits.CLARIFICATION, AT), AT - DAY)
    assert request.due_at == requests.term_end(AT, 1)


def test_what_is_asked_too_late_or_twice_changes_nothing() -> None:
    request = opened()
    assert request.due_at is not None
    late = request.due_at + 1
    paused = requests.paused(request, Waits.CLARIFICATION, AT)
    known = requests.identified(request, "by letter", "sam", AT)
    closed = requests.closed(request, RequestOutcome.WITHDRAWN, "took it back", "sam", AT)
    changes: tuple[Callable[[], Request], ...] = (
        lambda: requests.opened("r2", "A1001", Asks.ACCESS, AT + 1, "sam", AT),
        lambda: requests.paused(paused, Waits.CLARIFICATION, AT),
        lambda: requests.paused(known, Waits.IDENTITY, AT),
        lambda: requests.paused(request, Waits.CLARIFICATION, late),
        lambda: requests.resumed(request, AT),
        lambda: requests.identified(known, "again", "sam", AT),
        lambda: requests.extended(requests.extended(request, "complex", AT), "more so", AT),
        lambda: requests.extended(request, "complex", late),
        lambda: requests.closed(request, RequestOutcome.GRANTED, "sent", "sam", AT),
        lambda: requests.closed(closed, RequestOutcome.REFUSED, "no", "sam", AT),
        lambda: requests.paused(closed, Waits.CLARIFICATION, AT),
        lambda: requests.identified(closed, "by letter", "sam", AT),
    )
    for change in changes:
        with pytest.raises(ValueError, match=r"\w"):
            change()


def test_what_is_closed_while_it_stands_still_has_an_end_of_that() -> None:
    paused = requests.paused(opened(), Waits.IDENTITY, AT)
    closed = requests.closed(paused, RequestOutcome.REFUSED, "never said who it is", "sam", AT + 90 * DAY)
    assert [pause.resumed_at for pause in closed.pauses] == [AT + 90 * DAY]
    assert closed.waits_for is None
