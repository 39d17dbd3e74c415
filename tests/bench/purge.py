"""One day's purge of a store of a year's calls, and how long emergencies take to be on the disk beside it."""

import asyncio
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from agent import log
from agent.config import Config
from agent.core.holds import Holds
from agent.core.records import Emergency, Outcome, SeenBy
from agent.duties.aggregating import Aggregating
from agent.duties.retention import Purger
from agent.stores.sqlite import Fields, SqliteReader, SqliteStore
from tests.bench.figures import Figure, of_samples, ratio
from tests.bench.stores import DAY_MS, fields_of, fill

NOW = 1_795_380_280_123
EVERY_S = 0.01
IDLE = 500


async def measure(version: str, calls: int, folder: Path) -> Iterable[Figure]:
    """`emergency_idle_commit` and `emergency_purge_commit` (ms), `purge` (rows a second, pauses and all)."""
    path = folder / "agent.sqlite"
    log.configure("error", "json")
    with fields_of(path, NOW) as fields:
        await asyncio.to_thread(fill, path, calls, NOW, fields)
        store = await SqliteStore.open(path, fields=fields)
        try:
            return await _figures(store, path, fields)
        finally:
            await store.close()


async def _figures(store: SqliteStore, path: Path, fields: Fields) -> list[Figure]:
    # As on any day: the figures of all days but the last one are there.
    await _aggregating(store, path, fields, NOW - DAY_MS).build()
    idle = await _commits(store, asyncio.create_task(asyncio.sleep(IDLE * EVERY_S)))
    began = time.perf_counter()
    purging = asyncio.create_task(_purged(store, path, fields))
    busy = await _commits(store, purging)
    rows = purging.result() / (time.perf_counter() - began)
    # On a machine that others share the one may have had better minutes than the other.
    idle += await _commits(store, asyncio.create_task(asyncio.sleep(IDLE * EVERY_S)))
    before, beside = of_samples("emergency_idle_commit", idle), of_samples("emergency_purge_commit", busy)
    return [
        before,
        beside,
        ratio("emergency_purge_to_idle", beside, before),
        Figure(name="purge", value=round(rows, 1), unit="rows/s", n=purging.result()),
    ]


async def _purged(store: SqliteStore, path: Path, fields: Fields) -> int:
    """All of a round: what is due goes, then the log is emptied; how many rows went."""
    purger = Purger(
        store=store,
        reader=lambda: SqliteReader(path, fields),
        days=Config().retention.days,
        holds=Holds,
        gate=asyncio.Lock(),
        clock=lambda: NOW,
        new_id=lambda: os.urandom(8).hex(),
        before=_aggregating(store, path, fields, NOW).build,
        tell=lambda _: None,
    )
    deletions = await purger.purge()
    await purger.checkpoint()
    return sum(each.count for each in deletions)


def _aggregating(store: SqliteStore, path: Path, fields: Fields, now: int) -> Aggregating:
    return Aggregating(
        store=store, reader=lambda: SqliteReader(path, fields), days=Config().retention.days, clock=lambda: now
    )


async def _commits(store: SqliteStore, until: "asyncio.Task[object]") -> list[float]:
    """An emergency every few milliseconds, until that is done; how long each commit took (ms)."""
    samples: list[float] = []
    while not until.done():
        record = Emergency(
            id=os.urandom(8).hex(),
            line="L000001",
            number="999",
            ip=None,
            vendor=None,
            model=None,
            started_at=NOW,
            seen_by=SeenBy.DIALPLAN,
            outcome=Outcome.IN_PROGRESS,
        )
        began = time.perf_counter()
        await store.commit([record], durable=True)
        samples.append((time.perf_counter() - began) * 1000)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(until), EVERY_S)
    return samples
