"""What the journal's reader may rely on: over is over, and kept is durably in the store."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.stores.sqlite import SqliteStore
from tests.integration.test_pipeline import Bench, everything
from tests.scenarios.transcript import NOON


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path)
    yield Bench(store, path)
    await store.close()


CALL = f"{NOON // 1000}.1"
STAGE = "UserEvent on=201#1 UserEvent=Emergency Call=#1 Number=999"


async def test_over_is_asked_by_the_journals_own_id(bench: Bench) -> None:
    bench.hear(f"{STAGE} Stage=Dialled")
    assert not bench.pipeline.over(CALL)
    bench.hear(f"{STAGE} Stage=Ended")
    assert bench.pipeline.over(CALL)
    assert bench.pipeline.over("1.9"), "of a call that nobody knows nothing is up"


async def test_kept_waits_for_what_the_store_refuses(bench: Bench) -> None:
    bench.store.refuses = everything
    bench.hear(f"{STAGE} Stage=Dialled")
    kept = asyncio.create_task(bench.pipeline.kept())
    await bench.pipeline.drain()
    await asyncio.sleep(0)
    assert not kept.done()
    bench.store.refuses = lambda record: False
    await bench.pipeline.drain()
    await asyncio.wait_for(kept, 10)
    assert len(bench.kept("emergency")) == 1


async def test_an_earlier_state_in_the_store_is_not_this_one(bench: Bench) -> None:
    """The state that the store took was heard before the one that is waited for."""
    bench.hear(f"{STAGE} Stage=Dialled")
    bench.store.held = True
    drain = asyncio.create_task(bench.pipeline.drain())
    await bench.until_asked(1)
    bench.hear(f"{STAGE} Stage=Ended")
    kept = asyncio.create_task(bench.pipeline.kept())
    bench.store.refuses = lambda record: getattr(record, "ended_at", None) is not None
    bench.store.go.set()
    await drain
    await asyncio.sleep(0)
    assert not kept.done()
    bench.store.refuses = lambda record: False
    await bench.pipeline.drain()
    await asyncio.wait_for(kept, 10)
    (call,) = bench.kept("emergency")
    assert getattr(call, "ended_at", None) == NOON


async def test_kept_does_not_wait_for_other_lanes_nor_for_what_comes_later(bench: Bench) -> None:
    bench.store.refuses = lambda record: record.KIND == "registration"
    bench.registration(301)
    bench.emergency(1)
    kept = asyncio.create_task(bench.pipeline.kept())
    await asyncio.sleep(0)
    await bench.pipeline.drain()
    bench.emergency(2)
    await asyncio.wait_for(kept, 10)
    assert bench.kept("registration") == []


async def test_with_nothing_to_keep_there_is_nothing_to_wait_for(bench: Bench) -> None:
    await asyncio.wait_for(bench.pipeline.kept(), 10)


async def test_the_links_go_when_the_journal_is_empty_and_nobody_can_ring_back(bench: Bench) -> None:
    """Across a restart that finds the closed record, and in the store as in memory."""
    hours = 3_600_000
    bench.hear(f"{STAGE} Stage=Dialled", f"{STAGE} Stage=Ended")
    await bench.pipeline.drain()
    bench.pipeline.reading()
    bench.pipeline.read([CALL])
    for hour in (0, 4, 8):
        bench.pipeline.tick(NOON + hour * hours)
    await bench.pipeline.drain()
    (before,) = [record for record in await bench.store.open_records() if record.KIND == "emergency"]
    bench.pipeline.engine.restore([before])
    bench.pipeline.reading()
    bench.pipeline.read([])
    for hour in (9, 13):
        bench.pipeline.tick(NOON + hour * hours)
    await bench.pipeline.drain()
    assert [record for record in await bench.store.open_records() if record.KIND == "emergency"] == []
    (call,) = bench.kept("emergency")
    assert getattr(call, "ended_at", None) == NOON
