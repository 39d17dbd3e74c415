"""What every store promises, whatever is behind it: `agent.ports.Store`, as records come, change and come back."""

import asyncio
import tempfile
from collections.abc import Iterable
from dataclasses import fields
from enum import StrEnum
from pathlib import Path as FilePath
from types import NoneType, UnionType
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.records import (
    RECORDS,
    Alarm,
    Audit,
    Blind,
    Detail,
    Disclosure,
    Emergency,
    Entry,
    Hold,
    Leaf,
    Line,
    Notice,
    OptIn,
    Outcome,
    Path,
    Pause,
    Record,
    Recording,
    RecordingState,
    Registration,
    Request,
    SegmentRoot,
)
from agent.ports import StoreError
from agent.stores.sqlite import SqliteStore
from tests.contract.stored import (
    AT,
    BACKENDS,
    KINDS,
    LAST_INSTANT,
    Backend,
    alarm,
    counted,
    emergency,
    ids,
    registration,
)

# Any record at all


def _value(name: str, hint: Any) -> st.SearchStrategy[Any]:
    if isinstance(hint, UnionType):
        (hint,) = (part for part in get_args(hint) if part is not NoneType)
        return st.none() | _value(name, hint)
    if hint is bool:
        return st.booleans()
    if hint is int:
        return st.integers(0, LAST_INSTANT)
    if hint is str:
        return st.text(max_size=20)
    if hint == tuple[str, ...]:
        return st.lists(st.text(max_size=20), max_size=3).map(tuple)
    if hint == tuple[Pause, ...]:
        instants = st.integers(0, LAST_INSTANT)
        pause = st.builds(Pause, paused_at=instants, resumed_at=st.none() | instants)
        return st.lists(pause, max_size=3).map(tuple)
    assert issubclass(hint, StrEnum), (name, hint)
    return st.sampled_from(hint)


def _records(record: type[Record]) -> st.SearchStrategy[Record]:
    hints = get_type_hints(record)
    values = {item.name: _value(item.name, hints[item.name]) for item in fields(record)}
    if record is Line:
        # Its id stands in other records, and is taken for a name there if it is no handle.
        values["id"] = st.from_regex(r"\A~[0-9a-f]{16}\Z")
    return st.builds(record, **values)


#: What is written once has no later state; `test_store_audit.py` is about it.
WRITTEN_ONCE = (Audit, SegmentRoot, Disclosure, Leaf)
any_record = st.one_of([_records(record) for record in RECORDS if record not in WRITTEN_ONCE])


def is_open(record: Record) -> bool:
    match record:
        case Registration():
            return record.ended_at is None
        case Emergency():
            return record.ended_at is None or record.links != ()
        case Recording():
            return record.state not in (RecordingState.STOPPED, RecordingState.NOT_STARTED)
        case Blind() | Detail():
            return record.until_at is None
        case Alarm():
            return record.closed_at is None
        case Notice():
            return record.done_at is None
        case Path():
            return record.gone_at is None
        case OptIn():
            return record.withdrawn_at is None
        case Hold():
            return record.lifted_at is None
        case Request():
            return record.closed_at is None
        case _:
            return False


def goes_on(record: Record, others: Iterable[Record]) -> bool:
    """Whether it is of a timeline that is not complete yet."""
    open_ones = [other for other in others if is_open(other)]
    return isinstance(record, Entry) and any(
        (isinstance(other, Emergency) and other.id == record.emergency)
        or (isinstance(other, Alarm) and other.subject == record.emergency)
        for other in open_ones
    )


@pytest.mark.parametrize("name", BACKENDS)
@settings(max_examples=60, deadline=None, print_blob=True)
@given(commits=st.lists(st.tuples(st.booleans(), st.lists(any_record, max_size=12)), max_size=6))
def test_what_was_committed_comes_back_equal_and_the_latest_state_wins(
    name: str, commits: list[tuple[bool, list[Record]]]
) -> None:
    async def run(folder: FilePath) -> None:
        backend = BACKENDS[name](folder)
        store = await backend.open()
        expected: dict[tuple[str, str], Record] = {}
        for durable, records in commits:
            await store.commit(records, durable=durable)
            expected.update({(record.KIND, record.id): record for record in records})
        await store.close()
        store = await backend.open()
        opened = {(record.KIND, record.id): record for record in await store.open_records()}
        assert opened == {
            key: record for key, record in expected.items() if is_open(record) or goes_on(record, expected.values())
        }
        reader = backend.reader()
        read = {(kind, record.id): record for kind in KINDS for record in reader.read(kind)}
        # Where names of lines have handles, these were made on the way.
        read = {key: record for key, record in read.items() if key in expected or not isinstance(record, Line)}
        reader.close()
        await store.close()
        assert read == expected

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(FilePath(folder)))


# Writing


async def test_a_transaction_that_fails_leaves_nothing_and_the_store_goes_on(store: SqliteStore) -> None:
    broken = emergency("b", attempts=1 << 70)
    with pytest.raises(StoreError) as refusal:
        await store.commit([emergency("a"), registration("r"), broken], durable=True)
    assert "999" not in str(refusal.value)
    assert await store.open_records() == []
    await store.commit([emergency("c")], durable=True)
    assert ids(await store.open_records()) == ["c"]


async def test_a_commit_whose_caller_is_cancelled_is_carried_out(store: SqliteStore, backend: Backend) -> None:
    batch = 40
    for turn in range(60):
        records = [registration(f"{turn}-{number}") for number in range(batch)]
        writing = asyncio.create_task(store.commit(records, durable=turn % 2 == 0))
        for _ in range(1 + turn % 12):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    await store.commit([emergency("after")], durable=True)
    await store.close()
    again = await backend.open()
    found = await again.open_records()
    await again.close()
    assert counted(found) == {("after", 1), *((str(turn), batch) for turn in range(60))}


async def test_a_loop_that_cancels_everything_at_its_end_leaves_all_or_nothing(store: SqliteStore) -> None:
    batch = 40
    for turn in range(60):
        records = [registration(f"{turn}-{number}") for number in range(batch)]
        writing = asyncio.create_task(store.commit(records, durable=turn % 2 == 0))
        for _ in range(turn % 12):
            await asyncio.sleep(0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(writing, *others, return_exceptions=True)
    await store.commit([emergency("after")], durable=True)
    assert counted(await store.open_records()) <= {("after", 1), *((str(turn), batch) for turn in range(60))}


async def test_commits_at_once_take_turns(store: SqliteStore) -> None:
    await asyncio.gather(*(store.commit([registration(str(n))], durable=n % 3 == 0) for n in range(60)))
    assert sorted(ids(await store.open_records())) == sorted(str(n) for n in range(60))


async def test_nothing_to_commit_is_nothing_done(store: SqliteStore, backend: Backend) -> None:
    with backend.reader() as reader:
        before = reader.changes()
        await store.commit([], durable=True)
        assert reader.changes() == before


async def test_a_header_that_is_no_utf8_does_not_cost_the_emergency(store: SqliteStore) -> None:
    await store.commit([emergency("e", trunk="tr\udce4ger")], durable=True)
    (found,) = await store.open_records()
    assert found == emergency("e", trunk="tr?ger")


async def test_a_timeline_is_taken_up_while_its_call_or_its_alarm_is_open(store: SqliteStore) -> None:
    over: dict[str, Any] = {"ended_at": AT, "outcome": Outcome.ANSWERED, "links": ()}
    await store.commit(
        [
            *(
                Entry(id=f"{of}{n}", emergency=of, seq=n, at=AT, what="dialled", chain="")
                for of in "abcd"
                for n in (1, 2)
            ),
            emergency("a"),
            emergency("b", **over),
            alarm("x", subject="b"),
            emergency("c", **over),
            alarm("y", subject="c", closed_at=AT),
            emergency("d", **over | {"links": ("0f",)}),
        ],
        durable=True,
    )
    entries = [record for record in await store.open_records() if isinstance(record, Entry)]
    assert sorted(ids(entries)) == ["a1", "a2", "b1", "b2", "d1", "d2"]


# Opening and closing


async def test_one_writer(store: SqliteStore, backend: Backend) -> None:
    with pytest.raises(StoreError, match=r"another agent has the store .* open"):
        await backend.open()
    await store.commit([emergency("e")], durable=True)
    assert ids(await store.open_records()) == ["e"]


async def test_a_closed_store_says_so(backend: Backend) -> None:
    store = await backend.open()
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="is closed"):
        await store.commit([emergency("e")], durable=True)
    with pytest.raises(StoreError, match="is closed"):
        await store.open_records()
    await (await backend.open()).close()


async def test_close_waits_for_what_was_asked_before(backend: Backend) -> None:
    store = await backend.open()
    writing = [asyncio.create_task(store.commit([emergency(str(n))], durable=True)) for n in range(20)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*writing)
    store = await backend.open()
    assert len(await store.open_records()) == 20
    await store.close()
