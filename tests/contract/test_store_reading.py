"""What every store promises to who reads: `agent.ports.Reader`."""

import asyncio
import tempfile
from pathlib import Path as FilePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.records import (
    Access,
    Account,
    Alarm,
    Blind,
    Content,
    ContentClass,
    ContentState,
    Detail,
    Emergency,
    Entry,
    Hold,
    Look,
    Notice,
    OptIn,
    Path,
    Record,
    Recording,
    RecordingState,
    Registration,
    Request,
    Service,
    Use,
)
from agent.ports import StoreError
from agent.stores.sqlite import SqliteStore
from tests.contract.stored import (
    AT,
    BACKENDS,
    ENDED,
    OPEN,
    Backend,
    account,
    alarm,
    blind,
    content,
    emergency,
    failure,
    ids,
    notice,
    optin,
    recording,
    registration,
    service,
)


async def test_reading_is_oldest_first_from_since_and_of_one_line(store: SqliteStore, backend: Backend) -> None:
    await store.commit(
        [emergency("c", AT + 2, line="202"), emergency("a", AT), emergency("b2", AT + 1), emergency("b1", AT + 1)],
        durable=True,
    )
    with backend.reader() as reader:
        assert ids(reader.read("emergency")) == ["a", "b1", "b2", "c"]
        assert ids(reader.read("emergency", since=AT + 1)) == ["b1", "b2", "c"]
        assert ids(reader.read("emergency", line="201")) == ["a", "b1", "b2"]
        assert ids(reader.read("emergency", line="nobody")) == []
        assert ids(reader.read("emergency", limit=2)) == ["b2", "c"]
        assert ids(reader.read("emergency", limit=2, line="201")) == ["b1", "b2"]
        assert ids(reader.read("emergency", limit=3, since=AT + 2)) == ["c"]
        assert ids(reader.read("emergency", limit=0)) == []
        assert ids(reader.read("emergency", limit=99)) == ["a", "b1", "b2", "c"]


async def test_a_recording_begins_with_its_capture_or_with_the_end_of_its_opt_in(
    store: SqliteStore, backend: Backend
) -> None:
    await store.commit(
        [
            recording("waits", RecordingState.OPTED_IN),
            recording("never", RecordingState.NOT_STARTED, stopped_at=AT + 1),
            recording("late", RecordingState.RECORDING, started_at=AT + 2),
            recording("early", RecordingState.STOPPED, started_at=AT, stopped_at=AT + 9),
        ],
        durable=True,
    )
    with backend.reader() as reader:
        assert ids(reader.read("recording")) == ["early", "never", "late", "waits"]
        assert ids(reader.read("recording", since=AT + 2)) == ["late", "waits"]


@settings(max_examples=30, deadline=None, print_blob=True)
@given(
    begins=st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["201", "202"])), max_size=60),
    since=st.none() | st.integers(0, 22),
    line=st.none() | st.sampled_from(["201", "202", "203"]),
    limit=st.none() | st.integers(0, 70),
)
@pytest.mark.parametrize("name", BACKENDS)
def test_reading_is_a_filter_then_the_latest(
    name: str, begins: list[tuple[int, str]], since: int | None, line: str | None, limit: int | None
) -> None:
    records = [registration(f"{n:02d}", AT + begin, line=whose) for n, (begin, whose) in enumerate(begins)]

    async def run(folder: FilePath) -> list[Record]:
        backend = BACKENDS[name](folder)
        store = await backend.open()
        await store.commit(records, durable=False)
        with backend.reader() as reader:
            found = list(
                reader.read("registration", since=None if since is None else AT + since, line=line, limit=limit)
            )
        await store.close()
        return found

    expected = sorted(
        (
            record
            for record in records
            if (since is None or record.first_seen >= AT + since) and line in (None, record.line)
        ),
        key=lambda record: (record.first_seen, record.id),
    )
    if limit is not None:
        expected = expected[max(0, len(expected) - limit) :]
    with tempfile.TemporaryDirectory() as folder:
        assert asyncio.run(run(FilePath(folder))) == expected


async def test_a_kind_without_lines_has_none_of_any_line(store: SqliteStore, backend: Backend) -> None:
    await store.commit([failure("f"), blind("b")], durable=True)
    with backend.reader() as reader:
        assert [*reader.read("failure", line="201"), *reader.read("blind", line="201")] == []
        assert [*reader.read("failure", limit=5), *reader.read("blind", since=AT)] == [failure("f"), blind("b")]


async def test_many_records_come_whole_and_in_order_while_the_agent_writes(
    store: SqliteStore, backend: Backend
) -> None:
    names = [f"{n:05d}" for n in range(1700)]
    await store.commit([registration(name, AT + n) for n, name in enumerate(names)], durable=False)
    with backend.reader() as reader:
        found = []
        for record in reader.read("registration"):
            found.append(record.id)
            if len(found) % 300 == 0:
                await store.commit([registration(record.id, record.first_seen, refreshes=9)], durable=True)  # type: ignore[union-attr]
                assert await store.checkpoint(), "a reader between two chunks must not hold up a checkpoint"
        assert found == names
        assert ids(reader.read("registration", limit=1200)) == names[-1200:]
        assert reader.count("registration") == len(names)


async def test_changes_tells_a_reader_that_it_should_look_again(store: SqliteStore, backend: Backend) -> None:
    with backend.reader() as reader:
        first = reader.changes()
        assert reader.changes() == first
        await store.commit([emergency("e")], durable=True)
        second = reader.changes()
        assert second != first
        assert ids(reader.read("emergency")) == ["e"]
        assert reader.changes() == second


async def test_an_id_is_found_by_its_beginning(store: SqliteStore, backend: Backend) -> None:
    await store.commit(
        [
            emergency("ab12"),
            emergency("ab34"),
            emergency("b"),
            alarm("ab56"),
            recording("ab78", RecordingState.RECORDING),
            content("ab90"),
            optin("abcd"),
        ],
        durable=True,
    )
    with backend.reader() as reader:
        assert ids(reader.find(Emergency, "ab1")) == ["ab12"]
        assert ids(reader.find(Emergency, "ab12")) == ["ab12"]
        assert ids(reader.find(Emergency, "ab")) == ["ab12", "ab34"]
        assert ids(reader.find(Emergency, "", limit=1)) == ["ab12"]
        assert ids(reader.find(Alarm, "ab")) == ["ab56"]
        assert ids(reader.find(Recording, "ab")) == ["ab78"]
        assert ids(reader.find(Content, "ab")) == ["ab90"]
        assert ids(reader.find(OptIn, "ab")) == ["abcd"]


@pytest.mark.parametrize("prefix", ["ab123", "%", "_b12", "' OR 1 --", "\0", "ab\0", "\udce4", "x" * 100_000])
async def test_what_is_no_beginning_of_an_id_finds_nothing(store: SqliteStore, backend: Backend, prefix: str) -> None:
    await store.commit(
        [emergency("ab12"), Entry(id="x", emergency="ab12", seq=1, at=AT, what="", chain="")], durable=True
    )
    with backend.reader() as reader:
        assert reader.find(Emergency, prefix) == []
        assert reader.of(Entry, prefix) == []


async def test_what_belongs_to_an_emergency_or_an_alarm_comes_oldest_first(
    store: SqliteStore, backend: Backend
) -> None:
    # a timeline is in its own order: the clock of a PBX may be set back
    entries = [
        Entry(id=id, emergency=whose, seq=seq, at=AT - seq, what="dialled", chain="")
        for id, whose, seq in (("c", "e", 1), ("a", "e", 3), ("b", "e", 2), ("d", "f", 1))
    ]
    looks = [Look(id=id, at=at, by="sam", emergency="e", reason="asked") for id, at in (("b", AT), ("a", AT + 1))]
    alarms = [alarm("b", raised_at=AT), alarm("a", raised_at=AT + 1), alarm("c", subject="f")]
    notices = [notice("n2"), notice("n1", raised_at=AT), notice("n3", alarm="b")]
    accesses = [
        Access(id=id, at=at, by="sam", recording=whose, use=Use.PLAYED, reason="asked")
        for id, at, whose in (("b", AT, "r"), ("a", AT + 1, "r"), ("c", AT, ""))
    ]
    await store.commit([*entries, *looks, *alarms, *notices, *accesses, Detail(id="d", emergency="e")], durable=True)
    with backend.reader() as reader:
        assert ids(reader.of(Entry, "e")) == ["c", "b", "a"]
        assert ids(reader.of(Look, "e")) == ["b", "a"]
        assert ids(reader.of(Alarm, "e")) == ["b", "a"]
        assert ids(reader.of(Notice, "a")) == ["n2", "n1"]
        assert ids(reader.of(Detail, "e")) == ["d"]
        assert ids(reader.of(Access, "r")) == ["b", "a"]
        assert [*reader.of(Entry, "nobody's"), *reader.of(Detail, "")] == []


async def test_an_account_is_found_by_its_reference_and_a_service_by_its_line_or_number(
    store: SqliteStore, backend: Backend
) -> None:
    own = {"account": "A-a", "line": None, "number": "01134960100"}
    later = service("b", account="A-a", from_at=AT)
    await store.commit(
        [account("a"), account("b"), later, service("a", until_at=AT), service("n", **own), service("o", line="202")],
        durable=True,
    )
    with backend.reader() as reader:
        assert ids(reader.of(Account, "A-a")) == ["a"]
        assert ids(reader.of(Service, "A-a")) == ["a", "n", "b"]
        assert ids(reader.services(line="201")) == ["a", "b"]
        assert ids(reader.services(number="01134960100")) == ["n"]
        assert [*reader.of(Account, "a"), *reader.services(line="2"), *reader.services(number="0113")] == []
        assert [*reader.services(), *reader.services(number="' OR 1 --"), *reader.services(line="\udce4")] == []


async def test_open_records_can_be_read_beside_the_agent(store: SqliteStore, backend: Backend) -> None:
    await store.commit([*ENDED, *OPEN], durable=True)
    with backend.reader() as reader:
        kinds = (Registration, Emergency, Recording, Blind, Detail, Alarm, Notice, Path, OptIn, Hold, Request)
        found = [reader.open(kind) for kind in kinds]
    assert {(record.KIND, record.id) for records in found for record in records} == {
        (record.KIND, record.id) for record in (*OPEN, ENDED[1]) if not isinstance(record, Content | Account | Service)
    }


async def test_content_is_told_by_its_class_and_its_age_oldest_first(store: SqliteStore, backend: Backend) -> None:
    await store.commit(
        [
            content("c", AT + 2),
            content("b", AT),
            content("a", AT + 1),
            content("pa", AT, kept_as=ContentClass.PA),
            content("gone", AT, state=ContentState.DELETED),
            content("stray", AT, kept_as=None, state=ContentState.SHREDDED),
        ],
        durable=True,
    )
    with backend.reader() as reader:
        assert ids(reader.kept(ContentClass.USER, AT + 2, 9)) == ["b", "a"]
        assert ids(reader.kept(ContentClass.USER, AT + 3, 2)) == ["b", "a"]
        assert ids(reader.kept(ContentClass.USER, AT, 9)) == []
        assert ids(reader.kept(ContentClass.PA, AT + 1, 9)) == ["pa"]
        assert ids(reader.kept(ContentClass.CUSTOMER_SERVICE, AT + 9, 9)) == []


async def test_of_many_ids_those_whose_content_is_kept_are_told(store: SqliteStore, backend: Backend) -> None:
    names = [f"{n:04x}" for n in range(1200)]
    await store.commit(
        [content(name, state=ContentState.LOST if n % 3 else ContentState.KEPT) for n, name in enumerate(names)],
        durable=True,
    )
    with backend.reader() as reader:
        asked = [*names, "unknown", "' OR 1 --", "%", "\udce4", "\0"]
        assert reader.contents_of(asked) == set(names[::3])
        assert reader.contents_of([]) == set()


async def test_reading_without_an_agent(backend: Backend) -> None:
    with pytest.raises(StoreError, match="has the agent run yet"):
        backend.reader()
    store = await backend.open()
    await store.commit([emergency("e")], durable=True)
    await store.close()
    with backend.reader() as reader:
        assert ids(reader.read("emergency")) == ["e"]
    await (await backend.open()).close()
