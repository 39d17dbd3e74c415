"""Legal holds: what they keep and nothing else, and when they have to be looked at again."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.accounts.spans import Span
from agent.core.holds import COVERED, REVIEW_MS, Holds, Order, placed
from agent.core.records import RECORDS, Hold, Kept
from tests.integration.purging import hold, holds
from tests.scenarios.made import AT

LINES = ("201", "202", "203")
INSTANTS = st.integers(0, 40)
TIMES = st.one_of(
    st.tuples(INSTANTS, INSTANTS).map(sorted),
    st.tuples(st.none() | INSTANTS, st.none()),
    st.tuples(st.none(), INSTANTS),
)
ORDERS = st.builds(
    lambda lines, kinds, time: hold("h", *lines, kinds=kinds, from_at=time[0], until_at=time[1]),
    st.lists(st.sampled_from(LINES), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from([word.value for word in Kept]), min_size=1, unique=True).map(tuple),
    TIMES,
)


@given(
    st.lists(ORDERS, max_size=4),
    st.sampled_from([record.KIND for record in RECORDS]),
    st.none() | st.sampled_from(LINES),
    INSTANTS,
    INSTANTS,
)
def test_a_record_is_kept_if_and_only_if_a_hold_says_so(
    standing: list[Hold], kind: str, line: str | None, one: int, other: int
) -> None:
    standing = [replace(each, id=str(number)) for number, each in enumerate(standing)]
    begun_at, ended_at = sorted((one, other))
    expected = any(
        line in each.lines
        and any(kind == record.KIND for word in each.kinds for record in COVERED[Kept(word)])
        and any(
            (each.from_at is None or each.from_at <= at) and (each.until_at is None or at <= each.until_at)
            for at in range(begun_at, ended_at + 1)
        )
        for each in standing
    )
    assert holds(*standing).keeps(kind, line, begun_at, ended_at) is expected


def test_a_hold_on_an_account_is_on_its_lines_while_they_are_its() -> None:
    spans = {"A1": [Span(line="201", begin=10, end=20), Span(line="202", begin=15, end=None)]}
    found = Holds().taken_up([replace(hold("a"), lines=(), account="A1", from_at=12)]).of(spans)
    kept = [at for at in range(30) if found.keeps("call", "201", at, at)]
    assert kept == list(range(12, 20))
    assert [at for at in range(30) if found.keeps("call", "202", at, at)] == list(range(15, 30))
    # a span of registration that reaches into its time
    assert found.keeps("registration", "201", 19, 25)
    assert not found.keeps("registration", "201", 20, 25)
    assert not found.keeps("call", "203", 15, 15)
    lifted = found.taken_up([found.lifted("a", "sam", "settled", AT)])
    assert not lifted.keeps("call", "201", 15, 15)


@pytest.mark.parametrize("hidden", ["locked", f"1.{'a' * 16}.{'b' * 16}.Zm9vYmFy"])
def test_while_nobody_can_tell_whose_data_a_hold_keeps_it_keeps_everybodys(hidden: str) -> None:
    for unknown in (hold("a", hidden, from_at=12), replace(hold("a"), lines=(), account=hidden, from_at=12)):
        found = holds(unknown)
        assert [found.keeps("call", line, 15, 15) for line in LINES] == [True] * 3
        assert not found.keeps("call", "201", 0, 11)
        assert not found.keeps("recording", "201", 15, 15)
        assert not found.keeps("call", None, 15, 15)
        assert found.keeps_account("A1", ["201"])
        assert found.unread() == [unknown]
        # its key is there again
        known = found.taken_up([replace(unknown, lines=("202",), account=None)])
        assert [known.keeps("call", line, 15, 15) for line in LINES] == [False, True, False]
        assert known.unread() == []


@pytest.mark.parametrize("hidden", ["locked", f"1.{'a' * 16}.{'b' * 16}.Zm9vYmFy"])
def test_while_nobody_can_tell_whose_a_record_is_all_of_a_kind_that_is_held_stays(hidden: str) -> None:
    found = holds(hold("a", "201", from_at=12))
    assert found.keeps("call", hidden, 0, 11)
    assert not found.keeps("recording", hidden, 15, 15)
    assert found.keeps_account("A1", [hidden])
    assert not Holds().keeps("call", hidden, 15, 15)
    assert not Holds().keeps_account("A1", [hidden])


def test_a_hold_on_an_account_whose_lines_were_not_looked_up_yet_keeps_everybodys() -> None:
    found = Holds().taken_up([replace(hold("a"), lines=(), account="A1")])
    assert found.keeps("call", "203", 15, 15)
    assert not found.of({"A1": []}).keeps("call", "203", 15, 15)


def test_a_hold_that_was_lifted_keeps_nothing_and_the_others_go_on() -> None:
    both = holds(hold("a", "201"), hold("b", "202"))
    lifted = both.lifted("a", "sam", "settled", AT)
    after = both.taken_up([lifted])
    assert both.keeps("call", "201", AT, AT)
    assert not after.keeps("call", "201", AT, AT)
    assert after.keeps("call", "202", AT, AT)
    assert (lifted.lifted_at, lifted.lifted_by, lifted.lifted_why) == (AT, "sam", "settled")
    with pytest.raises(LookupError):
        after.lifted("a", "sam", "again", AT)


def test_one_past_its_review_date_is_overdue_and_still_in_force() -> None:
    standing = holds(hold("a", review_at=AT), hold("b", review_at=AT + 2))
    assert [each.id for each in standing.overdue(AT - 1)] == []
    assert [each.id for each in standing.overdue(AT)] == ["a"]
    assert standing.keeps("call", "201", AT, AT)
    reviewed = standing.taken_up([standing.reviewed("a", "sam", AT + 9, AT + 1)])
    assert [each.id for each in reviewed.overdue(AT + 3)] == ["b"]
    assert (reviewed.standing["a"].reviewed_by, reviewed.standing["a"].reviewed_at) == ("sam", AT + 1)


@pytest.mark.parametrize("ahead", [-1, 0, REVIEW_MS + 1])
def test_a_review_is_ahead_and_within_a_year(ahead: int) -> None:
    with pytest.raises(ValueError, match="within a year"):
        holds(hold("a")).reviewed("a", "sam", AT + ahead, AT)
    with pytest.raises(ValueError, match="within a year"):
        placed(order(review_at=AT + ahead), "a", "kim", AT)


def order(**changes: object) -> Order:
    values: dict[str, object] = {
        "account": None,
        "lines": ("201", "201", "202"),
        "kinds": (Kept.CALLS, Kept.CALLS),
        "from_at": None,
        "until_at": None,
        "authority": "a court",
        "reference": "X-1",
        "reviewer": "sam",
        "review_at": AT + 1,
    }
    return Order(**(values | changes))  # type: ignore[arg-type]


def test_what_is_said_twice_is_kept_once() -> None:
    found = placed(order(), "a", "kim", AT)
    assert (found.lines, found.kinds) == (("201", "202"), ("calls",))
    assert (found.placed_at, found.placed_by, found.review_at) == (AT, "kim", AT + 1)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lines": ()}, "at least one"),
        ({"kinds": ()}, "at least one"),
        ({"from_at": 2, "until_at": 1}, "cannot end before"),
    ],
)
def test_a_hold_on_nothing_is_none(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        placed(order(**changes), "a", "kim", AT)


def test_the_beginning_of_an_id_will_do_where_it_is_of_one_alone() -> None:
    standing = holds(hold("ab12"), hold("ab34"))
    assert standing.lifted("ab1", "sam", "settled", AT).id == "ab12"
    with pytest.raises(LookupError, match="several"):
        standing.lifted("ab", "sam", "settled", AT)


@given(st.lists(ORDERS, max_size=4))
def test_nothing_is_kept_of_a_time_before_the_first_of_which_something_is(standing: list[Hold]) -> None:
    standing = [replace(each, id=str(number)) for number, each in enumerate(standing)]
    found = holds(*standing)
    for kind in (record.KIND for record in RECORDS):
        since = found.keeps_since(kind)
        for line in LINES:
            for at in range(41):
                assert not found.keeps(kind, line, at, at) or (since is not None and since <= at)


def test_none_that_stands_keeps_nothing() -> None:
    assert Holds().keeps_since("call") is None
    assert not Holds().keeps("call", "201", 0, AT)
