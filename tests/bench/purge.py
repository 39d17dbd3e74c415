"""One day's purge of a store of a year's calls, and how long emergencies take to be on the disk beside it."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

from agent import log
from agent.config import Config
from agent.core.holds import Holds
from agent.core.records import Emergency, Outcome, SeenBy
from agent.duties.aggregating import Aggregating
from agent.duties.retention import Purger
from agent.stores.sqlite import SqliteReader, SqliteStore
from tests.bench.figures import Figure, of_samples, p99_ratio
from tests.bench.stores import DAY_MS, Year, year_of

EVERY_S = 0.01
IDLE = 1_000
_PAGE = os.urandom(4096)


async def measure(version: str, calls: int, folder: Path) -> Iterable[Figure]:
    """`emergency_idle_commit`, `emergency_aggregate_commit` and `emergency_purge_commit` (ms), `aggregate` (days of a
    year's calls a second) and `purge` (rows a second), pauses and all.

    `disk_sync` (ms) is what the disk itself takes for a page, the agent idle: no commit is faster.
    """
    log.configure("error", "json")
    with year_of(calls) as year:
        with closing(sqlite3.connect(year.path)) as database, database:
            database.execute("DELETE FROM aggregates")  # An earlier run's: no day counts as counted.
        store = await SqliteStore.open(year.path, fields=year.fields)
        try:
            return await _figures(store, year)
        finally:
            await store.close()


async def _figures(store: SqliteStore, year: Year) -> list[Figure]:
    disk = await _syncs(year.path.with_name("page"))
    idle = await _commits(store, year.now, asyncio.create_task(asyncio.sleep(IDLE * EVERY_S)))
    # A first start: the figures of all days but the last one, as they are there on any day.
    counting = asyncio.create_task(_aggregating(store, year, year.now - DAY_MS).build())
    began = time.perf_counter()
    first = await _commits(store, year.now, counting)
    days = counting.result() / (time.perf_counter() - began)
    began = time.perf_counter()
    purging = asyncio.create_task(purged(store, year))
    busy = await _commits(store, year.now, purging)
    rows = purging.result() / (time.perf_counter() - began)
    # On a machine that others share the one may have had better minutes than the other.
    idle += await _commits(store, year.now, asyncio.create_task(asyncio.sleep(IDLE * EVERY_S)))
    before, beside = of_samples("emergency_idle_commit", idle), of_samples("emergency_purge_commit", busy)
    counted_beside = of_samples("emergency_aggregate_commit", first)
    return [
        of_samples("disk_sync", disk),
        before,
        counted_beside,
        p99_ratio("emergency_aggregate_to_idle_p99", counted_beside, before),
        Figure(name="aggregate", value=round(days, 1), unit="days/s", n=counting.result()),
        beside,
        p99_ratio("emergency_purge_to_idle_p99", beside, before),
        Figure(name="purge", value=round(rows, 1), unit="rows/s", n=purging.result()),
    ]


async def counted(store: SqliteStore, year: Year) -> None:
    """As on any day: the figures of all days but the last one are there."""
    await _aggregating(store, year, year.now - DAY_MS).build()


async def purged(store: SqliteStore, year: Year) -> int:
    """All of a round: what is due goes, then the log is emptied; how many rows went."""
    purger = Purger(
        store=store,
        reader=lambda: SqliteReader(year.path, year.fields),
        days=Config().retention.days,
        holds=Holds,
        gate=asyncio.Lock(),
        clock=lambda: year.now,
        new_id=lambda: os.urandom(8).hex(),
        before=_aggregating(store, year, year.now).build,
        tell=lambda _: None,
    )
    deletions = await purger.purge()
    await purger.checkpoint()
    return sum(each.count for each in deletions)


def _aggregating(store: SqliteStore, year: Year, now: int) -> Aggregating:
    return Aggregating(
        store=store,
        reader=lambda: SqliteReader(year.path, year.fields),
        days=Config().retention.days,
        clock=lambda: now,
    )


async def _commits(store: SqliteStore, now: int, until: "asyncio.Task[object]") -> list[float]:
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
            started_at=now,
            seen_by=SeenBy.DIALPLAN,
            outcome=Outcome.IN_PROGRESS,
        )
        began = time.perf_counter()
        await store.commit([record], durable=True)
        samples.append((time.perf_counter() - began) * 1000)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(until), EVERY_S)
    return samples


async def _syncs(path: Path) -> list[float]:
    """How long the disk takes to keep a page that is written anew (ms), as often as there are idle commits."""
    samples: list[float] = []
    with path.open("wb", buffering=0) as file:
        for _ in range(IDLE):
            began = time.perf_counter()
            file.write(_PAGE)
            os.fdatasync(file.fileno())
            samples.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(EVERY_S)
    path.unlink()
    return samples
