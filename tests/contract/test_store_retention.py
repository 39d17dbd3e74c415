"""What every store promises of what is to go: what is due, and what is left of it."""

from collections.abc import Callable
from typing import Any

import pytest

from agent.core.instants import from_rfc3339, rfc3339
from agent.core.records import (
    Access,
    Call,
    ContentState,
    Detail,
    Entry,
    Look,
    NumberClass,
    Purge,
    Record,
    RecordingState,
    RetentionClass,
    Text,
    Total,
    Use,
)
from agent.ports import Due, StoreError
from agent.stores.sqlite import SqliteStore
from tests.contract.stored import (
    AT,
    ENDED,
    HOUR,
    KINDS,
    LAST_INSTANT,
    OPEN,
    Backend,
    account,
    alarm,
    call,
    content,
    deletion,
    emergency,
    ids,
    purged,
    recording,
    registration,
    service,
    text,
)


@pytest.mark.parametrize("ended", ENDED, ids=lambda record: record.KIND)
async def test_a_record_goes_once_it_ended_before_the_term_and_not_a_millisecond_sooner(
    store: SqliteStore, backend: Backend, ended: Record
) -> None:
    await store.commit([*ENDED, *OPEN], durable=False)
    assert await purged(store, backend, ended.KIND, AT) == 0
    assert await purged(store, backend, ended.KIND, AT + 1) == 1
    assert await purged(store, backend, ended.KIND, AT + 1) == 0
    with backend.reader() as reader:
        left = [record for kind in KINDS for record in reader.read(kind) if not record.id.startswith("~")]
    assert {(record.KIND, record.id) for record in left} == {
        (record.KIND, record.id) for record in [*ENDED, *OPEN] if record is not ended
    }


async def test_what_calls_came_to_goes_by_the_end_of_its_month(store: SqliteStore, backend: Backend) -> None:
    october, november = from_rfc3339("2026-10-01T00:00:00Z"), from_rfc3339("2026-11-01T00:00:00Z")
    values: dict[str, Any] = {"line": "201", "number_class": NumberClass.MOBILE, "area": "07"}
    totals = [
        Total(id=id, month_at=at, calls=1, billable_s=9, **values) for id, at in (("o", october), ("n", november))
    ]
    await store.commit(totals, durable=True)
    assert await purged(store, backend, "total", november) == 0
    assert await purged(store, backend, "total", november + 1) == 1
    with backend.reader() as reader:
        assert ids(reader.read("total")) == ["n"]
        border = Due(id="", line=None, begun_at=0, ended_at=november + 14 * 24 * HOUR)
        (coming,) = reader.due("total", LAST_INSTANT, 1, after=border)
        assert rfc3339(coming.ended_at) == "2026-12-01T00:00:00.000Z"


async def test_an_opt_in_that_started_nothing_goes_by_its_end(store: SqliteStore, backend: Backend) -> None:
    await store.commit([recording("r", RecordingState.NOT_STARTED, stopped_at=AT)], durable=True)
    assert await purged(store, backend, "recording", AT) == 0
    assert await purged(store, backend, "recording", AT + 1) == 1


@pytest.mark.parametrize("state", [state for state in ContentState if state is not ContentState.KEPT])
async def test_content_that_is_gone_with_no_word_of_when_goes_by_its_own_instant(
    store: SqliteStore, backend: Backend, state: ContentState
) -> None:
    await store.commit([content("c", state=state)], durable=True)
    assert await purged(store, backend, "content", AT) == 0
    assert await purged(store, backend, "content", AT + 1) == 1


async def test_a_recording_stays_for_as_long_as_its_content(store: SqliteStore, backend: Backend) -> None:
    await store.commit([recording("r", RecordingState.STOPPED, stopped_at=AT), content("r", AT)], durable=True)
    assert await purged(store, backend, "recording", AT + 1) == 0
    await store.commit([content("r", AT, state=ContentState.DELETED, deleted_at=AT + HOUR)], durable=True)
    assert await purged(store, backend, "recording", AT + 1) == 1


async def test_a_service_stays_for_as_long_as_its_account(store: SqliteStore, backend: Backend) -> None:
    await store.commit([account("a"), service("s", account="A-a", until_at=AT)], durable=True)
    assert await purged(store, backend, "service", AT + 1) == 0
    await store.commit([account("a", closed_at=AT)], durable=True)
    assert await purged(store, backend, "account", AT + 1) == 1
    assert await purged(store, backend, "service", AT + 1) == 1


async def test_a_service_that_was_wrong_goes_by_when_it_was_corrected(store: SqliteStore, backend: Backend) -> None:
    await store.commit([service("s", corrected_at=AT, corrected_by="sam", correction="typed wrong")], durable=True)
    assert await purged(store, backend, "service", AT) == 0
    assert await purged(store, backend, "service", AT + 1) == 1


@pytest.mark.parametrize("made", [call, text])
async def test_what_cost_nothing_goes_by_a_term_of_its_own(
    store: SqliteStore, backend: Backend, made: Callable[..., Call | Text]
) -> None:
    await store.commit([made("billed"), made("missed", itemised=False), made("young", AT + 5)], durable=True)
    kind = made.__name__
    assert await purged(store, backend, kind, AT + 1, retention=RetentionClass.UNBILLED) == 1
    with backend.reader() as reader:
        assert ids(reader.read(kind)) == ["billed", "young"]
    assert await purged(store, backend, kind, AT, retention=RetentionClass.CALL) == 0
    assert await purged(store, backend, kind, AT + 1, retention=RetentionClass.CALL) == 1
    with backend.reader() as reader:
        assert ids(reader.read(kind)) == ["young"]


async def test_a_purge_that_was_interrupted_goes_by_its_begin(store: SqliteStore, backend: Backend) -> None:
    await store.commit([Purge(id="p", at=AT)], durable=True)
    assert await purged(store, backend, "purge", AT) == 0
    assert await purged(store, backend, "purge", AT + 1) == 1


async def test_a_timeline_stays_whole_for_as_long_as_its_emergency(store: SqliteStore, backend: Backend) -> None:
    lines = [Entry(id=str(n), emergency="e", seq=n, at=AT + n, what="dialled", chain="") for n in range(4)]
    await store.commit([emergency("e", ended_at=AT + 2, links=()), *lines], durable=True)
    assert await purged(store, backend, "entry", AT + 3) == 0
    assert await purged(store, backend, "emergency", AT + 3) == 1
    assert await purged(store, backend, "entry", AT + 3) == 3


async def test_deleting_goes_in_small_steps(store: SqliteStore, backend: Backend) -> None:
    await store.commit([registration(str(n), ended_at=AT) for n in range(1100)], durable=False)
    steps = [await purged(store, backend, "registration", AT + 1) for _ in range(4)]
    assert steps == [500, 500, 100, 0]


async def test_what_is_due_comes_oldest_first_page_by_page_with_its_line_and_its_time(
    store: SqliteStore, backend: Backend
) -> None:
    spans = [registration(f"{n:02d}", AT - HOUR, line=f"20{n % 3}", ended_at=AT + n // 2) for n in range(9)]
    await store.commit(spans, durable=True)
    found: list[Due] = []
    with backend.reader() as reader:
        while page := reader.due("registration", AT + 4, 3, after=found[-1] if found else None):
            found += page
        expected = [span for span in spans if (span.ended_at or 0) < AT + 4]
        assert [(each.id, each.line, each.begun_at, each.ended_at) for each in found] == [
            (span.id, span.line, span.first_seen, span.ended_at) for span in expected
        ]
        assert reader.due("registration", AT + 4, 3, after=found[-1]) == []
        # what comes next, whenever that is
        border = Due(id="", line=None, begun_at=AT + 4, ended_at=AT + 4)
        assert [each.id for each in reader.due("registration", LAST_INSTANT, 1, after=border)] == ["08"]


async def test_what_belongs_to_an_emergency_or_a_recording_is_due_as_of_its_line(
    store: SqliteStore, backend: Backend
) -> None:
    await store.commit(
        [
            emergency("e", line="207"),
            recording("r", RecordingState.RECORDING, line="208", started_at=AT),
            Detail(id="d", emergency="e", until_at=AT),
            alarm("a", subject="e", closed_at=AT),
            Look(id="l", at=AT, by="sam", emergency="e", reason="asked"),
            Access(id="x", at=AT, by="sam", recording="r", use=Use.PLAYED, reason="asked"),
            alarm("other", subject="trunk-a", closed_at=AT),
        ],
        durable=True,
    )
    with backend.reader() as reader:
        lines = {
            each.id: each.line for kind in ("detail", "alarm", "look", "access") for each in reader.due(kind, AT + 1, 9)
        }
    assert lines == {"d": "207", "a": "207", "l": "207", "x": "208", "other": None}


async def test_what_is_told_of_a_deletion_is_stored_with_it_or_not_at_all(store: SqliteStore, backend: Backend) -> None:
    await store.commit([registration("a", ended_at=AT), registration("b", ended_at=AT)], durable=True)
    assert await store.remove("registration", ["a"], told=[deletion("d")]) == 1
    with pytest.raises(StoreError):
        await store.remove("registration", ["b"], told=[deletion("e", count=1 << 70)])
    with backend.reader() as reader:
        assert [ids(reader.read(kind)) for kind in ("registration", "deletion")] == [["b"], ["d"]]


async def test_calls_that_are_cut_leave_what_they_came_to(store: SqliteStore, backend: Backend) -> None:
    month = "2026-11-01T00:00:00.000Z"
    leeds: dict[str, Any] = {"number_class": NumberClass.GEOGRAPHIC, "area": "0113"}
    calls = [
        call("a", AT, billable_s=10, **leeds),
        call("b", AT + 1, billable_s=20, **leeds),
        call("c", AT + 2, billable_s=40, line="202", **leeds),
        call("d", AT + 3, billable_s=80, line=None, number_class=NumberClass.MOBILE, area=None),
        call("e", AT + 40 * 24 * HOUR, billable_s=160, **leeds),
        call("f", AT + 4, billable_s=320, **leeds),
    ]
    await store.commit(calls, durable=True)
    assert await store.remove("call", ["a", "c", "d"], cut=True) == 3
    # what went already is not counted again
    assert await store.remove("call", ["a", "b", "e"], cut=True) == 2
    with backend.reader() as reader:
        totals = [record for record in reader.read("total") if isinstance(record, Total)]
        assert ids(reader.read("call")) == ["f"]
    found = {(rfc3339(each.month_at), each.line, each.area): (each.calls, each.billable_s) for each in totals}
    assert found == {
        (month, "201", "0113"): (2, 30),
        (month, "202", "0113"): (1, 40),
        (month, None, None): (1, 80),
        ("2027-01-01T00:00:00.000Z", "201", "0113"): (1, 160),
    }
    assert len({each.id for each in totals}) == 4


async def test_texts_that_are_cut_are_counted_beside_the_calls(store: SqliteStore, backend: Backend) -> None:
    mobile: dict[str, Any] = {"number_class": NumberClass.MOBILE, "area": "07"}
    await store.commit([call("a", billable_s=10, **mobile), text("a", **mobile), text("b", **mobile)], durable=True)
    assert await store.remove("text", ["a", "b"], cut=True) == 2
    assert await store.remove("call", ["a"], cut=True) == 1
    with backend.reader() as reader:
        (total,) = [record for record in reader.read("total") if isinstance(record, Total)]
    assert (total.calls, total.billable_s, total.texts) == (1, 10, 2)


async def test_an_unknown_kind_is_named(store: SqliteStore, backend: Backend) -> None:
    with pytest.raises(StoreError, match="'registrations'"):
        await store.remove("registrations", [])
    with backend.reader() as reader:
        with pytest.raises(StoreError, match="'emergencies'"):
            reader.read("emergencies")
        with pytest.raises(StoreError, match="'emergencies'"):
            reader.count("emergencies")
        with pytest.raises(StoreError, match="'emergencies'"):
            reader.due("emergencies", AT, 1)
