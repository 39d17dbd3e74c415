"""The audit: every use an entry, in a chain that shows what is done to it, and lives on without its old months."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.core.audit import ERASED, Head, Trail, month, verify
from agent.core.instants import from_rfc3339
from agent.core.records import Audit, AuditUse, SegmentRoot

KEY = bytes(range(32))
START = from_rfc3339("2026-09-29T22:00:00Z")
DAY = 86_400_000
#: Days between uses: within a month, over its end, and over several.
GAPS = st.lists(st.sampled_from([0, 0, 1, 1, 9, 40, 100]), min_size=1, max_size=12)

Written = list[Audit | SegmentRoot]


def trail(first: int = 0) -> Trail:
    ids, salts = count(first), count(first)
    return Trail(key=KEY, new_id=lambda: f"id-{next(ids)}", new_salt=lambda: f"{next(salts):032x}")


def note(running: Trail, at: int, **changes: Any) -> Written:
    said: dict[str, Any] = {"by": "sam", "use": AuditUse.LOOKED_UP, "subject": "A1001", "reason": "asked"}
    return running.note(at=at, **(said | changes))


def written(gaps: Iterable[int]) -> Written:
    running, at, found = trail(), START, Written()
    for gap in gaps:
        at += gap * DAY
        found += note(running, at, subject=f"A{gap}")
    return found


def entries(found: Written) -> list[Audit]:
    return [each for each in found if isinstance(each, Audit)]


def roots(found: Written) -> list[SegmentRoot]:
    return [each for each in found if isinstance(each, SegmentRoot)]


def wrong(found: Written, *, key: bytes = KEY, since: int = 0, noted: Head | None = None) -> list[str]:
    of = entries(found)
    return list(
        verify(
            roots(found),
            lambda segment: sorted((each for each in of if each.segment == segment), key=lambda each: each.seq),
            key=key,
            current=max((each.segment for each in of), default=None),
            total=len(of),
            kept_since=since,
            roots_since=since,
            noted=noted,
        )
    )


def head(found: Written) -> Head:
    last = entries(found)[-1]
    return Head(segment=last.segment, seq=last.seq, chain=last.chain)


@given(GAPS)
def test_every_use_is_one_entry_and_all_of_it_proves_whole(gaps: list[int]) -> None:
    found = written(gaps)
    assert [each.subject for each in entries(found)] == [f"A{gap}" for gap in gaps]
    assert wrong(found) == []
    assert wrong(found, noted=Head.parse(str(head(found)))) == []
    assert [root.segment for root in roots(found)] == sorted({each.segment for each in entries(found)})[:-1]
    assert wrong(found, key=bytes(32))


@given(GAPS, st.data())
def test_no_field_of_an_entry_can_change_unseen(gaps: list[int], data: st.DataObject) -> None:
    found = written(gaps)
    place = data.draw(st.integers(0, len(found) - 1))
    each = found[place]
    name = data.draw(st.sampled_from([name for name in type(each).__slots__ if name != "id"]))
    value = getattr(each, name)
    match value:
        case AuditUse():
            other: Any = AuditUse.ERASED
        case int():
            other = value + data.draw(st.sampled_from([-1, 1]))
        case _:
            other = data.draw(st.text(max_size=3))
    assume(other != value)
    found[place] = replace(each, **{name: other})
    assert wrong(found)


@given(GAPS, st.data())
def test_no_entry_can_go_or_come_unseen_but_the_last_against_a_noted_head(gaps: list[int], data: st.DataObject) -> None:
    found = written(gaps)
    noted = head(found)
    gone = data.draw(st.sampled_from(found))
    left = [each for each in found if each is not gone]
    assert wrong(left, noted=noted)
    if gone is not found[-1]:
        assert wrong(left)
    copied = replace(data.draw(st.sampled_from(entries(found))), id="copy", seq=noted.seq + 1, segment=noted.segment)
    assert wrong([*found, copied])


@given(st.permutations(range(6)))
def test_no_two_entries_can_change_places_unseen(order: list[int]) -> None:
    found = written([0] * 6)
    first = entries(found)[0].seq
    moved: Written = [replace(entries(found)[place], seq=number + first) for number, place in enumerate(order)]
    assert bool(wrong(moved)) == (order != sorted(order))


@given(GAPS, st.data())
def test_old_months_go_and_the_rest_proves_whole(gaps: list[int], data: st.DataObject) -> None:
    found = written(gaps)
    of_months = roots(found)
    assume(of_months)
    since = of_months[data.draw(st.integers(0, len(of_months) - 1))].closed_at + 1
    old = {root.segment for root in of_months if root.closed_at < since}
    kept = [each for each in found if isinstance(each, SegmentRoot) or each.segment not in old]
    assert wrong(kept, since=since) == []
    assert wrong(kept), "the same, before its time"
    last_gone = max(old)
    without_roots = [each for each in kept if isinstance(each, Audit) or each.segment >= last_gone]
    assert wrong(without_roots, since=since) == []


def test_a_month_that_is_being_deleted_proves_whole_from_what_is_left_of_it() -> None:
    found = written([0, 0, 0, 0, 9])
    since = roots(found)[0].closed_at + 1
    assert wrong(found[2:], since=since) == []
    assert wrong(found[2:])
    assert wrong([found[2], *found[4:]], since=since), "one in the middle"


def test_what_is_unreadable_proves_whole_and_cannot_be_guessed() -> None:
    found = written([0, 1])
    erased = [replace(each, subject=None, salt=None, reason=ERASED) for each in entries(found)]
    assert wrong([*erased, *roots(found)]) == []
    for changes in ({"salt": None}, {"salt": None, "subject": None}, {"salt": None, "reason": ERASED}):
        assert wrong([replace(entries(found)[0], **changes), *found[1:]]), "unreadable in part is no erasure"
    one, other = entries(written([0, 0]))
    assert one.subject == other.subject
    assert one.commitment != other.commitment, "the same subject looks different in each entry"


@given(GAPS, st.integers(1, 11))
def test_it_goes_on_after_a_restart(gaps: list[int], stop: int) -> None:
    running, at, found = trail(), START, Written()
    for number, gap in enumerate(gaps):
        if number == stop:
            running = trail(100)
            running.restore([*roots(found)[-1:], *entries(found)[-1:]])
        at += gap * DAY
        found += note(running, at, subject=f"A{gap}")
    assert wrong(found) == []


def test_a_restart_between_a_root_and_the_next_entry_does_not_open_the_month_again() -> None:
    found = note(trail(), START)
    running = trail(1)
    running.restore(found)
    found += running.close(START + 9 * DAY)
    running = trail(2)
    running.restore(found)
    # the clock was set back
    found += note(running, START)
    assert [each.segment for each in entries(found)] == ["2026-09", "2026-10"]
    assert wrong(found) == []


def test_a_clock_that_is_set_back_does_not_open_a_closed_month_again() -> None:
    running = trail()
    found = [*note(running, START), *running.close(START + 9 * DAY), *note(running, START)]
    assert [each.segment for each in entries(found)] == ["2026-09", "2026-10"]
    assert wrong(found) == []


def test_a_month_is_closed_once_it_is_over_and_only_once() -> None:
    running = trail()
    assert running.close(START) == []
    note(running, START)
    assert running.close(START) == []
    (root,) = running.close(START + 9 * DAY)
    assert (root.segment, root.entries) == ("2026-09", 1)
    assert running.close(START + 99 * DAY) == []


@pytest.mark.parametrize("text", ["", "2026-11", "2026-11:x:0f", "2026-11:1:0f:9"])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"values to unpack|invalid literal"):
        Head.parse(text)


def test_months_are_utc() -> None:
    assert month(from_rfc3339("2026-11-01T00:30:00+01:00")) == "2026-10"
