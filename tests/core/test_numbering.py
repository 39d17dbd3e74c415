"""What kind of number a number is, in every form in which it may be dialled or shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.numbering import Plan
from agent.core.policy import Policy
from agent.core.records import NumberClass

PLAN = Plan(policy=Policy(), helplines=frozenset(("08001234567",)))

KINDS = {
    NumberClass.GEOGRAPHIC: "01134960100 02079460000 0169772345 03001234567",
    NumberClass.MOBILE: "07700900123 07400123456 07911123456 07624123456",
    NumberClass.FREEPHONE: "08001234568 08081570000 0800123456 101 111 18001101",
    NumberClass.HELPLINE: "116123 116000 08001111 08082000247 08088005000 08001234567 1800108001111 18001116123",
    NumberClass.INTERNATIONAL: "0033123456789 +33123456789 +18005551212",
    NumberClass.PREMIUM: "09068123456 08451234567 08712345678 07012345678 07612345678 118118 123",
    NumberClass.INTERNAL: "201 6000 *97 1471 0",
    NumberClass.EMERGENCY: "999 112 18000 9999 141999 9141112 sos 999;phone-context=+44 +44999 18001999 918002112",
    # An American number begins as text relay does.
    NumberClass.UNKNOWN: "anonymous 12345678 + 0012345678901234567890 18002752273",
}


@pytest.mark.parametrize(("kind", "number"), [(kind, number) for kind, all in KINDS.items() for number in all.split()])
def test_the_kind_of_a_number(kind: NumberClass, number: str) -> None:
    assert PLAN.kind(number) is kind


@pytest.mark.parametrize("number", ["01134960100", "07700900123", "08001111", "09068123456", "08088005000"])
def test_the_same_number_in_other_forms(number: str) -> None:
    forms = [f"+44{number[1:]}", f"0044{number[1:]}", f"9{number}", f"141{number}", f"9141{number}", f"{number};cpc=1"]
    forms.append(f"{number[:5]} {number[5:]}")
    assert {PLAN.national(form) for form in forms} == {number}
    assert {PLAN.kind(form) for form in forms} == {PLAN.kind(number)}


@pytest.mark.parametrize("relay", ["18001", "18002", "918001", "14118001", "914118002", "18001141"])
@pytest.mark.parametrize("number", ["01134960100", "08001111", "00441134960100", "116123"])
def test_behind_text_relay_it_is_the_number_that_is_called(relay: str, number: str) -> None:
    assert PLAN.national(relay + number) == PLAN.national(number)
    assert PLAN.kind(relay + number) is PLAN.kind(number)


@given(st.text(max_size=60))
def test_any_text_has_a_kind_and_only_numbers_are_numbers(text: str) -> None:
    assert PLAN.kind(text) in NumberClass
    assert set(PLAN.national(text)) <= set("0123456789*#")
