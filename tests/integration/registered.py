"""An agent of which only the audit and the register matter: a real store, pipeline and control socket, no Asterisk."""

import asyncio
import json
import secrets
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import httpx
from fastapi import FastAPI
from structlog.testing import capture_logs

from agent import world
from agent.core.engine import Engine
from agent.core.normalise import Linker
from agent.core.numbering import Plan
from agent.core.policy import Policy
from agent.core.records import Record, document
from agent.people.auditing import Auditing
from agent.people.consents import Consents
from agent.people.control import Keeping
from agent.people.disclosures import Disclosures, restored
from agent.people.permitting import Permitting
from agent.pipeline import Pipeline
from agent.stores.bundles import Bundles
from agent.stores.sqlite import SqliteReader, SqliteStore
from agent.stores.vault.signing import Signer
from agent.views import audit, control, disclosures, unix
from agent.views.api import Http
from tests.integration import audited
from tests.integration.commands import told
from tests.scenarios.made import AT


@dataclass(slots=True)
class Registered:
    """The agent, and ways to ask it."""

    folder: Path
    pipeline: Pipeline
    keeping: Keeping
    auditing: Auditing
    disclosures: Disclosures
    #: What it has logged.
    log: list[Any]
    #: What its clock says (ms).
    now: int = AT + 60_000

    def tick(self) -> int:
        """The clock: no two of its instants are the same."""
        self.now += 1
        return self.now

    @property
    def store(self) -> Path:
        return self.folder / "agent.sqlite"

    async def keep(self, *records: Record) -> None:
        await self.keeping.keep(records)

    def stored(self, kind: str) -> list[dict[str, Any]]:
        with SqliteReader(self.store) as reader:
            return [json.loads(json.dumps(document(record))) for record in reader.read(kind)]

    async def written(self, kind: str) -> None:
        """Return when a record of this kind is stored."""
        stored = asyncio.Event()

        def heard(_lane: object, records: Sequence[Record], _seconds: float) -> None:
            if any(kind == record.KIND for record in records):
                stored.set()

        self.pipeline.observers.append(heard)
        async with asyncio.timeout(60):
            await stored.wait()

    async def asked(self, path: str, content: Any = None) -> httpx.Response:
        transport = httpx.AsyncHTTPTransport(uds=str(unix.beside(self.store)))
        async with httpx.AsyncClient(transport=transport, base_url="http://agent", timeout=60) as client:
            return await client.post(path, content=json.dumps(content or {}).encode())

    async def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(told, *arguments, cwd=self.folder, **environ)

    async def json(self, *arguments: str) -> list[Any]:
        done = await self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@asynccontextmanager
async def registered(
    folder: Path, more: Callable[[FastAPI, Registered], None] = lambda routes, agent: None
) -> AsyncIterator[Registered]:
    """An agent with its store and configuration in ``folder``, which may be an earlier one's; ``more`` adds routes."""
    folder.mkdir(exist_ok=True)
    (folder / "agent.toml").write_text('[store]\nurl = "sqlite:///./agent.sqlite"\n')
    path = folder / "agent.sqlite"
    store = await SqliteStore.open(path)
    pipeline = Pipeline(Engine(policy=Policy(), link=Linker(world.link_key(path)), new_id=world.new_id), store)
    keeping = Keeping(pipeline)
    auditing = await audited.auditing(store, path, pipeline, keeping, lambda: agent.tick())
    disclosing = Disclosures(
        register=cache(lambda: restored(Signer(folder / "agent.sqlite.keys").sign, lambda: SqliteReader(path))),
        permitting=Permitting(reader=lambda: SqliteReader(path), clock=lambda: agent.tick()),
        auditing=auditing,
        bundles=Bundles(folder / "agent.sqlite.disclosures"),
        keep=keeping.keep,
        reader=lambda: SqliteReader(path),
        plan=Plan(),
        clock=lambda: agent.tick(),
        new_id=world.new_id,
        new_salt=lambda: secrets.token_hex(32),
    )
    consenting = Consents(
        auditing=auditing,
        keep=keeping.keep,
        reader=lambda: SqliteReader(path),
        clock=lambda: agent.tick(),
        new_id=world.new_id,
    )
    agent = Registered(
        folder=folder, pipeline=pipeline, keeping=keeping, auditing=auditing, disclosures=disclosing, log=[]
    )
    routes = control.application(
        cast(control.Controls, None),
        partial(audit.add, controls=auditing),
        partial(disclosures.add, controls=disclosing, consents=consenting),
    )
    more(routes, agent)
    listening = unix.listen(unix.beside(path))
    tasks = [
        asyncio.create_task(pipeline.run()),
        asyncio.create_task(Http(routes, listening, protocol=unix.PeerProtocol).run()),
    ]
    try:
        with capture_logs() as log:
            agent.log = log
            yield agent
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        unix.remove(unix.beside(path))
        await store.close()
