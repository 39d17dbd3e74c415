"""How long the history of one account takes in a store of a year's calls, from the command to the file."""

import asyncio
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from agent import log
from tests.bench.figures import Figure, of_samples
from tests.bench.stores import DAY_MS, DAYS, LINES_AN_ACCOUNT, Year, lines, year_of
from tests.integration.accounted import accounted
from tests.integration.commands import telephony_agent

ACCOUNTS = 20


async def measure(version: str, calls: int, folder: Path) -> Iterable[Figure]:
    """`history` (s): the whole command, its own start included; `history_rows`: what one file holds."""
    log.configure("error", "json")
    seconds, rows = [], []
    with year_of(calls) as year:
        async with accounted(year.path.parent, year.fields):
            for number in range(min(ACCOUNTS, len(lines(calls)) // LINES_AN_ACCOUNT)):
                file = folder / f"{number}.csv"
                began = time.perf_counter()
                await asyncio.to_thread(exported, year, number, file)
                seconds.append(time.perf_counter() - began)
                rows.append(float(file.read_bytes().count(b"\n")))
    return [of_samples("history", seconds, "s"), of_samples("history_rows", rows, "rows")]


def exported(year: Year, number: int, file: Path) -> None:
    """Have the command write a year of the account of this number into ``file``."""
    span = (year.now - DAYS * DAY_MS, year.now)
    begin, end = (datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d") for at in span)
    words = ("--from", begin, "--until", end, "--reason", "a measurement", "--format", "csv", "--to", str(file))
    done = telephony_agent("history", f"A{number:06}", *words, cwd=year.path.parent)
    assert done.returncode == 0, done.stderr
