"""What may befall the agent while a phone calls 999: killed, its store locked, its disk full, its AMI cut off."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from tests.lab.agent import AgentProcess
from tests.lab.relay import Relay

Fault = Callable[[AgentProcess, Relay], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def none(agent: AgentProcess, relay: Relay) -> AsyncIterator[None]:
    """Nothing: what the others are compared with."""
    yield


@asynccontextmanager
async def killed(agent: AgentProcess, relay: Relay) -> AsyncIterator[None]:
    """SIGKILL, and started again afterwards."""
    await agent.kill()
    yield
    await agent.start()


@asynccontextmanager
async def store_locked(agent: AgentProcess, relay: Relay) -> AsyncIterator[None]:
    """Somebody else holds the database's lock."""
    other = sqlite3.connect(agent.store, isolation_level=None, timeout=30)
    try:
        other.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        other.close()


@asynccontextmanager
async def disk_full(agent: AgentProcess, relay: Relay) -> AsyncIterator[None]:
    """Not a byte is free where the store is; the agent's folder has to be a `small_disk`."""
    filler = agent.folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    yield
    filler.unlink()


@asynccontextmanager
async def ami_blocked(agent: AgentProcess, relay: Relay) -> AsyncIterator[None]:
    """The connections to AMI stay open, and nothing comes through them."""
    relay.block()
    yield
    relay.unblock()


FAULTS: dict[str, Fault] = {
    "none": none,
    "killed": killed,
    "store_locked": store_locked,
    "disk_full": disk_full,
    "ami_blocked": ami_blocked,
}


@asynccontextmanager
async def small_disk(folder: Path, megabytes: int = 64) -> AsyncIterator[Path]:
    """`folder` as a file system of its own, with room for the store's own reserve (tmpfs; needs root)."""
    folder.mkdir(parents=True, exist_ok=True)
    await _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        # lazily: a process that was killed may hold a file for a moment
        await _run("umount", "--lazy", str(folder))


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait() != 0:
        raise OSError(f"{' '.join(command)} ended with {process.returncode}")
