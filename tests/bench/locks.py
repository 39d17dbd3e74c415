"""How fast fields are locked, opened and indexed, and what two locked fields cost a row on its way into SQLite."""

import asyncio
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from agent.stores.vault import Keyring, Locks
from tests.bench.figures import Figure, of_samples, ratio

ACCOUNTS = 1_000
ROWS = 64  # the agent's ordinary transaction
BATCHES = 100
AT = 1_795_380_280_123
_MONTH_MS = 2_600_000_000


async def measure(version: str, calls: int, folder: Path) -> Iterable[Figure]:
    """`lock_first`, `lock`, `open`, `index` and `index_13_epochs` a second, `rows_plain` and `rows_locked` a second."""
    return await asyncio.to_thread(_measured, calls, folder)


def _measured(count: int, folder: Path) -> list[Figure]:
    with closing(Keyring(folder / "keys", secrets.token_bytes(32))) as keyring:
        locks = Locks(keyring, lambda: AT)
        accounts = [f"+4411349{n:05}" for n in range(ACCOUNTS)]
        first = _rate("lock_first", 1, lambda n: locks.lock(accounts[n], AT, accounts[0]), min(count, ACCOUNTS))
        for month in range(1, 13):
            keyring.epoch("", f"2025-{month:02}")
        for account in accounts:
            locks.lock(account, AT, account)
        values = [locks.lock(accounts[n % ACCOUNTS], AT, f"+447700{n:06}") for n in range(ROWS * BATCHES)]
        for value in values:
            locks.open(value)
        figures = [
            first,
            _rate("lock", ROWS, lambda n: locks.lock(accounts[n % ACCOUNTS], AT, "+447700900123")),
            _rate("open", ROWS, lambda n: locks.open(values[n])),
            _rate("index", ROWS, lambda n: locks.index(accounts[n % ACCOUNTS])),
            _rate("index_13_epochs", ROWS, lambda n: locks.indexes(accounts[n % ACCOUNTS])),
        ]
        plain = _rows("rows_plain", folder / "plain", lambda n: (f"+447700{n:06}",) * 3)
        locked = _rows("rows_locked", folder / "locked", lambda n: _locked(locks, accounts[n % ACCOUNTS], n))
        return [*figures, plain, locked, ratio("rows_plain_to_locked", plain, locked)]


def _locked(locks: Locks, account: str, n: int) -> tuple[str, str, str]:
    number = f"+447700{n:06}"
    return locks.lock(account, AT, number), locks.lock(account, AT - _MONTH_MS * (n % 2), number), locks.index(number)


def _rate(name: str, size: int, act: Callable[[int], object], batches: int = BATCHES) -> Figure:
    """How often a second, of `batches` times `size`; the slowest are what is below the median."""
    rates = []
    for batch in range(batches):
        began = time.perf_counter()
        for n in range(size):
            act(batch * size + n)
        rates.append(size / (time.perf_counter() - began))
    return of_samples(name, rates, "/s")


def _rows(name: str, path: Path, make: Callable[[int], tuple[object, ...]]) -> Figure:
    """Rows a second, in transactions as the agent's store commits them."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(
            "CREATE TABLE calls (id TEXT PRIMARY KEY, at INTEGER, number TEXT, forwarded TEXT, found TEXT) STRICT"
        )
        database.execute("CREATE INDEX calls_found ON calls (found)")
        rows = _made(make)
        rates = []
        for _ in range(BATCHES):
            began = time.perf_counter()
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT INTO calls VALUES (?, ?, ?, ?, ?)", islice(rows, ROWS))
            database.execute("COMMIT")
            rates.append(ROWS / (time.perf_counter() - began))
        return of_samples(name, rates, "rows/s")


def _made(make: Callable[[int], tuple[object, ...]]) -> Iterator[tuple[object, ...]]:
    for n in range(ROWS * BATCHES):
        yield secrets.token_hex(8), AT + n, *make(n)
