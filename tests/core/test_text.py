"""Of each text one record: whose, which way, how much, what became of it; and of the number nothing without a key."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.lines import Lines
from agent.core.normalise import Linker
from agent.core.numbering import Plan
from agent.core.personal import OWNER, PERSONAL, aged_by, class_of
from agent.core.records import Direction, RetentionClass, Text, TextOutcome, TextSize
from agent.core.text import FIELDS, Sent, Texts, parse
from tests.scenarios.cdrs import cdr, text

DIALPLAN = Path(__file__).parents[2] / "dialplan" / "text.conf"
HOSTILE = st.text(
    st.sampled_from('"\n\r,;\0 text1,end7') | st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30
)


def made(*lines: bytes) -> list[Text]:
    sent = [read for line in lines if (read := parse(line))]
    assert len(sent) == len(lines)
    return list(Texts(plan=Plan(), link=Linker(b"key")).records(sent))


def one(**fields: str) -> Text:
    (record,) = made(text(1, **fields))
    return record


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ("201", "outgoing", "mobile", "short", "sent", True)),
        ({"size": "long", "number": "+441134960100"}, ("201", "outgoing", "geographic", "long", "sent", True)),
        ({"outcome": "failed"}, ("201", "outgoing", "mobile", "short", "failed", False)),
        ({"number": "08001111"}, ("201", "outgoing", "helpline", "short", "sent", False)),
        ({"number": "60777"}, ("201", "outgoing", "unknown", "short", "sent", True)),
        ({"direction": "incoming", "line": "202"}, ("202", "incoming", "mobile", "short", "sent", False)),
        ({"direction": "incoming", "number": "NatWest"}, ("201", "incoming", "unknown", "short", "sent", False)),
        ({"direction": "internal", "number": "202"}, ("201", "internal", "internal", "short", "sent", False)),
        ({"number": "999", "outcome": "refused"}, ("201", "outgoing", "emergency", "short", "refused", False)),
        ({"line": ""}, (None, "outgoing", "mobile", "short", "sent", True)),
    ],
)
def test_whose_which_way_and_how_much(fields: dict[str, str], expected: tuple[object, ...]) -> None:
    record = one(**fields)
    assert (
        *(record.line, record.direction, record.number_class, record.size, record.outcome),
        record.itemised,
    ) == expected


def test_of_the_number_no_more_is_kept_than_one_can_be_called_by() -> None:
    assert (one().number, one().area) == ("07700900123", "07")
    assert one(number="+44 113 496 0100").number == "01134960100"
    colleague = one(direction="internal", number="202")
    assert (colleague.number, colleague.area) == ("202", None)
    # Neither what is no number, nor that of an emergency; and where nothing is billed, no area either.
    assert one(direction="incoming", number="NatWest").number is None
    assert one(number="112", outcome="refused").number is None
    assert one(outcome="failed").area is None


def test_the_number_is_a_personal_field_of_the_lines_own() -> None:
    assert [field.place for field in PERSONAL[Text] if field.indexed] == ["text.number"]
    assert (OWNER[Text], aged_by(one())) == ("line", one().at)
    assert (class_of(one()), class_of(one(outcome="failed"))) == (RetentionClass.CALL, RetentionClass.UNBILLED)


def test_two_texts_alike_stay_two_and_one_read_twice_is_one() -> None:
    records = made(*(text(number) for number in range(50)), *(text(number) for number in range(50)))
    assert len({record.id for record in records}) == 50
    assert one().id != one(line="202").id


@given(st.sampled_from(FIELDS), HOSTILE)
def test_no_text_of_a_line_reaches_a_record_but_its_own_name(name: str, said: str) -> None:
    read = parse(text(1, **{name: f"CANARY{said}"}))
    if name in ("line", "number"):
        assert read is not None
        (record,) = Texts(plan=Plan(), link=Linker(b"key")).records([read])
        assert "CANARY" not in repr(record) or name == "line"
    else:
        assert read is None


@given(st.lists(st.tuples(st.booleans(), HOSTILE), max_size=8), st.lists(st.integers(0, 300), max_size=12))
def test_calls_and_texts_in_one_file_in_any_pieces(parts: list[tuple[bool, str]], sizes: list[int]) -> None:
    data = b"".join(text(n, number=said) if is_text else cdr(n, src=said) for n, (is_text, said) in enumerate(parts))
    lines, found, at = Lines(), [], 0
    for size in [*sizes, len(data)]:
        found += lines.feed(data[at : at + size])
        at += size
    found += lines.rest()
    assert [said for line in found if (read := parse(line)) for said in [read.number]] == [
        said for is_text, said in parts if is_text
    ]
    assert (len(found), lines.stray) == (len(parts), 0)


@pytest.mark.parametrize("fields", [{"at": "1795380280"}, {"at": "x.000000"}, {"size": "huge"}, {"outcome": "read"}])
def test_what_the_dialplan_does_not_write_is_unreadable(fields: dict[str, str]) -> None:
    assert parse(text(1, **fields)) is None
    assert parse(cdr(1)) is None


def test_an_instant_is_to_the_microsecond_and_a_record_to_the_millisecond() -> None:
    assert parse(text(123_456)) == Sent(
        at_us=1_795_380_280_123_456,
        direction=Direction.OUTGOING,
        line="201",
        number="07700900123",
        size=TextSize.SHORT,
        outcome=TextOutcome.SENT,
    )
    assert made(text(123_456))[0].at == 1_795_380_280_123


def test_the_dialplan_writes_what_is_read() -> None:
    written = DIALPLAN.read_text()
    (line,) = re.findall(r"Set\(FILE\(\$\{file\},,,al,u\)=(text1,.*,end)\)", written)
    assert line.count('"${ARG') == len(FIELDS)
    assert {size for size in TextSize if size in written} == set(TextSize)
    assert {outcome for outcome in TextOutcome if outcome in written} == set(TextOutcome)
    assert "MESSAGE(body)" in written
    # Of what it says the length alone is taken.
    assert set(re.findall(r"\$\{(?:LEN\(\$\{)?MESSAGE\(body\)", written)) == {"${LEN(${MESSAGE(body)"}
