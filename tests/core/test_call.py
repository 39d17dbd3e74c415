"""Of each CDR one record: whose call, which way, what kind of number, and of the number nothing without a key."""

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.call import Calls, Legs
from agent.core.cdr import Cdr, parse
from agent.core.normalise import Linker
from agent.core.numbering import Plan
from agent.core.recorded import Recorded
from agent.core.records import Call, Recording, RecordingState, Trigger
from tests.scenarios.cdrs import cdr

LOCAL = "Local/07700900999@phones-00000005"
SENT_ON = {"channel": "PJSIP/trunk-a-01", "src": "07700900456", "dst": "01134960202", "lastdata": "PJSIP/202,30"}


def made(*lines: bytes, recorded: Any = lambda _: False) -> list[Call]:
    trunks = frozenset(("trunk-a", "emergency-trunk-a"))
    calls = Calls(plan=Plan(), trunks=trunks, link=Linker(b"key"), recorded=recorded)
    cdrs = [read for line in lines if (read := parse(line))]
    assert len(cdrs) == len(lines)
    legs = Legs()
    for each in cdrs:
        calls.note(each, legs)
    return list(calls.records(cdrs, legs))


def one(**changed: str) -> Call:
    (call,) = made(cdr(1, **changed))
    return call


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ("201", "outgoing", "mobile", 7, True)),
        ({"lastdata": "PJSIP/08001111@trunk-a", "dst": "08001111"}, ("201", "outgoing", "helpline", 7, False)),
        (
            {"lastdata": "PJSIP/1800108001111@trunk-a", "dst": "1800108001111"},
            ("201", "outgoing", "helpline", 7, False),
        ),
        # A transfer left another number in dst (16).
        ({"dst": "203"}, ("201", "outgoing", "mobile", 7, True)),
        ({"dst": "1471", "lastdata": "PJSIP/1471@trunk-a"}, ("201", "outgoing", "unknown", 7, True)),
        ({"billsec": "0", "disposition": "BUSY"}, ("201", "outgoing", "mobile", 0, False)),
        (
            {"dstchannel": "PJSIP/202-01", "dst": "202", "lastdata": "PJSIP/202"},
            ("201", "internal", "internal", 7, False),
        ),
        (
            {"channel": "PJSIP/trunk-a-01", "dstchannel": "PJSIP/202-01", "src": "+447700900456", "dst": "0113"},
            ("202", "incoming", "mobile", 7, False),
        ),
        ({"dstchannel": "", "lastdata": "", "disposition": "FAILED"}, ("201", "outgoing", "mobile", 7, True)),
        ({"dstchannel": "", "dst": "701", "lastdata": "default,701"}, ("201", "internal", "internal", 7, False)),
        # 999 has a record of its own, and is free.
        (
            {"dst": "999", "lastdata": "PJSIP/999@emergency-trunk-a,60", "dstchannel": "PJSIP/emergency-trunk-a-1"},
            ("201", "outgoing", "emergency", 0, False),
        ),
        (
            {"channel": "PJSIP/trunk-a-01", "dstchannel": "PJSIP/202-01", "src": "999"},
            ("202", "incoming", "emergency", 0, False),
        ),
        # A Local channel called a phone: who called is known by the number alone.
        (
            {"channel": "Local/2@x-1;2", "dstchannel": "PJSIP/202-1", "src": "201"},
            ("202", "internal", "internal", 7, False),
        ),
        ({"channel": "Local/2@x-1;2", "accountcode": "acc"}, ("acc", "outgoing", "mobile", 7, True)),
    ],
)
def test_whose_which_way_and_what(fields: dict[str, str], expected: tuple[str, str, str, int, bool]) -> None:
    call = one(**fields)
    assert (call.line, call.direction, call.number_class, call.billable_s, call.itemised) == expected


def test_what_the_pbx_says_to_itself_is_no_call() -> None:
    assert made(cdr(1, channel="Local/1@journal-1;2", dstchannel="")) == []
    assert made(cdr(1, channel="Local/1@journal-1;1", dstchannel="Local/2@x-1;1")) == []


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_a_call_that_a_phone_sent_on_is_at_that_phones_cost(order: tuple[int, int, int]) -> None:
    lines = [
        cdr(1, channel=f"{LOCAL};2", dstchannel="PJSIP/trunk-a-09", lastdata="PJSIP/07700900999@trunk-a,30"),
        cdr(2, dstchannel=f"{LOCAL};1", **SENT_ON),
        # The Local channel went, the ends talk on.
        cdr(3, dstchannel="PJSIP/trunk-a-09", **SENT_ON),
    ]
    calls = {call.started_at: call for call in made(*(lines[n] for n in order))}
    on, sent, rest = (calls[at] for at in sorted(calls))
    assert (on.line, on.direction, on.number) == ("202", "outgoing", "07700900999")
    assert (sent.line, sent.direction, sent.number_class) == ("202", "incoming", "mobile")
    assert (sent.forwarded_class, sent.forwarded) == ("mobile", "07700900999")
    assert (rest.line, rest.direction, rest.number) == ("202", "outgoing", "07700900999")


def told(legs: Legs, *lines: bytes) -> list[Call]:
    """The records of one file; ``legs`` knows those before it."""
    calls = Calls(plan=Plan(), trunks=frozenset(("trunk-a",)), link=Linker(b"key"))
    cdrs = [read for line in lines if (read := parse(line))]
    for each in cdrs:
        calls.note(each, legs)
    return list(calls.records(cdrs, legs))


def test_a_forwarded_call_that_ends_in_a_later_file_is_billed_to_who_forwarded_it() -> None:
    """What went through a Local channel is written when that call is answered, the rest when it is over."""
    first = cdr(
        1,
        channel=f"{LOCAL};2",
        dstchannel="PJSIP/trunk-a-09",
        lastdata="PJSIP/07700900999@trunk-a,30",
        billsec="0",
        linkedid="1795380281.1",
    )
    rest = [
        cdr(2, dstchannel=f"{LOCAL};1", billsec="0", **SENT_ON | {"linkedid": "1795380281.1"}),
        cdr(3, dstchannel="PJSIP/trunk-a-09", **SENT_ON | {"linkedid": "1795380281.1"}),
    ]
    legs = Legs()
    (early,) = told(legs, first)
    # Nothing tells yet who forwarded it; it costs nothing.
    assert (early.line, early.itemised) == (None, False)
    # Also where the agent was started anew between the two.
    for known in (legs, Legs()):
        billed = told(known, *rest)[1]
        assert (billed.line, billed.number, billed.itemised) == ("202", "07700900999", True)


def test_a_call_that_is_handed_on_goes_on_at_the_cost_of_who_placed_it() -> None:
    placed = {"dstchannel": "PJSIP/trunk-a-0c", "dst": "01134960100", "lastdata": "PJSIP/01134960100@trunk-a,30"}
    handed = {"channel": "PJSIP/trunk-a-0c", "dst": "203", "src": "01134960100", "lastdata": "PJSIP/203,30"}
    call, rest = made(cdr(1, **placed), cdr(2, dstchannel="PJSIP/203-1", linkedid="1795380281.1", **handed))
    assert (call.line, rest.line) == ("201", "201")
    assert (rest.direction, rest.number, rest.billable_s, rest.itemised) == ("outgoing", "01134960100", 7, True)
    # What had come in, and is handed on, costs nothing as before.
    came, went = made(
        cdr(1, channel="PJSIP/trunk-a-0d", dstchannel="PJSIP/202-1", src="07700900456"),
        cdr(2, dstchannel="PJSIP/203-1", **handed | {"channel": "PJSIP/trunk-a-0d", "src": "07700900456"}),
    )
    assert {came.direction, went.direction} == {"incoming"}
    assert went.line == "203"


def test_names_that_asterisk_gives_anew_after_its_restart_are_other_channels() -> None:
    legs = Legs()
    channel = {"dstchannel": "PJSIP/trunk-a-00000003", "lastdata": "PJSIP/01134960100@trunk-a"}
    assert [call.line for call in told(legs, cdr(1, **channel))] == ["201"]
    # The same name: a call in, then one of another line.
    (came,) = told(legs, cdr(2, channel="PJSIP/trunk-a-00000003", dstchannel="PJSIP/202-1", src="07700900456"))
    assert (came.direction, came.line) == ("incoming", "202")
    (another,) = told(legs, cdr(3, channel="PJSIP/203-0000000a", **channel | {"lastdata": "PJSIP/02079460100@trunk-a"}))
    assert (another.line, another.number) == ("203", "02079460100")


def test_the_far_end_of_a_forwarded_call_has_forwarded_nothing() -> None:
    far = {"channel": "PJSIP/trunk-a-09", "dstchannel": f"{LOCAL};1", "lastdata": "(Outgoing Line)", "src": "202"}
    (call,) = made(cdr(4, billsec="0", **far))
    assert (call.forwarded_class, call.line, call.itemised) == (None, None, False)


def test_of_a_leg_whose_number_nobody_told_no_other_number_is_kept() -> None:
    (call,) = made(cdr(3, dstchannel="PJSIP/trunk-a-09", **SENT_ON))
    assert (call.line, call.number_class, call.number) == ("202", "unknown", None)


def test_numbers_are_kept_in_the_national_form_but_an_emergencys() -> None:
    (call,) = made(cdr(1, lastdata="PJSIP/+447700900123@trunk-a"))
    assert call.number == "07700900123"
    (emergency,) = made(cdr(1, dst="999", lastdata="PJSIP/999@trunk-a"))
    assert emergency.number is None


def test_read_twice_is_one_record_and_no_other_is_the_same() -> None:
    calls = made(*(cdr(n) for n in range(50)), *(cdr(n) for n in range(50)))
    assert len({call.id for call in calls}) == 50
    # After a restart of Asterisk its sequence begins anew.
    assert one().id != one(uniqueid="1795999999.1").id
    assert one().id != one(sequence="2").id


@given(st.sampled_from([item.name for item in fields(Cdr)]), st.text(max_size=40))
def test_no_text_of_a_cdr_reaches_a_record_without_a_key(name: str, text: str) -> None:
    marked = f"CANARY{text}"
    field = {"billable_s": "", "duration_s": "", "start_ms": ""}.get(name, name)
    if field not in ("", "accountcode"):
        # The endpoint of a channel is the line; behind its last dash is the rest.
        value = f"PJSIP/201-{marked}" if field in ("channel", "dstchannel") and "-" not in text else marked
        found = made(cdr(1, **{field: value}))
        assert not [call for call in found if "CANARY" in repr(call)] or field in ("channel", "dstchannel", "lastdata")


def test_a_recorded_call_says_so_also_after_a_restart() -> None:
    link = Linker(b"key")
    tape = Recording(
        id="r",
        line="201",
        leg="caller",
        trigger=Trigger.CODE,
        opted_in=True,
        started_at=1,
        state=RecordingState.RECORDING,
        links=("channel:x", f"linked:{link('1795380281.1')}"),
    )
    known = Recorded()
    known.restore([tape])
    assert [call.recorded for call in made(cdr(1), cdr(2), recorded=known)] == [True, False]


IN = {"channel": "PJSIP/trunk-a-01", "dstchannel": "PJSIP/202-01", "src": "07700900456", "dst": "01134960202"}
RUNG = {"channel": "Local/202@in-1;2", "dstchannel": "PJSIP/202-02", "src": "07700900456", "dst": "202"}
SAME = {"linkedid": "1795380280.9"}


@pytest.mark.parametrize(("src", "number"), [("201", "201"), ("33123456789", None), ("7700900456", None)])
def test_of_a_leg_that_tells_nothing_of_who_called_only_a_line_of_our_own_is_kept(src: str, number: str | None) -> None:
    assert [call.number for call in made(cdr(1, **RUNG | {"src": src}, **SAME))] == [number]


@pytest.mark.parametrize(
    ("lines", "numbers"),
    [
        ([cdr(1, **IN, presentation="prohib")], [None]),
        ([cdr(1, **IN)], ["07700900456"]),
        # Any leg of the call tells it of all, whichever was written first.
        ([cdr(1, **IN, **SAME, presentation="prohib"), cdr(2, **IN, **SAME)], [None, None]),
        ([cdr(1, **RUNG, **SAME), cdr(2, **IN, **SAME, presentation="prohib")], [None, None]),
        ([cdr(1, **RUNG, **SAME), cdr(2, **IN, **SAME)], ["07700900456", "07700900456"]),
        # The leg that knows it is not written yet.
        ([cdr(1, **RUNG, **SAME)], [None]),
        # Written before the template told it.
        ([line.replace(b',"",end', b",end") for line in (cdr(1, **IN), cdr(2, **RUNG))], ["07700900456"] * 2),
        # What was dialled is nobody's to withhold from who dialled it.
        ([cdr(1, **SENT_ON, dstchannel="PJSIP/202-01", presentation="prohib"), cdr(2)], [None, "07700900123"]),
    ],
)
def test_a_number_that_is_withheld_is_not_kept(lines: list[bytes], numbers: list[str | None]) -> None:
    calls = made(*lines)
    assert [call.number for call in calls] == numbers
    assert [call.number_class == "unknown" for call in calls] == [number is None for number in numbers]
