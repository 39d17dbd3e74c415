"""Emergencies and a store that is full, locked or does not answer: the room kept for them, and the last resort."""

import asyncio
import os
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from agent import pipeline as pipeline_module
from agent.core.records import Emergency, Record, Severity
from agent.duties import storing
from agent.duties.storing import Storing
from agent.ports import StoreError
from agent.stores.sqlite import Fields, SqliteReader, SqliteStore
from agent.stores.sqlite.batches import Batch
from agent.stores.sqlite.last_resort import LastResort
from agent.stores.sqlite.reserve import Reserve
from agent.stores.vault import Keyring
from tests.contract.stored import AT, emergency, registration
from tests.integration.test_pipeline import Bench
from tests.lab.memory import Disk

MEGABYTE = 1 << 20
SITE_KEY = bytes(range(32))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with Disk(tmp_path / "disk", megabytes=6) as disk:
        yield disk


@pytest.fixture
def aside(tmp_path: Path) -> Path:
    return tmp_path / "aside.jsonl"


async def opened(disk: Disk, last_resort: Path | None = None, megabytes: int = 1) -> SqliteStore:
    return await SqliteStore.open(disk.folder / "store.db", reserve_bytes=megabytes * MEGABYTE, last_resort=last_resort)


def kept(path: Path, fields: Fields | None = None) -> list[Emergency]:
    with SqliteReader(path, fields) as reader:
        return [record for record in reader.read("emergency") if isinstance(record, Emergency)]


async def refusal(store: SqliteStore, *records: Record) -> str:
    with pytest.raises(StoreError) as refused:
        await store.commit(records, durable=True)
    return str(refused.value)


# -- the reserve ------------------------------------------------------------------------------------------------------


async def test_on_a_full_disk_emergencies_go_into_the_reserve_and_nothing_else_does(disk: Disk) -> None:
    store = await opened(disk)
    assert store.reserve.held
    disk.fill()
    assert "no room left" in await refusal(store, *(registration(f"r{n}", vendor="x" * 200) for n in range(500)))
    assert store.reserve.held, "it is not for registrations"

    for number in range(600):
        await store.commit([emergency(f"e{number}")], durable=True)
        if number % 20 == 0:
            await store.tend()
    assert (store.reserve.held, store.reserve.spent) == (False, True)
    assert "kept for emergencies" in await refusal(store, registration("r"))
    with pytest.raises(StoreError, match="kept for emergencies"):
        await store.remove("emergency", ["e0"])
    assert len(kept(disk.folder / "store.db")) == 600

    disk.free()
    await store.tend()
    assert (store.reserve.held, store.reserve.spent) == (True, False)
    await store.commit([registration("r")], durable=False)
    await store.close()


async def test_little_room_is_seen_before_the_store_refuses_anything(disk: Disk) -> None:
    store = await opened(disk)
    await store.tend()
    assert not store.reserve.alone
    disk.fill()
    await store.tend()
    assert (store.reserve.held, store.reserve.alone) == (True, True)
    disk.free()
    await store.tend()
    assert not store.reserve.alone
    await store.close()


async def test_an_agent_starts_on_a_full_disk(disk: Disk) -> None:
    await (await opened(disk)).close()
    disk.fill()
    store = await opened(disk)
    await store.commit([emergency("e")], durable=True)
    assert store.reserve.spent
    await store.close()
    assert [record.id for record in kept(disk.folder / "store.db")] == ["e"]


async def test_a_disk_too_small_for_a_reserve_takes_everything_as_long_as_it_can(disk: Disk) -> None:
    store = await opened(disk, megabytes=16)
    assert not store.reserve.held
    await store.commit([registration("r")], durable=False)
    disk.fill()
    await refusal(store, *(emergency(f"e{n}", model="x" * 200) for n in range(500)))
    disk.free()
    await store.commit([registration("s")], durable=False)
    await store.close()


def test_it_is_the_agents_alone_whatever_the_umask(disk: Disk, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Reserve(disk.folder / "store.db", MEGABYTE).take()
        LastResort(tmp_path / "aside", 1).prepare()
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (disk.folder / "store.db.reserve", tmp_path / "aside")] == [
        0o600,
        0o600,
    ]


# -- the last resort --------------------------------------------------------------------------------------------------


async def killed(store: SqliteStore) -> None:
    """End it as a kill would: nothing is written any more, and its lock is gone."""
    await store._aside.settled()
    await store.writer.database.close()
    store._lock.release()
    store.writer.closed = True


async def test_what_a_killed_agent_could_not_store_is_stored_by_the_next_one_once(disk: Disk, aside: Path) -> None:
    store = await opened(disk, aside, megabytes=0)
    disk.fill()
    records: list[Record] = [emergency("e", model="x" * 20_000), registration("r")]
    await refusal(store, records[0])
    store.put_aside(records)
    store.put_aside(records)
    await killed(store)
    (line,) = aside.read_bytes().splitlines()
    assert b'"e"' in line
    assert b"registration" not in line
    assert aside.stat().st_mode & 0o777 == 0o600

    disk.free()
    for _ in range(2):
        store = await opened(disk, aside)
        assert [record.id for record in await store.open_records()] == ["e"]
        assert aside.read_bytes() == b""
        await store.close()


async def test_a_later_state_is_not_overwritten_by_what_was_put_aside(tmp_path: Path, aside: Path) -> None:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path, last_resort=aside)
    first = emergency("e", ended_at=None)
    store.put_aside([first])
    await store.commit([replace(first, ended_at=AT + 1000)], durable=True)
    await store.tend()
    assert [record.ended_at for record in kept(path)] == [AT + 1000]
    assert aside.read_bytes() == b""
    await store.close()


async def test_what_is_put_aside_while_the_rest_is_brought_in_stays_until_it_is_stored(
    tmp_path: Path, aside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path, last_resort=aside)
    write = store.writer.transaction
    late = [emergency("b"), emergency("c")]

    async def slow(begin: str, batch: Batch, *, urgent: bool = False) -> int:
        if late:
            store.put_aside([late.pop()])
            await store._aside.settled()
        return await write(begin, batch, urgent=urgent)

    monkeypatch.setattr(store.writer, "transaction", slow)
    store.put_aside([emergency("a")])
    await store.commit([emergency("d")], durable=True)
    await killed(store)
    assert b'"a"' not in aside.read_bytes(), "it is stored"
    store = await SqliteStore.open(path, last_resort=aside)
    assert sorted(record.id for record in kept(path)) == ["a", "b", "c", "d"]
    assert aside.read_bytes() == b""
    await store.close()


@pytest.mark.parametrize("left", [b'{"schema": 1, "upsert_emer', b"    \n"], ids=["torn", "half cleared"])
async def test_a_kill_in_the_middle_leaves_no_file_that_is_never_cleared(
    tmp_path: Path, aside: Path, left: bytes
) -> None:
    aside.write_bytes(left)
    aside.chmod(0o600)
    store = await SqliteStore.open(tmp_path / "store.db", last_resort=aside)
    assert (aside.read_bytes(), store.last_resort.bytes, store.last_resort.fault) == (b"", 0, "")
    await store.close()


async def test_nothing_personal_stands_in_it_in_clear(tmp_path: Path, aside: Path) -> None:
    with closing(Keyring(tmp_path / "keys", SITE_KEY)) as keyring:
        fields = Fields(tmp_path / "store.db", lambda: keyring, lambda: AT)
        store = await SqliteStore.open(tmp_path / "store.db", fields=fields, last_resort=aside)
        record = emergency("e", line="canary-line", ip="203.0.113.77")
        await store.commit([record], durable=True)
        while (making := store.prepare([record])) is not None:
            await making
        store.put_aside([record])
        await killed(store)
        text = aside.read_bytes()
        assert b'"e"' in text
        assert not [word for word in (b"canary-line", b"203.0.113.77") if word in text]
        store = await SqliteStore.open(tmp_path / "store.db", fields=fields, last_resort=aside)
        assert [(one.line, one.ip) for one in kept(tmp_path / "store.db", fields)] == [("canary-line", "203.0.113.77")]
        await store.close()


async def test_a_line_that_a_kill_tore_costs_no_other(tmp_path: Path, aside: Path) -> None:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path, last_resort=aside)
    aside.write_bytes(b'{"schema": 1, "upsert_emer')
    for id in ("a", "b"):
        store.put_aside([emergency(id)])
        await store._aside.settled()
    await killed(store)
    store = await SqliteStore.open(path, last_resort=aside)
    assert sorted(record.id for record in kept(path)) == ["a", "b"]
    await store.close()


async def test_one_record_that_the_store_will_not_have_keeps_no_other_out(tmp_path: Path, aside: Path) -> None:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path, last_resort=aside)
    store.put_aside([emergency("a"), emergency("b"), emergency("c")])
    await killed(store)
    aside.write_bytes(aside.read_bytes().replace(b'"id": "b"', b'"id": null'))
    store = await SqliteStore.open(path, last_resort=aside)
    assert sorted(record.id for record in kept(path)) == ["a", "c"]
    await store.close()


@pytest.mark.parametrize("text", [b'{"schema": 1}\n', b'{"schema": 99, "remove_emergency": [{"id": "e"}]}\n'])
async def test_what_another_version_or_another_hand_wrote_is_left_and_told_of(
    tmp_path: Path, aside: Path, text: bytes
) -> None:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path)
    await store.commit([emergency("e")], durable=True)
    await store.close()
    aside.write_bytes(text)
    aside.chmod(0o600)
    store = await SqliteStore.open(path, last_resort=aside)
    assert store.last_resort.fault
    await store.commit([emergency("f")], durable=True)
    assert sorted(record.id for record in kept(path)) == ["e", "f"]
    assert aside.read_bytes() == text
    await store.close()


async def test_what_others_may_write_is_not_read(tmp_path: Path, aside: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db", last_resort=aside)
    store.put_aside([emergency("e")])
    await killed(store)
    aside.chmod(0o666)
    resort = LastResort(aside, 1)
    with pytest.raises(StoreError, match="not the agent's alone"):
        resort.batches()
    assert resort.fault


async def test_a_start_that_cannot_bring_it_in_knows_of_it_all_the_same(disk: Disk, aside: Path) -> None:
    store = await opened(disk, aside, megabytes=0)
    await store.commit([emergency("e", ended_at=None), emergency("f", ended_at=None)], durable=True)
    disk.fill()
    ended = emergency("e", ended_at=AT, links=(), model="x" * 20_000)
    store.put_aside([ended, emergency("g", ended_at=None)])
    await killed(store)
    store = await opened(disk, aside, megabytes=0)
    assert aside.read_bytes()
    assert sorted(record.id for record in await store.open_records() if isinstance(record, Emergency)) == ["f", "g"]
    assert sorted(record.id for record in store.waiting if isinstance(record, Emergency)) == ["e", "g"]
    disk.free()
    await store.commit(store.waiting, durable=True)
    assert sorted(record.id for record in kept(disk.folder / "store.db")) == ["e", "f", "g"]
    await store.close()


async def test_what_a_stand_in_left_counts_as_the_newest_and_is_handed_to_the_store(
    tmp_path: Path, aside: Path
) -> None:
    store = await SqliteStore.open(tmp_path / "store.db", last_resort=aside)
    await store.commit([emergency("e", ended_at=None), emergency("f", ended_at=None)], durable=True)
    left = [emergency("e", ended_at=AT, links=()), emergency("g", ended_at=None)]
    assert sorted(record.id for record in await store.open_records(left)) == ["f", "g"]
    assert store.waiting == left
    assert sorted(record.id for record in kept(tmp_path / "store.db")) == ["e", "f"], "the pipeline commits them"
    await store.close()


async def test_behind_a_failure_of_the_disk_emergencies_go_to_both_places(tmp_path: Path, aside: Path) -> None:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path, last_resort=aside)
    await store.commit([emergency(f"before{n}", model="x" * 500) for n in range(20)], durable=True)
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, was[1]))
    try:
        assert "the disk failed" in await refusal(store, emergency("refused"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was)
    first = emergency("e", ended_at=None)
    await store.commit([first], durable=True)
    await store.commit([replace(first, ended_at=AT + 1000)], durable=True)
    await store.tend()
    await killed(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("DELETE FROM emergencies WHERE id = 'e'")  # As the disk would have it.
    store = await SqliteStore.open(path, last_resort=aside)
    assert [record.ended_at for record in kept(path) if record.id == "e"] == [AT + 1000]
    assert aside.read_bytes() == b""
    await store.close()


# -- who is told ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(pipeline_module, "PATIENCE_S", 0.05)
    store = await SqliteStore.open(tmp_path / "store.db")
    bench = Bench(store, tmp_path / "store.db")
    running = asyncio.create_task(bench.pipeline.run())
    yield bench
    bench.store.go.set()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await store.close()


async def test_of_an_emergency_that_the_store_does_not_answer_to_others_are_told(bench: Bench) -> None:
    told: asyncio.Queue[list[str]] = asyncio.Queue()
    bench.pipeline.delays.append(lambda records: told.put_nowait([record.id for record in records]))
    bench.store.held = True
    bench.registration(301)
    await bench.until_asked(1)
    bench.emergency(1)
    async with asyncio.timeout(60):
        assert await told.get() == ["id-1"]
        assert await told.get() == ["id-1"], "and again, for as long as it waits"
    assert bench.pipeline.emergency_waits_s > 0
    bench.store.held = False
    bench.store.go.set()
    await bench.until_told(2)
    assert bench.pipeline.emergency_waits_s == 0


@dataclass
class Room:
    """A reserve, and a last resort."""

    size: int = MEGABYTE
    held: bool = True
    spent: bool = False
    alone: bool = False
    fault: str = ""
    bytes: int = 0
    configured: bool = True


@dataclass
class Stood:
    """A store and a pipeline as a test has them stand."""

    reserve: Room = field(default_factory=Room)
    last_resort: Room = field(default_factory=Room)
    suspect: bool = False
    storing: bool = True
    emergency_waits_s: float = 0.0
    put: list[Record] = field(default_factory=list)

    def put_aside(self, records: Sequence[Record]) -> None:
        self.put += records

    async def tend(self) -> None: ...


@pytest.mark.parametrize(
    ("stands", "subject", "words", "severity"),
    [
        (Stood(reserve=Room(held=False, spent=True)), "store", "the disk is full", Severity.CRITICAL),
        (Stood(storing=False), "store", "the file is locked; emergencies wait in memory", Severity.CRITICAL),
        (Stood(storing=False, last_resort=Room(bytes=9)), "store", "are in the last resort", Severity.CRITICAL),
        (Stood(suspect=True), "store", "the disk has failed", Severity.CRITICAL),
        (Stood(emergency_waits_s=storing.SLOW_S), "store", "does not answer", Severity.CRITICAL),
        (Stood(reserve=Room(alone=True)), "room", "less than 1 MB are free", Severity.WARNING),
        (Stood(reserve=Room(held=False)), "reserve", "no room beside the store", Severity.WARNING),
        (Stood(last_resort=Room(fault="Permission denied")), "last resort", "Permission denied", Severity.WARNING),
    ],
)
def test_the_alarm_says_what_is_wrong_and_what_becomes_of_emergencies(
    stands: Stood, subject: str, words: str, severity: Severity
) -> None:
    told: dict[str, tuple[str | None, Severity]] = {}
    looking = Storing(stands, stands, lambda subject, what, severity: told.update({subject: (what, severity)}))
    looking.refused(StoreError("the file is locked"), [emergency("e")])
    looking.look()
    what, how_bad = told.pop(subject)
    assert words in (what or "")
    assert how_bad is severity
    assert {what for what, _ in told.values()} == {None}
    assert [record.id for record in stands.put] == ["e"]


async def test_a_store_that_somebody_locked_takes_emergencies_aside(tmp_path: Path, aside: Path) -> None:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path, last_resort=aside)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        await refusal(store, emergency("e"))
        store.put_aside([emergency("e")])
        await store._aside.settled()
        assert store.last_resort.bytes
    await store.tend()
    assert [record.id for record in kept(path)] == ["e"]
    assert not store.last_resort.bytes
    await store.close()
