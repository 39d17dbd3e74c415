"""Lines of CDRs: whatever a caller puts into them, each is read whole, and alone pays for what is broken in it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.cdr import FIELDS, FORMER, TEMPLATE, parse
from agent.core.lines import LONGEST, Lines
from tests.scenarios.cdrs import cdr

HOSTILE = st.text(
    st.sampled_from('"\n\r,;\0 call1,end7') | st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30
)


def cut(data: bytes, sizes: list[int]) -> tuple[list[bytes], int]:
    lines, found, at = Lines(), [], 0
    for size in [*sizes, len(data)]:
        found += lines.feed(data[at : at + size])
        at += size
    return found + lines.rest(), lines.stray


def test_the_template_has_each_field_once() -> None:
    assert [TEMPLATE.count(f"CDR({field})") for field in FIELDS] == [1] * len(FIELDS)
    assert TEMPLATE.startswith("call1,${CSV_QUOTE(")
    assert len(TEMPLATE) < 1_000, "AMI tells no longer line of a file"


@given(
    st.lists(st.tuples(HOSTILE, HOSTILE, HOSTILE), min_size=1, max_size=6),
    st.lists(st.integers(0, 400), max_size=12),
)
def test_any_text_in_any_pieces(texts: list[tuple[str, str, str]], sizes: list[int]) -> None:
    data = b"".join(cdr(n, src=a, dst=b, accountcode=c) for n, (a, b, c) in enumerate(texts))
    found, stray = cut(data, sizes)
    read = [parse(line) for line in found]
    assert [(each.src, each.dst, each.accountcode) for each in read if each] == texts
    assert (len(read), stray) == (len(texts), 0)


@pytest.mark.parametrize("at", range(1, len(cdr(1)) - 1, 7))
def test_half_a_line_costs_no_other(at: int) -> None:
    data = cdr(0) + cdr(1)[:at] + cdr(2) + cdr(3)[:at]
    found, _ = cut(data, [100, 100, 100])
    assert [each.sequence for line in found if (each := parse(line))] == ["0", "2"]


def test_what_is_no_line_is_counted() -> None:
    noise = random.Random(4).randbytes(200_000).replace(b"call1", b"")
    found, stray = cut(noise + cdr(1) + b"Wed,1,2\n" + cdr(2), [64 * 1024] * 4)
    assert stray > 1
    assert [parse(line) is not None for line in found] == [True, True]
    assert cut(b"", []) == ([], 0)


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    lines = Lines()
    lines.feed(cdr(1)[:60])
    for _ in range(2 * LONGEST // 65_536):
        lines.feed(b"x" * 65_536)
    assert lines.stray > 0
    assert [parse(line) is not None for line in [*lines.feed(cdr(2)), *lines.rest()]][-1]


@pytest.mark.parametrize(
    "fields",
    [{"billsec": "-1"}, {"billsec": "7.5"}, {"start,u": "2026-11-25"}, {"duration": ""}, {"uniqueid": ""}],
)
def test_what_asterisk_would_not_count_is_unreadable(fields: dict[str, str]) -> None:
    assert parse(cdr(1, **fields)) is None


def test_long_fields_are_cut_and_the_rest_is_read() -> None:
    read = parse(cdr(1, src="9" * 10_000, dst="1" * 10_000, lastdata="PJSIP/1@trunk-a" + "&x" * 5_000))
    assert read is not None
    assert (len(read.src), len(read.dst), read.billable_s) == (255, 255, 7)


@pytest.mark.parametrize(("presentation", "withheld"), [("prohib_not_screened", True), ("prohib", True), ("", False)])
def test_whether_the_number_is_withheld(presentation: str, withheld: bool) -> None:
    read = parse(cdr(1, presentation=presentation))
    assert read is not None
    assert read.withheld is withheld


def test_a_line_as_it_was_written_before_is_read_and_does_not_tell_of_that() -> None:
    assert TEMPLATE.replace(",${CSV_QUOTE(${CDR(presentation)})}", "") == FORMER
    (line,), stray = cut(cdr(1).replace(b',"",end', b",end"), [])
    read = parse(line)
    assert read is not None
    assert (read.sequence, read.accountcode, read.withheld, stray) == ("1", "", None, 0)
