"""How fast fields are locked, opened and indexed, and what encryption costs calls on their way into the store."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from agent.core.records import Call, CallOutcome, Direction, NumberClass
from agent.stores.sqlite import Fields, SqliteStore
from agent.stores.vault import Keyring, Locks
from tests.bench.figures import Figure, of_samples, ratio

ACCOUNTS = 1_000
ROWS = 64  # the agent's ordinary transaction
BATCHES = 100
AT = 1_795_380_280_123
#: Batches before those that count: in them every line gets its handle and its keys.
_WARM = -(-ACCOUNTS // ROWS)


async def measure(version: str, calls: int, folder: Path) -> Iterable[Figure]:
    """`lock_first`, `lock`, `open`, `index`, `index_13_epochs`, `store_plain` and `store_encrypted`, each a second."""
    return [*await asyncio.to_thread(_measured, calls, folder), *await _stored(folder)]


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
        return [
            first,
            _rate("lock", ROWS, lambda n: locks.lock(accounts[n % ACCOUNTS], AT, "+447700900123")),
            _rate("open", ROWS, lambda n: locks.open(values[n])),
            _rate("index", ROWS, lambda n: locks.index(accounts[n % ACCOUNTS])),
            _rate("index_13_epochs", ROWS, lambda n: locks.indexes(accounts[n % ACCOUNTS])),
        ]


def _rate(name: str, size: int, act: Callable[[int], object], batches: int = BATCHES) -> Figure:
    """How often a second, of `batches` times `size`; the slowest are what is below the median."""
    rates = []
    for batch in range(batches):
        began = time.perf_counter()
        for n in range(size):
            act(batch * size + n)
        rates.append(size / (time.perf_counter() - began))
    return of_samples(name, rates, "/s")


async def _stored(folder: Path) -> list[Figure]:
    """Calls a second into the real store, batches of it with and without encryption in turn."""
    key = secrets.token_bytes(32)
    with closing(Keyring(folder / "store-keys", key)) as keyring:
        fields = Fields(folder / "encrypted", lambda: keyring, lambda: AT)
        stores = {
            "store_plain": await SqliteStore.open(folder / "plain"),
            "store_encrypted": await SqliteStore.open(folder / "encrypted", fields=fields),
        }
        rates: dict[str, list[float]] = {name: [] for name in stores}
        for batch in range(-_WARM, BATCHES):
            calls = [_call(batch * ROWS + n) for n in range(ROWS)]
            for name, store in stores.items():
                began = time.perf_counter()
                await store.commit(calls, durable=False)
                if batch >= 0:
                    rates[name].append(ROWS / (time.perf_counter() - began))
        for store in stores.values():
            await store.close()
    plain, encrypted = (of_samples(name, found, "rows/s") for name, found in rates.items())
    return [plain, encrypted, ratio("store_plain_to_encrypted", plain, encrypted)]


def _call(n: int) -> Call:
    return Call(
        id=secrets.token_hex(16),
        call=secrets.token_hex(16),
        line=f"{n % ACCOUNTS}",
        direction=Direction.OUTGOING,
        number_class=NumberClass.MOBILE,
        number=f"07700{n % 1_000_000:06}",
        started_at=AT + n,
        duration_s=9,
        billable_s=7,
        outcome=CallOutcome.ANSWERED,
        itemised=True,
    )
