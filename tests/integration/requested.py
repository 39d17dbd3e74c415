"""An agent of which customers' requests matter, beside the audit: `registered`, with the accounts of two customers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent import world
from agent.config import Config
from agent.core.holds import Holds
from agent.core.numbering import Plan
from agent.core.records import Account, Request, Service
from agent.duties.erasing import Eraser
from agent.duties.passing import Passing
from agent.people.importing import Importing
from agent.people.recordings import Recordings
from agent.people.requests import Requests
from agent.people.subjects import Subjects
from agent.stores.erasures import Erasures
from agent.stores.sqlite import SqliteReader
from agent.views import recordings, requests, subjects
from tests.integration.recorded import MemoryVault, NoCalls
from tests.integration.registered import Registered, registered
from tests.scenarios.made import AT

DAY_MS = 86_400_000
WHY = ("--reason", "the customer wrote")


@dataclass(slots=True)
class Requested:
    """The agent, what it does about requests, and ways to ask it."""

    agent: Registered
    requests: Requests
    vault: MemoryVault

    async def opened(self, asks: str = "access", *more: str, account: str = "A1001") -> str:
        """A fresh request; its id."""
        (request,) = await self.agent.json("subject", "open", account, "--asks", asks, *more)
        return str(request["id"])

    async def request(self, id: str) -> dict[str, Any]:
        return next(each for each in self.agent.stored("request") if each["id"] == id)


def account(reference: str = "A1001", line: str = "201", number: str = "01134960101") -> list[Account | Service]:
    """An account with a line and a number, since before anything that tests know of."""
    since = AT - 400 * DAY_MS
    return [
        Account(id=world.new_id(), account=reference, opened_at=since),
        Service(id=world.new_id(), account=reference, line=line, from_at=since),
        Service(id=world.new_id(), account=reference, number=number, from_at=since),
    ]


@asynccontextmanager
async def requested(folder: Path) -> AsyncIterator[Requested]:
    """An agent with the accounts A1001 (line 201) and A1002 (line 202); its clock is its own."""
    made: list[Requests] = []
    vault = MemoryVault()

    def add(routes: Any, agent: Registered) -> None:
        made.append(
            Requests(
                pipeline=agent.pipeline,
                keep=agent.keeping.keep,
                auditing=agent.auditing,
                reader=lambda: SqliteReader(agent.store),
                clock=agent.tick,
                new_id=world.new_id,
            )
        )
        requests.add(routes, made[0])
        eraser = Eraser(
            store=agent.pipeline._store,
            reader=lambda: SqliteReader(agent.store),
            ledger=Erasures(agent.folder / "agent.sqlite.keys.erasures", bytes(32)),
            destroy=vault.destroy,
            withdraw=lambda given: agent.keep(replace(given, withdrawn_at=agent.tick(), withdrawn_by="erasure")),
            retire=agent.pipeline._store.retire_lines,  # type: ignore[attr-defined]
            forget=None,
            holds=Holds,
            gate=asyncio.Lock(),
            days=Config().retention.days,
            clock=agent.tick,
            new_id=world.new_id,
        )
        services = Importing(
            keeping=agent.keeping,
            auditing=agent.auditing,
            reader=lambda: SqliteReader(agent.store),
            changing=Passing(
                consents=agent.pipeline.engine.consents,
                withdraw=lambda given: agent.keep(replace(given, withdrawn_at=agent.tick(), withdrawn_by="agent")),
                retire=agent.pipeline._store.retire_lines,  # type: ignore[attr-defined]
                reader=lambda: SqliteReader(agent.store),
                tell=lambda what: None,
                clock=agent.tick,
            ).changing,
            plan=Plan(),
            zone=ZoneInfo("Europe/London"),
            clock=agent.tick,
            new_id=world.new_id,
        )
        heard = Recordings(
            pipeline=agent.pipeline,
            keeping=agent.keeping,
            auditing=agent.auditing,
            vault=vault,
            capturing=NoCalls(),
            reader=lambda: SqliteReader(agent.store),
            held=lambda content: False,
            destroying=asyncio.Lock(),
            clock=agent.tick,
            new_id=world.new_id,
        )
        recordings.add(routes, heard)
        asked = Subjects(
            find=made[0].find,
            auditing=agent.auditing,
            erasing=eraser,
            canary=None,
            services=services,
            reword=agent.pipeline.engine.consents.reworded,
            keep=agent.keeping.keep,
            reader=lambda: SqliteReader(agent.store),
            plan=Plan(),
            clock=agent.tick,
        )
        subjects.add(routes, asked)

    async with registered(folder, add) as agent:
        if not agent.stored("account"):
            await agent.keep(*account(), *account("A1002", "202", "01134960102"))
        with SqliteReader(agent.store) as reader:
            made[0].restore(reader.open(Request))
        yield Requested(agent=agent, requests=made[0], vault=vault)
