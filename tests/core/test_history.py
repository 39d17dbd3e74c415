"""What comes on a bill (P04): never a freephone, helpline or emergency number, whatever the store holds."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.history import History, Item, Sum
from agent.core.numbering import FREE, Plan
from agent.core.records import Account, Call, CallOutcome, Direction, NumberClass, Text, TextOutcome, TextSize

OWN_HELPLINE = "01134960999"
PLAN = Plan(helplines=frozenset((OWN_HELPLINE,)))
FORBIDDEN = FREE - {NumberClass.INTERNAL}
#: Numbers that nobody may read on a bill, in the forms in which they may have been dialled or shown.
SECRET = [
    form
    for number in ("08001111", "08082000247", "116123", "08001234567", OWN_HELPLINE, "999", "112", "18000", "105")
    for form in (
        f"18001{number}",
        number,
        f"9{number}",
        f"141{number}",
        f"9141{number}",
        f"+44{number.removeprefix('0')}",
        f"0044{number.removeprefix('0')}",
        f"{number};phone-context=+44",
        f"{number[:4]} {number[4:]}",
        f"+44({number[0]}){number[1:]}",
    )
]


def call(**changes: Any) -> Call:
    return replace(
        Call(
            id="c",
            call="0f",
            line="201",
            direction=Direction.OUTGOING,
            number_class=NumberClass.GEOGRAPHIC,
            number="01134960100",
            started_at=5,
            duration_s=9,
            billable_s=7,
            outcome=CallOutcome.ANSWERED,
            itemised=True,
        ),
        **changes,
    )


def account(**changes: Any) -> Account:
    return replace(Account(id="a", account="A1", opened_at=0), **changes)


def history(**changes: Any) -> History:
    return History(account(**changes), PLAN)


any_call = st.builds(
    Call,
    id=st.just("c"),
    call=st.just("0f"),
    line=st.none() | st.just("201"),
    direction=st.sampled_from(Direction),
    number_class=st.sampled_from(NumberClass),
    number=st.none() | st.sampled_from(SECRET) | st.text("0123456789+ ();*#", max_size=16) | st.text(max_size=12),
    forwarded=st.none() | st.sampled_from(SECRET),
    forwarded_class=st.none() | st.sampled_from(NumberClass),
    started_at=st.integers(0, 99),
    duration_s=st.integers(0, 99),
    billable_s=st.integers(0, 99),
    outcome=st.sampled_from(CallOutcome),
    itemised=st.booleans(),
)

any_text = st.builds(
    Text,
    id=st.just("t"),
    line=st.none() | st.just("201"),
    direction=st.sampled_from(Direction),
    number_class=st.sampled_from(NumberClass),
    number=st.none() | st.sampled_from(SECRET) | st.text("0123456789+ ();*#", max_size=16) | st.text(max_size=12),
    at=st.integers(0, 99),
    size=st.sampled_from(TextSize),
    outcome=st.sampled_from(TextOutcome),
    itemised=st.booleans(),
)
any_used = st.lists(any_call | any_text, max_size=12)


@given(any_used, st.booleans(), st.booleans())
def test_no_free_number_and_no_emergency_ever_comes_out(used: list[Call | Text], itemised: bool, consent: bool) -> None:
    shown = history(itemised=itemised, history_consent=consent)
    items = list(shown.items(used))
    for item in items:
        assert item.number_class not in FREE
        assert item.number is None or PLAN.kind(item.number) not in FORBIDDEN
        assert item.number not in SECRET
        assert item.number is None or item.number.strip("0123456789*#") == ""
    assert not any(each.number_class in FREE for each in shown.sums())
    if not itemised:
        assert items == []


@pytest.mark.parametrize("number", SECRET)
@pytest.mark.parametrize("kind", sorted(set(NumberClass) - FREE))
def test_a_number_is_hidden_though_the_store_calls_it_something_else(number: str, kind: NumberClass) -> None:
    shown = history(history_consent=True)
    for direction in Direction:
        assert list(shown.items([call(number=number, number_class=kind, direction=direction)])) == []
    assert shown.sums() == []


def test_a_billed_call_is_shown_in_the_national_form() -> None:
    (item,) = history().items([call(number="+441134960100", forwarded="08001111")])
    assert item == Item(
        kind="call",
        at=5,
        line="201",
        direction=Direction.OUTGOING,
        number="01134960100",
        number_class=NumberClass.GEOGRAPHIC,
        outcome=CallOutcome.ANSWERED,
        duration_s=7,
    )


def test_a_number_that_is_not_kept_leaves_the_call_on_the_bill() -> None:
    (item,) = history().items([call(number=None)])
    assert (item.number, item.number_class, item.duration_s) == (None, NumberClass.GEOGRAPHIC, 7)


def test_a_short_number_of_the_network_that_costs_is_on_the_bill() -> None:
    assert len(list(history().items([call(number="1471", number_class=NumberClass.UNKNOWN)]))) == 1


UNBILLED = [
    call(direction=Direction.INCOMING, itemised=False),
    call(outcome=CallOutcome.BUSY, billable_s=0, itemised=False),
]


def test_what_is_on_no_bill_takes_the_customers_consent() -> None:
    assert list(history().items(UNBILLED)) == []
    assert len(list(history(history_consent=True).items(UNBILLED))) == 2


def test_what_stays_within_the_pbx_is_on_no_bill() -> None:
    inside = call(direction=Direction.INTERNAL, number_class=NumberClass.INTERNAL, number="202", itemised=False)
    assert list(history(history_consent=True).items([inside])) == []


@given(any_used, st.booleans())
def test_sums_are_of_what_is_shown_and_the_same_where_nothing_is(used: list[Call | Text], consent: bool) -> None:
    shown, hidden = history(history_consent=consent), history(history_consent=consent, itemised=False)
    items = list(shown.items(used))
    assert list(hidden.items(used)) == []
    assert hidden.sums() == shown.sums()
    assert sum(each.count for each in shown.sums()) == len(items)
    assert sum(each.duration_s for each in shown.sums()) == sum(item.duration_s or 0 for item in items)


def test_sums_are_by_direction_and_class() -> None:
    shown = history()
    list(shown.items([call(), call(billable_s=3), call(number_class=NumberClass.MOBILE, number="07700900123")]))
    assert shown.sums() == [
        Sum(kind="call", direction=Direction.OUTGOING, number_class=NumberClass.GEOGRAPHIC, count=2, duration_s=10),
        Sum(kind="call", direction=Direction.OUTGOING, number_class=NumberClass.MOBILE, count=1, duration_s=7),
    ]


def test_texts_are_counted_apart_from_calls() -> None:
    text = Text(
        id="t",
        line="201",
        direction=Direction.OUTGOING,
        number_class=NumberClass.MOBILE,
        number="07700900123",
        at=7,
        size=TextSize.SHORT,
        outcome=TextOutcome.SENT,
        itemised=True,
    )
    shown = history()
    (item,) = shown.items([text])
    assert (item.kind, item.at, item.number, item.duration_s, item.size) == ("text", 7, "07700900123", None, "short")
    list(shown.items([call(number="07700900123", number_class=NumberClass.MOBILE)]))
    assert [(each.kind, each.count, each.duration_s) for each in shown.sums()] == [("call", 1, 7), ("text", 1, 0)]
