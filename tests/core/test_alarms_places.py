"""Alarms of phones that moved, told by place."""

import pytest

from agent.core.alarms import DAY_MS, QUIET_MS, Alarms
from agent.core.notices import LONGEST_MS
from agent.core.records import (
    Certainty,
    Delivery,
    News,
    Notice,
    Record,
    Severity,
)
from agent.core.strays import ELSEWHERE, GATHER_MS, PLACES, SETTLE_MS
from tests.core.alarmed import DESK, NOON, alarm_of, alarms, notices_of, phone, send_all


def told_of_places(book: Alarms, at: int) -> list[tuple[str, News]]:
    told = list(book.tick(at))
    named = {alarm.id: alarm.subject for alarm in book.alarms.values()}
    send_all(book, at)
    return [(named[one.alarm], one.news) for one in told if isinstance(one, Notice) and one.state is Delivery.PENDING]


def test_a_moved_phone_is_told_within_seconds_and_cleared_when_it_is_back() -> None:
    book = alarms(DESK)
    book.placed(phone("201", Certainty.MOVED), NOON)
    assert told_of_places(book, NOON + SETTLE_MS - 1) == []
    assert told_of_places(book, NOON + SETTLE_MS) == [("leeds", News.RAISED)]
    (alarm,) = book.alarms.values()
    assert (alarm.severity, book.lines(alarm)) == (Severity.WARNING, ("201",))
    book.placed(phone("201", Certainty.EXPECTED), NOON + 10_000)
    list(book.tick(NOON + 11_000))
    assert told_of_places(book, NOON + 11_000 + QUIET_MS) == [("leeds", News.CLEARED)]
    assert book.strays.places == {}


def test_an_address_that_is_corrected_at_once_is_no_alarm() -> None:
    book = alarms(DESK)
    book.placed(phone("201", Certainty.UNKNOWN, ip="192.168.1.20"), NOON)
    book.placed(phone("201", Certainty.EXPECTED), NOON + 500)
    assert told_of_places(book, NOON + 60_000) == []


def test_a_phone_that_is_gone_is_nowhere() -> None:
    book = alarms(DESK)
    book.placed(phone("201", Certainty.MOVED), NOON)
    list(book.tick(NOON + SETTLE_MS))
    book.placed(phone("201", Certainty.MOVED, ended_at=NOON + 9_000), NOON + 9_000)
    assert alarm_of(book.tick(NOON + 9_000)).cleared_at == NOON + 9_000


def test_a_phone_that_registers_anew_where_it_was_told_to_be_is_not_told_again() -> None:
    book = alarms(DESK)
    book.placed(phone("201", Certainty.MOVED), NOON)
    told_of_places(book, NOON + SETTLE_MS)
    at = NOON + 3_600_000
    book.placed(phone("201", Certainty.MOVED, ended_at=at), at)
    book.placed(phone("201", Certainty.MOVED, id="reg-anew"), at)
    assert [one for later in range(0, 3_600_000, 1_000) for one in told_of_places(book, at + later)] == []


def test_another_phone_days_later_is_told_within_seconds_though_the_alarm_is_taken_on() -> None:
    book = alarms(DESK)
    book.placed(phone("201", Certainty.MOVED), NOON)
    told_of_places(book, NOON + SETTLE_MS)
    (alarm,) = book.alarms.values()
    list(book.acknowledge(alarm.id, "Ann", NOON + 60_000))
    at = NOON + 3 * DAY_MS
    book.placed(phone("202", Certainty.MOVED), at)
    assert told_of_places(book, at + SETTLE_MS) == [("leeds", News.WORSENED)]
    assert book.lines(alarm) == ("201", "202")


def test_an_office_behind_a_new_network_is_two_notices() -> None:
    book = alarms(DESK)
    told: list[tuple[str, News]] = []
    for second in range(120):
        for line in range(second * 10, second * 10 + 10):
            if line < 500:
                book.placed(phone(str(line), Certainty.UNKNOWN, ip=f"203.0.113.{line % 250}"), NOON + second * 1_000)
        told += told_of_places(book, NOON + second * 1_000)
    assert told == [("203.0.113.0/24", News.RAISED), ("203.0.113.0/24", News.WORSENED)]
    (alarm,) = book.alarms.values()
    assert alarm.what.startswith("500 phones")


@pytest.mark.parametrize("networks", [1, 10_000])
def test_ten_thousand_phones_that_register_anew_are_a_handful_of_notices_and_no_line_is_forgotten(
    networks: int,
) -> None:
    book = alarms(DESK)
    records = told = 0
    for second in range(600):
        at = NOON + second * 1_000
        for n in range(second * 20, second * 20 + 20):
            if n < 10_000:
                ip = f"10.{n % networks // 250}.{n % networks % 250}.7"
                book.placed(phone(str(n), Certainty.UNKNOWN, ip=ip), at)
        made = list(book.tick(at))
        records, told = records + len(made), told + len(notices_of(made))
        send_all(book, at)
    list(book.tick(NOON + 3_600_000))
    places = book.strays.places
    assert len(places) == min(networks, PLACES + 1)
    assert sum(len(place.lines) for place in places.values()) == 10_000
    assert all(place.told == place.lines.keys() and not place.fresh for place in places.values())
    assert (ELSEWHERE in places) == (networks > PLACES)
    assert told <= PLACES + 1 + 6
    assert records <= 3 * told


def test_a_place_that_a_person_closed_is_raised_by_the_next_phone_alone() -> None:
    book = alarms(DESK)
    book.placed(phone("201", Certainty.MOVED), NOON)
    told_of_places(book, NOON + SETTLE_MS)
    (alarm,) = book.alarms.values()
    list(book.close(alarm.id, "Ann", "moved for good", NOON + 10_000))
    at = NOON + 2 * LONGEST_MS
    assert [one for later in range(0, 600_000, 1_000) for one in told_of_places(book, at + later)] == []
    at += 600_000
    book.placed(phone("202", Certainty.MOVED), at)
    assert told_of_places(book, at + SETTLE_MS) == [("leeds", News.RAISED)]
    for line in ("201", "202"):
        book.placed(phone(line, Certainty.EXPECTED), at + 10_000)
    list(book.tick(at + 10_000 + GATHER_MS))
    list(book.tick(at + 20_000 + GATHER_MS + QUIET_MS))
    assert book.strays.places == {}


def test_a_place_that_was_closed_and_left_is_told_anew() -> None:
    book = alarms(DESK)
    book.placed(phone("201", Certainty.MOVED), NOON)
    told_of_places(book, NOON + SETTLE_MS)
    (alarm,) = book.alarms.values()
    list(book.close(alarm.id, "Ann", "known", NOON + 10_000))
    book.placed(phone("201", Certainty.EXPECTED), NOON + 20_000)
    list(book.tick(NOON + 21_000))
    book.placed(phone("201", Certainty.MOVED), NOON + 30_000)
    assert told_of_places(book, NOON + 30_000 + SETTLE_MS) == [("leeds", News.RAISED)]


@pytest.mark.parametrize("told_before", [True, False])
def test_a_restart_tells_again_of_a_place_only_what_may_not_have_been_told(told_before: bool) -> None:
    book = alarms(DESK)
    book.placed(phone("201", Certainty.MOVED), NOON)
    told_of_places(book, NOON + SETTLE_MS)
    stored: list[Record] = [*book.alarms.values(), phone("201", Certainty.MOVED)]
    if not told_before:
        stored.append(phone("202", Certainty.MOVED))
    restarted = alarms(DESK)
    restarted.new_id = restarted.notices.new_id = lambda: "after"
    restarted.restore(stored)
    wanted = [] if told_before else [("leeds", News.WORSENED)]
    assert told_of_places(restarted, NOON + 60_000) == wanted
    assert [alarm.id for alarm in restarted.alarms.values()] == [alarm.id for alarm in book.alarms.values()]
