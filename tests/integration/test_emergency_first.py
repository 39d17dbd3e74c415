"""An emergency goes before all that has begun: counts of work, for the milliseconds that a benchmark measures."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from agent.core.alarms import AlarmPolicy, ChannelRule
from agent.core.engine import Engine
from agent.core.lanes import Lane
from agent.core.normalise import Linker
from agent.core.policy import Policy
from agent.core.records import Cause, Emergency, IpSource, News, Record, Registration, SeenBy
from agent.core.wire import Framer, parse
from agent.pipeline import Pipeline
from agent.ports import GaveWay
from agent.sources import ami
from agent.sources.ami_reading import HEARD_AT_ONCE, MOST_READ_BYTES, READ_BYTES, Reading
from agent.stores.sqlite import SqliteReader, SqliteStore
from agent.stores.sqlite.opening import beside
from agent.stores.sqlite.wal import __name__ as wal_module
from agent.urgency import Urgency
from tests.integration.ami_ear import Ear, running, source_to
from tests.integration.fake_asterisk import FakeAsterisk, event
from tests.scenarios.transcript import NOON, raw

LONG_S = 60.0
BATCH = 64


def registrations(count: int) -> list[Registration]:
    return [
        Registration(
            id=f"{number:04}",
            line=f"{number:04}",
            ip="203.0.113.7",
            ip_source=IpSource.SECURITY,
            transport="udp",
            vendor="Yealink",
            model="T46S",
            firmware="66",
            first_seen=NOON,
            last_seen=NOON,
            refreshes=1,
        )
        for number in range(count)
    ]


def emergency(id: str) -> Emergency:
    return Emergency(
        id=id, line="201", number="999", ip=None, vendor=None, model=None, started_at=NOON, seen_by=SeenBy.DIALPLAN
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await SqliteStore.open(tmp_path / "store.db")
    yield opened
    await opened.close()


def kept(path: Path, kind: str) -> int:
    with SqliteReader(path) as reader:
        return reader.count(kind)


# -- the store -----------------------------------------------------------------------------------------------------


async def test_a_transaction_gives_way_at_its_next_statement_and_writes_nothing(
    store: SqliteStore, tmp_path: Path
) -> None:
    looks = count()
    store.writer.urgent = lambda: next(looks) >= 2
    with pytest.raises(GaveWay):
        await store.commit(registrations(BATCH), durable=False, prepared=True)
    assert next(looks) == 3, "it looked before every 16 rows, and stopped at the first look that told it to"
    assert kept(tmp_path / "store.db", "registration") == 0


async def test_an_emergency_gives_way_to_none(store: SqliteStore, tmp_path: Path) -> None:
    store.writer.urgent = lambda: True
    await store.commit([emergency("a"), emergency("b")], durable=True)
    assert kept(tmp_path / "store.db", "emergency") == 2


async def test_what_is_purged_gives_way_and_goes_afterwards(store: SqliteStore, tmp_path: Path) -> None:
    await store.commit(registrations(BATCH), durable=False)
    waiting = [True] * 3 + [False]
    store.writer.urgent = lambda: waiting.pop(0) if len(waiting) > 1 else waiting[0]
    assert await store.remove("registration", [each.id for each in registrations(BATCH)]) == BATCH
    assert waiting == [False]


async def test_what_is_purged_gives_way_to_an_emergency_that_waits_for_its_turn(
    store: SqliteStore, tmp_path: Path
) -> None:
    await store.commit(registrations(BATCH), durable=False)
    loop, looks = asyncio.get_running_loop(), count()
    statements: list[str] = []
    await store.writer.database.set_trace_callback(statements.append)

    async def dial() -> asyncio.Task[None]:
        task = asyncio.create_task(store.commit([emergency("a")], durable=True))
        for _ in range(10):  # Until it waits for its turn.
            await asyncio.sleep(0)
        return task

    def asked() -> bool:
        if next(looks) == 1:
            asyncio.run_coroutine_threadsafe(dial(), loop).result(LONG_S)
        return False  # Nobody but the store itself knows of it.

    store.writer.urgent = asked
    assert await store.remove("registration", [each.id for each in registrations(BATCH)]) == BATCH
    words = [text.split()[0].rstrip(";") for text in statements]
    done = [word for word in words if word in ("INSERT", "DELETE", "COMMIT", "ROLLBACK")]
    given_up = done.index("ROLLBACK")
    assert done[given_up + 1 :] == ["INSERT", "COMMIT", *["DELETE"] * BATCH, "COMMIT"]


async def test_an_emergency_is_one_transaction_one_change_of_thread_and_no_more_statements_than_rows(
    store: SqliteStore,
) -> None:
    statements: list[str] = []
    changes: list[object] = []
    execute = store.writer.database._execute

    async def counted(work: object, *more: object) -> object:
        changes.append(work)
        return await execute(work, *more)  # type: ignore[no-untyped-call]

    store.writer.database._execute = counted  # type: ignore[method-assign]
    await store.writer.database.set_trace_callback(statements.append)
    changes.clear()
    pipeline, records = heard_emergency(store)
    await pipeline.drain()
    assert len(changes) == 1
    assert {"emergency", "entry", "alarm", "notice"} <= {record.KIND for record in records}
    assert sum(statement.startswith("COMMIT") for statement in statements) == 1
    # PRAGMA synchronous, BEGIN IMMEDIATE, COMMIT
    assert len(statements) == len(records) + 3


def heard_emergency(store: SqliteStore) -> tuple[Pipeline, list[Record]]:
    """A pipeline that has heard an emergency, of which one channel is to be told, and the records of that."""
    ids = count()
    engine = Engine(policy=Policy(), link=Linker(b"key"), new_id=lambda: f"id-{next(ids)}")
    rule = ChannelRule(name="desk", level=1, causes=frozenset(Cause), news=frozenset(News))
    engine.adopt(AlarmPolicy(channels=(rule,)))
    pipeline = Pipeline(engine, store)
    pipeline.hear("express", parse(raw("Newchannel", ["on=201#1", "Exten=999"], NOON)), NOON)
    return pipeline, list(pipeline.lanes.waiting(Lane.EMERGENCY))


async def test_a_commit_makes_the_log_no_longer(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    size = 1 << 20
    store = await SqliteStore.open(path, wal_bytes=size)
    for number in range(20):
        await store.commit([emergency(f"{number}")], durable=True)
        assert beside(path, "-wal").stat().st_size == size
    assert await store.checkpoint()
    assert beside(path, "-wal").read_bytes() == bytes(size), "nothing of what was moved stands in it"
    await store.commit([emergency("after")], durable=True)
    copy = tmp_path / "copy.db"
    for end in ("", "-wal"):
        beside(copy, end).write_bytes(beside(path, end).read_bytes())
    await store.close()
    assert kept(copy, "emergency") == 21, "also after a kill"


async def test_a_flood_makes_the_log_no_longer_than_it_may_be(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own checkpoints are off: they would be part of somebody's commit."""
    monkeypatch.setattr(f"{wal_module}.MOVE_EVERY", 2 * BATCH)
    wal = beside(tmp_path / "store.db", "-wal")
    before = wal.stat().st_size
    for number in range(60):
        records = registrations(BATCH)
        if (ready := store.prepare(records)) is not None:
            await ready
        await store.commit(records, durable=False)
        if number % 10 == 0 and store._wal._moving is not None:
            await asyncio.wait([store._wal._moving])  # On a busy machine it gets its turn late.
        if number == 0:
            once = wal.stat().st_size - before
    assert wal.stat().st_size < 30 * once, "half of what was written"


# -- the pipeline --------------------------------------------------------------------------------------------------


async def test_an_emergency_heard_in_the_middle_of_a_transaction_is_stored_before_it(
    store: SqliteStore, tmp_path: Path
) -> None:
    ids = count()
    pipeline = Pipeline(Engine(policy=Policy(), link=Linker(b"key"), new_id=lambda: f"id-{next(ids)}"), store)
    order: list[str] = []
    pipeline.observers.append(lambda lane, records, seconds: order.extend(record.KIND for record in records))
    loop, heard, looks = asyncio.get_running_loop(), threading.Event(), count()

    def dialled() -> None:
        pipeline.hear("express", parse(raw("Newchannel", ["on=201#1", "Exten=999"], NOON)), NOON)
        heard.set()

    def waits() -> bool:
        if next(looks) == 1:  # Behind the first rows, before the others.
            loop.call_soon_threadsafe(dialled)
            assert heard.wait(LONG_S)
        return pipeline.hurried

    store.writer.urgent = waits
    pipeline.put(registrations(BATCH))
    assert await pipeline.drain() == []
    assert order.index("emergency") < order.index("registration")
    assert order.count("registration") == BATCH
    assert kept(tmp_path / "store.db", "registration") == BATCH
    assert pipeline.store_errors == 0, "the store is as well as it was"


async def test_who_can_wait_is_told_when_an_emergency_comes_and_when_it_is_stored(store: SqliteStore) -> None:
    told: list[bool] = []
    urgency = Urgency()
    urgency.watchers.append(told.append)
    ids = count()
    pipeline = Pipeline(Engine(policy=Policy(), link=Linker(b"key"), new_id=lambda: f"id-{next(ids)}"), store)
    pipeline.urgent = lambda on: urgency.because("store", on)
    pipeline.put(registrations(1))
    assert told == []
    pipeline.hear("express", parse(raw("Newchannel", ["on=201#1", "Exten=999"], NOON)), NOON)
    assert set(told) == {True}
    urgency.because("desk", True)
    await pipeline.drain()
    assert set(told) == {True}, "the desk is being told still"
    urgency.because("desk", False)
    assert told.pop() is False
    urgency.because("hangs", True)
    told.clear()
    urgency.because("store", True)
    assert told == [True], "also beside what is a reason for long"


# -- the sessions --------------------------------------------------------------------------------------------------


@pytest.fixture
async def fake() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


async def test_the_bulk_session_waits_for_an_emergency_and_is_read_on_afterwards(
    fake: FakeAsterisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ami, "HOLD_S", LONG_S)
    ear = Ear()
    source = source_to(fake.port, ear)
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        source.give_way(True)
        await fake.emit(event("Hangup", Channel="PJSIP/201-1"))
        await fake.emit(event("UserEvent", Channel="PJSIP/202-1", UserEvent="Emergency"))
        await ear.until(lambda: "UserEvent" in ear.names("express"))
        assert "Hangup" not in ear.names("bulk")
        source.give_way(False)
        await ear.until(lambda: "Hangup" in ear.names("bulk"))


async def test_it_waits_for_no_disk_and_no_desk_that_hangs(fake: FakeAsterisk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ami, "HOLD_S", 0.01)
    ear = Ear()
    source = source_to(fake.port, ear)
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        source.give_way(True)
        await fake.emit(event("Hangup", Channel="PJSIP/201-1"))
        await ear.until(lambda: "Hangup" in ear.names("bulk"))


class Heard:
    """Counts the ``wanted`` messages of each read; ``all`` is set when it has heard ``most``."""

    def __init__(self, wanted: bytes, most: int = 0) -> None:
        self.heard = 0
        self.all = asyncio.Event()
        self._most = most
        self.at_once: list[int] = []
        self._wanted = wanted
        self._framer = Framer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...

    def connection_lost(self, exc: BaseException | None) -> None: ...

    def data_received(self, data: bytes) -> None:
        found = sum(raw.startswith(self._wanted) for raw in self._framer.feed(data))
        self.heard += found
        self.at_once.append(found)
        if self.heard >= self._most:
            self.all.set()


def read_from(stream: bytes, wanted: bytes) -> list[int]:
    """How many ``wanted`` messages were heard in each read of a session that is flooded with ``stream``."""
    taker = Heard(wanted)
    reading, at = Reading(taker), 0
    while at < len(stream):
        room = reading.get_buffer(-1)
        taken = stream[at : at + len(room)]
        room[: len(taken)] = taken
        reading.buffer_updated(len(taken))
        at += len(taken)
    return taker.at_once


def test_between_two_looks_at_the_express_session_few_messages_of_a_flood_are_heard() -> None:
    wanted = event("Hangup", Channel="PJSIP/201-1", Padding="x" * 360)
    unwanted = event("VarSet", Channel="PJSIP/201-1", Padding="x" * 360)
    heard = read_from((wanted + unwanted * 4) * 4000, b"Event: Hangup")
    assert sum(heard) == 4000
    # Twice as much is read after each look that found few: then one may find twice as many, and is the last to.
    assert max(heard) <= 2 * HEARD_AT_ONCE
    alone = read_from(wanted * 4000, b"Event: Hangup")
    assert max(alone) <= max(2 * HEARD_AT_ONCE, READ_BYTES // len(wanted) + 1)
    assert len(read_from(unwanted * 4000, b"Event: Hangup")) < 2 * 4000 * len(unwanted) / MOST_READ_BYTES


async def test_the_express_session_is_looked_at_behind_each_read_of_a_flood() -> None:
    """By itself libuv reads up to 32 times in a row."""
    loop = asyncio.get_running_loop()
    turns: list[str] = []
    both = asyncio.Event()

    class Turn(Heard):
        def __init__(self, name: str) -> None:
            super().__init__(b"")
            self.name = name

        def data_received(self, data: bytes) -> None:
            if self.name == "bulk" and "bulk" not in turns:
                theirs["express"].send(b"an emergency")
            turns.append(self.name)
            if self.name == "express":
                both.set()

    theirs: dict[str, socket.socket] = {}
    with ExitStack() as stack:
        for name in ("express", "bulk"):
            ours, theirs[name] = (stack.enter_context(each) for each in socket.socketpair())
            if name == "bulk":
                theirs[name].setblocking(False)
                sent = theirs[name].send(bytes(1 << 20))
                assert sent > 10 * READ_BYTES
            await loop.create_connection(partial(Reading, Turn(name)), sock=ours)
        async with asyncio.timeout(LONG_S):
            await both.wait()
    assert turns.index("express") <= 2


async def test_what_is_held_amid_a_flood_is_read_once_it_is_released() -> None:
    message = event("Hangup", Channel="PJSIP/201-1")
    most = 4 * READ_BYTES // len(message)

    class Holds(Heard):
        def data_received(self, data: bytes) -> None:
            if not self.at_once:
                reading.hold()
            super().data_received(data)

    ours, theirs = socket.socketpair()
    with theirs:
        taker = Holds(b"Event", most)
        _, reading = await asyncio.get_running_loop().create_connection(partial(Reading, taker), sock=ours)
        theirs.sendall(message * most)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(taker.at_once) == 1
        reading.release()
        async with asyncio.timeout(LONG_S):
            await taker.all.wait()
