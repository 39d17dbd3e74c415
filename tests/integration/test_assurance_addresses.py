"""The carrier's export of addresses: what is wrong with an entry, and whatever a file can hold."""

from datetime import date
from pathlib import Path

import pytest

from agent.core.records import Certainty, Severity, Verdict
from agent.duties.assurance.addresses import Address, Demands, File, Shown, conditions, e164, file_conditions, parsed
from agent.duties.assurance.reach import Reach, reach

HEADER = "number,name,postcode,carrier,updated\n"
CANARY = "canary-51fe"
TODAY = date(2026, 11, 22)
DEMANDS = Demands(stale_days=365, carrier="Example")
CLI = Shown(subject="trunk a", number="+441134960000", postcode="LS1 4AP")


def told(rows: str, shown: Shown = CLI) -> tuple[Address, str | None, Severity]:
    ((_, address, condition),) = conditions([shown], parsed((HEADER + rows).encode()), DEMANDS, TODAY)
    assert CANARY not in (condition.what or "")
    assert shown.number not in (condition.what or "")
    return address, condition.what, condition.severity


GOOD = f"01134960000,{CANARY},ls14ap,Example,2026-10-01\n"


@pytest.mark.parametrize(
    ("rows", "address", "severity", "text"),
    [
        (GOOD, Address.GOOD, Severity.WARNING, None),
        (GOOD.replace("2026-10-01", "01/10/2026"), Address.GOOD, Severity.WARNING, None),
        (GOOD.replace("2026-10-01", "2026-10-01T09:00:00Z"), Address.GOOD, Severity.WARNING, None),
        ("", Address.MISSING, Severity.CRITICAL, "is not in the address export"),
        (GOOD.replace("0000,", "0001,"), Address.MISSING, Severity.CRITICAL, "is not in the address export"),
        (GOOD.replace("ls14ap", "M1 1AE"), Address.WRONG, Severity.CRITICAL, "another postcode"),
        (GOOD + GOOD.replace("ls14ap", "M1 1AE"), Address.WRONG, Severity.CRITICAL, "another postcode"),
        (GOOD.replace("Example,", "Other,"), Address.WRONG, Severity.WARNING, "another carrier"),
        (GOOD.replace("2026-10-01", "2025-11-21"), Address.STALE, Severity.WARNING, "366 days old"),
        (GOOD.replace("2026-10-01", "2025-11-22"), Address.GOOD, Severity.WARNING, None),
        (GOOD + GOOD, Address.GOOD, Severity.WARNING, "is 2 times in the address export"),
    ],
)
def test_each_thing_that_can_be_wrong_with_an_entry(
    rows: str, address: Address, severity: Severity, text: str | None
) -> None:
    found = told(rows)
    assert (found[0], found[2]) == (address, severity)
    assert found[1] is None if text is None else text in (found[1] or "")


def test_one_number_with_two_addresses_is_wrong_even_where_no_site_says_which() -> None:
    rows = GOOD + GOOD.replace("ls14ap", "M1 1AE")
    address, what, _ = told(rows, Shown(subject="trunk a", number="00441134960000"))
    assert (address, "different postcodes" in (what or "")) == (Address.WRONG, True)


@pytest.mark.parametrize(
    ("number", "plain"),
    [
        ("01134960000", "+441134960000"),
        ("(0113) 496-0000", "+441134960000"),
        ("441134960000", "+441134960000"),
        ("00441134960000", "+441134960000"),
        ("+33140000000", "+33140000000"),
        ("999", None),
        ("", None),
        ("0113496000٣", None),
        ("+44113496000012345", None),
    ],
)
def test_numbers_are_compared_in_e164(number: str, plain: str | None) -> None:
    assert e164(number) == plain


def test_a_bad_row_is_told_by_its_line_and_costs_no_other() -> None:
    rows = f'x,{CANARY},LS1 4AP,Example,2026-10-01\n{GOOD}01134960001,"two\nlines",,Example,2026-10-01\na,b\n\n'
    export = parsed((HEADER + rows).encode("utf-8-sig"))
    assert export.bad == ((2, "no telephone number"), (5, "no postcode"), (6, "2 fields instead of 5"))
    assert list(export.entries) == ["+441134960000"]
    (_, bad) = file_conditions(export)
    assert bad.what == (
        "the address export has 3 bad rows"
        " (line 2: no telephone number; line 5: no postcode; line 6: 2 fields instead of 5)"
    )
    assert CANARY not in repr(export)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "names no column number, name, postcode, carrier, updated"),
        (b"number,name\n", "names no column postcode, carrier, updated"),
        (HEADER.encode() + b"\n\xff\xfe", "line 3 is not UTF-8"),
        (HEADER.encode("utf-16"), "line 1 is not UTF-8"),
        (HEADER.encode() + b'"', "line 2 is no CSV"),
        (HEADER.encode() + b"a\0b\n", "is not text"),
        (b"x" * ((32 << 20) + 1), "larger than 32 MiB"),
        (HEADER.encode() + b"9" * 200_000 + b"\n", "line 2 is no CSV"),
    ],
)
def test_a_file_that_is_none_is_an_alarm_and_no_crash(content: bytes, fault: str) -> None:
    export = parsed(content)
    assert fault in export.fault
    (file, _) = file_conditions(export)
    assert fault in (file.what or "")
    # Nothing is known of any number then; that is one alarm, not one for each.
    ((_, address, condition),) = conditions([CLI], export, DEMANDS, TODAY)
    assert (address, condition.what) == (Address.UNKNOWN, None)


def test_a_changed_file_is_read_again_and_a_missing_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "addresses.csv"
    file = File(path)
    assert file.read().fault == "No such file or directory"
    path.write_text(HEADER + GOOD)
    assert list((first := file.read()).entries) == ["+441134960000"]
    assert file.read() is first
    path.write_text(HEADER)
    assert file.read().entries == {}
    path.unlink()
    path.mkdir()
    assert file.read().fault == "Is a directory"


@pytest.mark.parametrize(
    ("paths", "certainty", "address", "answer"),
    [
        ([Verdict.OURS, Verdict.WEAK], Certainty.EXPECTED, Address.GOOD, Reach.YES),
        ([Verdict.OURS], Certainty.EXPECTED, None, Reach.YES),
        ([Verdict.OURS], Certainty.EXPECTED, Address.STALE, Reach.YES),
        ([Verdict.OURS, Verdict.BROKEN], Certainty.EXPECTED, Address.GOOD, Reach.NO_PATH),
        ([Verdict.BROKEN, Verdict.UNSEEN], Certainty.MOVED, Address.WRONG, Reach.NO_PATH),
        ([Verdict.UNSEEN], Certainty.EXPECTED, Address.GOOD, Reach.UNSEEN),
        ([], Certainty.EXPECTED, Address.GOOD, Reach.UNSEEN),
        ([Verdict.OURS], Certainty.MOVED, Address.GOOD, Reach.WRONG_ADDRESS),
        ([Verdict.OURS], Certainty.EXPECTED, Address.MISSING, Reach.WRONG_ADDRESS),
        ([Verdict.OURS], Certainty.UNKNOWN, Address.WRONG, Reach.WRONG_ADDRESS),
        ([Verdict.OURS], Certainty.UNKNOWN, Address.GOOD, Reach.UNKNOWN_NETWORK),
        ([Verdict.OURS], None, Address.GOOD, Reach.UNKNOWN_NETWORK),
    ],
)
def test_can_this_phone_reach_999_with_the_right_address(
    paths: list[Verdict], certainty: Certainty | None, address: Address | None, answer: Reach
) -> None:
    assert reach(paths, certainty, address) is answer


def test_the_example_is_a_good_export() -> None:
    example = Path(__file__).parents[2] / "docker" / "addresses.csv.example"
    export = parsed(example.read_bytes())
    assert (export.fault, export.bad, len(export.entries)) == ("", (), 2)
