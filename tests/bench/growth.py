"""What one account's history, one account's export and one day's purge cost as the store grows a hundredfold."""

import asyncio
import os
import time
from collections.abc import Iterable
from pathlib import Path

from agent import log
from agent.stores.sqlite import SqliteStore
from tests.bench.figures import Figure, of_samples
from tests.bench.history import ACCOUNTS, exported
from tests.bench.purge import counted, purged
from tests.bench.stores import DAY_MS, LINES_AN_ACCOUNT, Year, lines, year_of
from tests.integration.accounted import Accounted, accounted

_MONTH_MS = 30 * DAY_MS
_LEAST = 100_000


async def measure(version: str, calls: int, folder: Path) -> Iterable[Figure]:
    """At a hundredth of ``calls`` (100,000 where it is less), a tenth, and all.

    `growth_query_<rows>` (ms): the agent tells an account's last month; `growth_export_<rows>` (ms): the command has
    its year written into a file, its own start included. Both are processor time, which does not depend on who else is
    at work. `growth_purge_<rows>` (s): one day of the store's calls goes, nothing else to do, by the clock, for most of
    it is pauses; `growth_purged_<rows>`: how many rows that was.
    """
    log.configure("error", "json")
    figures: list[Figure] = []
    largest = max(calls, _LEAST)
    for rows in (largest // 100, largest // 10, largest):
        with year_of(rows) as year:
            async with accounted(year.path.parent, year.fields) as agent:
                accounts = min(ACCOUNTS, len(lines(rows)) // LINES_AN_ACCOUNT)
                figures += [
                    of_samples(f"growth_query_{rows}", [await _asked(agent, year, n) for n in range(accounts)]),
                    of_samples(f"growth_export_{rows}", [await _exported(year, n, folder) for n in range(accounts)]),
                ]
            figures += await _purged(year, rows)
    return figures


async def _asked(agent: Accounted, year: Year, number: int) -> float:
    span = {"begin": year.now - _MONTH_MS, "end": year.now}
    before = _cpu_ms()
    answer = await agent.asked("/accounts/history", {"account": f"A{number:06}", "reason": "a measurement", **span})
    assert answer.status_code == 200, answer.text
    return _cpu_ms() - before


async def _exported(year: Year, number: int, folder: Path) -> float:
    file = folder / "history.csv"
    before = _cpu_ms()
    await asyncio.to_thread(exported, year, number, file)
    took = _cpu_ms() - before
    file.unlink()
    return took


def _cpu_ms() -> float:
    """Of this process, in which the agent runs, and of the commands that have ended."""
    return sum(os.times()[:4]) * 1000


async def _purged(year: Year, rows: int) -> list[Figure]:
    store = await SqliteStore.open(year.path, fields=year.fields)
    try:
        await counted(store, year)
        began = time.perf_counter()
        went = await purged(store, year)
        took = time.perf_counter() - began
    finally:
        await store.close()
    return [
        Figure(name=f"growth_purge_{rows}", value=round(took, 3), unit="s", n=1),
        Figure(name=f"growth_purged_{rows}", value=went, unit="rows", n=1),
    ]
