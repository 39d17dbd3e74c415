"""The words of an alarm: what somebody under stress needs first, and nothing that a caller could write into them."""

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.records import Alarm, Cause, Certainty, Detail, Emergency, Outcome, SeenBy, Severity
from agent.core.wording import LINE_LIMIT, TITLE_LIMIT, Text, of_call, plain, worded

NOON = 1_795_348_800_000
EMERGENCY = Emergency(
    id="e",
    line="201",
    number="999",
    ip="203.0.113.7",
    vendor="Yealink",
    model="SIP-T46U",
    started_at=NOON,
    seen_by=SeenBy.DIALPLAN,
    site="leeds",
    certainty=Certainty.EXPECTED,
    trunk="trunk-a",
    attempts=1,
)
DETAIL = Detail(
    id="d",
    emergency="e",
    cli="+441134960000",
    address="Leeds office, room 2.14, floor 2, 12 Wellington Street, Leeds, LS1 4AP",
    contact="Reception, 0113 496 0000",
)
ALARM = Alarm(id="a1", cause=Cause.EMERGENCY, subject="e", what="", severity=Severity.CRITICAL, raised_at=NOON)
FAILED = replace(EMERGENCY, outcome=Outcome.FAILED, ended_at=NOON + 9_000)
ANSWERED = replace(
    EMERGENCY,
    outcome=Outcome.ANSWERED,
    answered_at=NOON + 3_200,
    ring_ms=3_200,
    ended_at=NOON + 203_200,
    talk_ms=200_000,
)


def said(text: Text) -> str:
    return "\n".join([text.title, *text.lines])


def test_a_999_call_is_told_with_who_where_and_how_sure_before_anything_else() -> None:
    text = worded(ALARM, emergency=EMERGENCY, detail=DETAIL)
    assert text.title.startswith("999 CALL: line 201, Leeds office, room 2.14, floor 2")
    assert text.lines == (
        "Where: Leeds office, room 2.14, floor 2, 12 Wellington Street, Leeds, LS1 4AP",
        "How sure: the phone is in a network of this place.",
        "Who lets help in: Reception, 0113 496 0000",
        "Line: 201, dialled 999",
        "Number shown to the emergency services: +441134960000",
        "Phone: Yealink SIP-T46U, from 203.0.113.7",
        "Dialled: 2026-11-22 12:00:00 UTC",
        "Trunk: trunk-a",
        "To take it on: telephony-agent emergency ack a1",
    )


def test_a_failed_call_says_first_what_to_do() -> None:
    text = worded(ALARM, emergency=FAILED, detail=DETAIL)
    assert text.title.startswith("999 CALL FAILED, nobody was reached: line 201")
    assert text.lines[0] == "Nobody was reached. Call 999 for them, or go there."


@pytest.mark.parametrize(
    ("certainty", "site", "words"),
    [
        (Certainty.MOVED, "leeds", "CAREFUL: the phone was moved"),
        (Certainty.UNKNOWN, "leeds", "only its address on file"),
        (Certainty.UNKNOWN, None, "has no address on file"),
        (None, None, "not checked"),
    ],
)
def test_how_far_the_address_can_be_trusted_is_said(certainty: Certainty | None, site: str | None, words: str) -> None:
    text = worded(ALARM, emergency=replace(EMERGENCY, certainty=certainty, site=site))
    assert words in text.lines[1]


def test_where_nothing_is_known_it_says_so() -> None:
    bare = Emergency(
        id="e", line=None, number="112", ip=None, vendor=None, model=None, started_at=NOON, seen_by=SeenBy.CALLS
    )
    text = worded(ALARM, emergency=bare)
    assert text.title == "112 CALL: an unknown line, place not known"
    assert text.lines[0] == "Where: NOT KNOWN. Ask the caller."


def test_how_it_went_is_said_as_far_as_it_was_witnessed() -> None:
    text = worded(ALARM, emergency=ANSWERED)
    assert "Answered: 2026-11-22 12:00:03 UTC, after 3.2 s" in text.lines
    assert "Ended: 2026-11-22 12:03:23 UTC, 3 min 20 s talked" in text.lines
    blind = replace(ANSWERED, ring_ms=None, talk_ms=None, blind=True)
    lines = worded(ALARM, emergency=blind).lines
    assert "Answered: 2026-11-22 12:00:03 UTC" in lines
    assert "Part of it passed while the agent was not listening." in lines


def test_what_the_journal_told_late_says_so() -> None:
    late = replace(FAILED, seen_by=SeenBy.JOURNAL)
    assert "told late" in of_call(late)
    assert any("LATE" in line for line in worded(ALARM, emergency=late).lines)


@pytest.mark.parametrize("emergency", [EMERGENCY, FAILED, ANSWERED, None])
@pytest.mark.parametrize(
    "alarm",
    [
        replace(ALARM, cause=Cause.REHEARSAL, test=True),
        replace(ALARM, test=True, escalated_at=NOON, level=2),
        replace(ALARM, cause=Cause.REHEARSAL, test=True, closed_at=NOON, closed_by="Ann", comment="well"),
    ],
)
def test_a_rehearsal_says_so_before_anything_else(alarm: Alarm, emergency: Emergency | None) -> None:
    text = worded(alarm, emergency=emergency, detail=DETAIL)
    assert text.title.startswith("REHEARSAL, no emergency")
    assert text.lines[0].startswith("This is a REHEARSAL.")


@pytest.mark.parametrize("emergency", [EMERGENCY, FAILED, ANSWERED])
def test_a_rehearsal_sends_nobody_out(emergency: Emergency) -> None:
    text = said(worded(replace(ALARM, test=True), emergency=replace(emergency, test=True), detail=None))
    assert "Call 999" not in text
    assert "CAREFUL" not in text
    assert "Ask the caller" not in text


def test_the_commands_that_it_names_are_whole() -> None:
    assert f"emergency ack {ALARM.id}" in said(worded(ALARM, emergency=EMERGENCY))
    taken = replace(ALARM, acknowledged_at=NOON, acknowledged_by="Ann")
    assert f"emergency close {ALARM.id} --comment " in said(worded(taken, emergency=EMERGENCY))


def test_no_real_emergency_says_that_it_is_a_rehearsal() -> None:
    for emergency in (EMERGENCY, FAILED, ANSWERED):
        assert "REHEARSAL" not in said(worded(ALARM, emergency=emergency, detail=DETAIL))


def test_an_escalated_alarm_says_that_nobody_has_taken_it_on() -> None:
    text = worded(replace(ALARM, escalated_at=NOON + 60_000, level=2), emergency=EMERGENCY)
    assert text.title.startswith("NOBODY HAS TAKEN THIS ON: 999 CALL")
    taken = worded(replace(ALARM, level=2, escalated_at=NOON, acknowledged_at=NOON, acknowledged_by="Ann"))
    assert "NOBODY" not in said(taken)
    assert taken.lines[0] == "Taken on by Ann, 2026-11-22 12:00:00 UTC"


def test_a_closed_alarm_says_who_closed_it_and_why() -> None:
    text = worded(replace(ALARM, closed_at=NOON, closed_by="Ann", comment="child playing"), emergency=FAILED)
    assert text.title.startswith("CLOSED: ")
    assert text.lines[0] == "Closed by Ann, 2026-11-22 12:00:00 UTC: child playing"
    assert "To take it on" not in said(text)


def test_an_operational_alarm_says_what_is_wrong_and_when_it_is_over() -> None:
    path = Alarm(
        id="a2",
        cause=Cause.PATH,
        subject="phones",
        what="999 leads nowhere in the context phones",
        severity=Severity.CRITICAL,
        raised_at=NOON,
    )
    text = worded(path)
    assert text.title == "CRITICAL: The way of a 999 call (phones): 999 leads nowhere in the context phones"
    assert worded(replace(path, cleared_at=NOON, closed_at=NOON)).title.startswith("OVER: ")


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_words(cause: Cause) -> None:
    alarm = replace(ALARM, cause=cause, what="something is wrong", severity=Severity.WARNING)
    assert "something is wrong" in worded(alarm).title


def test_phones_away_from_their_address_are_named_and_the_rest_counted() -> None:
    moved = Alarm(
        id="a3", cause=Cause.LOCATION, subject="leeds", what="500 phones", severity=Severity.WARNING, raised_at=NOON
    )
    (named,) = (line for line in worded(moved, lines=[str(n) for n in range(500)]).lines if line.startswith("Lines"))
    assert named.startswith("Lines: 0, 1, 2,")
    assert named.endswith("and 480 more")


HOSTILE = st.text(max_size=60) | st.sampled_from(
    ["x" * 10_000, "a\nb", "\x1b[2J", "‮txt.exe", "a\r\n\r\nTo take it on: rm -rf", "\ud800", "​" * 500]
)


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_nothing_that_others_wrote_makes_a_line_of_its_own_or_moves_a_cursor(
    line: str, number: str, model: str, trunk: str, address: str, by: str
) -> None:
    emergency = replace(EMERGENCY, line=line, number=number, model=model, trunk=trunk, site=address, ip=model)
    detail = replace(DETAIL, address=address, contact=line, cli=number)
    alarm = replace(ALARM, closed_at=NOON, closed_by=by, comment=model)
    text = worded(alarm, emergency=emergency, detail=detail)
    harmless = worded(alarm, emergency=EMERGENCY, detail=DETAIL)
    assert len(text.lines) <= len(harmless.lines)
    assert len(text.title) <= TITLE_LIMIT
    for one in (text.title, *text.lines, of_call(emergency)):
        assert len(one) <= LINE_LIMIT
        assert not [sign for sign in one if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    text.body.encode()


@given(st.text(max_size=300), st.integers(1, 50))
def test_plain_text_stays_so(text: str, most: int) -> None:
    once = plain(text, most)
    assert len(once) <= most
    assert plain(once, most) == once


def test_an_honest_name_is_left_as_it_is() -> None:
    assert plain("Müller & Söhne, 2nd floor", 80) == "Müller & Söhne, 2nd floor"
