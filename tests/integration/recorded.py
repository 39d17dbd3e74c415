"""An agent of which only recordings matter: a real store and a real pipeline, a vault in memory, no Asterisk."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
from structlog.testing import capture_logs

from agent.core.engine import Engine
from agent.core.normalise import Linker
from agent.core.policy import Policy
from agent.core.records import (
    Content,
    ContentClass,
    ContentState,
    Record,
    Recording,
    RecordingState,
    Trigger,
    document,
)
from agent.people.control import Keeping
from agent.people.recordings import Recordings
from agent.pipeline import Pipeline
from agent.ports import StoreError
from agent.stores.sqlite import SqliteReader, SqliteStore
from agent.stores.vault import Keyring, Vault
from agent.views import control, recordings, unix
from agent.views.api import Http
from tests.integration import audited
from tests.integration.commands import told
from tests.scenarios.made import AT

PIECE = 65_536


def wave(seed: int, size: int) -> bytes:
    """Bytes that are in no other."""
    return (b"RIFF" + seed.to_bytes(8, "big") + bytes(range(256)) * (size // 256 + 1))[:size]


class MemoryVault:
    """A vault that holds what it was given, in memory; ``breaks_after`` so many bytes of what is read."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.breaks_after: int | None = None
        self.given: list[str] = []

    def read(self, id: str) -> Iterator[bytes]:
        self.given.append(id)
        if id not in self.held:
            raise StoreError("the key of this recording is gone", "it was deleted")
        plain = self.held[id]
        for start in range(0, len(plain), PIECE):
            if self.breaks_after is not None and start >= self.breaks_after:
                raise StoreError("the sealed file is damaged", "restore it")
            yield plain[start : start + PIECE]

    def destroy(self, id: str) -> bool:
        return self.held.pop(id, None) is not None


class SealedVault(Vault):
    """The agent's own, in a folder of a test's."""

    def __init__(self, folder: Path) -> None:
        self.keyring = Keyring(folder / "keys", bytes(range(32)))
        self.folder = folder / "sealed"
        super().__init__(self.folder, self.keyring)

    def put(self, id: str, plain: bytes) -> None:
        """Seal what was captured."""
        captured = self.folder.parent / "captured.wav"
        captured.write_bytes(plain)
        self.seal(captured, id, "201")
        captured.unlink()


class NoCalls:
    """Captures of an Asterisk in which nothing happens but what a test says."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.refusal: Exception | None = None

    async def _done(self, what: str, whose: str, by: str, state: RecordingState) -> Recording:
        self.asked.append((what, whose, by))
        if self.refusal is not None:
            raise self.refusal
        return recording(whose if what != "start" else "5a" * 8, state=state)

    async def start(self, line: str, by: str) -> Recording:
        return await self._done("start", line, by, RecordingState.OPTED_IN)

    async def stop(self, id: str, by: str) -> Recording:
        return await self._done("stop", id, by, RecordingState.STOPPED)

    async def pause(self, id: str, by: str) -> Recording:
        return await self._done("pause", id, by, RecordingState.PAUSED)

    async def resume(self, id: str, by: str) -> Recording:
        return await self._done("resume", id, by, RecordingState.RECORDING)


def recording(id: str, at: int = AT, **changes: Any) -> Recording:
    """One of line 201, over."""
    return replace(
        Recording(
            id=id,
            line="201",
            leg="caller",
            trigger=Trigger.BUTTON,
            opted_in=True,
            started_at=at,
            stopped_at=at + 9000,
            state=RecordingState.STOPPED,
        ),
        **changes,
    )


def content(id: str, size: int, **changes: Any) -> Content:
    """Kept, of so many bytes."""
    return replace(
        Content(
            id=id,
            line="201",
            kept_as=ContentClass.USER,
            state=ContentState.KEPT,
            began_at=AT,
            stored_at=AT + 9100,
            size_bytes=size,
            duration_ms=9000,
            sha256="0f" * 32,
            key="k1",
        ),
        **changes,
    )


@dataclass(slots=True)
class Running:
    """The agent, what is behind it, and ways to ask it."""

    folder: Path
    pipeline: Pipeline
    vault: Any
    capturing: NoCalls
    served: Recordings
    #: What it has logged.
    log: list[Any]

    @property
    def store(self) -> Path:
        return self.folder / "agent.sqlite"

    async def keep(self, *records: Record) -> None:
        await self.served.keeping.keep(records)

    async def recorded(self, id: str, size: int = 200_000, **changes: Any) -> bytes:
        """A recording that is over, and its content in the vault."""
        plain = wave(int(id[:8], 16), size)
        if isinstance(self.vault, SealedVault):
            self.vault.put(id, plain)
        else:
            self.vault.held[id] = plain
        await self.keep(recording(id, **changes))
        await self.keep(content(id, size, line=changes.get("line", "201")))
        return plain

    def stored(self, kind: str) -> list[dict[str, Any]]:
        with SqliteReader(self.store) as reader:
            return [json.loads(json.dumps(document(record))) for record in reader.read(kind)]

    async def asked(self, path: str, content: Any = None) -> httpx.Response:
        body = content if isinstance(content, bytes) else json.dumps(content or {}).encode()
        transport = httpx.AsyncHTTPTransport(uds=str(unix.beside(self.store)))
        async with httpx.AsyncClient(transport=transport, base_url="http://agent", timeout=20) as client:
            return await client.post(path, content=body)

    async def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(told, *arguments, cwd=self.folder, **environ)

    async def json(self, *arguments: str) -> list[Any]:
        done = await self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def audited(self) -> list[tuple[str, str | None]]:
        """What was used, and of what."""
        found = sorted(self.stored("audit"), key=lambda each: int(each["seq"]))
        return [(each["use"], each["subject"]) for each in found]


@asynccontextmanager
async def running(
    folder: Path, *, vault: Any = ..., clock: Callable[[], int] = lambda: AT + 60_000, held: Collection[str] = ()
) -> AsyncIterator[Running]:
    """A store of its own in ``folder``, with a configuration beside it, and the agent's control socket.

    The content of the lines ``held`` must not be destroyed.
    """
    folder.mkdir(exist_ok=True)
    (folder / "agent.toml").write_text('[store]\nurl = "sqlite:///./agent.sqlite"\n')
    store = await SqliteStore.open(folder / "agent.sqlite")
    numbers = iter(range(1, 1 << 32))

    def new_id() -> str:
        return f"{next(numbers):016x}"

    pipeline = Pipeline(Engine(policy=Policy(), link=Linker(bytes(32)), new_id=new_id), store)
    keeping = Keeping(pipeline)
    vault = MemoryVault() if vault is ... else vault
    capturing = NoCalls()
    auditing = await audited.auditing(store, folder / "agent.sqlite", pipeline, keeping, clock)
    served = Recordings(
        pipeline=pipeline,
        keeping=keeping,
        auditing=auditing,
        vault=vault,
        capturing=capturing,
        reader=lambda: SqliteReader(folder / "agent.sqlite"),
        held=lambda content: content.line in held,
        destroying=asyncio.Lock(),
        clock=clock,
        new_id=new_id,
    )
    app = control.application(cast(control.Controls, None), partial(recordings.add, controls=served))
    listening = unix.listen(unix.beside(folder / "agent.sqlite"))
    tasks = [
        asyncio.create_task(pipeline.run()),
        asyncio.create_task(Http(app, listening, protocol=unix.PeerProtocol).run()),
    ]
    try:
        with capture_logs() as log:
            yield Running(folder=folder, pipeline=pipeline, vault=vault, capturing=capturing, served=served, log=log)
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await store.close()
