"""How fast recordings are encrypted and read again, keys and all, with both folders in memory."""

import asyncio
import secrets
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from agent.stores.vault import Keyring, Vault
from tests.bench.figures import Figure, of_samples
from tests.lab.memory import SHARED_MEMORY

_MEGABYTE = 1_000_000
#: A call of one minute, and one of half an hour, as MixMonitor writes them: 16 kB/s.
SIZES = {"minute": 960_044, "half_hour": 28_800_044}


async def measure(version: str, calls: int, folder: Path) -> Iterable[Figure]:
    """`seal_<length>` and `read_<length>`, in MB/s, of one after another; the slowest are what is below the median."""
    return await asyncio.to_thread(_measured, calls)


def _measured(count: int) -> list[Figure]:
    figures = []
    with tempfile.TemporaryDirectory(prefix="telephony-bench-", dir=SHARED_MEMORY) as place:
        keyring = Keyring(Path(place, "keys"), secrets.token_bytes(32))
        vault = Vault(Path(place, "sealed"), keyring)
        for length, size in SIZES.items():
            plain = Path(place, "plain.wav")
            plain.write_bytes(secrets.token_bytes(size))
            sealing, reading = [], []
            for _ in range(count):
                id = secrets.token_hex(8)
                began = time.perf_counter()
                vault.seal(plain, id, "201")
                sealed = time.perf_counter()
                read = sum(map(len, vault.read(id)))
                ended = time.perf_counter()
                assert read == size
                vault.destroy(id)
                sealing.append(sealed - began)
                reading.append(ended - sealed)
            figures += [
                of_samples(f"{name}_{length}", [size / _MEGABYTE / each for each in seconds], "MB/s")
                for name, seconds in (("seal", sealing), ("read", reading))
            ]
        keyring.close()
    return figures
