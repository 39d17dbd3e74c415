"""The plan of the purge: every class of every kind, by its own term."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from agent.config import Config
from agent.core.purging import DAY_MS, Count, counted, plan
from agent.core.records import RECORDS, Detail, Ground, RetentionClass, retentions
from tests.scenarios.made import AT

days = Config().retention.days


def test_every_class_of_every_kind_goes_by_its_own_term() -> None:
    steps = plan(days, AT)
    assert [(step.kind, step.retention) for step in steps] == [
        (record.KIND, retention) for record in RECORDS for retention in retentions(record)
    ]
    for step in steps:
        assert step.before == AT - days(step.retention) * DAY_MS
    assert {step.retention for step in steps if step.of_class is not None} == {
        RetentionClass.CALL,
        RetentionClass.UNBILLED,
    }


def test_only_what_may_stand_on_a_bill_leaves_totals_behind() -> None:
    assert {step.retention for step in plan(days, AT) if step.ground is Ground.CUT} == {RetentionClass.CALL}


def test_a_plan_may_be_of_some_kinds_alone() -> None:
    assert [step.kind for step in plan(days, AT, (Detail,))] == ["detail"]


@given(st.lists(st.lists(st.integers(0, 99), max_size=5), max_size=6))
def test_counting_page_by_page_is_counting_at_once(pages: Sequence[Sequence[int]]) -> None:
    found: Count | None = None
    for page in pages:
        found = counted(page, found)
    everything = [at for page in pages for at in page]
    if not everything:
        assert found is None
    else:
        assert found == Count(records=len(everything), oldest_at=min(everything), newest_at=max(everything))
