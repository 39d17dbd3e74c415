"""From what a source says to the store, with a store that refuses, waits and comes back."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import pipeline as pipeline_module
from agent.core.engine import Engine
from agent.core.lanes import Lane, Lanes
from agent.core.normalise import Linker
from agent.core.policy import Policy
from agent.core.records import Record, RetentionClass
from agent.core.signals import Lookup
from agent.core.wire import parse
from agent.pipeline import Pipeline
from agent.ports import StoreError
from agent.stores.sqlite import SqliteReader, SqliteStore
from tests.scenarios.transcript import NOON, raw

#: For a test that fails, so that it does.
LONG_S = 60.0


class Moody:
    """The real store, but it refuses what ``refuses`` says, and where ``held`` is set it waits for ``go``."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.refuses: Callable[[Record], bool] = lambda record: False
        self.takes_nothing = False
        self.attempts: list[list[str]] = []
        self.asked = asyncio.Event()
        self.held = False
        self.go = asyncio.Event()

    def prepare(self, records: Sequence[Record], behind: Iterable[Record] = ()) -> Coroutine[Any, Any, None] | None:
        return self.store.prepare(records, behind)

    async def commit(self, records: Sequence[Record], *, durable: bool, prepared: bool = False) -> None:
        self.attempts.append([record.id for record in records])
        self.asked.set()
        if self.held:
            await self.go.wait()
        if any(self.refuses(record) for record in records):
            raise StoreError("the disk is full", everything=self.takes_nothing)
        await self.store.commit(records, durable=durable, prepared=prepared)

    async def open_records(self) -> list[Record]:
        return await self.store.open_records()

    async def remove(self, kind: str, ids: Sequence[str], *, cut: bool = False, told: Sequence[Record] = ()) -> int:
        return await self.store.remove(kind, ids, cut=cut, told=told)

    async def expire(self, retention: RetentionClass, before: int) -> list[str]:
        return await self.store.expire(retention, before)

    async def checkpoint(self) -> bool:
        return await self.store.checkpoint()

    async def close(self) -> None:
        await self.store.close()


def everything(record: Record) -> bool:
    return True


class Unfollowed(Engine):
    """One record an emergency, so that it can be counted: no timeline and no alarm comes with it."""

    def _followed(self, records: Iterable[Record], signal: object, now: int) -> Iterator[Record]:
        yield from records


class Bench:
    """A pipeline over a moody store, and what became of it."""

    def __init__(self, store: SqliteStore, path: Path) -> None:
        ids = count()
        self.path = path
        self.store = Moody(store)
        self.told: list[str] = []
        self.changed = asyncio.Event()
        self.pipeline = Pipeline(
            Unfollowed(policy=Policy(optins_told=True), link=Linker(b"key"), new_id=lambda: f"id-{next(ids)}"),
            self.store,
        )
        self.pipeline.observers.append(self._observe)

    def hear(self, *lines: str, session: str = "bulk") -> None:
        for line in lines:
            name, *headers = line.split()
            self.pipeline.hear(session, parse(raw(name, headers, NOON)), NOON)

    def emergency(self, number: int) -> None:
        self.hear(f"Newchannel on=201#{number} Exten=999")

    def registration(self, number: int) -> None:
        self.hear(f"ContactStatus ContactStatus=NonQualified aor={number} URI=sip:{number}@203.0.113.7")

    def kept(self, kind: str) -> list[Record]:
        with SqliteReader(self.path) as reader:
            return list(reader.read(kind))

    async def until_told(self, number: int) -> None:
        async with asyncio.timeout(LONG_S):
            while len(self.told) < number:
                self.changed.clear()
                await self.changed.wait()

    async def until_asked(self, attempts: int) -> None:
        async with asyncio.timeout(LONG_S):
            while len(self.store.attempts) < attempts:
                self.store.asked.clear()
                await self.store.asked.wait()

    def _observe(self, lane: Lane, records: Sequence[Record], seconds: float) -> None:
        self.told += [record.id for record in records]
        self.changed.set()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path)
    yield Bench(store, path)
    await store.close()


@pytest.fixture
async def running(bench: Bench) -> AsyncIterator[Bench]:
    task = asyncio.create_task(bench.pipeline.run())
    yield bench
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_emergency_outlives_a_full_disk(running: Bench) -> None:
    running.store.refuses = everything
    running.emergency(1)
    await running.until_asked(2)
    assert (running.told, running.pipeline.storing) == ([], False)
    running.store.refuses = lambda record: False
    await running.until_told(1)
    assert [record.id for record in running.kept("emergency")] == ["id-0"]
    assert running.pipeline.storing
    assert running.pipeline.store_errors >= 2


@pytest.fixture
def no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_module, "RETRY_FIRST_S", 3600.0)


@pytest.mark.usefixtures("no_retries")
async def test_a_refused_emergency_is_not_tried_without_a_pause_for_its_timeline_and_alarm(tmp_path: Path) -> None:
    store = Moody(await SqliteStore.open(tmp_path / "store.db"))
    ids = count()
    pipeline = Pipeline(Engine(policy=Policy(), link=Linker(b"key"), new_id=lambda: f"id-{next(ids)}"), store)
    store.refuses = everything
    pipeline.hear("bulk", parse(raw("Newchannel", ["on=201#1", "Exten=999"], NOON)), NOON)
    waiting = pipeline.lanes.depth(Lane.EMERGENCY)
    assert waiting > 2
    task = asyncio.create_task(pipeline.run())
    for _ in range(1000):
        await asyncio.sleep(0)
    assert len(store.attempts) == 1 + waiting, "together, then each alone, then no more"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.close()


async def test_a_store_that_takes_nothing_is_not_asked_for_each_record(bench: Bench) -> None:
    """A locked store lets each attempt wait for seconds."""
    bench.store.refuses, bench.store.takes_nothing = everything, True
    bench.emergency(1)
    waiting = bench.pipeline.lanes.depth(Lane.EMERGENCY)
    assert len(await bench.pipeline.drain()) == waiting
    assert len(bench.store.attempts) == 1
    bench.store.refuses = lambda record: False
    assert await bench.pipeline.drain() == []
    assert len(bench.kept("emergency")) == 1


@pytest.mark.usefixtures("no_retries")
async def test_before_a_stop_what_can_be_told_again_is_given_up_and_nothing_else(bench: Bench) -> None:
    bench.store.held = True
    for number in range(200, 400):
        bench.registration(number)
    bench.emergency(1)
    finishing = asyncio.create_task(bench.pipeline.finish(0))
    await bench.until_asked(2)
    bench.store.go.set()
    assert await finishing == []
    assert (len(bench.kept("emergency")), len(bench.kept("registration"))) == (1, 0)
    assert bench.pipeline.lanes.shed == {"registration": 200}


async def test_what_was_held_back_goes_on_with_the_first_record_that_is_taken(running: Bench) -> None:
    """Also when that came while the store was being asked for the others."""
    running.store.refuses, running.store.takes_nothing, running.store.held = everything, True, True
    running.emergency(1)
    await running.until_asked(1)
    running.emergency(2)
    running.store.refuses = lambda record: len(running.store.attempts) == 1
    running.store.go.set()
    await running.until_told(2)
    assert len(running.kept("emergency")) == 2


@pytest.mark.usefixtures("no_retries")
async def test_a_new_emergency_is_tried_at_once_whatever_was_refused(running: Bench) -> None:
    running.store.refuses = everything
    running.emergency(1)
    await running.until_asked(1)
    running.store.refuses = lambda record: False
    running.emergency(2)
    await running.until_told(2)
    assert len(running.kept("emergency")) == 2


@pytest.mark.usefixtures("no_retries")
async def test_an_emergency_that_comes_while_the_store_is_refusing_is_tried_at_once(running: Bench) -> None:
    running.store.refuses = lambda record: record.KIND == "registration"
    running.store.held = True
    running.registration(301)
    await running.until_asked(1)
    running.emergency(1)
    running.store.go.set()
    await running.until_told(1)
    assert len(running.kept("emergency")) == 1


@pytest.mark.usefixtures("no_retries")
async def test_also_beside_one_that_is_refused_still(running: Bench) -> None:
    running.store.refuses = lambda record: record.id == "id-0"
    running.emergency(1)
    await running.until_asked(1)
    running.store.held = True
    running.emergency(2)
    await running.until_asked(2)
    running.emergency(3)
    running.store.go.set()
    await running.until_told(2)
    assert [record.id for record in running.kept("emergency")] == ["id-1", "id-2"]


async def test_ordinary_records_do_not_hold_up_an_emergency(running: Bench) -> None:
    running.store.held = True
    for number in range(1000, 2000):
        running.registration(number)
    await running.until_asked(1)
    running.emergency(1)
    running.store.held = False
    running.store.go.set()
    await running.until_told(1001)
    assert 0 < len(running.store.attempts[0]) <= 256
    assert running.store.attempts[1] == ["id-1000"]
    assert len(running.kept("registration")) == 1000


async def test_nor_do_ordinary_records_that_are_refused_one_by_one(bench: Bench) -> None:
    """The batch is refused, then each by itself: the emergency that comes meanwhile is next."""

    def refuses(record: Record) -> bool:
        if record.KIND == "registration" and len(bench.store.attempts) == 5:
            bench.emergency(1)
        return record.KIND == "registration"

    bench.store.refuses = refuses
    for number in range(1000, 1100):
        bench.registration(number)
    await bench.pipeline.drain()
    assert bench.store.attempts[5] == ["id-100"]
    assert len(bench.kept("emergency")) == 1
    assert bench.pipeline.lanes.depth(Lane.ORDINARY) == 100


async def test_one_record_that_the_store_will_not_have_keeps_no_other_out(bench: Bench) -> None:
    bench.store.refuses = lambda record: record.id in ("id-1", "id-4")
    for number in range(1, 4):
        bench.emergency(number)
    for number in range(301, 304):
        bench.registration(number)
    bench.hear("UserEvent on=202#9 UserEvent=Recording Action=OptIn Trigger=code")
    refused = await bench.pipeline.drain()
    assert sorted(record.id for record in refused) == ["id-1", "id-4"]
    assert [record.id for record in bench.kept("emergency")] == ["id-0", "id-2"]
    assert [record.id for record in bench.kept("registration")] == ["id-3", "id-5"]
    assert len(bench.kept("recording")) == 1
    assert sorted(bench.told) == ["id-0", "id-2", "id-3", "id-5", "id-6"]
    bench.store.refuses = lambda record: False
    assert await bench.pipeline.drain() == []
    assert len(bench.kept("emergency")) == 3


async def test_an_emergency_that_alone_is_refused_keeps_the_lanes_behind_it_open(bench: Bench) -> None:
    bench.store.refuses = lambda record: record.KIND == "emergency"
    bench.emergency(1)
    bench.registration(301)
    await bench.pipeline.drain()
    assert len(bench.kept("registration")) == 1
    assert bench.pipeline.lanes.depth(Lane.EMERGENCY) == 1


async def test_a_store_that_takes_nothing_is_not_asked_for_ever(bench: Bench) -> None:
    bench.store.refuses = everything
    for number in range(1000, 2000):
        bench.registration(number)
    bench.emergency(1)
    await bench.pipeline.drain()
    assert len(bench.store.attempts) < 300
    assert (bench.pipeline.lanes.depth(Lane.ORDINARY), bench.pipeline.lanes.depth(Lane.EMERGENCY)) == (1000, 1)


async def test_a_refused_state_does_not_come_back_over_a_later_one(bench: Bench) -> None:
    """The first state is refused; the later one is kept before the drain is over."""

    def refuses(record: Record) -> bool:
        if record.KIND == "registration":
            bench.hear("Hangup on=201#1")
        return record.KIND == "emergency" and getattr(record, "ended_at", None) is None

    bench.store.refuses = refuses
    bench.emergency(1)
    bench.registration(301)
    assert await bench.pipeline.drain() == []
    bench.store.refuses = lambda record: False
    await bench.pipeline.drain()
    (kept,) = bench.kept("emergency")
    assert getattr(kept, "ended_at", None) == NOON


async def test_nobody_is_told_before_the_commit(bench: Bench) -> None:
    seen: list[bool] = []
    bench.pipeline.observers.append(
        lambda lane, records, seconds: seen.append(
            {record.id for record in records} <= {record.id for record in bench.kept("emergency")}
        )
    )
    bench.emergency(1)
    bench.store.refuses = everything
    await bench.pipeline.drain()
    assert (seen, bench.told) == ([], [])
    bench.store.refuses = lambda record: False
    await bench.pipeline.drain()
    assert seen == [True]


async def test_an_observer_that_breaks_is_counted_and_the_next_is_told(bench: Bench) -> None:
    def broken(lane: Lane, records: Sequence[Record], seconds: float) -> None:
        raise ZeroDivisionError

    bench.pipeline.observers.insert(0, broken)
    bench.emergency(1)
    assert await bench.pipeline.drain() == []
    assert bench.told == ["id-0"]
    assert bench.pipeline.failures.total() == 1


@pytest.mark.parametrize("refused_first", [False, True], ids=["in the batch", "one by one"])
async def test_a_cancel_in_mid_commit_loses_nothing(bench: Bench, refused_first: bool) -> None:
    for number in range(1, 5):
        bench.emergency(number)
    if refused_first:
        bench.store.refuses = lambda record: len(bench.store.attempts) == 1
    else:
        bench.store.held = True
    drain = asyncio.create_task(bench.pipeline.drain())
    await bench.until_asked(1)
    bench.store.held = True
    await bench.until_asked(2 if refused_first else 1)
    drain.cancel()
    with pytest.raises(asyncio.CancelledError):
        await drain
    bench.store.held = False
    bench.store.go.set()
    assert await bench.pipeline.drain() == []
    assert len(bench.kept("emergency")) == 4


async def test_what_the_core_wants_to_know_is_asked(bench: Bench) -> None:
    asked: list[Lookup] = []
    bench.pipeline.ask = asked.append
    bench.registration(301)
    assert [(lookup.technology, lookup.endpoint) for lookup in asked] == [("PJSIP", "301")]


async def test_a_session_that_goes_and_comes_is_a_blind_time(bench: Bench) -> None:
    bench.pipeline.lost("bulk", "closed", NOON)
    bench.pipeline.lost("bulk", "closed", NOON + 5)
    bench.registration(301)
    bench.pipeline.regained("bulk", NOON + 2000)
    bench.hear("ContactStatusDetailComplete")
    await bench.pipeline.drain()
    (blind,) = bench.kept("blind")
    assert (getattr(blind, "from_at", 0), getattr(blind, "until_at", 0)) == (NOON, NOON + 2000)
    (gone,) = bench.kept("registration")
    assert getattr(gone, "ended_at", None) == NOON, "what the list after a blind time lacks has gone"


class Noting(Lanes):
    """Lanes that remember the latest state of every record that was ever put."""

    def __init__(self) -> None:
        super().__init__()
        self.latest: dict[str, Record] = {}

    def put(self, record: Record) -> Lane:
        self.latest[record.id] = record
        return super().put(record)


MOODS = st.lists(st.sampled_from(["heard", "keeps", "refuses", "is cancelled"]), max_size=25)


@settings(max_examples=30, deadline=None, print_blob=True)
@given(MOODS, st.integers(0, 3))
def test_the_store_ends_with_the_latest_state_of_everything(moods: list[str], poison: int) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(_through(moods, poison, Path(folder) / "store.db"))


async def _through(moods: list[str], poison: int, path: Path) -> None:
    store = await SqliteStore.open(path)
    try:
        bench = Bench(store, path)
        bench.pipeline.lanes = lanes = Noting()
        for number, mood in enumerate(moods):
            if mood == "heard":
                bench.emergency(number % 4)
                bench.registration(300 + number % 3)
                bench.hear(f"DialBegin on=201#{number % 4} to=trunk-a#{100 + number} DialString=999@trunk-a")
                continue
            bench.store.refuses = everything if mood == "refuses" else lambda record: record.id == f"id-{poison}"
            bench.store.held = mood == "is cancelled"
            drain = asyncio.create_task(bench.pipeline.drain())
            await asyncio.sleep(0)
            if mood == "is cancelled":
                drain.cancel()
            await asyncio.gather(drain, return_exceptions=True)
        bench.store.refuses, bench.store.held = (lambda record: False), False
        assert await bench.pipeline.drain() == []
        kept = {record.id: record for kind in ("emergency", "registration") for record in bench.kept(kind)}
        assert kept == lanes.latest
    finally:
        await store.close()
