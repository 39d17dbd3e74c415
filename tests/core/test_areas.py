"""What stays of a number that is cut: nothing that would tell whose it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.areas import area
from agent.core.numbering import Plan

AREAS = {
    "01134960100": "0113",
    "01214960100": "0121",
    "01314960100": "0131",
    "01914980100": "0191",
    "02079460000": "020",
    "02890180000": "028",
    "01632960000": "01632",
    "01697720000": "01697",
    "0169772345": "01697",
    "01524200000": "01524",
    "01946700000": "01946",
    "03001234567": "03",
    "07700900123": "07",
    "07624123456": "07",
    "08451234567": "084",
    "09068123456": "090",
    "118118": "118",
    "0012125550100": "001",
    "0074950000000": "007",
    "0033123456789": "0033",
    "00353123456789": "00353",
    "00862112345678": "0086",
}
DIGITS = st.text("0123456789", min_size=1, max_size=17)


@pytest.mark.parametrize(("number", "expected"), AREAS.items())
def test_the_area_of_a_number(number: str, expected: str) -> None:
    assert area(number) == expected


@pytest.mark.parametrize(
    "number", ["", "201", "999", "123", "0113", "01134", "070", "00", "0044", "0033", "*97", "x1134960100"]
)
def test_of_what_is_too_short_to_be_cut_nothing_stays(number: str) -> None:
    assert area(number) is None


@given(st.sampled_from(["01", "02", "03", "07", "08", "09", "00", ""]), DIGITS)
def test_what_stays_is_a_beginning_that_thousands_share(begin: str, rest: str) -> None:
    number = begin + rest
    left = area(number)
    if left is not None:
        assert number.startswith(left)
        assert len(left) <= 5
        assert number.startswith("00") or len(number) - len(left) >= (3 if left == "118" else 4)


@given(st.text("0123456789", min_size=6, max_size=6), st.text("0123456789", min_size=6, max_size=6))
def test_numbers_of_one_area_cannot_be_told_apart(one: str, other: str) -> None:
    for begin in ("0113", "0191", "020", "01632", "07", "001"):
        assert area(begin + one[: 10 - len(begin)] + one) == area(begin + one[: 10 - len(begin)] + other)


@given(DIGITS)
def test_the_same_number_in_any_form_is_cut_to_the_same(rest: str) -> None:
    plan = Plan()
    number = "01" + rest[:9].ljust(9, "7")
    forms = (number, f"+44{number[1:]}", f"0044{number[1:]}", f"9{number}")
    assert len({area(plan.national(form)) for form in forms}) == 1


@given(st.text(max_size=40))
def test_any_text_is_cut_to_digits_or_to_nothing(text: str) -> None:
    left = area(text)
    assert left is None or (left.isascii() and left.isdigit())
