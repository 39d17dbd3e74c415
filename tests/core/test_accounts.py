"""Accounts: what a row may say, what an import changes, and that nothing is ever two accounts' at one time."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.accounts import (
    Change,
    Conflict,
    Entry,
    Mistake,
    Unfit,
    compare,
    correct,
    holds,
    own_number,
    read,
    settled,
    spans,
    stays_until,
)
from agent.core.instants import from_rfc3339
from agent.core.numbering import Plan
from agent.core.records import Account, Service

UK = ZoneInfo("Europe/London")
PLAN = Plan()
GOOD = {"account": "A1001", "line": "201", "from": "2024-03-01"}
DAY = 86_400_000


def mistake_in(**cells: str) -> str:
    with pytest.raises(Unfit) as caught:
        read(2, GOOD | cells, PLAN, UK)
    return str(caught.value)


# One row


def test_a_row_is_read() -> None:
    cells = {
        "account": " A1001 ",
        "number": "+44 (0)113 496 0100",
        "from": "2024-03-01",
        "until": "2025-07-01T08:30:00Z",
    }
    assert read(7, cells | {"itemised": "No", "history_consent": "yes"}, PLAN, UK) == Entry(
        row=7,
        account="A1001",
        number="01134960100",
        from_at=from_rfc3339("2024-03-01T00:00:00Z"),
        until_at=from_rfc3339("2025-07-01T08:30:00Z"),
        itemised=False,
        history_consent=True,
    )


def test_a_day_begins_at_midnight_where_the_customer_is() -> None:
    assert read(2, GOOD | {"from": "2024-07-01"}, PLAN, UK).from_at == from_rfc3339("2024-06-30T23:00:00Z")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0113 496 0100", "01134960100"),
        ("(0113) 496-0100", "01134960100"),
        ("+441134960100", "01134960100"),
        ("0044 113 496 0100", "01134960100"),
        ("07700 900123", "07700900123"),
        ("0800 111 1111", "08001111111"),
        ("+33 1 23 45 67 89", "0033123456789"),
    ],
)
def test_a_number_may_be_written_in_any_form(text: str, number: str) -> None:
    assert own_number(text, PLAN) == number
    assert own_number(number, PLAN) == number


@pytest.mark.parametrize("text", ["999", "112", "18000", "9999", "141999", "+44999"])
def test_nobody_has_an_emergency_number(text: str) -> None:
    assert "emergency number" in mistake_in(line="", number=text)


@pytest.mark.parametrize(
    "text", ["201", "anonymous", "9 0113 496 0100", "0113 496 0100 ext 3", "١٢٣٤٥٦٧٨٩٠١", "+", "0" * 41]
)
def test_what_is_no_number_is_refused(text: str) -> None:
    assert "is no number" in mistake_in(line="", number=text)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"account": ""}, "account is missing"),
        ({"account": "Mrs Smith"}, "no reference"),
        ({"account": "=1+1"}, "no reference"),
        ({"account": "A" * 33}, "no reference"),
        ({"account": "A\x1b[2J"}, "control character"),
        ({"line": "x" * 81}, "more than 80 characters"),
        ({"line": "two words"}, "no line"),
        ({"line": ""}, "either a line or a number"),
        ({"number": "01134960100"}, "either a line or a number"),
        ({"from": ""}, "from is missing"),
        ({"from": "yesterday"}, "from 'yesterday' is no time"),
        ({"from": "2024-02-30"}, "is no time"),
        ({"from": "1969-12-31"}, "is no time"),
        ({"from": "9999-12-31T23:59:59Z"}, "is no time"),
        ({"from": "2024-03-01T00:00:00"}, "is no time"),
        ({"until": "2024-03-01"}, "until is not after from"),
        ({"itemised": "perhaps"}, "itemised takes yes or no"),
        ({"history_consent": "2"}, "history_consent takes yes or no"),
        ({"postcode": "LS1"}, "'postcode' is no column"),
    ],
)
def test_a_row_that_is_wrong_says_how(cells: dict[str, str], words: str) -> None:
    assert words in mistake_in(**cells)


@given(st.dictionaries(st.sampled_from(["account", "line", "number", "from", "until", "itemised", "x"]), st.text()))
def test_any_row_is_an_entry_or_one_printable_sentence(cells: dict[str, str]) -> None:
    try:
        entry = read(2, cells, PLAN, UK)
    except Unfit as error:
        said = str(error)
    else:
        assert entry.until_at is None or entry.until_at > entry.from_at
        said = "taken"
    assert said.isprintable()
    assert len(said) < 300


# An import against what is stored


def entry(
    row: int, account: str = "A1", line: str = "201", begin: int = 0, end: int | None = None, **more: Any
) -> Entry:
    return Entry(row=row, account=account, line=line, from_at=begin, until_at=end, **more)


class Book:
    """What would be stored."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.services: dict[str, Service] = {}
        self._ids = count(1)

    def compared(self, entries: Iterable[Entry]) -> list[Change | Mistake]:
        return list(
            compare(
                entries,
                self.accounts,
                list(self.services.values()),
                by="sam",
                at=99 * DAY,
                new_id=lambda: f"{next(self._ids):x}",
            )
        )

    def changed(self, *entries: Entry) -> list[tuple[int, str]]:
        """Import them, which ends well."""
        found = []
        for change in self.compared(entries):
            assert isinstance(change, Change), change
            self.take(change)
            found.append((change.row, str(change.what)))
        return found

    def take(self, change: Change) -> None:
        for record in change.records:
            if isinstance(record, Account):
                self.accounts[record.account] = record
            else:
                self.services[record.id] = record

    def mistakes(self, *entries: Entry) -> list[tuple[int, str]]:
        found = self.compared(entries)
        assert all(isinstance(each, Mistake) for each in found), found
        return sorted((each.row, each.what) for each in found if isinstance(each, Mistake))

    def owners(self, line: str, at: int) -> list[str]:
        return [each.account for each in self.services.values() if each.line == line and holds(each, at)]


def test_a_first_import_adds_and_the_same_again_changes_nothing() -> None:
    book = Book()
    rows = [entry(2, begin=5), entry(3, line="202", begin=3, end=9), entry(4, "A2", "203", itemised=False)]
    assert book.changed(*rows) == [(2, "added"), (3, "added"), (4, "added")]
    assert book.changed(*rows) == []
    one, two = book.accounts["A1"], book.accounts["A2"]
    assert (one.opened_at, one.closed_at, one.itemised, one.history_consent) == (3, None, True, False)
    assert (two.itemised, two.history_consent) == (False, False)


def test_a_line_passes_on_when_it_ends() -> None:
    book = Book()
    book.changed(entry(2))
    assert book.mistakes(entry(2, "A2", begin=7))[0][0] == 2
    assert book.changed(entry(2, end=7), entry(3, "A2", begin=7)) == [(2, "ended"), (3, "added")]
    assert [book.owners("201", at) for at in (0, 6, 7, 8)] == [["A1"], ["A1"], ["A2"], ["A2"]]
    assert book.accounts["A1"].closed_at == 7
    assert book.changed(entry(2, line="202", begin=9)) == [(2, "added")]
    assert book.accounts["A1"].closed_at is None


def test_another_end_is_a_correction_that_keeps_what_was_said() -> None:
    book = Book()
    book.changed(entry(2, end=7))
    assert book.changed(entry(2, end=8)) == [(2, "changed")]
    wrong, right = sorted(book.services.values(), key=lambda each: each.corrected_at is None)
    assert (wrong.until_at, wrong.corrected_at, wrong.corrected_by, wrong.correction) == (
        7,
        99 * DAY,
        "sam",
        "imported anew",
    )
    assert (right.until_at, right.corrected_at) == (8, None)
    assert book.owners("201", 7) == ["A1"]
    assert book.accounts["A1"].closed_at == 8


def test_flags_alone_change_the_account_and_empty_ones_leave_it() -> None:
    book = Book()
    book.changed(entry(2, itemised=False))
    assert book.changed(entry(2)) == []
    assert book.changed(entry(2, history_consent=True)) == [(2, "changed")]
    assert (book.accounts["A1"].itemised, book.accounts["A1"].history_consent) == (False, True)


def test_every_bad_row_is_told_and_nothing_changes() -> None:
    book = Book()
    book.changed(entry(2, "A9", "209"))
    assert book.mistakes(
        entry(2),
        entry(3, "A2", begin=5),
        entry(4, "A3", begin=9),
        entry(5),
        entry(6, line="202", itemised=True),
        entry(7, line="203", itemised=False),
        entry(8, "A4", "209", begin=3),
    ) == [
        (3, "line 201 is A1's from 1970-01-01T00:00:00.000Z, in row 2"),
        (4, "line 201 is A1's from 1970-01-01T00:00:00.000Z, in row 2"),
        (5, "says again what row 2 says"),
        (7, "row 6 says otherwise of itemised for the account A1"),
        (8, "line 209 is A9's from 1970-01-01T00:00:00.000Z, in the store"),
    ]


ENTRIES = st.lists(
    st.builds(
        lambda account, line, begin, length: (account, line, begin, None if length is None else begin + length),
        st.sampled_from(["A1", "A2", "A3"]),
        st.sampled_from(["201", "202"]),
        st.integers(0, 12),
        st.none() | st.integers(1, 6),
    ),
    max_size=5,
)


@given(st.lists(ENTRIES, max_size=5))
def test_however_files_come_a_line_is_one_accounts_at_a_time_and_a_file_twice_is_once(files: list[list[Any]]) -> None:
    book = Book()
    for file in files:
        rows = [entry(row, *values) for row, values in enumerate(file, 2)]
        found = book.compared(rows)
        wrong = [each for each in found if isinstance(each, Mistake)]
        if wrong:
            assert wrong == found
            continue
        for change in found:
            assert isinstance(change, Change)
            book.take(change)
        assert book.compared(rows) == []
        for values in file:
            account, line, begin, _ = values
            assert book.owners(line, begin) == [account]
    for line in ("201", "202"):
        for at in range(20):
            assert len(book.owners(line, at)) <= 1
    for name, account in book.accounts.items():
        own = [each for each in book.services.values() if each.account == name]
        assert settled(account, own) == account


# Corrections


def service(id: str = "s", **changes: Any) -> Service:
    return replace(Service(id=id, account="A1", line="201", from_at=5), **changes)


def test_a_correction_keeps_the_wrong_one_marked() -> None:
    wrong, right = correct(service(), service("t", line="202"), [], by="sam", at=9, why="typed wrong")
    assert wrong == service(corrected_at=9, corrected_by="sam", correction="typed wrong")
    assert right == service("t", line="202")
    assert not holds(wrong, 6)


def test_a_correction_that_cannot_be_is_refused() -> None:
    others = [service("o", account="A2", from_at=7), service("p", account="A2", from_at=0, corrected_at=3)]
    with pytest.raises(Conflict, match=r"line 201 is A2's from"):
        correct(service(until_at=6), service("t"), others, by="sam", at=9, why="x")
    correct(service(until_at=6), service("t", until_at=7), others, by="sam", at=9, why="x")
    with pytest.raises(ValueError, match="corrected before"):
        correct(service(corrected_at=1), service("t", line="202"), [], by="sam", at=9, why="x")
    with pytest.raises(ValueError, match="says already"):
        correct(service(), service("t"), [], by="sam", at=9, why="x")
    with pytest.raises(ValueError, match="until is not after from"):
        correct(service(), service("t", until_at=5), [], by="sam", at=9, why="x")


# The time in which a line is an account's

SPANS = st.builds(
    lambda line, begin, length, wrong: service(
        line=line, from_at=begin, until_at=length and begin + length, corrected_at=9 if wrong else None
    ),
    st.none() | st.sampled_from(["201", "202"]),
    st.integers(0, 20),
    st.none() | st.integers(1, 9),
    st.booleans(),
)


@given(st.lists(SPANS, max_size=6), st.integers(0, 20), st.none() | st.integers(0, 25))
def test_spans_cover_just_the_instants_in_which_the_account_holds_a_line(
    services: list[Service], begin: int, end: int | None
) -> None:
    found = spans(services, begin, end)
    for at in range(40):
        asked = begin <= at and (end is None or at < end)
        held = {each.line for each in services if each.line is not None and holds(each, at)}
        covered = {span.line for span in found if span.begin <= at and (span.end is None or at < span.end)}
        assert covered == (held if asked else set())


def of_line(begin: int, until: int | None, account: str = "A1001", **changes: Any) -> Service:
    return Service(id=f"{account}-{begin}", account=account, line="201", from_at=begin, until_at=until, **changes)


@pytest.mark.parametrize(
    ("services", "until"),
    [
        ([], None),
        ([of_line(1, None)], None),
        ([of_line(1, 9), of_line(9, None, "A1002")], 9),
        ([of_line(1, 5), of_line(5, None, "A1002")], None),
        ([of_line(5, 9), of_line(1, 5, "A1002")], 9),
        ([of_line(1, 6), of_line(6, 9), of_line(9, None)], None),  # It was renewed.
        ([of_line(9, 12), of_line(1, 9), of_line(12, None, "A1002")], 12),
        ([of_line(1, 6), of_line(7, None)], 6),
        ([of_line(6, None)], 5),  # Whose it was then nobody knows.
        ([of_line(1, 3), of_line(7, None)], 5),
        ([of_line(1, None, corrected_at=8)], 5),
        ([of_line(1, None, corrected_at=4)], None),  # It is in no account again.
        ([of_line(1, None, corrected_at=4), of_line(1, 3)], 5),
        ([of_line(1, None, corrected_at=8), of_line(1, 7)], 7),
    ],
)
def test_whose_a_line_was_it_is_until_that_service_ends(services: list[Service], until: int | None) -> None:
    assert stays_until(services, 5) == until
