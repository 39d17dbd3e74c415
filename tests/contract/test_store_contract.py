"""What every store promises, whatever is behind it: `agent.ports.Store` and `agent.ports.Reader`."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import fields, replace
from enum import StrEnum
from functools import cache
from pathlib import Path as FilePath
from types import NoneType, UnionType
from typing import Any, Protocol, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.instants import from_rfc3339, rfc3339
from agent.core.records import (
    RECORDS,
    Access,
    Account,
    Aggregate,
    Aggregated,
    Alarm,
    Asks,
    Audit,
    AuditUse,
    Blind,
    Call,
    CallOutcome,
    Calls,
    Cause,
    Consent,
    Content,
    ContentClass,
    ContentState,
    Deletion,
    Detail,
    Devices,
    Direction,
    Disclosure,
    Emergency,
    Entry,
    Failure,
    Ground,
    Hold,
    How,
    IpSource,
    Leaf,
    Line,
    Look,
    News,
    Notice,
    NumberClass,
    OptIn,
    Outcome,
    Path,
    Pause,
    Probe,
    Purge,
    Reason,
    Record,
    Recording,
    RecordingState,
    Registration,
    Request,
    RetentionClass,
    SeenBy,
    SegmentRoot,
    Service,
    Severity,
    Text,
    TextOutcome,
    TextSize,
    Total,
    Traffic,
    Trigger,
    Use,
    Verdict,
)
from agent.ports import Due, StoreError
from agent.stores.sqlite import Fields, SqliteReader, SqliteStore
from agent.stores.vault import Keyring

AT = 1_795_380_280_123
HOUR = 3_600_000
LAST_INSTANT = 253_402_300_799_999


class Backend(Protocol):
    """One kind of store in a folder of its own."""

    def __init__(self, folder: FilePath) -> None: ...

    async def open(self) -> SqliteStore: ...

    def reader(self) -> SqliteReader: ...


class Sqlite:
    def __init__(self, folder: FilePath) -> None:
        self.path = folder / "store.db"

    async def open(self) -> SqliteStore:
        return await SqliteStore.open(self.path)

    def reader(self) -> SqliteReader:
        return SqliteReader(self.path)


class Encrypted(Sqlite):
    """The same with a keyring."""

    def __init__(self, folder: FilePath) -> None:
        super().__init__(folder)
        self.fields = Fields(self.path, cache(lambda: Keyring(folder / "keys", bytes(32))), lambda: AT)

    async def open(self) -> SqliteStore:
        return await SqliteStore.open(self.path, fields=self.fields)

    def reader(self) -> SqliteReader:
        return SqliteReader(self.path, self.fields)


BACKENDS: dict[str, type[Backend]] = {"sqlite": Sqlite, "encrypted": Encrypted}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: FilePath) -> Backend:
    return BACKENDS[request.param](tmp_path)


@pytest.fixture
async def store(backend: Backend) -> AsyncIterator[SqliteStore]:
    store = await backend.open()
    yield store
    await store.close()


def registration(name: str, at: int = AT, **changes: Any) -> Registration:
    return replace(
        Registration(
            id=name,
            line="201",
            ip="203.0.113.7",
            ip_source=IpSource.SECURITY,
            transport="tls",
            vendor="Yealink",
            model="T46S",
            firmware="66",
            first_seen=at,
            last_seen=at + 60_000,
            refreshes=1,
        ),
        **changes,
    )


def emergency(name: str, at: int = AT, **changes: Any) -> Emergency:
    return replace(
        Emergency(
            id=name,
            line="201",
            number="999",
            ip=None,
            vendor=None,
            model=None,
            started_at=at,
            seen_by=SeenBy.DIALPLAN,
            links=("0f" * 16,),
        ),
        **changes,
    )


def recording(name: str, state: RecordingState, **changes: Any) -> Recording:
    return replace(
        Recording(id=name, line="201", leg="caller", trigger=Trigger.BUTTON, opted_in=True, state=state), **changes
    )


def failure(name: str, at: int = AT) -> Failure:
    return Failure(id=name, hour=at, cause="invalid_password", count=3)


def blind(name: str, at: int = AT, until: int | None = None) -> Blind:
    return Blind(id=name, session="express", cause="refused", from_at=at, until_at=until)


def alarm(name: str, **changes: Any) -> Alarm:
    return replace(
        Alarm(id=name, cause=Cause.EMERGENCY, subject="e", severity=Severity.CRITICAL, raised_at=AT - 9 * HOUR),
        **changes,
    )


def notice(name: str, **changes: Any) -> Notice:
    at = AT - 9 * HOUR
    return replace(
        Notice(id=name, alarm="a", cause=Cause.EMERGENCY, channel="desk", news=News.RAISED, raised_at=at, try_at=at),
        **changes,
    )


def optin(name: str, **changes: Any) -> OptIn:
    return replace(
        OptIn(
            id=name,
            line="201",
            trigger=Trigger.SERVICE,
            calls=Calls.ALL,
            how=How.COMMAND,
            by="sam",
            given_at=AT - 9 * HOUR,
        ),
        **changes,
    )


def content(name: str, at: int = AT, **changes: Any) -> Content:
    return replace(
        Content(
            id=name,
            line="201",
            kept_as=ContentClass.USER,
            state=ContentState.KEPT,
            stored_at=at,
            size_bytes=16_044,
            duration_ms=1000,
            sha256="0f" * 32,
            key="k1",
        ),
        **changes,
    )


def call(name: str, at: int = AT, **changes: Any) -> Call:
    return replace(
        Call(
            id=name,
            call="0f" * 16,
            line="201",
            direction=Direction.OUTGOING,
            number_class=NumberClass.MOBILE,
            started_at=at,
            duration_s=9,
            billable_s=7,
            outcome=CallOutcome.ANSWERED,
            itemised=True,
        ),
        **changes,
    )


def text(name: str, at: int = AT, **changes: Any) -> Text:
    return replace(
        Text(
            id=name,
            line="201",
            direction=Direction.OUTGOING,
            number_class=NumberClass.MOBILE,
            at=at,
            size=TextSize.SHORT,
            outcome=TextOutcome.SENT,
            itemised=True,
        ),
        **changes,
    )


def account(name: str, **changes: Any) -> Account:
    return replace(Account(id=name, account=f"A-{name}", opened_at=AT - 9 * HOUR), **changes)


def request(name: str, **changes: Any) -> Request:
    asked = Request(id=name, account="A1001", asks=Asks.ACCESS, received_at=AT - HOUR, opened_by="sam", due_at=None)
    return replace(asked, **changes)


def service(name: str, **changes: Any) -> Service:
    return replace(Service(id=name, account=f"A-{name}", line="201", from_at=AT - 9 * HOUR), **changes)


def ids(records: Iterable[Record]) -> list[str]:
    return [record.id for record in records]


def counted(records: Iterable[Record]) -> set[tuple[str, int]]:
    """How many records there are of each batch, which is what their ids begin with."""
    return set(Counter(record.id.partition("-")[0] for record in records).items())


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
    return st.builds(record, **{item.name: _value(item.name, hints[item.name]) for item in fields(record)})


#: What is written once has no later state; `test_the_audit_…` below are about it.
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


KINDS = [record.KIND for record in RECORDS]

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


# Retention


def deletion(name: str, at: int = AT, **changes: Any) -> Deletion:
    return replace(
        Deletion(
            id=name,
            at=at,
            of="registration",
            retention="registration",
            ground=Ground.EXPIRED,
            count=1,
            oldest_at=AT - HOUR,
            newest_at=AT - HOUR,
        ),
        **changes,
    )


def hold(name: str, **changes: Any) -> Hold:
    return replace(
        Hold(
            id=name,
            lines=("201", "202"),
            kinds=("calls",),
            authority="the county court at Leeds",
            reference="X-1",
            placed_at=AT - HOUR,
            placed_by="kim",
            reviewer="sam",
            review_at=AT + HOUR,
        ),
        **changes,
    )


async def purged(
    store: SqliteStore,
    backend: Backend,
    kind: str,
    before: int,
    *,
    limit: int = 500,
    retention: RetentionClass | None = None,
) -> int:
    """What ended before is found and removed; how many went."""
    retention = RetentionClass.CALL if kind in ("call", "text") and retention is None else retention
    with backend.reader() as reader:
        due = reader.due(kind, before, limit, retention=retention)
    return await store.remove(kind, [each.id for each in due])


ENDED: list[Record] = [
    registration("closed", ended_at=AT),
    emergency("closed", ended_at=AT, outcome=Outcome.ANSWERED),
    recording("closed", RecordingState.STOPPED, started_at=AT - 5, stopped_at=AT),
    failure("closed", AT - HOUR),
    blind("closed", AT - 5, AT),
    Detail(id="closed", emergency="e", until_at=AT),
    Entry(id="closed", emergency="e", seq=1, at=AT, what="dialled", chain="00"),
    alarm("closed", closed_at=AT),
    notice("closed", done_at=AT),
    Look(id="closed", at=AT, by="sam", emergency="e", reason="the police asked"),
    Path(id="closed", context="phones", number="999", verdict=Verdict.OURS, route="", since_at=AT - 5, gone_at=AT),
    Probe(id="closed", at=AT),
    optin("closed", withdrawn_at=AT, withdrawn_by="kim"),
    content("closed", AT - HOUR, state=ContentState.DELETED, deleted_at=AT, reason=Reason.EXPIRED),
    Access(id="closed", at=AT, by="sam", recording="r", use=Use.PLAYED, reason="the customer asked"),
    Purge(id="closed", at=AT, done_at=AT + HOUR),
    Line(id="closed", name="202", since_at=AT - 9 * HOUR, until_at=AT),
    call("closed"),
    text("closed"),
    account("closed", closed_at=AT),
    service("ended", until_at=AT),
    deletion("closed"),
    Traffic(
        id="closed",
        day_at=AT,
        clock_hour=9,
        direction=Direction.OUTGOING,
        number_class=None,
        lines=10,
        attempts=12,
        answered=9,
        carried_s=700,
    ),
    Devices(id="closed", month_at=AT, vendor="Yealink", model="T46S", firmware=None, lines=10),
    Aggregate(id="closed", of=Aggregated.TRAFFIC, period_at=AT, at=AT + HOUR, cells=3),
    hold("closed", lifted_at=AT, lifted_by="sam", lifted_why="settled"),
    request("ended", closed_at=AT),
    Consent(
        id="closed",
        account="A1001",
        lines="201",
        party="p",
        kinds=("call",),
        purpose="asked",
        by="sam",
        given_at=AT - HOUR,
        expires_at=AT,
    ),
]
OPEN: list[Record] = [
    registration("open", AT - 9 * HOUR),
    emergency("open", AT - 9 * HOUR),
    recording("open", RecordingState.PAUSED, started_at=AT - 9 * HOUR, stopped_at=AT - 8 * HOUR),
    recording("waiting", RecordingState.OPTED_IN),
    blind("open", AT - 9 * HOUR),
    Detail(id="open", emergency="e"),
    alarm("open"),
    notice("open"),
    Path(id="open", context="phones", number="112", verdict=Verdict.WEAK, route="", since_at=AT - 9 * HOUR),
    optin("open"),
    optin("press", trigger=Trigger.BUTTON, calls=Calls.ONE, how=How.PRESS, by=None),
    content("open", AT - 9 * HOUR),
    account("open"),
    service("open"),
    hold("open"),
    request("open"),
]


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


# Reading


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


# The audit


def month_of_audit(segment: str, at: int, entries: int, *, closed: bool = True) -> list[Audit | SegmentRoot]:
    found: list[Audit | SegmentRoot] = [
        Audit(
            id=f"{number * 7 % 13:02d}-{segment}",
            segment=segment,
            seq=number,
            at=at + number,
            by="sam",
            use=AuditUse.LOOKED_UP,
            subject="A1001",
            salt="0f",
            commitment="c",
            reason="asked",
            chain=f"{segment}:{number}",
        )
        for number in range(1, entries + 1)
    ]
    if closed:
        root = SegmentRoot(
            id=f"root-{segment}", segment=segment, entries=entries, head="h", closed_at=at + HOUR, previous="", chain=""
        )
        found.append(root)
    return found


async def test_an_entry_of_the_audit_is_written_once(store: SqliteStore, backend: Backend) -> None:
    written = month_of_audit("2026-11", AT, 3)
    await store.commit(written, durable=True)
    changed = [replace(record, chain="another") for record in written]
    await store.commit(changed, durable=True)
    with backend.reader() as reader:
        assert [*reader.of(Audit, "2026-11"), *reader.read("segment_root")] == written


async def test_an_audit_goes_on_from_its_last_entry_and_its_last_root(store: SqliteStore) -> None:
    before, now = month_of_audit("2026-10", AT, 3), month_of_audit("2026-11", AT + 2 * HOUR, 12, closed=False)
    await store.commit([*now, *before, *month_of_audit("2026-09", AT - 2 * HOUR, 1)], durable=True)
    assert set(await store.open_records()) == {before[-1], now[-1]}


async def test_the_audit_goes_by_whole_months_from_the_first_entry_on(store: SqliteStore, backend: Backend) -> None:
    old, new = month_of_audit("2026-10", AT, 5), month_of_audit("2026-11", AT + 2 * HOUR, 5, closed=False)
    await store.commit([*old, *new], durable=True)
    assert await purged(store, backend, "audit", AT + HOUR) == 0, "not before its month has been closed for so long"
    assert await purged(store, backend, "segment_root", AT + 9 * HOUR) == 0, "no root goes before its entries"
    left = [5]
    while await purged(store, backend, "audit", AT + 9 * HOUR, limit=2):
        with backend.reader() as reader:
            of_old = reader.of(Audit, "2026-10")
            assert of_old == old[5 - len(of_old) : 5], "what is left leads to the root"
            left.append(len(of_old))
            assert reader.of(Audit, "2026-11") == new
    assert left == [5, 3, 1, 0]
    assert await purged(store, backend, "segment_root", AT + 9 * HOUR) == 0, "the last root begins what follows"
    later = SegmentRoot(
        id="later", segment="2026-11", entries=5, head="h", closed_at=AT + 20 * HOUR, previous="", chain=""
    )
    await store.commit([later], durable=True)
    assert await purged(store, backend, "segment_root", AT + 9 * HOUR) == 1
