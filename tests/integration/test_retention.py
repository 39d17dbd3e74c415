"""Retention: the fuller view of an emergency goes by itself, from every file, and what is kept stays."""

import asyncio
import random
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import pytest
import structlog

from agent.core.records import Detail
from agent.duties import retention
from agent.stores.sqlite import SqliteReader, SqliteStore
from tests.integration.purging import purger
from tests.scenarios.made import AT, emergency


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "DETAILS_EVERY_S", 0.01)


def detail(name: str, until: int | None) -> Detail:
    address = f"canary-{name} Wellington Street, Leeds, LS1 4AP"
    return Detail(id=name, emergency="e", cli="+441134960000", address=address, contact="canary", until_at=until)


def scanned(folder: Path, what: bytes) -> list[str]:
    """The files of the store, its log among them, in which these bytes stand."""
    return [file.name for file in folder.iterdir() if what in file.read_bytes()]


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not met():  # noqa: ASYNC110 - a file tells nobody that it has changed
            await asyncio.sleep(0.01)


@asynccontextmanager
async def purging(store: SqliteStore, now: int, path: Path) -> AsyncIterator[None]:
    task = asyncio.create_task(purger(store, path, now).run())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def left(path: Path) -> list[str]:
    with SqliteReader(path) as reader:
        return [record.id for record in reader.read("detail")]


async def test_a_fuller_view_is_in_no_file_once_its_time_is_up(tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite"
    store = await SqliteStore.open(path)
    draw = random.Random(3)
    details = [detail(f"{draw.getrandbits(64):016x}", AT + n) for n in range(1500)]
    # as they come: alone, each written again as more becomes known of it
    for one in details[:300]:
        await store.commit([detail(one.id, None)], durable=True)
        await store.commit([one], durable=True)
    await store.commit(details[300:], durable=True)
    await store.commit([emergency(), detail("up", None)], durable=True)
    assert "agent.sqlite-wal" in scanned(tmp_path, b"canary-")
    # a few at a time, as calls end: the rest moves about in the file
    async with purging(store, AT + 700, path):
        await until(lambda: len(left(path)) == 801 and not scanned(tmp_path, details[699].id.encode()))
    for one in details[:700]:
        assert scanned(tmp_path, f"canary-{one.id}".encode()) == []
    async with purging(store, AT + 10_000, path):
        await until(lambda: left(path) == ["up"])
    await store.checkpoint()
    for one in details:
        assert scanned(tmp_path, f"canary-{one.id}".encode()) == []
    assert scanned(tmp_path, b"canary-up")
    with SqliteReader(path) as reader:
        assert reader.count("emergency") == 1
    await store.close()


def _purged(logged: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [line for line in logged if line["event"] == "purged" and line["details"] and line["records"]]


@pytest.mark.parametrize("deleted", [0, 1])
async def test_what_came_due_while_no_agent_ran_goes_at_the_start(tmp_path: Path, deleted: int) -> None:
    path, killed = tmp_path / "agent.sqlite", tmp_path / "killed"
    store = await SqliteStore.open(path)
    await store.commit([detail("d", AT), emergency()], durable=True)
    assert await store.remove("detail", ["d"] * deleted) == deleted
    # as a kill leaves it: with its log
    shutil.copytree(tmp_path, killed)
    await store.close()
    assert "agent.sqlite-wal" in scanned(killed, b"canary-d")
    # somebody who reads keeps SQLite from tidying up as it opens
    with SqliteReader(killed / path.name):
        store = await SqliteStore.open(killed / path.name)
        with structlog.testing.capture_logs() as logged:
            async with purging(store, AT + 1, killed / path.name):
                # Its line in the log comes last.
                await until(lambda: not scanned(killed, b"canary-d") and bool(deleted or _purged(logged)))
        await store.close()
    (purged,) = _purged(logged) or [{}]
    assert purged.get("records", 0) == 1 - deleted
    assert "canary" not in str(logged)


async def test_a_reader_in_the_way_only_puts_it_off(tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite"
    store = await SqliteStore.open(path)
    await store.commit([detail("d", AT)], durable=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM details").fetchall()
        async with purging(store, AT + 1, path):
            await until(lambda: left(path) == [])
            assert scanned(tmp_path, b"canary-d")
            reader.execute("ROLLBACK")
            await until(lambda: not scanned(tmp_path, b"canary-d"))
    await store.close()


async def test_a_store_that_refuses_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "agent.sqlite"
    store = await SqliteStore.open(path)
    await store.commit([detail("d", AT)], durable=True)
    await store.writer.database.execute("PRAGMA query_only = ON")
    with structlog.testing.capture_logs() as logged:
        async with purging(store, AT + 1, path):
            await until(lambda: any(line["event"] == "purge_failed" for line in logged))
            await store.writer.database.execute("PRAGMA query_only = OFF")
            await until(lambda: not scanned(tmp_path, b"canary-d"))
    await store.close()
    assert "canary" not in str(logged)
