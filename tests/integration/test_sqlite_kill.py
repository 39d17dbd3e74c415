"""An agent killed in the middle of its commits: what it acknowledged is there, and every batch is whole or absent."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from agent.stores.sqlite import SqliteStore

WRITER = """
import asyncio, os, random, sys
from pathlib import Path
from agent.core.records import Emergency, IpSource, Registration, SeenBy
from agent.stores.sqlite import SqliteStore

AT = 1_795_380_280_123

def emergency(name):
    return Emergency(id=name, line="201", number="999", ip=None, vendor=None, model=None, started_at=AT,
                     seen_by=SeenBy.DIALPLAN)

def registration(name):
    return Registration(id=name, line="201", ip=None, ip_source=IpSource.CONTACT, transport=None, vendor="x" * 50,
                        model="", firmware="", first_seen=AT, last_seen=AT, refreshes=0)

async def write(path, seed):
    draw = random.Random(seed)
    store = await SqliteStore.open(path)
    async def lane(make, durable, most):
        for turn in range(100_000):
            size = draw.randint(1, most)
            await store.commit([make(f"{turn}/{size}/{n}") for n in range(size)], durable=durable)
            if durable:
                os.write(1, f"{turn}/{size}\\n".encode())
            if draw.random() < 0.05:
                await store.checkpoint()
    await asyncio.gather(lane(emergency, True, 5), lane(registration, False, 200))

asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2])))
"""


def write_until_killed(path: Path, seed: int) -> list[str]:
    """The durable batches that an agent acknowledged before it was killed, at a moment drawn from ``seed``."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    draw = random.Random(seed)
    acknowledged = []
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(seed)], env=environment, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout
        for _ in range(draw.randint(1, 60)):
            acknowledged.append(writer.stdout.readline().decode().strip())
        for _ in range(draw.randint(0, 20_000)):
            pass  # Anywhere between two acknowledgements.
        writer.send_signal(signal.SIGKILL)
        acknowledged += writer.stdout.read().decode().split("\n")[:-1]
    assert writer.returncode == -signal.SIGKILL
    return acknowledged


def batches(connection: sqlite3.Connection, table: str) -> Counter[str]:
    names = connection.execute(f"SELECT id FROM {table}").fetchall()
    return Counter(name.rpartition("/")[0] for (name,) in names)


@pytest.mark.parametrize("seed", range(8))
async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, seed: int) -> None:
    print("seed", seed)
    path = tmp_path / "store.db"
    acknowledged = write_until_killed(path, seed)
    assert acknowledged
    assert all(acknowledged)
    store = await SqliteStore.open(path)
    found = {record.id for record in await store.open_records()}
    await store.close()
    for batch in acknowledged:
        size = int(batch.partition("/")[2])
        assert {f"{batch}/{n}" for n in range(size)} <= found, batch
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        for table in ("emergencies", "registrations"):
            for batch, count in batches(connection, table).items():
                assert count == int(batch.partition("/")[2]), f"{table} {batch} is half written"


BREAKING = """
import asyncio, sys
from pathlib import Path
from agent.stores.sqlite import SqliteStore

async def run():
    global kept
    kept = await SqliteStore.open(Path(sys.argv[1]))
    raise RuntimeError("broken")

asyncio.run(run())
"""


def test_an_agent_that_breaks_without_closing_its_store_ends(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", BREAKING, str(tmp_path / "store.db")]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert b"RuntimeError: broken" in done.stderr
