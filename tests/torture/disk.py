"""The store's disk full, failing, silent or read-only, its database locked or damaged, while emergencies come."""

import asyncio
import json
import os
import random
import resource
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Final

from tests.integration.web_ear import WebEar, listening
from tests.lab.agent import AgentProcess
from tests.lab.memory import Disk
from tests.torture.office import Office, beset, hold, played, running
from tests.torture.rounds import BrokenError, Counts, Round, Torment

_MEGABYTES: Final = 48
_RESERVE_MB: Final = 2
#: An alarm that has not come by then does not come.
_TOLD_S: Final = 30.0
_PAGE: Final = 4096
_FAR_BYTES: Final = 256 << 10
_SERVES: Final = '"event": "http"'

_CHANNELS: Final = '[channels.desk]\nkind = "webhook"\nurl = "{url}"\nsecret = "{secret}"\n'

Fault = Callable[["Store"], AbstractAsyncContextManager[None]]


class Store:
    """The disk that an agent's store is on, and the agent, which may have to be killed before that can be mended."""

    def __init__(self, folder: Path, agent: AgentProcess, draw: random.Random, stack: ExitStack) -> None:
        self.agent, self.draw = agent, draw
        self.disk = stack.enter_context(Disk(folder / "disk", megabytes=_MEGABYTES, kind="ext4"))
        _run("mount", "-o", "remount,errors=remount-ro", str(self.folder))

    @property
    def folder(self) -> Path:
        """Where it is mounted."""
        return self.disk.folder

    @asynccontextmanager
    async def full(self) -> AsyncIterator[None]:
        """Not a byte is free; half of the time the agent is killed, and starts on it."""
        self.disk.fill()
        yield
        if self.draw.random() < 0.5:
            await self.agent.kill()
            served = self.agent.log.count(_SERVES)
            await self.agent.start(ready=False)
            await self.agent.until(lambda: self.agent.log.count(_SERVES) > served, "a start on a full disk")
        self.disk.free()
        await self.agent.until(lambda: self.agent.get("/readyz")[0] == 200, "ready, with room again")

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Another program holds the database's lock."""
        with closing(sqlite3.connect(self.agent.store, isolation_level=None, timeout=30)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield

    @asynccontextmanager
    async def silent(self) -> AsyncIterator[None]:
        """What is written to it waits."""
        _run("fsfreeze", "--freeze", str(self.folder))
        try:
            yield
        finally:
            _run("fsfreeze", "--unfreeze", str(self.folder))

    @asynccontextmanager
    async def read_only(self) -> AsyncIterator[None]:
        """The kernel has found an error in it, and lets nobody write; killed, repaired, started."""
        device = os.path.basename(_run("findmnt", "--noheadings", "--output", "SOURCE", str(self.folder)).strip())
        Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1")
        yield
        await self._repaired()

    @asynccontextmanager
    async def failing(self) -> AsyncIterator[None]:
        """Whatever is written far into a file fails (EFBIG), which SQLite takes for an error of the disk; restarted.

        A loop device on a full file system would not do: it reports some writes done that were not.
        """
        assert self.agent.pid is not None
        resource.prlimit(self.agent.pid, resource.RLIMIT_FSIZE, (_FAR_BYTES, resource.RLIM_INFINITY))
        yield
        await self._repaired()

    async def _repaired(self) -> None:
        await self.agent.kill()
        _run("umount", str(self.folder))
        _run("e2fsck", "-f", "-y", str(self.disk.image), fine=(0, 1))
        _run("mount", "-o", "loop,errors=remount-ro", str(self.disk.image), str(self.folder))
        await self.agent.start()

    @asynccontextmanager
    async def damaged(self) -> AsyncIterator[None]:
        """All but the first page of the database is noise; killed, restored from a copy, started."""
        store = self.agent.store
        copy = store.with_name("copy")
        with closing(sqlite3.connect(store, timeout=30)) as there, closing(sqlite3.connect(copy)) as here:
            there.execute("BEGIN IMMEDIATE")
            there.execute("UPDATE migrations SET name = name")
            there.commit()
            there.backup(here)
            there.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            with store.open("r+b") as file:
                file.seek(_PAGE)
                file.write(self.draw.randbytes(store.stat().st_size - _PAGE))
        yield
        await self.agent.kill()
        for end in ("-wal", "-shm"):
            store.with_name(store.name + end).unlink(missing_ok=True)
        copy.replace(store)
        store.chmod(0o600)
        await self.agent.start()


FAULTS: Final[dict[str, Fault]] = {
    "full": Store.full,
    "locked": Store.locked,
    "silent": Store.silent,
    "read_only": Store.read_only,
    "failing": Store.failing,
    "damaged": Store.damaged,
}


@asynccontextmanager
async def disk(folder: Path) -> AsyncIterator[Torment]:
    """On a PBX that is played; needs root's rights, to mount."""
    async with played() as office:
        yield partial(_round, office)


async def _round(office: Office, turn: Round) -> Counts:
    """Traffic, in which one fault comes and goes; somebody is told of it, and nothing of an emergency is missing."""
    kind = turn.draw.choice(list(FAULTS))
    async with office.opened(turn):
        with ExitStack() as stack:
            ear = stack.enter_context(listening())
            agent = _agent(office, turn, ear)
            store = Store(turn.folder, agent, turn.draw, stack)
            _moved(agent, store.folder / "agent.sqlite")

            async def fault(traffic: "asyncio.Task[int]") -> None:
                await asyncio.sleep(turn.draw.uniform(1, 4))
                async with FAULTS[kind](store):
                    await _told(ear, kind)
                    await asyncio.sleep(turn.draw.uniform(0, 3))
                await traffic

            async with running(agent):
                placed = await beset(office, turn, agent, fault)
            try:
                hold(office, agent)
            except BrokenError as broken:
                # A copy that is put back lacks what came behind it, and a timeline says so itself.
                wrong = [line for line in str(broken).splitlines() if not line.startswith("the timeline of")]
                if kind != "damaged" or wrong:
                    raise BrokenError(f"{kind}: {broken}") from None
            left = agent.folder / "emergencies.jsonl"
            if left.stat().st_size:
                raise BrokenError(f"{kind}: the last resort still holds {left.stat().st_size} bytes")
    return {"emergencies": placed, kind: 1}


async def _told(ear: WebEar, kind: str) -> None:
    """Return when somebody is told that the store takes nothing.

    Raises BrokenError when nobody is.
    """
    try:
        async with asyncio.timeout(_TOLD_S):
            while not any(_cause(request.body) == "store" for request in list(ear.requests)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise BrokenError(f"{kind}: after {_TOLD_S:.0f} s nobody was told of the store") from None


def _cause(body: bytes) -> str:
    found = json.loads(body)
    return str(found.get("alarm", found).get("cause"))


def _agent(office: Office, turn: Round, ear: WebEar) -> AgentProcess:
    folder = turn.folder / "agent"
    folder.mkdir()
    channels = folder / "channels.toml"
    channels.touch(0o600)
    channels.write_text(_CHANNELS.format(url=ear.url(), secret="s" * 32))
    return AgentProcess(
        office.pbx,
        folder=folder,
        settings='[alerts]\nchannels_file = "channels.toml"\n',
        site_key=turn.draw.random() < 0.5,
        log_level="info",
    )


def _moved(agent: AgentProcess, store: Path) -> None:
    """Its store is there, and the last resort is not."""
    text = agent.config.read_text()
    here = f'reserve_mb = {_RESERVE_MB}\nlast_resort_file = "{agent.folder / "emergencies.jsonl"}"\n'
    agent.config.write_text(text.replace(str(agent.store), str(store)).replace("[http]\n", f"{here}[http]\n"))
    agent.store = store


def _run(*command: str, fine: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in fine:
        raise OSError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout
