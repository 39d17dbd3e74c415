"""How long the history of one account takes in a store of a year's calls, from the command to the file."""

import asyncio
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from agent import log
from tests.bench.figures import Figure, of_samples
from tests.bench.stores import DAY_MS, LINES_AN_ACCOUNT, fields_of, fill, lines
from tests.integration.accounted import accounted
from tests.integration.commands import telephony_agent

NOW = 1_795_380_280_123
ACCOUNTS = 20


async def measure(version: str, calls: int, folder: Path) -> Iterable[Figure]:
    """`history` (s): the whole command, its own start included; `history_rows`: what one file holds."""
    log.configure("error", "json")
    path = folder / "agent.sqlite"
    seconds, rows = [], []
    with fields_of(path, NOW) as fields:
        await asyncio.to_thread(fill, path, calls, NOW, fields)
        async with accounted(folder, fields):
            for number in range(min(ACCOUNTS, len(lines(calls)) // LINES_AN_ACCOUNT)):
                file = folder / f"{number}.csv"
                began = time.perf_counter()
                await asyncio.to_thread(_asked, folder, number, file)
                seconds.append(time.perf_counter() - began)
                rows.append(float(file.read_bytes().count(b"\n")))
    return [of_samples("history", seconds, "s"), of_samples("history_rows", rows, "rows")]


def _asked(folder: Path, number: int, file: Path) -> None:
    begin, end = (datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d") for at in (NOW - 366 * DAY_MS, NOW))
    words = ("--from", begin, "--until", end, "--reason", "a measurement", "--format", "csv", "--to", str(file))
    done = telephony_agent("history", f"A{number:06}", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
