"""A customer's copy: all that is the customer's to read, and nothing by which a call for help would come out."""

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.copying import OF_ACCOUNT, OF_LINE, columns, copied, for_help, hidden, known_calls
from agent.core.numbering import Plan
from agent.core.records import (
    RECORDS,
    Account,
    Asks,
    Audit,
    Calls,
    Disclosure,
    Hold,
    NumberClass,
    Record,
    Request,
    Role,
    rules,
)
from tests.integration.customers import call, of_line, optin, recording, text
from tests.scenarios.made import AT

PLAN = Plan()
FOR_HELP = (NumberClass.FREEPHONE, NumberClass.HELPLINE, NumberClass.EMERGENCY)
NUMBERS = ("08001111", "+448001111", "116123", "0808 2000 247", "999", "9999", "112", "141116123", "08001234567")


def test_every_kind_that_a_customer_may_read_is_in_the_copy_and_no_other() -> None:
    assert {*OF_LINE, *OF_ACCOUNT} == {record for record in RECORDS if Role.CUSTOMER in record.READERS}
    assert not {*OF_LINE, *OF_ACCOUNT} & {Hold, Disclosure, Audit}


def test_each_record_shows_the_fields_that_a_customer_may_read_and_no_other() -> None:
    for record in (*of_line("201"), Account(id="a", account="A1001", opened_at=0)):
        allowed = {rule.name for rule in rules(type(record)) if Role.CUSTOMER in rule.readers}
        assert set(copied(record)) == set(columns(type(record))) == allowed
        assert "links" not in copied(record)


def test_who_works_on_a_request_is_not_in_it() -> None:
    asked = Request(id="r", account="A1", asks=Asks.ACCESS, received_at=0, opened_by="sam", due_at=None)
    assert {"opened_by", "identity_by", "closed_by"} & set(copied(asked)) == set()
    assert {item.name for item in fields(asked)} > set(copied(asked))


def test_nobody_who_works_here_is_named_in_a_copy() -> None:
    shown = {name for kind in (*OF_LINE, *OF_ACCOUNT) for name in columns(kind)}
    assert {name for name in shown if name == "by" or name.endswith("_by")} == {"seen_by"}  # dialplan, calls or journal
    assert "correction" not in shown


@given(
    kind=st.sampled_from(NumberClass),
    forwarded=st.none() | st.sampled_from(NumberClass),
    number=st.none() | st.sampled_from([*NUMBERS, "07700900123", "01134960101", "201", "anonymous"]),
    also=st.none() | st.sampled_from([*NUMBERS, "07700900123"]),
)
def test_no_call_for_help_is_taken_for_another_whatever_the_store_says(
    kind: NumberClass, forwarded: NumberClass | None, number: str | None, also: str | None
) -> None:
    found: list[Any] = [
        call("c", number_class=kind, forwarded_class=forwarded, number=number, forwarded=also),
        text("t", number_class=kind, number=number),
    ]
    told = [for_help(record, PLAN) for record in found]
    assert told[1] == (kind in FOR_HELP or number in NUMBERS)
    assert told[0] == (told[1] or forwarded in FOR_HELP or also in NUMBERS)


@pytest.mark.parametrize("record", of_line("201"), ids=lambda record: record.id)
def test_of_what_is_no_call_only_an_emergency_tells_of_one(record: Any) -> None:
    assert for_help(record, PLAN) == (record.KIND == "emergency")


def helped(at: int) -> Any:
    return call(f"help-{at}", at=at, number="08001111", number_class=NumberClass.HELPLINE, duration_s=10)


@pytest.mark.parametrize(
    ("calls", "known"),
    [
        ([call("c")], True),
        ([], False),
        ([call("c", at=AT - 3_600_000)], False),
        ([call("c"), helped(AT)], False),
        ([call("c"), helped(AT - 12_000)], False),  # the clocks may be some seconds apart
        ([call("c"), helped(AT - 60_000), helped(AT + 60_000)], True),
        ([call("c", duration_s=600), helped(AT + 9_000)], False),
        # What was recorded went on when the only call on record was over, or had begun before it.
        ([call("c", duration_s=1)], False),
        ([call("c", at=AT + 8_000)], False),
        ([call("c", duration_s=1), call("d", at=AT + 8_000, duration_s=600)], False),
        ([call("c", duration_s=1), call("d", at=AT + 8_000, duration_s=600, call="c")], True),
    ],
)
def test_what_was_recorded_is_known_only_by_a_call_that_is_for_no_help(calls: list[Any], known: bool) -> None:
    press = optin("o", at=AT - 1_000, calls=Calls.ONE, withdrawn_at=AT + 9_000)
    together: list[Record] = [*recording("r", optin="o"), press]
    found = known_calls([*calls, *together], PLAN)
    assert found == ({"r", "o"} if known else set())
    assert [hidden(record, PLAN, found) for record in together] == [not known] * 3
    _, alone = recording("r")
    assert ("r" in known_calls([*calls, alone], PLAN)) == known


def test_of_what_rests_on_one_standing_opt_in_each_recording_stands_for_itself() -> None:
    later = AT + 3_600_000
    recorded: list[Record] = [*recording("first", optin="o"), *recording("second", at=later, optin="o"), optin("o")]
    found = known_calls([call("c"), call("d", at=later), helped(later), *recorded], PLAN)
    assert found == {"first"}
    assert not hidden(optin("o"), PLAN, found)
