"""Alarms of what stands in the way of the next 999, and of channels that take nothing."""

from collections.abc import Iterator
from dataclasses import replace

from agent.core.alarms import DAY_MS, QUIET_MS, TWICE, AlarmPolicy, Alarms
from agent.core.notices import LINGER_MS, LONGEST_MS, REFUSALS
from agent.core.records import (
    Alarm,
    Cause,
    Delivery,
    News,
    Notice,
    Outcome,
    Record,
    Severity,
)
from tests.core.alarmed import (
    DESK,
    MANAGER,
    NOON,
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


def stands(book: Alarms, what: str | None, at: int, severity: Severity = Severity.WARNING) -> list[Record]:
    return list(book.condition(Cause.PATH, "phones", what, severity, at))


def test_a_condition_is_told_once_while_it_stands_and_once_when_it_is_over() -> None:
    book = alarms(DESK)
    assert notices_of(stands(book, "999 leads nowhere", NOON)) == [("desk", News.RAISED)]
    send_all(book, NOON)
    assert stands(book, "999 leads nowhere", NOON + 1_000) == []
    changed = stands(book, "999 and 112 lead nowhere", NOON + 2_000)
    assert (alarm_of(changed).what, notices_of(changed)) == ("999 and 112 lead nowhere", [])
    assert alarm_of(stands(book, None, NOON + 3_000)).cleared_at == NOON + 3_000
    assert list(book.tick(NOON + 3_000 + QUIET_MS - 1)) == []
    told = list(book.tick(NOON + 3_000 + QUIET_MS))
    assert (alarm_of(told).closed_at, notices_of(told)) == (NOON + 3_000 + QUIET_MS, [("desk", News.CLEARED)])


def test_what_flaps_for_a_day_is_told_twice() -> None:
    book = alarms(DESK, MANAGER)
    told: list[tuple[str, News]] = []
    for at in range(NOON, NOON + DAY_MS, 30_000):
        told += notices_of(stands(book, None if at // 30_000 % 2 else "999 leads nowhere", at))
        send_all(book, at)
        told += notices_of(book.tick(at))
    at = NOON + DAY_MS
    stands(book, None, at)
    told += notices_of(book.tick(at + QUIET_MS))
    assert told == [("desk", News.RAISED), ("desk", News.CLEARED)]


def test_what_a_person_closed_while_it_stood_is_silent_until_it_is_worse_or_was_away() -> None:
    for back in ("worse", "away"):
        book = alarms(DESK)
        raised = alarm_of(stands(book, "999 is weak", NOON))
        list(book.close(raised.id, "Ann", "known", NOON + 1))
        assert stands(book, "999 is weak", NOON + 30_000) == []
        if back == "worse":
            again = stands(book, "999 leads nowhere", NOON + 60_000, Severity.CRITICAL)
        else:
            assert stands(book, None, NOON + 60_000) == []
            again = stands(book, "999 is weak", NOON + 90_000)
        assert notices_of(again) == [("desk", News.RAISED)]


def test_a_sentence_is_one_line() -> None:
    raised = alarm_of(stands(alarms(), "a\nb\x1b[2J" + "c" * 10_000, NOON))
    assert raised.what.isprintable()
    assert len(raised.what) <= 200


def test_an_emergency_goes_before_whatever_waits_longer() -> None:
    book = alarms(DESK)
    stands(book, "999 leads nowhere", NOON, Severity.CRITICAL)
    list(book.noted(call("one"), NOON + 1))
    list(book.noted(call("two"), NOON + 2))
    assert [(notice.cause, notice.raised_at - NOON) for notice in book.due(NOON + 3)] == [
        (Cause.EMERGENCY, 1),
        (Cause.EMERGENCY, 2),
        (Cause.PATH, 0),
    ]


def test_a_new_emergency_goes_before_what_its_channel_has_refused_and_that_goes_round() -> None:
    book = alarms(DESK)
    at, took_ms = NOON, 60_000
    for name in ("one", "two", "three"):
        list(book.noted(call(name), at))
    tried: list[str] = []

    def hangs() -> None:
        nonlocal at
        notice = book.due(at)[0]
        tried.append(book.alarms[notice.alarm].subject)
        at += took_ms
        list(book.failed(notice.id, "timeout", at))
        at += LONGEST_MS

    for _ in range(4):
        hangs()
    list(book.noted(call("new"), at))
    for _ in range(4):
        hangs()
    assert tried == ["one", "two", "three", "one", "new", "two", "three", "one"]


def test_an_emergency_that_was_refused_goes_before_the_end_of_others_that_was_never_tried() -> None:
    book = alarms(DESK)
    for name in ("cleared", "closed"):
        list(book.noted(call(name), NOON))
    send_all(book, NOON)
    list(book.noted(call("new"), NOON))
    (raised,) = book.due(NOON)
    list(book.failed(raised.id, "timeout", NOON))
    list(book.noted(over(answered(call("cleared"), NOON), Outcome.ANSWERED, NOON), NOON))
    list(book.noted(over(call("closed"), Outcome.ABANDONED, NOON), NOON))
    list(book.close("closed", "Ann", "child playing", NOON))
    assert [due.news for due in book.due(NOON + LONGEST_MS)] == [News.RAISED, News.CLEARED, News.CLOSED]


def test_an_emergency_is_never_given_up_while_it_is_open() -> None:
    book = alarms(DESK)
    list(book.noted(call(), NOON))
    at, tried = NOON, 0
    while at < NOON + 7 * DAY_MS:
        list(book.tick(at))
        for notice in book.due(at):
            list(book.failed(notice.id, "timeout", at))
            tried += 1
        at = min(notice.try_at for notice in book.notices.all.values() if notice.state is Delivery.PENDING)
    assert tried > 7 * DAY_MS / LONGEST_MS


def test_a_dead_channel_is_an_alarm_on_the_others_alone() -> None:
    book = alarms(DESK, rule_of("pager"))
    list(book.noted(call(), NOON))
    notice = next(notice for notice in book.due(NOON) if notice.channel == "desk")
    for attempt in range(1, REFUSALS):
        assert notices_of(book.failed(notice.id, "timeout", NOON + attempt)) == []
    told = list(book.failed(notice.id, "timeout", NOON + REFUSALS))
    assert (alarm_of(told).cause, alarm_of(told).subject) == (Cause.CHANNEL, "desk")
    assert notices_of(told) == [("pager", News.RAISED)]
    at = NOON + 60_000
    assert alarm_of(book.handed(notice.id, at)).cleared_at == at
    list(book.noted(over(call(), Outcome.ABANDONED, at), at))
    assert alarm_of(book.tick(at + QUIET_MS)).closed_at == at + QUIET_MS


def test_where_it_is_the_only_channel_the_alarm_is_there_all_the_same() -> None:
    book = alarms(DESK)
    list(book.noted(call(), NOON))
    (notice,) = book.due(NOON)
    told = [record for attempt in range(50) for record in book.failed(notice.id, "timeout", NOON + attempt)]
    assert [record.subject for record in told if isinstance(record, Alarm)] == ["desk"]
    assert notices_of(told) == []


def test_a_channel_that_is_back_is_given_at_once_what_it_refused() -> None:
    book = alarms(DESK)
    for name in ("one", "two"):
        list(book.noted(call(name), NOON))
    one, two = book.due(NOON)
    for notice in (one, two):
        for _ in range(9):
            list(book.failed(notice.id, "timeout", NOON))
    list(book.handed(one.id, NOON + 1_000))
    assert [notice.id for notice in book.due(NOON + 1_000)] == [two.id]


def test_a_receipt_is_waited_for_where_the_channel_gives_one() -> None:
    book = alarms(DESK)
    list(book.noted(call(), NOON))
    (notice,) = book.due(NOON)
    (sent,) = book.handed(notice.id, NOON + 1, receipt=True)
    assert isinstance(sent, Notice)
    assert (sent.state, sent.done_at) == (Delivery.SENT, None)
    restarted = alarms(DESK)
    restarted.restore([alarm_of(book.alarms.values()), call(), sent])
    (received,) = restarted.received(notice.id, NOON + 900)
    assert isinstance(received, Notice)
    assert (received.state, received.delivered_at) == (Delivery.DELIVERED, NOON + 900)
    assert list(restarted.received(notice.id, NOON + 901)) == []


def test_what_was_under_way_when_it_became_useless_is_kept_as_told() -> None:
    book = alarms(DESK)
    gone = over(call(), Outcome.ABANDONED, NOON + 1)
    list(book.noted(call(), NOON))
    list(book.noted(gone, NOON + 1))
    (notice,) = book.due(NOON + 1)
    list(book.close("call", "Ann", "well", NOON + 2))
    assert book.notices.all[notice.id].state is Delivery.DROPPED
    (sent,) = book.handed(notice.id, NOON + 3)
    assert isinstance(sent, Notice)
    assert (sent.state, sent.sent_at) == (Delivery.SENT, NOON + 3)


def test_what_happens_while_a_notice_is_under_way_is_told_when_that_was_taken() -> None:
    book = alarms(DESK, MANAGER)
    list(book.noted(call(), NOON))
    send_all(book, NOON)
    list(book.tick(NOON + STEP_MS))
    (notice,) = book.due(NOON + STEP_MS)
    book.begun(notice.id)
    failed = over(call(), Outcome.FAILED, NOON + STEP_MS + 1)
    assert notices_of(book.noted(failed, NOON + STEP_MS + 1)) == [("desk", News.WORSENED)]
    told = list(book.handed(notice.id, NOON + STEP_MS + 2))
    assert notices_of(told) == [("manager", News.WORSENED)]
    assert {due.channel for due in book.due(NOON + STEP_MS + 2)} == {"desk", "manager"}


def test_whom_a_notice_reaches_after_the_end_is_told_of_the_end() -> None:
    for taken in (True, False):
        book = alarms(DESK)
        list(book.noted(call(), NOON))
        (notice,) = book.due(NOON)
        book.begun(notice.id)
        list(book.noted(over(call(), Outcome.FAILED, NOON + 1), NOON + 1))
        assert notices_of(book.close("call", "Ann", "called 999 for them", NOON + 2)) == []
        told = list(book.handed(notice.id, NOON + 3) if taken else book.failed(notice.id, "timeout", NOON + 3))
        assert notices_of(told) == ([("desk", News.CLOSED)] if taken else [])
        assert len(book.due(NOON + DAY_MS)) == taken


def test_what_is_told_of_the_end_already_is_not_told_again_when_worse_news_was_taken() -> None:
    book = alarms(DESK)
    list(book.noted(call(), NOON))
    send_all(book, NOON)
    list(book.noted(over(call(), Outcome.FAILED, NOON + 1), NOON + 1))
    (notice,) = book.due(NOON + 1)
    book.begun(notice.id)
    assert notices_of(book.close("call", "Ann", "called 999 for them", NOON + 2)) == [("desk", News.CLOSED)]
    assert notices_of(book.handed(notice.id, NOON + 3)) == []
    assert [due.news for due in book.due(NOON + 3)] == [News.CLOSED]


def test_a_notice_that_was_not_taken_tells_what_happened_meanwhile_itself() -> None:
    book = alarms(DESK)
    list(book.noted(call(), NOON))
    (notice,) = book.due(NOON)
    book.begun(notice.id)
    list(book.noted(over(call(), Outcome.FAILED, NOON + 1), NOON + 1))
    list(book.failed(notice.id, "timeout", NOON + 2))
    (again,) = book.due(NOON + DAY_MS)
    assert again.id == notice.id
    book.begun(again.id)
    assert notices_of(book.handed(again.id, NOON + 3)) == []


def test_what_a_channel_says_of_strange_notices_changes_nothing() -> None:
    book = alarms(DESK)
    assert list(book.handed("nothing", NOON)) == []
    assert list(book.received("nothing", NOON)) == []
    assert list(book.failed("nothing", "timeout", NOON)) == []


def test_a_notice_for_a_channel_that_was_taken_away_is_dropped() -> None:
    book = alarms(DESK, rule_of("pager"))
    list(book.noted(call(), NOON))
    book.adopt(AlarmPolicy(channels=(rule_of("pager"),)))
    list(book.tick(NOON + 1))
    assert [notice.channel for notice in book.due(NOON + 2)] == ["pager"]


def test_an_emergency_that_waited_on_a_channel_is_told_on_the_one_that_came_in_its_place() -> None:
    for restarted in (False, True):
        book, sms = alarms(rule_of("web")), AlarmPolicy(channels=(rule_of("sms"),))
        raised = list(book.noted(call(), NOON))
        list(book.failed(book.due(NOON)[0].id, "unreachable", NOON))
        if restarted:
            book = alarms(policy=sms)
            book.restore([call(), *raised])
        else:
            book.adopt(sms)
        assert notices_of(book.tick(NOON + 1_000)) == [("sms", News.RAISED)]
        assert [due.channel for due in book.due(NOON + 1_000)] == ["sms"]
        assert notices_of(book.tick(NOON + 2_000)) == [], "once"


def test_a_channel_that_comes_later_hears_of_the_emergencies_that_nobody_has_taken_on_as_its_level_does() -> None:
    book = alarms(DESK, MANAGER)
    for name in ("waits", "taken", "over"):
        list(book.noted(over(call(name), Outcome.FAILED, NOON), NOON))
    send_all(book, NOON)
    list(book.acknowledge("taken", "Ann", NOON))
    list(book.close("over", "Ann", "called 999 for them", NOON))
    list(book.tick(NOON + STEP_MS))
    send_all(book, NOON + STEP_MS)
    sms, deputy, director = rule_of("sms"), rule_of("deputy", 2), rule_of("director", 3)
    for there in ((MANAGER,), (MANAGER, sms, deputy, director)):
        book.adopt(AlarmPolicy(channels=there, escalate_after_ms=STEP_MS))
        told = list(book.tick(NOON + STEP_MS + 1))
    assert notices_of(told) == [("sms", News.RAISED), ("deputy", News.ESCALATED)]
    assert {book.alarms[due.alarm].subject for due in book.due(NOON + STEP_MS + 1)} == {"waits"}


def test_a_channel_that_has_heard_is_not_told_again_when_a_dead_one_is_taken_away() -> None:
    book = alarms(rule_of("dead"), DESK)
    list(book.noted(call(), NOON))
    for notice in book.due(NOON):
        list(book.handed(notice.id, NOON) if notice.channel == "desk" else book.failed(notice.id, "timeout", NOON))
    for at in range(NOON, NOON + 2 * LINGER_MS, STEP_MS):
        list(book.tick(at))
    book.adopt(AlarmPolicy(channels=(DESK,)))
    assert notices_of(book.tick(NOON + 2 * LINGER_MS)) == []
    assert book.due(NOON + DAY_MS) == []


def test_a_channel_that_is_told_of_more_takes_the_place_of_one_that_is_taken_away() -> None:
    for before in (rule_of("desk", 2), rule_of("desk", causes=frozenset((Cause.PATH,)))):
        book = alarms(rule_of("dead"), before)
        list(book.noted(call(), NOON))
        list(book.failed(book.due(NOON)[0].id, "timeout", NOON))
        book.adopt(AlarmPolicy(channels=(DESK,)))
        assert notices_of(book.tick(NOON + 1_000)) == [("desk", News.RAISED)]


class Counted(dict[str, Notice]):
    """Notices, and how often one of them was gone through."""

    read = 0

    def values(self) -> Iterator[Notice]:  # type: ignore[override]
        for notice in super().values():
            self.read += 1
            yield notice


def test_a_channel_that_comes_while_many_emergencies_are_open_is_told_within_the_second() -> None:
    book, many = alarms(DESK, rule_of("pager")), 200
    for n in range(many):
        list(book.noted(call(f"call-{n}"), NOON))
    send_all(book, NOON)
    book.notices.all = all_notices = Counted(book.notices.all)
    book.adopt(AlarmPolicy(channels=(DESK, rule_of("sms"))))
    assert notices_of(book.tick(NOON + 1)) == [("sms", News.RAISED)] * many
    assert all_notices.read <= 2 * many, "not all of them for each alarm"


def test_the_alarm_of_a_channel_ends_when_that_is_taken_away() -> None:
    book = alarms(DESK, rule_of("old"))
    list(book.noted(call(), NOON))
    notice = next(notice for notice in book.due(NOON) if notice.channel == "old")
    raised = alarm_of(record for _ in range(REFUSALS) for record in book.failed(notice.id, "tls", NOON))
    assert (raised.cause, raised.subject) == (Cause.CHANNEL, "old")
    list(book.tick(NOON + 1_000))
    assert book.alarms[raised.id].cleared_at is None
    send_all(book, NOON + 1_000)
    book.adopt(AlarmPolicy(channels=(DESK,)))
    list(book.tick(NOON + 2_000))
    told = list(book.tick(NOON + 2_000 + QUIET_MS))
    assert (alarm_of(told).id, notices_of(told)) == (raised.id, [("desk", News.CLEARED)])
    assert book.alarms[raised.id].closed_at is not None


def test_of_two_alarms_of_one_thing_one_ends_at_once_and_the_other_with_its_cause() -> None:
    """One stood in the store when that could not be opened, and the stand-in raised it again."""
    raised = alarm_of(stands(alarms(DESK), "999 leads nowhere", NOON))
    again = replace(raised, id="again", raised_at=NOON + 1)
    book = alarms(DESK)
    book.restore([raised, again])
    told = list(book.tick(NOON + 2))
    assert (alarm_of(told).id, alarm_of(told).comment) == ("again", TWICE)
    assert notices_of(told) == [("desk", News.CLOSED)]
    assert alarm_of(stands(book, None, NOON + 3)).id == raised.id
    assert alarm_of(book.tick(NOON + 3 + QUIET_MS)).closed_at == NOON + 3 + QUIET_MS


def test_of_two_alarms_of_one_thing_the_one_that_somebody_has_taken_on_goes_on() -> None:
    raised = alarm_of(stands(alarms(DESK), "999 leads nowhere", NOON, Severity.CRITICAL))
    taken = replace(raised, id="taken", acknowledged_at=NOON + 1, acknowledged_by="Ann")
    for both in ([raised, taken], [taken, raised]):
        book = alarms(DESK, MANAGER)
        book.restore(both)
        assert notices_of(book.tick(NOON + STEP_MS)) == [("desk", News.CLOSED)]
        assert [alarm.id for alarm in book.alarms.values() if alarm.closed_at is None] == ["taken"]
