"""The store at the edges of its machine: rights, room, locks, modes of files, what is logged."""

import asyncio
import logging
import os
import resource
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.records import Emergency, IpSource, Registration, SeenBy
from agent.ports import StoreError
from agent.stores.sqlite import SqliteReader, SqliteStore
from agent.stores.sqlite.opening import beside

AT = 1_795_380_280_123
NOBODY = 65_534


def emergency(name: str, line: str = "201") -> Emergency:
    return Emergency(
        id=name, line=line, number="999", ip=None, vendor=None, model=None, started_at=AT, seen_by=SeenBy.DIALPLAN
    )


def registrations(count: int, first: int = 0) -> list[Registration]:
    return [
        Registration(
            id=f"{n:032x}",
            line=f"line-{n}",
            ip="203.0.113.7",
            ip_source=IpSource.SECURITY,
            transport="udp",
            vendor="Yealink",
            model="T46S",
            firmware="66",
            first_seen=AT,
            last_seen=AT,
            refreshes=n,
        )
        for n in range(first, first + count)
    ]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def told(attempt: Callable[[], object]) -> str:
    """What ``attempt`` says when it is refused, ; empty when it is not."""
    try:
        attempt()
    except StoreError as error:
        return str(error) if error.hint else f"without a hint: {error}"
    return ""


def open_and_close(path: Path) -> None:
    async def run() -> None:
        await (await SqliteStore.open(path)).close()

    asyncio.run(run())


# Rights


@pytest.fixture
def shelf() -> Iterator[Path]:
    """A folder that every user may pass through, as pytest's own are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_nobody(attempt: Callable[[], object]) -> str:
    """`told`, by a user whom permissions do bind, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        open_and_close(Path(folder) / "store.db")  # Nobody may be unable to read the modules imported on the way.
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        failed = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            os.write(writing, told(attempt).encode())
            failed = 0
        finally:
            os._exit(failed)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        text = answer.read().decode()
    _, status = os.waitpid(child, 0)
    assert status == 0
    return text


def test_a_folder_that_may_not_be_written_is_named(shelf: Path) -> None:
    folder = shelf / "kept"
    folder.mkdir()
    path = folder / "store.db"
    folder.chmod(0o555)
    assert as_nobody(lambda: open_and_close(path)) == f"the store {path} cannot be opened: permission denied"
    assert not path.exists()


def test_a_folder_that_may_not_be_made_is_named(shelf: Path) -> None:
    shelf.chmod(0o555)
    path = shelf / "new" / "store.db"
    assert as_nobody(lambda: open_and_close(path)) == f"the store {path} cannot be opened: permission denied"


def test_a_store_that_may_only_be_read_is_refused_and_left_as_it_was(shelf: Path) -> None:
    path = shelf / "store.db"
    open_and_close(path)
    before = path.read_bytes()
    shelf.chmod(0o777)
    path.with_name("store.db.lock").chmod(0o666)
    path.chmod(0o444)
    assert as_nobody(lambda: open_and_close(path)).startswith(f"the store {path} cannot be")
    path.chmod(0o000)
    assert as_nobody(lambda: open_and_close(path)).startswith(f"the store {path} cannot be opened")
    assert as_nobody(lambda: SqliteReader(path)).startswith(f"the store {path} cannot be opened")
    assert path.read_bytes() == before


def test_a_folder_that_may_not_be_written_does_not_keep_a_reader_out(shelf: Path) -> None:
    path = shelf / "store.db"
    open_and_close(path)
    path.chmod(0o444)
    shelf.chmod(0o555)

    def count() -> None:
        with SqliteReader(path) as reader:
            raise StoreError(f"{reader.count('emergency')} emergencies", "not refused")

    assert as_nobody(count) == "0 emergencies"
    assert sorted(file.name for file in shelf.iterdir()) == ["store.db", "store.db.lock"]


@pytest.mark.parametrize("name", ["missing/folders/store.db", "file/store.db", "x" * 300, "folder"])
def test_a_path_that_cannot_be_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    path = tmp_path / name
    assert str(path) in told(lambda: open_and_close(path))
    assert str(path) in told(lambda: SqliteReader(path))
    assert not (tmp_path / "missing").exists()


def test_only_the_last_folder_is_made_and_nobody_else_may_look_in(tmp_path: Path) -> None:
    path = tmp_path / "telephony-agent" / "store.db"

    async def run() -> None:
        store = await SqliteStore.open(path)
        await store.commit([emergency("e")], durable=True)
        with SqliteReader(path):
            files = list(path.parent.iterdir())
            assert {file.name for file in files} == {"store.db", "store.db-wal", "store.db-shm", "store.db.lock"}
            assert [oct(mode(file)) for file in files] == [oct(0o600)] * 4
        await store.close()

    for umask in (0o000, 0o027, 0o077):
        before = os.umask(umask)
        try:
            asyncio.run(run())
        finally:
            os.umask(before)
        assert mode(path.parent) == 0o700
        assert {file.name for file in path.parent.iterdir()} == {"store.db", "store.db.lock"}
        shutil.rmtree(path.parent)


def test_a_store_that_others_may_read_is_shut(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    open_and_close(path)
    path.chmod(0o644)
    open_and_close(path)
    assert mode(path) == 0o600


# Room


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process may grow past ``size`` bytes: the disk that fails in the middle of a write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_store_refuses_whole_batches_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    await store.commit(registrations(10), durable=False)
    database = store.writer.database
    await database.execute("PRAGMA max_page_count = 1")  # No more than it has now.
    with pytest.raises(StoreError, match="there is no room left for the store") as refusal:
        await store.commit([emergency("e"), *registrations(3000, 10)], durable=True)
    assert "free some space" in refusal.value.hint
    assert len(await store.open_records()) == 10
    await database.execute("PRAGMA max_page_count = 100000")
    await store.commit([emergency("e"), *registrations(3000, 10)], durable=True)
    assert len(await store.open_records()) == 3011
    await store.close()


async def test_a_disk_that_fails_in_the_middle_of_a_write_leaves_nothing_half_written(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path)
    await store.commit(registrations(10), durable=True)
    for more in range(1, 60_000, 5_000):
        with largest_file(beside(path, "-wal").stat().st_size + more), pytest.raises(StoreError, match="the store"):
            await store.commit(registrations(3000, 10), durable=more % 2 == 0)
        assert len(await store.open_records()) == 10
    await store.commit(registrations(3000, 10), durable=True)
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM registrations").fetchone() == (3010,)


# Others


async def test_another_programs_lock_is_told_and_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.stores.sqlite.writer.BUSY_S", 0.05)
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked by another program"):
            await store.commit([emergency("e")], durable=True)
        other.execute("ROLLBACK")
    await store.commit([emergency("e")], durable=True)
    await store.close()


async def test_a_reader_in_the_way_of_a_checkpoint_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path)
    await store.commit([emergency("a")], durable=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM emergencies").fetchall()
        await store.commit([emergency("b")], durable=True)
        assert await store.checkpoint() is False
        other.execute("ROLLBACK")
    assert await store.checkpoint() is True
    assert beside(path, "-wal").stat().st_size == 0
    await store.close()


async def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    path = tmp_path / "50% of?the#store é.db"
    store = await SqliteStore.open(path)
    await store.commit([emergency("e")], durable=True)
    with SqliteReader(path) as reader:
        assert reader.count("emergency") == 1
    await store.close()
    assert path in tmp_path.iterdir()


# Promises to the one whose data it is


async def test_what_was_deleted_or_dropped_is_in_no_file_after_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path)
    gone = replace(emergency("gone", "canary-line"), ended_at=AT + 1)
    linked = replace(emergency("kept"), links=("canary-link",))
    await store.commit([gone, linked, *registrations(500)], durable=True)
    assert await store.checkpoint()
    assert b"canary-line" in path.read_bytes()
    assert b"canary-link" in path.read_bytes()
    await store.commit([replace(linked, links=())], durable=True)
    assert await store.remove("emergency", ["gone"]) == 1
    assert await store.checkpoint()
    for file in tmp_path.iterdir():
        assert b"canary" not in file.read_bytes(), file
    await store.close()


async def test_no_log_holds_a_value_even_at_debug(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "aiosqlite")
    store = await SqliteStore.open(tmp_path / "store.db")
    await store.commit([emergency("canary-id", "canary-line")], durable=True)
    with pytest.raises(StoreError) as refusal:
        await store.commit([replace(emergency("x", "canary-line"), attempts=1 << 70)], durable=True)
    await store.open_records()
    await store.close()
    logging.getLogger("aiosqlite").warning("heard")
    assert "heard" in caplog.text
    assert "canary" not in caplog.text
    assert "canary" not in f"{refusal.value} {refusal.value.hint}"


async def test_no_log_quotes_a_damaged_value(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path)
    await store.commit([emergency("e", "canary-line")], durable=True)
    await store.close()
    path.write_bytes(path.read_bytes().replace(b"canary-line", b"canary-\xff\xff\xff\xff"))
    caplog.set_level(logging.DEBUG)
    store = await SqliteStore.open(path)
    with pytest.raises(StoreError, match=r"is damaged$"):
        await store.open_records()
    await store.close()
    assert "canary" not in caplog.text


async def test_a_durable_commit_is_synced_and_an_ordinary_one_is_not_waited_for(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    database = store.writer.database
    ran: list[str] = []
    await database.set_trace_callback(ran.append)
    for durable, level in ((True, 2), (False, 1), (True, 2), (True, 2), (False, 1)):
        ran.clear()
        await store.commit([emergency("e")], durable=durable)
        # SQLite refuses to change the level inside a transaction, so what stands after it stood within it,
        # unless it was changed after COMMIT.
        assert ran[-1] == "COMMIT"
        assert list(await database.execute_fetchall("PRAGMA synchronous")) == [(level,)]
    await store.close()
