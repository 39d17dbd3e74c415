"""An agent of which only accounts matter: a real store, audit and control socket, no Asterisk."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import httpx
from structlog.testing import capture_logs

from agent import world
from agent.core.accounts import ZONE
from agent.core.engine import Engine
from agent.core.normalise import Linker
from agent.core.numbering import Plan
from agent.core.policy import Policy
from agent.core.records import OptIn, Record, document
from agent.duties.passing import Passing
from agent.people.accounts import Accounts
from agent.people.control import Keeping
from agent.people.importing import Importing
from agent.pipeline import Pipeline
from agent.stores.sqlite import Fields, SqliteReader, SqliteStore
from agent.views import accounts, control, unix
from agent.views.api import Http
from tests.integration import audited
from tests.integration.commands import told
from tests.scenarios.made import AT

#: What the agent's clock says (ms).
NOW = AT + 60_000


@dataclass(slots=True)
class Accounted:
    """The agent, and ways to ask it."""

    folder: Path
    pipeline: Pipeline
    keeping: Keeping
    store: SqliteStore
    fields: Fields | None
    #: What it has logged.
    log: list[Any]
    #: Why opt-ins that stand record nothing, look by look.
    told: list[str | None] = field(default_factory=list)

    async def keep(self, *records: Record) -> None:
        await self.keeping.keep(records)

    def passing(self, now: int = NOW) -> Passing:
        """What sees to lines that pass on, with a clock that says ``now`` (ms)."""
        engine = self.pipeline.engine

        async def withdraw(given: OptIn) -> None:
            await self.keep(*engine.consents.withdraw(given.id, "a test", now))

        return Passing(
            consents=engine.consents,
            withdraw=withdraw,
            retire=self.store.retire_lines,
            reader=self.reader,
            tell=self.told.append,
            clock=lambda: now,
        )

    def reader(self) -> SqliteReader:
        return SqliteReader(self.folder / "agent.sqlite", self.fields)

    async def calls(self, *records: Record) -> None:
        """Store records of the ordinary lane."""
        await self.store.commit(records, durable=True)

    def stored(self, kind: str) -> list[dict[str, Any]]:
        with SqliteReader(self.folder / "agent.sqlite") as reader:
            return [json.loads(json.dumps(document(record))) for record in reader.read(kind)]

    def audited(self) -> list[tuple[str, str | None, str]]:
        found = sorted(self.stored("audit"), key=lambda each: int(each["seq"]))
        return [(each["use"], each["subject"], each["reason"]) for each in found]

    async def asked(self, path: str, content: Any = None) -> httpx.Response:
        body = content if isinstance(content, bytes) else json.dumps(content or {}).encode()
        transport = httpx.AsyncHTTPTransport(uds=str(unix.beside(self.folder / "agent.sqlite")))
        async with httpx.AsyncClient(transport=transport, base_url="http://agent", timeout=60) as client:
            return await client.post(path, content=body)

    async def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(told, *arguments, cwd=self.folder, **environ)

    async def json(self, *arguments: str) -> list[Any]:
        done = await self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    async def imported(self, text: str, *options: str, name: str = "accounts.csv") -> subprocess.CompletedProcess[str]:
        """Import a file that holds ``text``."""
        (self.folder / name).write_text(text)
        return await self.run("account", "import", name, *options)


@asynccontextmanager
async def accounted(folder: Path, fields: Fields | None = None) -> AsyncIterator[Accounted]:
    """An agent with its store and configuration in ``folder``; ``fields`` lock what is personal."""
    folder.mkdir(exist_ok=True)
    (folder / "agent.toml").write_text('[store]\nurl = "sqlite:///./agent.sqlite"\n')
    path = folder / "agent.sqlite"
    store = await SqliteStore.open(path, fields=fields)
    pipeline = Pipeline(Engine(policy=Policy(), link=Linker(world.link_key(path)), new_id=world.new_id), store)
    keeping = Keeping(pipeline)
    auditing = await audited.auditing(store, path, pipeline, keeping, lambda: NOW, fields)
    looking = Accounts(auditing=auditing, reader=lambda: SqliteReader(path, fields), plan=Plan(), clock=lambda: NOW)
    agent = Accounted(folder=folder, pipeline=pipeline, keeping=keeping, store=store, fields=fields, log=[])
    importing = Importing(
        keeping=keeping,
        auditing=auditing,
        reader=lambda: SqliteReader(path, fields),
        changing=agent.passing().changing,
        plan=Plan(),
        zone=ZoneInfo(ZONE),
        clock=lambda: NOW,
        new_id=world.new_id,
    )
    routes = control.application(
        cast(control.Controls, None), partial(accounts.add, controls=looking, importing=importing)
    )
    listening = unix.listen(unix.beside(path))
    tasks = [
        asyncio.create_task(pipeline.run()),
        asyncio.create_task(Http(routes, listening, protocol=unix.PeerProtocol).run()),
    ]
    try:
        with capture_logs() as agent.log:
            yield agent
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        unix.remove(unix.beside(path))
        await store.close()
